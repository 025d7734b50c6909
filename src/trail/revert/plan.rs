//! The plan as a whole.

use std::collections::HashSet;

use super::order::{ForeignKey, order};
use super::statement::{Written, again, back, block};
use super::triggered::{LEFT, told};
use super::{Asked, Done, Table, Undone, Values};
use crate::catalog::LockMode;
use crate::change::plan::{Phase, Plan, Risk, Step};
use crate::text::quote_identifier;

/// Texts of values are read as the log has written them.
const PINNED: &str = "SELECT pg_catalog.set_config(s.name, s.setting, true) FROM (VALUES ('DateStyle', 'ISO, YMD'), \
                      ('IntervalStyle', 'postgres'), ('TimeZone', 'UTC'), ('lc_monetary', 'C')";

/// At so many rows the check looks; the statements look at each.
const CHECKED: usize = 200;

/// The plan that takes changes back, given the first first. All of them or none: one step, one transaction.
pub fn plan(asked: Asked, tables: &[Table], keys: &[ForeignKey], undone: &[Undone]) -> Plan {
    let has_triggers = tables.iter().any(|table| !table.triggers.is_empty());
    let noted = if has_triggers { format!(", ('{LEFT}', '')") } else { String::new() };
    let pinned = format!("{PINNED}{noted}) s(name, setting)");
    let mut sql = vec![pinned.clone()];
    let mut written = Written::default();
    for place in order(keys, undone) {
        let each = &undone[place];
        sql.extend(tables.get(each.table).map(|table| back(table, each, &mut written)));
    }
    let mut redo = vec![format!("{pinned};")];
    let mut written = Written::default();
    for each in undone {
        let table = tables.get(each.table);
        redo.extend(table.map(|table| format!("{};", again(table, each, &mut written))));
    }
    let checks = checks(tables, undone);
    let mut notes = vec![format!("takes {} changes back, the last first", undone.len())];
    let mut requires =
        vec!["Triggers of the tables run as at any other change, and what they do comes on top.".to_owned()];
    for told in tables.iter().filter_map(told_of_triggers) {
        requires.push(told.clone());
        notes.push(told);
    }
    let mut verify = None;
    if !checks.conditions.is_empty() {
        let all = checks.conditions.join("\n   AND ");
        if checks.are_complete {
            verify = Some(format!("SELECT {all}"));
        } else {
            // Asked before, it would let the whole step be skipped where those rows alone are what they should be.
            let body = format!(
                "  IF NOT ({all}) THEN\n    RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state', MESSAGE = \
                 'not all rows are what they were before: something changed them again';\n  END IF;\n"
            );
            sql.push(block("", &body));
        }
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
    step.verify = verify;
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

struct Checks {
    conditions: Vec<String>,
    /// Whether all that is to be taken back is known to be so if they hold.
    are_complete: bool,
}

/// What is true once all is taken back: what the first change of each row found.
fn checks(tables: &[Table], undone: &[Undone]) -> Checks {
    let mut seen: HashSet<(usize, Values)> = HashSet::new();
    let mut conditions = Vec::new();
    let mut are_complete = true;
    for each in undone {
        let Some(table) = tables.get(each.table) else { continue };
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
        if table.key.is_empty() {
            are_complete = false;
            continue;
        }
        if is_known {
            continue;
        }
        if conditions.len() >= CHECKED {
            are_complete = false;
            continue;
        }
        seen.insert(key);
        // Where triggers have a say in the row, its statement looks at it.
        let is_theirs = match each.done {
            Done::Inserted => false,
            Done::Updated => table.may_change_updates(),
            Done::Deleted => !table.triggers.is_empty(),
        };
        are_complete &= !is_theirs;
        let first = if is_theirs { table.key_of(&each.before) } else { each.before.clone() };
        conditions.push(match each.done {
            Done::Inserted => format!("NOT {}", table.exists(&table.key_of(&each.after))),
            Done::Updated | Done::Deleted => table.exists(&first),
        });
    }
    Checks { conditions, are_complete }
}
