//! Tables without primary key.

use std::cell::OnceCell;

use rustc_hash::FxHashSet;

use crate::catalog::{Index, Oid, Persistence, Relation, Snapshot};
use crate::change::index_ddl::{constraint_behind, recreate};
use crate::design::designed::designed_tables;
use crate::design::measured::leaves;
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};
use crate::text::quote_identifier;

/// `schema.no_primary_key`: tables whose rows nothing identifies, and, as info, those that have a key but do not say so.
pub const NO_PRIMARY_KEY: Rule = Rule {
    id: "schema.no_primary_key",
    dimension: Dimension::Schema,
    severity: Severity::Warning,
    title: "Table without primary key",
    why: "Equal rows cannot be told apart, so that duplicates cannot be deleted one by one, foreign keys have nothing to \
          refer to, and logical replication can publish neither UPDATE nor DELETE.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-PRIMARY-KEYS",
    check,
};

/// The unique index that identifies rows as a primary key would: complete, at once, on columns without NULL.
///
/// The one with the fewest columns; of equals the first by name.
pub fn key_index<'a>(snapshot: &'a Snapshot, table: &Relation) -> Option<&'a Index> {
    snapshot
        .indexes_of(table.oid)
        .iter()
        .filter(|index| {
            let keys = index.key_columns();
            index.is_unique
                && index.is_usable()
                && index.is_immediate
                && index.predicate.is_none()
                && !keys.is_empty()
                && keys
                    .iter()
                    .all(|key| snapshot.column(table.oid, key.column).is_some_and(|column| column.not_null))
        })
        .min_by_key(|index| (index.key_columns().len(), index.name.clone()))
}

/// Whether rows are identified: by the table's own keys or, below a partitioned one, by those of each partition.
fn has_primary_key(snapshot: &Snapshot, table: &Relation) -> bool {
    if snapshot.primary_key_of(table.oid).is_some() {
        return true;
    }
    if table.partitioning.is_none() {
        return false;
    }
    let mut leaves = leaves(snapshot, table).peekable();
    leaves.peek().is_some() && leaves.all(|leaf| snapshot.primary_key_of(leaf.oid).is_some())
}

/// Whether it is a table for passing loads: neither logged nor filled.
fn is_empty_staging(table: &Relation) -> bool {
    table.persistence == Persistence::Unlogged && table.pages == 0
}

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let referenced = OnceCell::new();
    for table in designed_tables(facts) {
        verdicts.examine(1);
        if has_primary_key(snapshot, table) || is_empty_staging(table) {
            continue;
        }
        verdicts.find(match key_index(snapshot, table) {
            Some(index) => {
                undeclared(facts, table, index, referenced.get_or_init(|| referenced_indexes(snapshot)))
            }
            None => unidentified(snapshot, table),
        });
    }
}

fn unidentified(snapshot: &Snapshot, table: &Relation) -> Finding {
    let name = snapshot.relation_name(table.oid);
    let message = format!(
        "table {name} has no primary key and no other key: equal rows cannot be told apart, updated or deleted singly"
    );
    Finding::new(name, snapshot.schema_name(table.schema), message)
        .evidence("rows", snapshot.rows(table))
        .evidence("columns", snapshot.columns_of(table.oid).len() as u64)
}

/// The indexes on which foreign keys stand.
fn referenced_indexes(snapshot: &Snapshot) -> FxHashSet<Oid> {
    let foreign_keys = snapshot.constraints.iter().filter(|constraint| constraint.foreign_key.is_some());
    foreign_keys.map(|constraint| constraint.index).collect()
}

fn undeclared(facts: &Facts<'_>, table: &Relation, index: &Index, referenced: &FxHashSet<Oid>) -> Finding {
    let snapshot = facts.snapshot;
    let name = snapshot.relation_name(table.oid);
    let index_name = quote_identifier(&index.name);
    let message = format!(
        "table {name} has no primary key, though unique index {index_name} identifies its rows: declare it"
    );
    let columns: Vec<_> = index.key_columns().iter().map(|key| key.column).collect();
    let columns = snapshot.column_names(table.oid, &columns);
    let finding = Finding::new(&name, snapshot.schema_name(table.schema), message)
        .severity(Severity::Info)
        .evidence("index", &*index.name)
        .evidence("columns", columns.clone());
    // An index that already serves a constraint cannot serve a second one, nor one of a partitioned table or with
    // another order than the primary key's. One that a foreign key refers to could not be taken back.
    let is_taken = constraint_behind(snapshot, index).is_some() || referenced.contains(&index.oid);
    let is_plain = index.key_columns().iter().all(|key| !key.descending && !key.nulls_first)
        && index.key_columns().iter().all(|key| {
            snapshot.operator_classes.get(&key.opclass).is_some_and(|class| class.is_default)
                && snapshot
                    .column(table.oid, key.column)
                    .is_some_and(|column| column.collation == key.collation)
        })
        && !index.nulls_not_distinct;
    if is_taken || !is_plain || table.partitioning.is_some() || !is_named_as_key(table, &columns) {
        return finding;
    }
    match recreate(snapshot, facts.definitions, &[index]) {
        Some(create_again) => finding.fix(
            format!("ALTER TABLE {name} ADD CONSTRAINT {index_name} PRIMARY KEY USING INDEX {index_name};"),
            format!("ALTER TABLE {name} DROP CONSTRAINT {index_name};\n{create_again}"),
        ),
        None => finding,
    }
}

/// Whether the columns could be the primary key without a complaint about its name.
fn is_named_as_key(table: &Relation, columns: &[String]) -> bool {
    match columns {
        [only] => {
            let own = only.strip_suffix("_id").is_some_and(|stem| {
                !stem.is_empty() && (*table.name == *stem || table.name.strip_suffix('s') == Some(stem))
            });
            only == "id" || own
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::ConstraintKind;
    use crate::catalog::sample::{Sample, run};
    use crate::catalog::types::builtin;

    fn table_with_unique(sample: &mut Sample, name: &str, column: &str, not_null: bool) -> (Oid, Oid) {
        let table = sample.table(name);
        sample.column(table, column, builtin::INT8);
        sample.edit_column(table, column, |column| column.not_null = not_null);
        let index = sample.index(table, &format!("idx_{name}_{column}"), &[column]);
        sample.edit_index(index, |index| index.is_unique = true);
        (table, index)
    }

    #[test]
    fn no_key_at_all_is_a_warning() {
        let mut sample = Sample::new();
        let table = sample.table("logs");
        sample.column(table, "line", builtin::TEXT);
        // Unique, but NULL identifies nothing.
        table_with_unique(&mut sample, "visits", "id", false);
        let (partial, index) = table_with_unique(&mut sample, "carts", "id", true);
        sample.edit_index(index, |index| index.predicate = Some("{ VAR :varattno 1 }".into()));
        let (found, _, examined) = run(&NO_PRIMARY_KEY, &sample.finish());
        assert_eq!((found.len(), examined), (3, 3));
        assert!(found.iter().all(|finding| finding.severity.is_none() && finding.fix.is_none()));
        assert!(partial > 0);
    }

    #[test]
    fn a_key_that_is_not_declared_is_info_with_a_fix() {
        let mut sample = Sample::new();
        table_with_unique(&mut sample, "orders", "id", true);
        let (found, _, _) = run(&NO_PRIMARY_KEY, &sample.finish());
        assert_eq!(found[0].severity, Some(Severity::Info));
        assert_eq!(
            found[0].fix.as_deref(),
            Some(
                "ALTER TABLE public.orders ADD CONSTRAINT idx_orders_id PRIMARY KEY USING INDEX idx_orders_id;"
            )
        );
        let undo = found[0].undo.as_deref().unwrap();
        assert!(undo.starts_with(
            "ALTER TABLE public.orders DROP CONSTRAINT idx_orders_id;\nCREATE INDEX CONCURRENTLY"
        ));
    }

    #[test]
    fn what_a_foreign_key_refers_to_could_not_be_taken_back() {
        let mut sample = Sample::new();
        let (orders, index) = table_with_unique(&mut sample, "orders", "id", true);
        let lines = sample.keyed_table("lines");
        sample.column(lines, "order_id", builtin::INT8);
        let key = sample.foreign_key(lines, &["order_id"], orders, &["id"]);
        sample.edit_constraint(key, |constraint| constraint.index = index);
        let (found, _, _) = run(&NO_PRIMARY_KEY, &sample.finish());
        assert_eq!((found.len(), &found[0].fix), (1, &None));
    }

    #[test]
    fn a_unique_constraint_cannot_simply_become_the_primary_key() {
        let mut sample = Sample::new();
        let table = sample.table("orders");
        sample.column(table, "id", builtin::INT8);
        sample.edit_column(table, "id", |column| column.not_null = true);
        sample.keyed_constraint(table, "uq_orders_id", &["id"], ConstraintKind::Unique);
        let (found, _, _) = run(&NO_PRIMARY_KEY, &sample.finish());
        assert_eq!((found[0].severity, &found[0].fix), (Some(Severity::Info), &None));
    }

    #[test]
    fn keyed_tables_partitions_with_keys_and_empty_staging_are_right() {
        let mut sample = Sample::new();
        sample.keyed_table("orders");
        let parent = sample.table("events");
        sample.column(parent, "id", builtin::INT8);
        for name in ["events_1", "events_2"] {
            let leaf = sample.keyed_table(name);
            sample.partition(parent, leaf);
        }
        let staging = sample.table("staging");
        sample.edit_table(staging, |table| {
            table.persistence = Persistence::Unlogged;
            table.pages = 0;
        });
        let temporary = sample.table("temporary");
        sample.edit_table(temporary, |table| table.persistence = Persistence::Temporary);
        let (found, _, examined) = run(&NO_PRIMARY_KEY, &sample.finish());
        assert!(found.is_empty(), "{found:?}");
        assert_eq!(examined, 3);
    }

    #[test]
    fn a_partition_tree_without_keys_is_one_finding() {
        let mut sample = Sample::new();
        let parent = sample.table("events");
        sample.column(parent, "id", builtin::INT8);
        for name in ["events_1", "events_2"] {
            let leaf = sample.table(name);
            sample.column(leaf, "id", builtin::INT8);
            sample.partition(parent, leaf);
        }
        assert_eq!(run(&NO_PRIMARY_KEY, &sample.finish()).0.len(), 1);
    }
}
