//! Indexes that nothing scans.

use rustc_hash::FxHashSet;

use crate::catalog::{Oid, Relation};
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Threshold, Verdicts};
use crate::index::duplicate;
use crate::index::duty::Duties;
use crate::index::family::{Tree, indexed_relations};
use crate::index::unused::{Limits, Verdict, blind_spot, judge, row};
use crate::text::size::pretty_bytes;

/// An index that nothing scans and nothing needs, watched long enough to be sure.
///
/// Says nothing of an index that `indexing.duplicate_index` or `indexing.redundant_index` already reports.
pub const UNUSED_INDEX: Rule = Rule {
    id: "indexing.unused_index",
    dimension: Dimension::Indexing,
    severity: Severity::Warning,
    title: "An index is never used",
    why: "Each write keeps it, it takes memory, disk and backup time, and it keeps updates from being HOT.",
    thresholds: &[
        Threshold {
            name: "minimum_bytes",
            default: 1_048_576.0,
            range: (0.0, 1e15),
            meaning: "bytes below which an unused index is not worth a word (1 MB; peers use 32 kB to 100 MB)",
        },
        Threshold {
            name: "minimum_days",
            default: 30.0,
            range: (0.0, 3_650.0),
            meaning: "days for which scans must have been counted: a month, so that monthly jobs are in it (pganalyze waits 35 days, pgdoctor 7)",
        },
        Threshold {
            name: "table_scans",
            default: 100.0,
            range: (0.0, 1e12),
            meaning: "scans of the table, of any kind, from which on it counts as in use (as in pgassistant)",
        },
        Threshold {
            name: "table_writes",
            default: 1_000.0,
            range: (0.0, 1e12),
            meaning: "rows written to the table from which on it counts as in use (as in pgassistant)",
        },
    ],
    reference: "https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-PG-STAT-ALL-INDEXES-VIEW",
    check,
};

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let limits = Limits::from_settings(&|name| Some(verdicts.threshold(name)));
    let duties = Duties::learn(snapshot);
    let mut unknown_tables = 0;
    let mut idle_tables = 0;
    for root in indexed_relations(snapshot) {
        (facts.interrupt)();
        let tree = Tree::of(snapshot, root);
        let judgements = judge(facts, &duties, &limits, &tree);
        let in_review = || judgements.iter().filter(|judgement| judgement.verdict == Verdict::Review);
        if judgements.iter().any(|judgement| judgement.verdict == Verdict::Drop) {
            report(facts, &duties, &limits, &tree, root, verdicts);
        } else if in_review().any(|judgement| judgement.is_table_idle) {
            idle_tables += 1;
            continue;
        } else if in_review().next().is_some() && blind_spot(&snapshot.server, &limits).is_some() {
            unknown_tables += 1;
            continue;
        }
        // An index built lately is not judged yet, but its table is.
        verdicts.examine(1);
    }
    if unknown_tables > 0 {
        let reason = blind_spot(&snapshot.server, &limits).unwrap_or_default();
        verdicts.unknown_all(unknown_tables, format!("an index without scans proves nothing yet: {reason}"));
    }
    if idle_tables > 0 {
        verdicts.unknown_all(
            idle_tables,
            format!(
                "an index without scans proves nothing on a table that is hardly used itself (less than {} scans and {} rows written)",
                limits.table_scans, limits.table_writes
            ),
        );
    }
}

fn report<'a>(
    facts: &Facts<'a>,
    duties: &Duties<'a>,
    limits: &Limits,
    tree: &Tree<'a>,
    root: &Relation,
    verdicts: &mut Verdicts<'_>,
) {
    let snapshot = facts.snapshot;
    let mut unused = judge(facts, duties, limits, tree);
    unused.retain(|judgement| {
        judgement.verdict == Verdict::Drop && judgement.family.bytes(facts) >= limits.minimum_bytes
    });
    let is_unused = |index: Oid| unused.iter().any(|judgement| judgement.family.top.oid == index);
    // What the other rules report is left to them, unless what they would keep is reported here as well: once that is
    // gone, this rule would begin to speak of what is left.
    let superfluous: FxHashSet<Oid> = duplicate::reported(facts, duties, &Limits::default(), tree)
        .iter()
        .filter(|pair| !is_unused(pair.keep_family.top.oid))
        .map(|pair| pair.drop.top.oid)
        .collect();
    for judgement in unused.iter().filter(|judgement| !superfluous.contains(&judgement.family.top.oid)) {
        let size_bytes = judgement.family.bytes(facts);
        let row = row(facts, judgement, size_bytes);
        let message = format!("{} ({}) is unused: {}", row.index_name, pretty_bytes(size_bytes), row.reason);
        let mut finding = Finding::new(row.index_name, snapshot.schema_name(root.schema), message)
            .evidence("table", row.table_name)
            .evidence("scans", row.scans)
            .evidence("size_bytes", size_bytes)
            .evidence("watched_days", row.watched.map(|watched| watched / crate::catalog::DAY));
        if let (Some(drop), Some(recreate)) = (row.drop_sql, row.recreate_sql) {
            finding = finding.fix(drop, recreate);
        }
        verdicts.find(finding);
    }
}
