//! The door of the index room: its SQL functions.

use pgrx::datum::Interval;
use pgrx::prelude::*;

use super::{duplicate, health, rules, unused};
use crate::pg::value::{Document, Text};
use crate::pg::{facts, moment, thresholds};

/// Bytes as SQL's bigint.
fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// `dbm.unused_indexes()`: indexes without a scan, with a verdict on dropping each; a partition tree is one row.
///
/// Sizes in bytes; waits for no lock.
#[pg_extern(stable, parallel_restricted)]
fn unused_indexes(
    min_bytes: default!(Option<i64>, 0),
) -> TableIterator<
    'static,
    (
        name!(table_name, Text),
        name!(index_name, Text),
        name!(scans, i64),
        name!(size_bytes, i64),
        name!(watched, Option<Interval>),
        name!(verdict, &'static str),
        name!(reason, Text),
        name!(drop_sql, Option<Text>),
        name!(recreate_sql, Option<Text>),
    ),
> {
    let limits = unused::Limits {
        minimum_bytes: u64::try_from(min_bytes.unwrap_or(0)).unwrap_or(0),
        ..unused::Limits::from_settings(&thresholds::of(&rules::UNUSED_INDEX))
    };
    let rows = facts::with(|facts| unused::unused_indexes(facts, &limits));
    TableIterator::new(rows.into_iter().map(|row| {
        (
            row.table_name.into(),
            row.index_name.into(),
            row.scans,
            signed(row.size_bytes),
            row.watched.and_then(moment::interval),
            row.verdict.name(),
            row.reason.into(),
            row.drop_sql.map(Text::from),
            row.recreate_sql.map(Text::from),
        )
    }))
}

/// `dbm.duplicate_indexes()`: pairs of indexes of which one makes the other superfluous.
///
/// Sizes in bytes; waits for no lock.
#[pg_extern(stable, parallel_restricted)]
fn duplicate_indexes() -> TableIterator<
    'static,
    (
        name!(table_name, Text),
        name!(keep_index, Text),
        name!(drop_index, Text),
        name!(kind, &'static str),
        name!(reason, Text),
        name!(size_bytes, i64),
        name!(drop_sql, Text),
        name!(recreate_sql, Option<Text>),
    ),
> {
    // As unused_indexes() by default: following both answers must not drop both indexes of a pair.
    let limits = unused::Limits {
        minimum_bytes: 0,
        ..unused::Limits::from_settings(&thresholds::of(&rules::UNUSED_INDEX))
    };
    let rows = facts::with(|facts| duplicate::duplicate_indexes(facts, &limits));
    TableIterator::new(rows.into_iter().map(|row| {
        (
            row.table_name.into(),
            row.keep_index.into(),
            row.drop_index.into(),
            row.kind.name(),
            row.reason.into(),
            signed(row.size_bytes),
            row.drop_sql.into(),
            row.recreate_sql.map(Text::from),
        )
    }))
}

/// `dbm.index_health()`: indexes that are broken, bloated, too many or too coarse; the broken first.
///
/// Sizes in bytes; certainty says whether bloat was measured, estimated or cannot be told. Waits for no lock.
#[pg_extern(stable, parallel_restricted)]
fn index_health() -> TableIterator<
    'static,
    (
        name!(table_name, Text),
        name!(index_name, Option<Text>),
        name!(problem, &'static str),
        name!(severity, &'static str),
        name!(certainty, &'static str),
        name!(size_bytes, i64),
        name!(wasted_bytes, Option<i64>),
        name!(reason, Text),
        name!(evidence, Document),
        name!(fix, Option<Text>),
        name!(undo, Option<Text>),
    ),
> {
    let limits = health::Limits {
        bloat: health::BloatLimits::from_settings(&thresholds::of(&rules::BLOATED_INDEX)),
        crowd: health::CrowdLimits::from_settings(&thresholds::of(&rules::TOO_MANY_INDEXES)),
        coarse: health::CoarseLimits::from_settings(&thresholds::of(&rules::LOW_CARDINALITY_INDEX)),
    };
    let rows = facts::with(|facts| health::index_health(facts, &limits));
    TableIterator::new(rows.into_iter().map(|row| {
        (
            row.table_name.into(),
            row.index_name.map(Text::from),
            row.problem.name(),
            row.severity.name(),
            row.certainty.name(),
            signed(row.size_bytes),
            row.wasted_bytes.map(signed),
            row.reason.into(),
            row.evidence.into(),
            row.fix.map(Text::from),
            row.undo.map(Text::from),
        )
    }))
}
