//! Large tables that are read whole again and again.

use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Threshold, Verdicts};
use crate::index::family::{Tree, indexed_relations};
use crate::index::missing::{ScanLimits, scanned_whole};

/// A large table that is read whole again and again, and less often by an index.
pub const MANY_SEQUENTIAL_SCANS: Rule = Rule {
    id: "indexing.many_sequential_scans",
    dimension: Dimension::Indexing,
    severity: Severity::Warning,
    title: "A large table is read whole again and again",
    why: "Each of those reads goes through all rows; an index on what the queries ask for would read a few pages.",
    thresholds: &[
        Threshold {
            name: "sequential_scans",
            default: 100.0,
            range: (1.0, 1e12),
            meaning: "sequential scans since the statistics were reset (as in pg-index-health)",
        },
        Threshold {
            name: "rows_per_scan",
            default: 10_000.0,
            range: (1.0, 1e12),
            meaning: "rows that such a scan reads on average (PgHero's and pgFirstAid's floor)",
        },
        Threshold {
            name: "sequential_share",
            default: 0.5,
            range: (0.0, 1.0),
            meaning: "share of sequential scans among all scans of the table: more than by all indexes together (as in pg-index-health; PgHero speaks from 0.05 on)",
        },
    ],
    reference: "https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-PG-STAT-ALL-TABLES-VIEW",
    check,
};

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let limits = ScanLimits::from_settings(&|name| Some(verdicts.threshold(name)));
    for root in indexed_relations(snapshot) {
        (facts.interrupt)();
        verdicts.examine(1);
        let tree = Tree::of(snapshot, root);
        if let Some(row) = scanned_whole(facts, &limits, &tree) {
            let mut finding = Finding::new(row.table_name, snapshot.schema_name(root.schema), row.reason);
            finding.evidence = row.evidence;
            verdicts.find(finding);
        }
    }
}
