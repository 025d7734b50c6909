//! Method `copy`: the steps in their order. What copies, and swaps, is `partition::copy`; [`definition`] says what it does.

mod definition;
pub mod refusals;
#[cfg(test)]
mod tests;

pub use definition::{definition, key_type, lines};

use super::attach::{analyzed, changes, indexes, is_whole, listed, managed, proved};
use super::references::{self, Reference};
use super::words::{add_constraint, comment, to_regclass, validate};
use super::{Conversion, facts::Constraint};
use crate::catalog::LockMode;
use crate::change::plan::{Phase, Plan, Risk, Step};
use crate::change::proof;
use crate::text::size::pretty_bytes;
use crate::text::{quote_identifier, quote_literal};

/// The plan. `references`: foreign keys of other tables that gain the key; `job`: the number of the copy; `free`: the room on the disk, where that is known.
pub fn plan(conversion: &Conversion<'_>, references: &[Reference<'_>], job: i64, free: Option<u64>) -> Plan {
    let table = conversion.table;
    let qualified = table.qualified();
    let mut steps: Vec<Step> =
        references.iter().flat_map(|reference| reference.prepared(conversion)).collect();
    steps.extend(indexes(conversion));
    steps.extend(references.iter().flat_map(|reference| reference.pointed(conversion)));
    let mut proofs = proved(conversion);
    if let Some(last) = proofs.last_mut() {
        // The step that copies is taken back here, so that it is where it was interrupted, too.
        last.undo.push(call(job, "aborted"));
    }
    steps.extend(proofs);
    steps.extend(copied(conversion, job, references));
    steps.extend(table.foreign_keys().flat_map(|key| foreign_key(conversion, key)));
    steps.extend(references.iter().map(Reference::proved));
    let plain = references::plain(conversion);
    steps.extend(plain.iter().filter(|other| other.is_valid).map(|other| {
        Step::new(Phase::Switch, validate(&other.qualified(), &other.name))
            .lock(LockMode::ShareUpdateExclusive)
            .verify(proof::has_valid_constraint(&other.qualified(), &other.name))
            .note("reads every row while others read and write")
    }));
    steps.extend(after(conversion, job));
    Plan {
        title: format!(
            "partition {qualified} by {}: its rows are copied into {} partitions",
            conversion.key().quoted(),
            conversion.wish.partitions.len()
        ),
        change: conversion.wish.asked.clone(),
        // The last step drops the old table.
        risk: Risk::High,
        requires: requires(conversion, references, free),
        seconds: Some(((table.all_bytes as f64 / 2e8).max(1.0), (table.all_bytes as f64 / 1e7).max(10.0))),
        search_path: String::new(),
        steps,
        verify: is_whole(conversion),
    }
}

fn call(job: i64, upto: &str) -> String {
    format!("CALL dbm.partition_copy({job}, '{upto}')")
}

/// Whether the copy is in one of these phases.
fn is_at(job: i64, phases: &[&str]) -> String {
    let phases: Vec<String> = phases.iter().map(|phase| quote_literal(phase)).collect();
    format!(
        "SELECT EXISTS (SELECT FROM dbm.partition_copy_status() WHERE job = {job} AND phase IN ({}))",
        phases.join(", ")
    )
}

/// The copy, and the switch.
fn copied(conversion: &Conversion<'_>, job: i64, references: &[Reference<'_>]) -> [Step; 2] {
    let table = conversion.table.qualified();
    let copied = Step::alone(Phase::Backfill, call(job, "ready"))
        .lock(LockMode::ShareRowExclusive)
        .verify(is_at(job, &["ready", "swapped", "verified", "cleaned"]))
        .note(format!(
            "copies the rows of {table} in batches, writes down in a journal what changes meanwhile, and compares both; writers wait \
             for the instant of CREATE TRIGGER; SELECT * FROM dbm.partition_copy_status() says how far it is"
        ));
    let mut swapped = Step::alone(Phase::Switch, call(job, "swapped"))
        .lock(LockMode::AccessExclusive)
        .undo(call(job, "aborted"))
        .verify(is_at(job, &["swapped", "verified", "cleaned"]))
        .note(format!(
            "under one lock the last rows are copied and the names change hands; {} is kept, and what is written from here on is written \
             down, so that the way back loses nothing",
            conversion.history()
        ));
    for key in conversion.table.foreign_keys() {
        swapped = swapped.undo(validate(&table, &key.name));
    }
    for sql in references.iter().filter_map(Reference::back_proved) {
        swapped = swapped.undo(sql);
    }
    for other in references::plain(conversion).into_iter().filter(|other| other.is_valid) {
        swapped = swapped.undo(validate(&other.qualified(), &other.name));
    }
    [copied, swapped]
}

/// A foreign key of the table after the switch: partitions have it, new rows are looked up; now the others are, too.
fn foreign_key(conversion: &Conversion<'_>, key: &Constraint) -> [Step; 2] {
    let table = conversion.table.qualified();
    let name = quote_identifier(&key.name);
    let partitions: Vec<String> =
        conversion.wish.partitions.iter().map(|partition| conversion.table.beside(&partition.name)).collect();
    let mut proofs = partitions.iter().map(|partition| validate(partition, &key.name));
    let mut proved = Step::new(Phase::Switch, proofs.next().unwrap_or_else(|| "SELECT".to_owned()));
    proved.sql.extend(proofs);
    let numbers: Vec<String> = partitions.iter().map(|partition| to_regclass(partition)).collect();
    let proved = proved
        .lock(LockMode::ShareUpdateExclusive)
        .verify(format!(
            "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE conname = {} AND NOT convalidated AND conrelid IN ({}))",
            quote_literal(&key.name),
            numbers.join(", ")
        ))
        .note("reads every row while others read and write; new rows have been looked up since the switch");
    let mut whole = Step::new(Phase::Switch, add_constraint(&table, &key.name, &key.definition));
    whole.sql.extend(comment(&format!("CONSTRAINT {name} ON {table}"), key.comment.as_ref()));
    let whole = whole
        .lock(LockMode::ShareRowExclusive)
        .verify(proof::has_constraint(&table, &key.name))
        .note("no row is read: it takes over those of the partitions");
    [proved, whole]
}

/// What is left to be done once the table is partitioned.
fn after(conversion: &Conversion<'_>, job: i64) -> Vec<Step> {
    let wish = conversion.wish;
    let history = conversion.history();
    let mut steps = vec![
        managed(conversion, wish.manage_all.as_ref().unwrap_or(&wish.manage)).note(if wish.manage_all.is_some() {
            "from here on upkeep makes new partitions ahead of time; it lets old ones go once the way back is closed"
        } else {
            "from here on upkeep makes new partitions ahead of time"
        }),
        analyzed(conversion),
        // Taken back first of all: where there is no way back, all stays as it is.
        Step::alone(Phase::Switch, call(job, "verified"))
            .undo(call(job, "verified"))
            .verify(is_at(job, &["verified", "cleaned"]))
            .note(format!(
                "compares all rows of {} and {history} once more, as they are in one moment; before a way back the same",
                conversion.table.qualified()
            )),
        Step::by_hand(
            Phase::Contract,
            format!(
                "keep {history} as long as the way back is wanted, then confirm this step. Until then CALL dbm.undo() takes all back with \
                 all that was written since; every change of a row is written down, and {} now and then keeps that small. A partition \
                 that is truncated, detached or dropped closes the way back",
                call(job, "verified")
            ),
        ),
        Step::alone(Phase::Contract, call(job, "cleaned"))
            .lock(LockMode::AccessExclusive)
            .verify(is_at(job, &["cleaned"]))
            .note(format!("drops {history} and the journal: from here on there is no way back")),
    ];
    if wish.manage_all.is_some() {
        steps.push(
            Step::new(Phase::Contract, wish.manage.clone())
                .note("from here on upkeep lets old partitions go"),
        );
    }
    steps
}

fn requires(conversion: &Conversion<'_>, references: &[Reference<'_>], free: Option<u64>) -> Vec<String> {
    let (table, around) = (conversion.table, conversion.around);
    let qualified = table.qualified();
    let mut requires = changes(conversion, references);
    let bytes = pretty_bytes(u64::try_from(table.all_bytes).unwrap_or(0));
    requires.push(match free {
        Some(free) => format!("the copy takes about {bytes} in the tablespace of {qualified}, where {} are free; WAL comes on top", pretty_bytes(free)),
        None => format!("the copy takes about {bytes} in the tablespace of {qualified}; how much is free there is unknown"),
    });
    for index in table.indexes.iter().filter(|index| {
        index.is_unique
            && index.is_valid
            && index.constraint_kind != Some('p')
            && !super::names::holds(index, &conversion.wish.key)
    }) {
        requires.push(format!(
            "the unique index {} gains {}: without it values are no longer kept unique",
            quote_identifier(&index.name),
            conversion.key().quoted()
        ));
    }
    let referenced: Vec<String> =
        table.foreign_keys().filter_map(|key| key.referenced.clone()).fold(Vec::new(), |mut all, name| {
            if !all.contains(&name) {
                all.push(name);
            }
            all
        });
    if !referenced.is_empty() {
        requires.push(format!(
            "the switch locks {}, to which {qualified} points, for its moment, too: whoever reads one of them for long keeps it waiting",
            referenced.join(", ")
        ));
    }
    for slot in &around.slots {
        requires.push(format!(
            "the logical replication slot {slot} reads every row that is copied, and keeps WAL until it has"
        ));
    }
    let names: Vec<String> =
        conversion.wish.partitions.iter().map(|partition| partition.name.clone()).take(3).collect();
    for name in &around.wide_publications {
        requires.push(format!(
            "publication {name} sends the copy to its subscribers while it is made: they need the tables {}, … before it begins",
            listed(&names)
        ));
    }
    if table.triggers.iter().any(|trigger| trigger.is_row) {
        requires.push("row triggers fire for what the application writes, not for what is copied".to_owned());
    }
    requires
}
