//! Tables that are read whole again and again.

use serde_json::{Map, Value};

use super::{MissingIndex, ScanLimits, Source};
use crate::finding::{Facts, Severity};
use crate::index::family::Tree;
use crate::text::size::grouped;

/// A table that is read whole again and again; `None` when it is not.
pub(in crate::index) fn scanned_whole(
    facts: &Facts<'_>,
    limits: &ScanLimits,
    tree: &Tree<'_>,
) -> Option<MissingIndex> {
    let snapshot = facts.snapshot;
    let statistics = tree.statistics(snapshot)?;
    let scans = statistics.sequential_scans;
    let index_scans = tree.index_scans();
    if scans <= 0 || (scans as f64) < limits.sequential_scans {
        return None;
    }
    let rows_per_scan = statistics.sequential_rows as f64 / scans as f64;
    let share = scans as f64 / (scans + index_scans) as f64;
    if rows_per_scan < limits.rows_per_scan || share < limits.sequential_share {
        return None;
    }
    let table_name = snapshot.relation_name(tree.root.oid);
    let mut evidence = Map::new();
    for (name, value) in [
        ("sequential_scans", Value::from(scans)),
        ("rows_per_scan", Value::from(rows_per_scan.round() as i64)),
        ("index_scans", Value::from(index_scans)),
        ("table_bytes", Value::from(snapshot.heap_bytes(tree.root))),
    ] {
        evidence.insert(name.to_owned(), value);
    }
    Some(MissingIndex {
        reason: format!(
            "{table_name} was read whole {} times, {} rows each time, and by an index {} times: look at the queries that scan it",
            grouped(scans),
            grouped(rows_per_scan.round() as i64),
            grouped(index_scans)
        ),
        table_name,
        columns: Vec::new(),
        source: Source::SequentialScan,
        evidence,
        create_sql: None,
        undo_sql: None,
        severity: Severity::Warning,
        table: tree.root.oid,
        foreign_keys: Vec::new(),
    })
}
