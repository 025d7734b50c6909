//! Indexes that another index makes superfluous.

use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};
use crate::index::duplicate::{Kind, reported, row};
use crate::index::duty::Duties;
use crate::index::family::{Tree, indexed_relations};
use crate::index::unused::Limits;
use crate::text::size::pretty_bytes;

/// Two indexes between which the planner sees no difference.
///
/// Compared by access method, keys in order, operator family, collation, direction, expressions, predicate, INCLUDE
/// columns and what uniqueness asks; a B-tree reads both ways, so `(a)` and `(a DESC)` are the same. Where nothing
/// scans either of them, `indexing.unused_index` reports both and this rule says nothing.
pub const DUPLICATE_INDEX: Rule = Rule {
    id: "indexing.duplicate_index",
    dimension: Dimension::Indexing,
    severity: Severity::Warning,
    title: "An index is the same as another one",
    why: "Each write keeps both, both take memory and disk, and only one of them is ever needed.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/indexes-intro.html",
    check: |facts, verdicts| check(Kind::Duplicate, facts, verdicts),
};

/// A B-tree index whose keys are the first keys of another one.
pub const REDUNDANT_INDEX: Rule = Rule {
    id: "indexing.redundant_index",
    dimension: Dimension::Indexing,
    severity: Severity::Warning,
    title: "An index is the beginning of another one",
    why: "The longer index answers every search that the shorter one answers; each write keeps both.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/indexes-multicolumn.html",
    check: |facts, verdicts| check(Kind::Redundant, facts, verdicts),
};

fn check(kind: Kind, facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let duties = Duties::learn(snapshot);
    // What the other rule reports, by its own defaults: its settings are not this rule's to read.
    let limits = Limits::default();
    for root in indexed_relations(snapshot) {
        (facts.interrupt)();
        verdicts.examine(1);
        let tree = Tree::of(snapshot, root);
        for pair in reported(facts, &duties, &limits, &tree).iter().filter(|pair| pair.kind == kind) {
            let row = row(facts, &duties, pair);
            let message = format!(
                "{} ({}) is {}: {}",
                row.drop_index,
                pretty_bytes(row.size_bytes),
                if kind == Kind::Duplicate { "a duplicate" } else { "redundant" },
                row.reason
            );
            let mut finding = Finding::new(row.drop_index, snapshot.schema_of(row.table), message)
                .evidence("table", row.table_name)
                .evidence("keep_index", row.keep_index)
                .evidence("size_bytes", row.size_bytes)
                .evidence("scans", pair.drop.scans())
                .evidence("keep_scans", pair.keep_family.scans());
            // Without its definition the index could not be brought back, so nothing is proposed.
            if let Some(recreate) = row.recreate_sql {
                finding = finding.fix(row.drop_sql, recreate);
            }
            verdicts.find(finding);
        }
    }
}
