//! The plan as a whole.

use std::collections::HashSet;

use super::order::{ForeignKey, order};
use super::rows::{Row, rows};
use super::statement::{Known, again, back, block};
use super::triggered::{LEFT, told};
use super::{Asked, Done, Table, Undone, Values};
use crate::catalog::LockMode;
use crate::change::plan::{Phase, Plan, Risk, Step};
use crate::text::quote_identifier;

/// Texts of values are read as the log has written them. Moments say their zone, so that triggers have the one of theirs.
const PINNED: &str = "SELECT pg_catalog.set_config(s.name, s.setting, true) FROM (VALUES ('DateStyle', 'ISO, YMD'), \
                      ('IntervalStyle', 'postgres'), ('lc_monetary', 'C')";

/// At so many rows the check looks; the statements look at each.
const CHECKED: usize = 200;

/// The plan that takes changes back, given the first first. All of them or none: one step, one transaction.
pub fn plan(asked: Asked, tables: &[Table], keys: &[ForeignKey], undone: &[Undone]) -> Plan {
    let has_triggers = tables.iter().any(|table| !table.triggers.is_empty());
    let noted = if has_triggers { format!(", ('{LEFT}', '')") } else { String::new() };
    let pinned = format!("{PINNED}{noted}) s(name, setting)");
    let mut sql = vec![pinned.clone()];
    let (of, rows) = rows(tables, undone);
    let children: HashSet<usize> = keys.iter().map(|key| key.child).collect();
    let led: HashSet<usize> = keys.iter().filter(|key| leads(tables, key)).map(|key| key.child).collect();
    let known = |row: &Row, goes: bool, found: &Values| Known {
        goes,
        found: found.clone(),
        may_be_set: children.contains(&row.table),
        may_be_led: led.contains(&row.table),
        ..Known::default()
    };
    let mut known_back: Vec<Known> = rows.iter().map(|row| known(row, row.came, &row.after)).collect();
    let mut known_again: Vec<Known> =
        rows.iter().map(|row| Known { may_be_set: true, ..known(row, row.went, &row.before) }).collect();
    for place in order(keys, undone) {
        let each = &undone[place];
        sql.extend(tables.get(each.table).map(|table| back(table, each, &mut known_back[of[place]])));
    }
    let mut redo = vec![format!("{pinned};")];
    for (each, &row) in undone.iter().zip(&of) {
        let table = tables.get(each.table);
        redo.extend(table.map(|table| format!("{};", again(table, each, &mut known_again[row]))));
    }
    let mut notes = vec![format!("takes {} changes back, the last first", undone.len())];
    let mut requires =
        vec!["Triggers of the tables run as at any other change, and what they do comes on top.".to_owned()];
    for told in tables.iter().filter_map(told_of_triggers) {
        requires.push(told.clone());
        notes.push(told);
    }
    let conditions = checks(tables, undone, &of, &rows);
    if !conditions.is_empty() {
        // No check of the step: asked before, it would let all be skipped where these rows alone are what they were, while
        // others, and other columns, are not.
        let body = format!(
            "  IF NOT ({}) THEN\n    RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state', MESSAGE = \
             'not all rows are what they were before: something changed them again';\n  END IF;\n",
            conditions.join("\n   AND ")
        );
        sql.push(block("", &body));
    }
    if has_triggers {
        sql.push(told());
        redo.push(format!("{};", told()));
    }
    let mut step = Step::new(Phase::Switch, "")
        .lock(LockMode::RowExclusive)
        .undo(redo.join("\n"))
        .note(notes.join("; "));
    step.sql = sql;
    Plan {
        title: asked.title,
        change: asked.call,
        risk: Risk::Low,
        requires,
        seconds: None,
        search_path: asked.search_path,
        steps: vec![step],
        verify: Vec::new(),
    }
}

/// What people are told of a table that has such triggers; `None` where it has none.
pub fn told_of_triggers(table: &Table) -> Option<String> {
    names_of_triggers(table)
        .map(|names| format!("columns of {} set by {names} are not taken back", table.name))
}

fn names_of_triggers(table: &Table) -> Option<String> {
    let names: Vec<String> = table.triggers.iter().map(|trigger| quote_identifier(&trigger.name)).collect();
    match names.as_slice() {
        [] => None,
        [name] => Some(format!("trigger {name}")),
        several => Some(format!("triggers {}", several.join(", "))),
    }
}

/// Whether rows may have gone after others by this foreign key: where their table has no key, by any.
fn leads(tables: &[Table], key: &ForeignKey) -> bool {
    tables.get(key.child).is_some_and(|table| {
        table.key.is_empty() || key.columns.iter().any(|(column, _)| table.key.contains(column))
    })
}

/// What is true once all is taken back: what the changes of each row found.
fn checks(tables: &[Table], undone: &[Undone], of: &[usize], rows: &[Row]) -> Vec<String> {
    let mut seen: HashSet<(usize, Values)> = HashSet::new();
    let mut conditions = Vec::new();
    for (each, &row) in undone.iter().zip(of) {
        let Some(table) = tables.get(each.table).filter(|table| !table.key.is_empty()) else { continue };
        let (first, then) = match each.done {
            Done::Inserted => (&each.after, &each.after),
            Done::Updated | Done::Deleted => (&each.before, &each.after),
        };
        let key = (each.table, table.key_of(first));
        // A row that an earlier change has led here is known by what that change found.
        let is_known = seen.contains(&key);
        if each.done != Done::Deleted {
            seen.insert((each.table, table.key_of(then)));
        }
        if is_known || conditions.len() >= CHECKED {
            continue;
        }
        seen.insert(key);
        // Where triggers have a say in the row, its statements look at it.
        let is_theirs = match each.done {
            Done::Inserted => false,
            Done::Updated => table.may_change_updates(),
            Done::Deleted => !table.triggers.is_empty(),
        };
        conditions.push(match each.done {
            Done::Inserted => format!("NOT {}", table.exists(&table.key_of(&each.after))),
            Done::Updated | Done::Deleted if is_theirs => table.exists(&table.key_of(&each.before)),
            // Later changes of it may have been taken back by putting it in.
            Done::Updated | Done::Deleted if !table.triggers.is_empty() => table.exists(&each.before),
            Done::Updated | Done::Deleted => table.exists(&rows[row].before),
        });
    }
    conditions
}
