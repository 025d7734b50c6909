//! Default partitions that every new partition must look through.

use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Threshold, Verdicts};
use crate::text::size::pretty_bytes;

/// `migration.default_partition_holds_rows`: the next partition cannot be added without reading the default one.
pub const DEFAULT_PARTITION_HOLDS_ROWS: Rule = Rule {
    id: "migration.default_partition_holds_rows",
    dimension: Dimension::Migration,
    severity: Severity::Warning,
    title: "Default partition that every new partition must read",
    why: "ATTACH PARTITION and CREATE TABLE … PARTITION OF lock the default partition against everybody and read all of it; \
          if it holds a row of the new partition, they fail.",
    thresholds: &[Threshold {
        name: "table_bytes",
        default: 10_485_760.0,
        range: (0.0, 1e15),
        meaning: "bytes of the default partition (TOAST included) from which it is told of; less than 10 MB is read before \
                  anybody notices",
    }],
    reference: "https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-ATTACH-PARTITION",
    check,
};

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let least = verdicts.threshold("table_bytes") as u64;
    for table in snapshot.judged_tables_and_partitions() {
        (facts.interrupt)();
        let Some(partitioning) = &table.partitioning else { continue };
        verdicts.examine(1);
        let Some(default) = snapshot.relation(partitioning.default_partition) else { continue };
        let bytes = snapshot.heap_bytes(default);
        if bytes < least {
            continue;
        }
        let (name, parent) = (snapshot.relation_name(default.oid), snapshot.relation_name(table.oid));
        let message = format!(
            "default partition {name} of {parent} holds {}: every new partition locks and reads it",
            pretty_bytes(bytes)
        );
        verdicts.find(
            Finding::new(name, snapshot.schema_name(default.schema), message)
                .evidence("bytes", bytes)
                .evidence("partitioned_table", parent),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Snapshot;
    use crate::catalog::sample::{Sample, run};

    fn shop(pages: u32, is_default: bool) -> Snapshot {
        let mut sample = Sample::new();
        let (parent, partition) = (sample.keyed_table("events"), sample.keyed_table("events_rest"));
        sample.partition(parent, partition);
        sample.edit_table(partition, |table| table.pages = pages);
        sample.edit_table(parent, |table| {
            table.partitioning.get_or_insert_default().default_partition =
                if is_default { partition } else { 0 };
        });
        sample.finish()
    }

    #[test]
    fn a_full_default_partition_is_found_and_an_empty_or_ordinary_one_is_right() {
        let (found, _, examined) = run(&DEFAULT_PARTITION_HOLDS_ROWS, &shop(5_000, true));
        assert_eq!((found.len(), examined), (1, 1));
        assert_eq!(found[0].object, "public.events_rest");
        for right in [shop(0, true), shop(5_000, false)] {
            assert!(run(&DEFAULT_PARTITION_HOLDS_ROWS, &right).0.is_empty());
        }
    }
}
