//! What is left of the log: its oldest partitions go by their retention.

use super::as_of::when;
use super::book::{Book, Subject, micros, text};
use crate::catalog::{Moment, Oid};
use crate::pg::trail::reading::rows;
use crate::trail::seal::record::Kind;

/// The moment from which on there are partitions of a table of the log: what was before went with its partition.
pub fn oldest(owner: Oid, kind: Kind) -> Moment {
    if !kind.is_partitioned() {
        return Moment::MIN;
    }
    let found = rows(
        Some(owner),
        "SELECT pg_catalog.pg_get_expr(c.relpartbound, c.oid)
         FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
         WHERE i.inhparent = $1::pg_catalog.regclass AND NOT i.inhdetachpending",
        &[Some(format!("dbm_trail.{}", kind.name()))],
    );
    let bounds: Vec<String> = found
        .iter()
        .filter_map(|row| {
            text(row, 0)?.strip_prefix("FOR VALUES FROM (")?.split_once(") TO").map(|(from, _)| from)
        })
        .map(str::to_owned)
        .collect();
    if bounds.iter().any(|bound| bound == "MINVALUE") || bounds.is_empty() {
        return Moment::MIN;
    }
    let moments = bounds.iter().filter_map(|bound| {
        let sql = format!("SELECT {}", micros("$1::pg_catalog.timestamptz"));
        let found = rows(Some(owner), &sql, &[Some(bound.trim_matches('\'').to_owned())]);
        found.first().and_then(|row| text(row, 0))?.parse().ok()
    });
    moments.min().unwrap_or(Moment::MIN)
}

/// Since when the log has all changes of a table that it was to have, where it began to be watched before.
pub fn cut(book: &Book, subject: &Subject) -> Option<Moment> {
    let oldest = oldest(book.owner, Kind::Change);
    let mut stretches = subject.watched.iter().flat_map(|each| &each.stretches);
    stretches.any(|stretch| stretch.from < oldest).then_some(oldest)
}

/// What is to be said of it.
pub fn told(since: Moment) -> String {
    format!("what was logged before {} is gone by retention", when(since))
}
