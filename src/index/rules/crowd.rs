//! Tables that carry more indexes than their reads justify.

use super::finding_of;
use crate::finding::{Dimension, Facts, Rule, Severity, Threshold, Verdicts};
use crate::index::family::{Tree, indexed_relations};
use crate::index::health::{CrowdLimits, crowd};

/// A table that is written much more than it is read, and has many indexes.
///
/// An index that alone covers a foreign key is not counted.
pub const TOO_MANY_INDEXES: Rule = Rule {
    id: "indexing.too_many_indexes",
    dimension: Dimension::Indexing,
    severity: Severity::Warning,
    title: "A table that is mostly written has many indexes",
    why: "Each row written costs one entry in every index, and an update of any indexed column cannot be HOT.",
    thresholds: &[
        Threshold {
            name: "maximum_indexes",
            default: 8.0,
            range: (0.0, 1_000.0),
            meaning: "indexes, primary key included, that a mostly written table may have",
        },
        Threshold {
            name: "minimum_writes",
            default: 1_000.0,
            range: (0.0, 1e15),
            meaning: "rows written since the statistics were reset, below which nothing can be said",
        },
        Threshold {
            name: "writes_per_scan",
            default: 5.0,
            range: (0.0, 1e9),
            meaning: "rows written for each scan of any kind from which on a table is mostly written; a table updated row by row has 1",
        },
    ],
    reference: "https://www.postgresql.org/docs/current/storage-hot.html",
    check,
};

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let limits = CrowdLimits::from_settings(&|name| Some(verdicts.threshold(name)));
    for root in indexed_relations(snapshot) {
        (facts.interrupt)();
        verdicts.examine(1);
        if snapshot.indexes_of(root.oid).len() as f64 <= limits.indexes {
            continue;
        }
        if let Some(row) = crowd(facts, &limits, &Tree::of(snapshot, root)) {
            verdicts.find(finding_of(snapshot, row));
        }
    }
}
