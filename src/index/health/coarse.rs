//! Indexes on one column of very few distinct values.

use serde_json::{Map, Value};

use super::{Certainty, IndexHealth, Problem, is_to_be_dropped};
use crate::catalog::ColumnStatistics;
use crate::catalog::types::builtin;
use crate::finding::{Facts, Severity};
use crate::foreign_key_cover::cover_sets;
use crate::index::duty::Duties;
use crate::index::family::{Family, Tree};
use crate::index::limits::limit;
use crate::index::rules;
use crate::text::size::grouped;

/// What counts as an index too coarse to help.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CoarseLimits {
    /// At most this many distinct values.
    pub distinct_values: f64,
    /// In a table of at least this many rows.
    pub rows: f64,
    /// Unless a scan of it returns less than this share of the table's rows on average.
    pub share_read: f64,
}

impl CoarseLimits {
    /// The limits in force, by the names of the thresholds of `indexing.low_cardinality_index`.
    pub fn from_settings(settings: &dyn Fn(&str) -> Option<f64>) -> Self {
        let value = |name| limit(&rules::LOW_CARDINALITY_INDEX, settings, name);
        Self {
            distinct_values: value("distinct_values"),
            rows: value("minimum_rows"),
            share_read: value("share_read"),
        }
    }
}

/// What was found on one tree.
pub struct Coarse {
    /// The indexes that are too coarse.
    pub rows: Vec<IndexHealth>,
    /// Whether an index could not be judged because the table was never analysed or its statistics are hidden.
    pub is_unknown: bool,
}

/// Whether it is an index on one plain column, over all rows, that only scans justify.
fn could_be_coarse(family: &Family<'_>) -> bool {
    let top = family.top;
    top.keys.len() == 1
        && top.keys.first().is_some_and(|key| key.column > 0)
        && !top.is_unique
        && !top.is_partition
        && !top.is_exclusion
        && top.predicate.is_none()
        && top.is_usable()
}

/// The indexes of a tree that hardly narrow a search.
pub fn coarse<'a>(facts: &Facts<'a>, duties: &Duties<'a>, limits: &CoarseLimits, tree: &Tree<'a>) -> Coarse {
    let snapshot = facts.snapshot;
    let mut found = Coarse { rows: Vec::new(), is_unknown: false };
    let mut candidates = tree
        .families
        .iter()
        .filter(|family| family.top.table == tree.root.oid && could_be_coarse(family))
        .peekable();
    if candidates.peek().is_none() {
        return found;
    }
    let Some(rows) = snapshot.rows(tree.root) else {
        found.is_unknown = true;
        return found;
    };
    if rows < limits.rows {
        return found;
    }
    for family in candidates {
        let method = snapshot.access_method_name(family.top.access_method);
        // The others index parts of a value, or ranges of blocks.
        if !matches!(method, "btree" | "hash") {
            continue;
        }
        let Some(column) = family.top.keys.first().and_then(|key| snapshot.column(tree.root.oid, key.column))
        else {
            continue;
        };
        let is_boolean = snapshot.base_type(column.type_oid).is_some_and(|base| base.oid == builtin::BOOL);
        let statistics: Option<ColumnStatistics> = column.statistics;
        let (distinct, certainty) = match statistics {
            _ if is_boolean => (2.0, Certainty::Measured),
            // 0 says that ANALYZE could not tell.
            Some(known) if known.distinct != 0.0 => (known.distinct_values(rows), Certainty::Estimated),
            _ => {
                found.is_unknown = true;
                continue;
            }
        };
        if distinct > limits.distinct_values || is_selective(family, rows, limits) {
            continue;
        }
        if covers_foreign_key(facts, tree, family)
            || duties.binds(family)
            || is_to_be_dropped(facts, duties, tree, family.top.oid)
        {
            continue;
        }
        found.rows.push(row(facts, tree, family, distinct, rows, certainty));
    }
    found
}

/// Whether the scans that did happen returned few rows: a rare value among few is worth an index.
fn is_selective(family: &Family<'_>, rows: f64, limits: &CoarseLimits) -> bool {
    let scans = family.scans();
    scans > 0 && (family.entries_read() as f64 / scans as f64) < limits.share_read * rows
}

fn covers_foreign_key(facts: &Facts<'_>, tree: &Tree<'_>, family: &Family<'_>) -> bool {
    facts
        .snapshot
        .foreign_keys_of(tree.root.oid)
        .flat_map(|constraint| cover_sets(facts.snapshot, constraint))
        .any(|set| set.iter().any(|index| family.contains(index.oid)))
}

fn row(
    facts: &Facts<'_>,
    tree: &Tree<'_>,
    family: &Family<'_>,
    distinct: f64,
    rows: f64,
    certainty: Certainty,
) -> IndexHealth {
    let snapshot = facts.snapshot;
    let name = snapshot.index_name(family.top);
    let mut evidence = Map::new();
    for (key, value) in [
        ("distinct_values", Value::from(distinct.round() as i64)),
        ("rows", Value::from(rows as i64)),
        ("scans", Value::from(family.scans())),
        ("entries_read", Value::from(family.entries_read())),
    ] {
        evidence.insert(key.to_owned(), value);
    }
    let size_bytes = family.bytes(facts);
    IndexHealth {
        table_name: snapshot.relation_name(tree.root.oid),
        reason: format!(
            "{name} has at most {} distinct values for {} rows and hardly narrows a search; if queries look for a rare value, index only that: CREATE INDEX ... WHERE",
            distinct.round() as i64,
            grouped(rows as i64)
        ),
        index_name: Some(name),
        problem: Problem::LowCardinality,
        certainty,
        size_bytes,
        wasted_bytes: None,
        evidence,
        fix: None,
        undo: None,
        severity: Severity::Info,
        table: tree.root.oid,
        index: family.top.oid,
    }
}
