//! Indexes that are missing: under foreign keys, and where large tables are read whole again and again.

mod closing;
mod gap;
mod scanned;
mod weighed;

use std::cmp::Reverse;

use serde_json::{Map, Value};

pub(super) use gap::{Gap, groups};
pub(super) use scanned::scanned_whole;
pub(super) use weighed::{WeighedGap, weigh};

use super::duty::Duties;
use super::family::{Tree, indexed_relations};
use super::limits::limit;
use super::rules;
use crate::catalog::Oid;
use crate::finding::{Facts, Severity};
use crate::foreign_key_cover::Cover;

/// What says that an index is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// A foreign key whose referencing rows cannot be found fast.
    ForeignKey,
    /// Sequential scans of a large table.
    SequentialScan,
}

impl Source {
    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::ForeignKey => "foreign_key",
            Self::SequentialScan => "seq_scan",
        }
    }
}

/// A row of `dbm.missing_indexes()`.
#[derive(Clone, Debug, PartialEq)]
pub struct MissingIndex {
    /// The table, qualified and quoted.
    pub table_name: String,
    /// The bare names of the columns to index, in order; empty when the catalogs cannot tell.
    pub columns: Vec<String>,
    /// What says so.
    pub source: Source,
    /// Why it hurts, in words.
    pub reason: String,
    /// The numbers behind it.
    pub evidence: Map<String, Value>,
    /// Creates it; `None` when the catalogs cannot tell what to create.
    pub create_sql: Option<String>,
    /// Takes that back.
    pub undo_sql: Option<String>,
    /// How much it hurts.
    pub severity: Severity,
    /// OID of the table.
    pub table: Oid,
    /// The foreign keys that the index would serve.
    pub foreign_keys: Vec<Oid>,
}

/// What makes a missing index under a foreign key hurt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ForeignKeyLimits {
    /// From how many rows on a referencing table is large.
    pub large_rows: f64,
    /// Below how many rows it is small.
    pub small_rows: f64,
}

/// What counts as reading a large table whole again and again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScanLimits {
    /// Sequential scans since the reset.
    pub sequential_scans: f64,
    /// Rows that one of them reads on average.
    pub rows_per_scan: f64,
    /// Their share among all scans of the table.
    pub sequential_share: f64,
}

/// The limits of [`missing_indexes`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// For foreign keys.
    pub foreign_key: ForeignKeyLimits,
    /// For sequential scans.
    pub scan: ScanLimits,
}

impl ForeignKeyLimits {
    /// The limits in force, by the names of the thresholds of `indexing.foreign_key_without_index`.
    pub fn from_settings(settings: &dyn Fn(&str) -> Option<f64>) -> Self {
        let value = |name| limit(&rules::FOREIGN_KEY_WITHOUT_INDEX, settings, name);
        Self { large_rows: value("large_rows"), small_rows: value("small_rows") }
    }
}

impl ScanLimits {
    /// The limits in force, by the names of the thresholds of `indexing.many_sequential_scans`.
    pub fn from_settings(settings: &dyn Fn(&str) -> Option<f64>) -> Self {
        let value = |name| limit(&rules::MANY_SEQUENTIAL_SCANS, settings, name);
        Self {
            sequential_scans: value("sequential_scans"),
            rows_per_scan: value("rows_per_scan"),
            sequential_share: value("sequential_share"),
        }
    }
}

impl Limits {
    /// The limits in force, by the names of the thresholds of both rules.
    pub fn from_settings(settings: &dyn Fn(&str) -> Option<f64>) -> Self {
        Self {
            foreign_key: ForeignKeyLimits::from_settings(settings),
            scan: ScanLimits::from_settings(settings),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::from_settings(&|_| None)
    }
}

/// Every index that is missing: under foreign keys first, those that cost most first, then whole-table reads.
pub fn missing_indexes(facts: &Facts<'_>, limits: &Limits) -> Vec<MissingIndex> {
    let snapshot = facts.snapshot;
    let duties = Duties::learn(snapshot);
    let mut names = None;
    let mut gaps: Vec<WeighedGap<'_>> = Vec::new();
    let mut scanned: Vec<MissingIndex> = Vec::new();
    for root in indexed_relations(snapshot) {
        (facts.interrupt)();
        let tree = Tree::of(snapshot, root);
        for table in tree.tables.iter().filter_map(|&table| snapshot.relation(table)) {
            gaps.extend(weigh(facts, &duties, &mut names, &limits.foreign_key, table, &|_| true, &|_| true));
        }
        scanned.extend(scanned_whole(facts, &limits.scan, &tree));
    }
    gaps.sort_by(|left, right| {
        let order = |gap: &WeighedGap<'_>| {
            let is_partly = matches!(gap.gap.cover, Cover::Partly { .. });
            (is_partly, Reverse(gap.cost.to_bits()), Reverse(gap.child_bytes))
        };
        order(left)
            .cmp(&order(right))
            .then_with(|| left.row.table_name.cmp(&right.row.table_name))
            .then_with(|| left.row.columns.cmp(&right.row.columns))
    });
    let read = |row: &MissingIndex| row.evidence.get("rows_per_scan").and_then(Value::as_i64).unwrap_or(0);
    scanned.sort_by(|left, right| {
        read(right).cmp(&read(left)).then_with(|| left.table_name.cmp(&right.table_name))
    });
    gaps.into_iter().map(|gap| gap.row).chain(scanned).collect()
}

#[cfg(test)]
mod tests;
