//! Which locks an action takes on what others use.

use super::super::set::Set;
use super::super::upkeep::Action;
use crate::text::quote_qualified;

/// The locks of an action for people, and what they are held for.
pub fn locks(action: &Action, set: &Set) -> String {
    let parent = quote_qualified(&set.schema, &set.name);
    let default = set.partitions.iter().find(|partition| partition.is_default);
    let default = default.map(|default| quote_qualified(&default.schema, &default.name));
    let own = |name: &str| {
        let partition = set.partitions.iter().find(|partition| partition.name == name);
        partition
            .map_or_else(|| name.to_owned(), |partition| quote_qualified(&partition.schema, &partition.name))
    };
    let mut locks: Vec<String> = Vec::new();
    match action {
        Action::Create { .. } => {
            locks.push(format!("SHARE UPDATE EXCLUSIVE on {parent}"));
            locks.extend(default.map(|default| format!("ACCESS EXCLUSIVE on {default}")));
            locks.extend(set.references.iter().map(|table| format!("SHARE ROW EXCLUSIVE on {table}")));
        }
        Action::CreateDefault { .. } => {
            locks.push(format!("SHARE UPDATE EXCLUSIVE on {parent}"));
            locks.extend(set.references.iter().map(|table| format!("SHARE ROW EXCLUSIVE on {table}")));
        }
        Action::Retire { name, concurrently: true, .. } => {
            locks.push(format!("SHARE UPDATE EXCLUSIVE on {parent}"));
            locks.push(format!("ACCESS EXCLUSIVE on {} when nobody uses it any more", own(name)));
            locks.extend(set.referenced_by.iter().map(searched));
        }
        Action::Retire { name, concurrently: false, .. } => {
            locks.push(format!("ACCESS EXCLUSIVE on {parent}"));
            locks.extend(default.map(|default| format!("ACCESS EXCLUSIVE on {default}")));
            locks.push(format!("ACCESS EXCLUSIVE on {}", own(name)));
            locks.extend(set.referenced_by.iter().map(searched));
        }
        Action::Finalize { name, .. } => {
            locks.push(format!("SHARE UPDATE EXCLUSIVE on {parent}"));
            locks.push(format!("ACCESS EXCLUSIVE on {}", own(name)));
        }
        Action::DropConstraint { .. } => {
            locks.extend(default.map(|default| format!("ACCESS EXCLUSIVE on {default}")));
        }
        Action::Drain => {
            locks.push(format!("ACCESS EXCLUSIVE on {parent} for the swap"));
            locks.extend(default.map(|default| format!("ACCESS EXCLUSIVE on {default} for the swap")));
        }
        Action::DropDetached { name, .. } => {
            locks.push(format!("ACCESS EXCLUSIVE on {name}"));
            locks.extend(
                set.references
                    .iter()
                    .map(|table| format!("ACCESS EXCLUSIVE on {table} to drop the foreign key")),
            );
        }
        Action::Stop { .. } => {}
    }
    locks.join("; ")
}

/// The locks that a detaching takes on a table with a foreign key to the set.
fn searched(table: &String) -> String {
    format!(
        "SHARE on {table} while it is searched for rows that point to the partition, then ACCESS EXCLUSIVE"
    )
}

/// For how many locks an action may have to wait one after the other while it holds one that keeps writers waiting.
pub fn strong_waits(action: &Action, set: &Set) -> u32 {
    let default = u32::from(set.partitions.iter().any(|partition| partition.is_default));
    let count = |tables: &[String]| u32::try_from(tables.len()).unwrap_or(u32::MAX);
    match action {
        Action::Create { .. } | Action::CreateDefault { .. } => (default + count(&set.references)).max(1),
        Action::Retire { concurrently: true, .. } => 1 + count(&set.referenced_by),
        Action::Retire { .. } => 2 + default + count(&set.referenced_by),
        _ => 1,
    }
}
