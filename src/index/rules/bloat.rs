//! B-tree indexes much of whose file holds nothing.

use super::finding_of;
use crate::finding::{Dimension, Facts, Rule, Severity, Threshold, Verdicts};
use crate::index::duty::Duties;
use crate::index::family::{Tree, indexed_relations};
use crate::index::health::{BloatLimits, Certainty, bloat};

/// A B-tree index that a rebuild would make much smaller.
///
/// Reckoned from ANALYZE's statistics with deduplication in mind; what then looks suspicious is measured on a sample
/// of its pages. The evidence says which.
pub const BLOATED_INDEX: Rule = Rule {
    id: "indexing.bloated_index",
    dimension: Dimension::Indexing,
    severity: Severity::Warning,
    title: "An index is mostly empty space",
    why: "It takes memory that other data needs, and each scan of a range reads pages that hold little.",
    thresholds: &[
        Threshold {
            name: "bloat_share",
            default: 0.5,
            range: (0.05, 1.0),
            meaning: "share of the file that a rebuild would free; a B-tree filled in random order is some 25 % larger than a fresh one and well",
        },
        Threshold {
            name: "wasted_bytes",
            default: 10_485_760.0,
            range: (0.0, 1e15),
            meaning: "bytes that a rebuild would free, over a partition tree (10 MB)",
        },
        Threshold {
            name: "measured_bytes",
            default: 1_048_576.0,
            range: (0.0, 1e15),
            meaning: "bytes from which on a suspect's pages are sampled; smaller ones are reckoned only (1 MB)",
        },
    ],
    reference: "https://www.postgresql.org/docs/current/routine-reindex.html",
    check,
};

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let limits = BloatLimits::from_settings(&|name| Some(verdicts.threshold(name)));
    let duties = Duties::learn(snapshot);
    for root in indexed_relations(snapshot) {
        (facts.interrupt)();
        let found = bloat(facts, &duties, &limits, &Tree::of(snapshot, root));
        if found.is_judged {
            verdicts.examine(1);
        }
        for row in found.rows {
            if row.certainty == Certainty::Unknown {
                verdicts.unknown(
                    row.index_name.unwrap_or_default(),
                    snapshot.schema_of(row.table),
                    row.reason,
                );
            } else {
                verdicts.find(finding_of(snapshot, row));
            }
        }
    }
}
