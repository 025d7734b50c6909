//! What cannot be converted by a copy though it could be otherwise.

use super::super::facts::{Around, Table};
use super::super::refusals::{Kind, Refused, refused};
use crate::text::quote_identifier;
use crate::text::size::pretty_bytes;

/// More partitions are not made: each makes the switch longer.
pub const MOST: usize = 1_000;

/// Why it cannot; `None` where it can. `has_key`: whether rows can be told apart; `partitions`: how many there will be; `free`:
/// the room on the disk, where that is known.
pub fn refusal(
    table: &Table,
    around: &Around,
    has_key: bool,
    partitions: usize,
    free: Option<u64>,
) -> Option<Refused> {
    let name = table.qualified();
    if !has_key {
        return Some(refused(
            Kind::Prerequisite,
            format!("{name} has no key by which its rows could be told apart while others write"),
            "Give it a primary key, or a unique index on columns that are NOT NULL, first; method => 'attach' needs none.",
        ));
    }
    if partitions > MOST {
        return Some(refused(
            Kind::Unsupported,
            format!(
                "the rows of {name} would need {partitions} partitions, and no more than {MOST} are made at once"
            ),
            "Choose a greater width.",
        ));
    }
    let needed = u64::try_from(table.all_bytes).unwrap_or(0);
    if let Some(free) = free.filter(|free| *free < needed) {
        let mut why = refused(
            Kind::Prerequisite,
            format!("there is no room for a copy of {name}"),
            "Make room in its tablespace first, or use method => 'attach', which copies nothing.",
        );
        why.refusal = why.refusal.detail(format!(
            "It takes about {}, and {} are free.",
            pretty_bytes(needed),
            pretty_bytes(free)
        ));
        return Some(why);
    }
    owner(table, around)
}

/// All is done with the rights of the table's owner.
fn owner(table: &Table, around: &Around) -> Option<Refused> {
    let (name, owner) = (table.qualified(), &table.owner);
    let no = |what: String| {
        Some(refused(
            Kind::Unsupported,
            format!("{owner}, the owner of {name}, has no rights to {what}"),
            format!(
                "The switch is made with the rights of {owner}: make {owner} a member of the other owner for as long as it takes, or use \
                 method => 'attach'."
            ),
        ))
    };
    if let Some(other) = around.rebuilt.iter().find(|other| !other.is_of_owner) {
        return no(format!("make the {} {} again, which reads it", other.kind, other.name));
    }
    if let Some(other) = around.incoming.iter().find(|other| !other.is_of_owner) {
        return no(format!("change {}, whose foreign key points to it", other.qualified()));
    }
    if let Some(other) = around.publications.iter().find(|other| !other.is_of_owner) {
        return no(format!("change publication {}, which publishes it", other.name));
    }
    if let Some(other) = table.statistics.iter().find(|other| other.owner != *owner) {
        return no(format!("make the statistics object {} for {}", other.qualified(), other.owner));
    }
    if let Some(other) = table.triggers.iter().find(|other| !other.may_owner_make) {
        return no(format!("run the function of its trigger {}", quote_identifier(&other.name)));
    }
    if let Some(key) = table.foreign_keys().find(|key| !key.may_owner_refer) {
        return no(format!(
            "refer to {}, to which its foreign key {} points",
            key.referenced.as_deref().unwrap_or_default(),
            quote_identifier(&key.name)
        ));
    }
    None
}
