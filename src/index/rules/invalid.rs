//! Indexes that queries cannot use.

use super::finding_of;
use crate::finding::{Dimension, Facts, Rule, Severity, Verdicts};
use crate::index::duty::Duties;
use crate::index::family::{Tree, indexed_relations};
use crate::index::health::invalid;

/// An index that is invalid, not ready or half dropped, or a partitioned index that some partitions lack.
pub const INVALID_INDEX: Rule = Rule {
    id: "indexing.invalid_index",
    dimension: Dimension::Indexing,
    severity: Severity::Error,
    title: "An index is invalid",
    why: "Queries cannot use it, yet writes pay for it; a unique one does not vouch for the rows that were there before.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY",
    check,
};

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let duties = Duties::learn(snapshot);
    let mut names = None;
    for root in indexed_relations(snapshot) {
        (facts.interrupt)();
        if snapshot.index_builds.contains(&root.oid) {
            let table = snapshot.relation_name(root.oid);
            let reason =
                format!("an index of {table} is being built right now; audit again when it is ready");
            verdicts.unknown(table, snapshot.schema_of(root.oid), reason);
            continue;
        }
        verdicts.examine(1);
        if root.partitioning.is_none() && snapshot.indexes_of(root.oid).iter().all(|index| index.is_usable())
        {
            continue;
        }
        for row in invalid(facts, &duties, &mut names, &Tree::of(snapshot, root)) {
            verdicts.find(finding_of(snapshot, row));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};

    #[test]
    fn an_index_that_is_being_built_is_no_leftover() {
        let mut sample = Sample::new();
        let table = sample.keyed_table("orders");
        let index = sample.index(table, "idx_orders_id", &["id"]);
        sample.edit_index(index, |index| index.is_valid = false);
        let mut snapshot = sample.finish();
        assert_eq!(run(&INVALID_INDEX, &snapshot).0.len(), 1);
        snapshot.index_builds.insert(table);
        let (findings, unknowns, examined) = run(&INVALID_INDEX, &snapshot);
        assert_eq!((findings.len(), unknowns.len(), examined), (0, 1, 0));
    }
}
