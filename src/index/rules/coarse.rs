//! Indexes on one column of very few distinct values.

use super::finding_of;
use crate::finding::{Dimension, Facts, Rule, Severity, Threshold, Verdicts};
use crate::index::duty::Duties;
use crate::index::family::{Tree, indexed_relations};
use crate::index::health::{CoarseLimits, coarse};

/// An index on one column of very few distinct values, over all rows of a table that is not small.
///
/// Says nothing where the scans that did happen returned few rows, where the index covers a foreign key, or where
/// another rule wants it gone.
pub const LOW_CARDINALITY_INDEX: Rule = Rule {
    id: "indexing.low_cardinality_index",
    dimension: Dimension::Indexing,
    severity: Severity::Info,
    title: "An index has very few distinct values",
    why: "A search by it returns a large part of the table, for which the planner rather reads the whole; each write keeps it all the same.",
    thresholds: &[
        Threshold {
            name: "distinct_values",
            default: 5.0,
            range: (1.0, 10_000.0),
            meaning: "at most this many distinct values: each then stands for a fifth of the rows on average",
        },
        Threshold {
            name: "minimum_rows",
            default: 10_000.0,
            range: (0.0, 1e12),
            meaning: "rows below which no index matters much",
        },
        Threshold {
            name: "share_read",
            default: 0.05,
            range: (0.0, 1.0),
            meaning: "mean share of the rows that a scan of the index returned, below which it serves a rare value and is well",
        },
    ],
    reference: "https://www.postgresql.org/docs/current/indexes-partial.html",
    check,
};

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let limits = CoarseLimits::from_settings(&|name| Some(verdicts.threshold(name)));
    let duties = Duties::learn(snapshot);
    let mut unknown = 0;
    for root in indexed_relations(snapshot) {
        (facts.interrupt)();
        let found = coarse(facts, &duties, &limits, &Tree::of(snapshot, root));
        if found.is_unknown && found.rows.is_empty() {
            unknown += 1;
        } else {
            verdicts.examine(1);
        }
        for row in found.rows {
            verdicts.find(finding_of(snapshot, row));
        }
    }
    if unknown > 0 {
        let reason = if snapshot.server.sees_statistics {
            "tables were never analysed, so the number of distinct values is unknown: run ANALYZE"
        } else {
            "tables hide their statistics from this role, so the number of distinct values is unknown"
        };
        verdicts.unknown_all(unknown, reason);
    }
}
