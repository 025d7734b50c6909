//! Sets of more partitions than planning bears.

use super::each_set;
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Threshold, Verdicts};
use crate::text::size::grouped;

/// `schema.too_many_partitions`: every plan pays for every partition.
pub const TOO_MANY_PARTITIONS: Rule = Rule {
    id: "schema.too_many_partitions",
    dimension: Dimension::Schema,
    severity: Severity::Warning,
    title: "Table with too many partitions",
    why: "Every statement that cannot leave partitions out locks and plans all of them with all their indexes, each session \
          keeps what it knows of them in its memory, and adding one takes longer with every one that is there.",
    thresholds: &[Threshold {
        name: "partitions",
        default: 1_000.0,
        range: (10.0, 1e6),
        meaning: "partitions of one table from which it is told of; the manual calls a few thousand the limit",
    }],
    reference: "https://www.postgresql.org/docs/current/ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-BEST-PRACTICES",
    check,
};

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let most = verdicts.threshold("partitions") as usize;
    each_set(facts, |table, set, _| {
        verdicts.examine(1);
        let count = set.partitions.len();
        if count <= most {
            return;
        }
        let name = snapshot.relation_name(table.oid);
        let message = format!(
            "{name} has {} partitions: make them wider, or let old ones go",
            grouped(i64::try_from(count).unwrap_or(i64::MAX))
        );
        verdicts.find(
            Finding::new(name, snapshot.schema_name(table.schema), message).evidence("partitions", count),
        );
    });
}

#[cfg(test)]
mod tests {
    use super::super::sample::{days, messages, run_of_days};
    use super::*;

    #[test]
    fn more_than_the_limit_is_found_and_the_limit_is_right() {
        let (sample, set) = days(&run_of_days(0, 1_001));
        assert_eq!(
            messages(&TOO_MANY_PARTITIONS, sample, set, None),
            ["public.events has 1,001 partitions: make them wider, or let old ones go"]
        );
        let (sample, set) = days(&run_of_days(0, 1_000));
        assert!(messages(&TOO_MANY_PARTITIONS, sample, set, None).is_empty());
    }
}
