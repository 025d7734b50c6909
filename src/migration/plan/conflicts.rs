//! Sub-commands of one statement that would tread on each other.

use rustc_hash::FxHashMap;

use super::recipe::NoPlan;
use super::words::names_used;
use crate::catalog::ddl::{Action, Alteration, Kind, Statement};
use crate::text::quote_identifier;

/// Refuses a statement two parts of which deal with one column, or that changes the types of several.
pub fn refuse(statement: &Statement, interrupt: &dyn Fn()) -> Result<(), NoPlan> {
    let actions = &statement.actions;
    if actions.iter().any(|action| changed(action).is_some()) {
        let users = users(actions, interrupt);
        for (place, action) in actions.iter().enumerate() {
            let Some(column) = changed(action) else { continue };
            let other = users.get(column).and_then(|users| users.iter().find(|other| **other != place));
            if let Some(other) = other {
                return Err(NoPlan::new(
                    format!(
                        "two parts of the statement deal with the column {}: {}; {}",
                        quote_identifier(column),
                        action.text,
                        actions[*other].text
                    ),
                    "ask for the plan of each part, one after the other",
                ));
            }
        }
    }
    let changes = actions.iter().filter(|action| {
        matches!(&action.kind, Kind::Alter(Alteration::ColumnType(facts)) if facts.rewrites != Some(false))
    });
    if changes.count() > 1 {
        return Err(NoPlan::new(
            "the statement changes the types of several columns, each of which needs a second column",
            "ask for the plan of each, one after the other",
        ));
    }
    Ok(())
}

/// The column that must not be dealt with elsewhere in the statement.
fn changed(action: &Action) -> Option<&str> {
    match &action.kind {
        Kind::Alter(Alteration::ColumnType(facts)) => Some(&facts.column),
        Kind::Alter(Alteration::DropColumn(facts)) => Some(&facts.column),
        _ => None,
    }
}

/// By name, the first two actions whose texts use it: each text is read once.
fn users(actions: &[Action], interrupt: &dyn Fn()) -> FxHashMap<String, Vec<usize>> {
    let mut users: FxHashMap<String, Vec<usize>> = FxHashMap::default();
    for (place, action) in actions.iter().enumerate() {
        interrupt();
        for name in names_used(&action.text) {
            let users = users.entry(name).or_default();
            // One of two is another one, whoever asks.
            if users.len() < 2 {
                users.push(place);
            }
        }
    }
    users
}
