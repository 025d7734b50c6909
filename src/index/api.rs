//! The door of the index room: its SQL functions.

use pgrx::JsonB;
use pgrx::datum::Interval;
use pgrx::prelude::*;
use serde_json::Value;

use super::{duplicate, health, missing, rules, unused};
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
    min_bytes: default!(i64, 0),
) -> TableIterator<
    'static,
    (
        name!(table_name, String),
        name!(index_name, String),
        name!(scans, i64),
        name!(size_bytes, i64),
        name!(watched, Option<Interval>),
        name!(verdict, &'static str),
        name!(reason, String),
        name!(drop_sql, Option<String>),
        name!(recreate_sql, Option<String>),
    ),
> {
    let limits = unused::Limits {
        minimum_bytes: u64::try_from(min_bytes).unwrap_or(0),
        ..unused::Limits::from_settings(&thresholds::of(&rules::UNUSED_INDEX))
    };
    let rows = facts::with(|facts| unused::unused_indexes(facts, &limits));
    TableIterator::new(rows.into_iter().map(|row| {
        (
            row.table_name,
            row.index_name,
            row.scans,
            signed(row.size_bytes),
            row.watched.and_then(moment::interval),
            row.verdict.name(),
            row.reason,
            row.drop_sql,
            row.recreate_sql,
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
        name!(table_name, String),
        name!(keep_index, String),
        name!(drop_index, String),
        name!(kind, &'static str),
        name!(reason, String),
        name!(size_bytes, i64),
        name!(drop_sql, String),
        name!(recreate_sql, Option<String>),
    ),
> {
    let limits = unused::Limits::from_settings(&thresholds::of(&rules::UNUSED_INDEX));
    let rows = facts::with(|facts| duplicate::duplicate_indexes(facts, &limits));
    TableIterator::new(rows.into_iter().map(|row| {
        (
            row.table_name,
            row.keep_index,
            row.drop_index,
            row.kind.name(),
            row.reason,
            signed(row.size_bytes),
            row.drop_sql,
            row.recreate_sql,
        )
    }))
}

/// `dbm.missing_indexes()`: indexes that foreign keys or sequential scans ask for, the most useful first.
#[pg_extern(stable, parallel_restricted)]
fn missing_indexes() -> TableIterator<
    'static,
    (
        name!(table_name, String),
        name!(columns, Option<Vec<String>>),
        name!(source, &'static str),
        name!(reason, String),
        name!(evidence, JsonB),
        name!(create_sql, Option<String>),
    ),
> {
    let limits = missing::Limits {
        foreign_key: missing::ForeignKeyLimits::from_settings(&thresholds::of(
            &rules::FOREIGN_KEY_WITHOUT_INDEX,
        )),
        scan: missing::ScanLimits::from_settings(&thresholds::of(&rules::MANY_SEQUENTIAL_SCANS)),
    };
    let rows = facts::with(|facts| missing::missing_indexes(facts, &limits));
    TableIterator::new(rows.into_iter().map(|row| {
        (
            row.table_name,
            (!row.columns.is_empty()).then_some(row.columns),
            row.source.name(),
            row.reason,
            JsonB(Value::Object(row.evidence)),
            row.create_sql,
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
        name!(table_name, String),
        name!(index_name, Option<String>),
        name!(problem, &'static str),
        name!(severity, &'static str),
        name!(certainty, &'static str),
        name!(size_bytes, i64),
        name!(wasted_bytes, Option<i64>),
        name!(reason, String),
        name!(evidence, JsonB),
        name!(fix, Option<String>),
        name!(undo, Option<String>),
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
            row.table_name,
            row.index_name,
            row.problem.name(),
            row.severity.name(),
            row.certainty.name(),
            signed(row.size_bytes),
            row.wasted_bytes.map(signed),
            row.reason,
            JsonB(Value::Object(row.evidence)),
            row.fix,
            row.undo,
        )
    }))
}
