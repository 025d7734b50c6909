//! Large tables that cannot be filled in batches.

use crate::catalog::{Relation, Snapshot};
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Threshold, Verdicts};
use crate::text::size::pretty_bytes;

/// `migration.no_key_for_backfill`: a large table without a key by which batches could be told apart.
pub const NO_KEY_FOR_BACKFILL: Rule = Rule {
    id: "migration.no_key_for_backfill",
    dimension: Dimension::Migration,
    severity: Severity::Warning,
    title: "Large table that no backfill can walk through",
    why: "A new column is filled in batches by the primary key, each in a short transaction. Without one, every batch reads \
          the whole table, or one UPDATE holds its row locks for hours and doubles the table.",
    thresholds: &[Threshold {
        name: "table_bytes",
        default: 1_073_741_824.0,
        range: (0.0, 1e15),
        meaning: "bytes of the heap (TOAST included) from which a table counts; below 1 GB one UPDATE is over in minutes",
    }],
    reference: "https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-PRIMARY-KEYS",
    check,
};

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let least = verdicts.threshold("table_bytes") as u64;
    for table in snapshot.judged_tables() {
        (facts.interrupt)();
        verdicts.examine(1);
        let bytes = snapshot.heap_bytes(table);
        if bytes < least || has_key(snapshot, table) {
            continue;
        }
        let name = snapshot.relation_name(table.oid);
        let message = format!(
            "{name} ({}) has no primary key and no unique index on NOT NULL columns: no backfill can walk through it in \
             batches",
            pretty_bytes(bytes)
        );
        verdicts
            .find(Finding::new(name, snapshot.schema_name(table.schema), message).evidence("bytes", bytes));
    }
}

/// Whether an index tells all rows apart.
fn has_key(snapshot: &Snapshot, table: &Relation) -> bool {
    snapshot.indexes_of(table.oid).iter().any(|index| {
        index.is_unique
            && index.is_usable()
            && index.predicate.is_none()
            && index
                .key_columns()
                .iter()
                .all(|key| snapshot.column(table.oid, key.column).is_some_and(|column| column.not_null))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Oid;
    use crate::catalog::sample::{Sample, run};
    use crate::catalog::types::builtin;

    fn large(sample: &mut Sample, table: Oid) {
        sample.edit_table(table, |table| table.pages = 200_000);
    }

    #[test]
    fn a_large_table_without_key_is_found() {
        let mut sample = Sample::new();
        let table = sample.table("events");
        sample.column(table, "id", builtin::INT8);
        let index = sample.index(table, "uq_events_id", &["id"]);
        sample.edit_index(index, |index| index.is_unique = true);
        large(&mut sample, table);
        let (found, _, examined) = run(&NO_KEY_FOR_BACKFILL, &sample.finish());
        assert_eq!((found.len(), examined), (1, 1));
        assert_eq!(found[0].object, "public.events");
    }

    #[test]
    fn a_key_of_any_kind_or_a_small_table_is_right() {
        let mut sample = Sample::new();
        let keyed = sample.keyed_table("orders");
        large(&mut sample, keyed);
        let unique = sample.table("events");
        sample.column(unique, "id", builtin::INT8);
        sample.edit_column(unique, "id", |column| column.not_null = true);
        let index = sample.index(unique, "uq_events_id", &["id"]);
        sample.edit_index(index, |index| index.is_unique = true);
        large(&mut sample, unique);
        let small = sample.table("small");
        sample.column(small, "id", builtin::INT8);
        let (found, _, examined) = run(&NO_KEY_FOR_BACKFILL, &sample.finish());
        assert_eq!((found.len(), examined), (0, 3));
    }
}
