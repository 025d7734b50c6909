//! The door of seals.

use pgrx::prelude::*;

use crate::pg::moment::timestamp;
use crate::pg::value::{JsonText, Text};
use crate::trail::live::{sealing, verifying};
use crate::trail::seal::record::{Kind, Seal};

fn counts(seal: &Seal) -> [i64; 3] {
    [Kind::Change, Kind::Activity, Kind::Event].map(|kind| seal.part(kind).count)
}

/// `dbm.seal_audit_log()`: seals what is in the log of transactions that are over; says what it sealed, seal by seal.
#[pg_extern(volatile, parallel_unsafe)]
fn seal_audit_log() -> TableIterator<
    'static,
    (
        name!(seal_id, i64),
        name!(changes, i64),
        name!(activities, i64),
        name!(events, i64),
        name!(digest, Text),
    ),
> {
    let sealed = sealing::seal();
    TableIterator::new(sealed.into_iter().map(|seal| {
        let digest = sealing::hex_digest(&seal);
        let [changes, activities, events] = counts(&seal);
        (seal.id, changes, activities, events, digest.into())
    }))
}

/// `dbm.verify_audit_log()`: what in the log is not as it was when it was sealed; no row where all is.
#[pg_extern(stable, parallel_unsafe)]
fn verify_audit_log(
    digests: default!(Option<JsonText>, "NULL"),
) -> TableIterator<
    'static,
    (
        name!(problem, Text),
        name!(log_table, Text),
        name!(id, i64),
        name!(seal_id, Option<i64>),
        name!(happened_at, Option<TimestampWithTimeZone>),
        name!(table_name, Option<Text>),
        name!(message, Text),
    ),
> {
    let found = verifying::verify(digests.map(JsonText::into_string));
    TableIterator::new(found.into_iter().map(|(found, table)| {
        (
            found.problem.name().into(),
            found.table.into(),
            found.id,
            found.seal,
            found.at.map(timestamp),
            table.map(Text::from),
            found.detail.into(),
        )
    }))
}

/// `dbm.audit_log_digests()`: the digest of every seal, to be kept where nobody who can write the log can write.
#[pg_extern(stable, parallel_unsafe)]
fn audit_log_digests() -> TableIterator<
    'static,
    (
        name!(seal_id, i64),
        name!(sealed_at, TimestampWithTimeZone),
        name!(changes, i64),
        name!(activities, i64),
        name!(events, i64),
        name!(digest, Text),
    ),
> {
    TableIterator::new(sealing::seals().into_iter().map(|(seal, digest)| {
        let [changes, activities, events] = counts(&seal);
        (seal.id, timestamp(seal.at), changes, activities, events, digest.into())
    }))
}
