//! Tables that carry more indexes than their reads justify.

use serde_json::{Map, Value};

use super::{Certainty, IndexHealth, Problem};
use crate::catalog::Oid;
use crate::finding::{Facts, Severity};
use crate::foreign_key_cover::cover_sets;
use crate::index::family::{Family, Tree};
use crate::index::limits::limit;
use crate::index::rules;
use crate::text::size::grouped;

/// What counts as too many indexes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CrowdLimits {
    /// More than this many are too many.
    pub indexes: f64,
    /// The table must have had this many rows written.
    pub writes: f64,
    /// And this many rows written for each scan of any kind.
    pub writes_per_scan: f64,
}

impl CrowdLimits {
    /// The limits in force, by the names of the thresholds of `indexing.too_many_indexes`.
    pub fn from_settings(settings: &dyn Fn(&str) -> Option<f64>) -> Self {
        let value = |name| limit(&rules::TOO_MANY_INDEXES, settings, name);
        Self {
            indexes: value("maximum_indexes"),
            writes: value("minimum_writes"),
            writes_per_scan: value("writes_per_scan"),
        }
    }
}

/// Whether the tree's indexes are too many for how it is used.
///
/// An index that alone covers a foreign key is not counted: it has to be there, and adding it must not be a fault.
pub fn crowd(facts: &Facts<'_>, limits: &CrowdLimits, tree: &Tree<'_>) -> Option<IndexHealth> {
    let snapshot = facts.snapshot;
    let families: Vec<&Family<'_>> =
        tree.families.iter().filter(|family| family.top.table == tree.root.oid).collect();
    if families.len() as f64 <= limits.indexes {
        return None;
    }
    let statistics = tree.statistics(snapshot)?;
    let writes = statistics.writes();
    let scans = statistics.sequential_scans + tree.index_scans();
    if (writes as f64) < limits.writes || (writes as f64) < limits.writes_per_scan * scans as f64 {
        return None;
    }
    let foreign_keys = snapshot.foreign_keys_of(tree.root.oid);
    let sole: Vec<Oid> = foreign_keys
        .flat_map(|constraint| cover_sets(snapshot, constraint))
        .filter_map(|set| if let [only] = set.as_slice() { Some(*only) } else { None })
        .filter(|index| !index.is_unique)
        .map(|index| index.oid)
        .collect();
    let count = families.iter().filter(|family| !sole.contains(&family.top.oid)).count();
    if count as f64 <= limits.indexes {
        return None;
    }
    let table_name = snapshot.relation_name(tree.root.oid);
    let size_bytes = families.iter().map(|family| family.bytes(facts)).sum();
    let unscanned = families.iter().filter(|family| family.scans() == 0).count();
    let mut evidence = Map::new();
    for (name, value) in [
        ("indexes", Value::from(count)),
        ("unscanned_indexes", Value::from(unscanned)),
        ("rows_written", Value::from(writes)),
        ("scans", Value::from(scans)),
        ("hot_updates", Value::from(statistics.hot_updated)),
        ("updates", Value::from(statistics.updated)),
        ("index_bytes", Value::from(size_bytes)),
    ] {
        evidence.insert(name.to_owned(), value);
    }
    Some(IndexHealth {
        reason: format!(
            "{table_name} has {count} indexes, which each of {} row writes had to keep, and was read only {} times: drop those that no important query needs",
            grouped(writes),
            grouped(scans)
        ),
        table_name,
        index_name: None,
        problem: Problem::TooManyIndexes,
        certainty: Certainty::Measured,
        size_bytes,
        wasted_bytes: None,
        evidence,
        fix: None,
        undo: None,
        severity: Severity::Warning,
        table: tree.root.oid,
        index: 0,
    })
}
