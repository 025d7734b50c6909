//! The plan as a whole.

use super::order::{ForeignKey, order};
use super::statement::{again, back};
use super::{Asked, Done, Table, Undone};
use crate::catalog::LockMode;
use crate::change::plan::{Phase, Plan, Risk, Step};

/// Texts of values are read as the log has written them.
const PINNED: &str = "SELECT pg_catalog.set_config(s.name, s.setting, true) FROM (VALUES ('DateStyle', 'ISO, YMD'), \
                      ('IntervalStyle', 'postgres'), ('TimeZone', 'UTC'), ('lc_monetary', 'C')) s(name, setting)";

/// At so many rows the check looks; the statements look at each.
const CHECKED: usize = 200;

/// The plan that takes changes back, given the first first. All of them or none: one step, one transaction.
pub fn plan(asked: Asked, tables: &[Table], keys: &[ForeignKey], undone: &[Undone]) -> Plan {
    let with_table = || undone.iter().filter_map(|each| tables.get(each.table).map(|table| (table, each)));
    let mut sql = vec![PINNED.to_owned()];
    for place in order(keys, undone) {
        let each = &undone[place];
        sql.extend(tables.get(each.table).map(|table| back(table, each)));
    }
    let mut redo = vec![format!("{PINNED};")];
    redo.extend(with_table().map(|(table, each)| format!("{};", again(table, each))));
    let checks = checks(tables, undone);
    let mut step = Step::new(Phase::Switch, "")
        .lock(LockMode::RowExclusive)
        .undo(redo.join("\n"))
        .note(format!("takes {} changes back, the last first", undone.len()));
    step.sql = sql;
    if !checks.is_empty() {
        step = step.verify(format!("SELECT {}", checks.join("\n   AND ")));
    }
    Plan {
        title: asked.title,
        change: asked.call,
        risk: Risk::Low,
        requires: vec![
            "Triggers of the tables run as at any other change, and what they do comes on top.".to_owned(),
        ],
        seconds: None,
        search_path: String::new(),
        steps: vec![step],
        verify: Vec::new(),
    }
}

/// What is true once all is taken back: what the first change of each row found.
fn checks(tables: &[Table], undone: &[Undone]) -> Vec<String> {
    let mut seen: Vec<(usize, Vec<(String, String)>)> = Vec::new();
    let mut checks = Vec::new();
    for each in undone {
        let Some(table) = tables.get(each.table) else { continue };
        let (first, then) = match each.done {
            Done::Inserted => (&each.after, &each.after),
            Done::Updated | Done::Deleted => (&each.before, &each.after),
        };
        let key = (each.table, table.key_of(first));
        // A row that an earlier change has led here is known by what that change found.
        let is_known = seen.contains(&key);
        let next = (each.table, table.key_of(then));
        if !seen.contains(&next) && each.done != Done::Deleted {
            seen.push(next);
        }
        if is_known || table.key.is_empty() || checks.len() >= CHECKED {
            continue;
        }
        seen.push(key);
        checks.push(match each.done {
            Done::Inserted => format!("NOT {}", table.exists(&table.key_of(&each.after))),
            Done::Updated | Done::Deleted => table.exists(&each.before),
        });
    }
    checks
}
