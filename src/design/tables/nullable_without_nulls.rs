//! Columns that could be NULL but are not meant to be.

use rustc_hash::FxHashSet;

use crate::catalog::types::builtin;
use crate::catalog::{Column, ColumnNumber, Relation, Snapshot};
use crate::design::designed::designed_tables_with_columns;
use crate::design::keys::nullable_foreign_key::columns_of_foreign_keys;
use crate::design::measured::{null_fraction, why_unmeasured};
use crate::design::not_null::{is_proven_by_check, set_not_null};
use crate::design::prevalence::names_of;
use crate::design::words::{ends_with, says};
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Threshold, Verdicts};
use crate::text::size::grouped;

/// `schema.nullable_without_nulls`: nullable columns without NULL that something else says are mandatory; one finding
/// a table.
///
/// That a column holds no NULL today says little by itself. It must also have a default, be boolean, be part of a
/// unique index (where NULLs would be let in twice), or be named as when or in which state the row is. Columns of
/// foreign keys are `schema.nullable_foreign_key`'s.
pub const NULLABLE_WITHOUT_NULLS: Rule = Rule {
    id: "schema.nullable_without_nulls",
    dimension: Dimension::Schema,
    severity: Severity::Info,
    title: "Mandatory column without NOT NULL",
    why: "NOT NULL is the cheapest constraint there is. Without it one forgotten value makes a comparison neither true nor \
          false, a unique index let duplicates in, and a sum skip the row.",
    thresholds: &[Threshold {
        name: "rows",
        default: 1_000.0,
        range: (1.0, 1e12),
        meaning: "rows from which the absence of NULL says something",
    }],
    reference: "https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-NOT-NULL",
    check,
};

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let referring = columns_of_foreign_keys(snapshot);
    let (mut unanalyzed, mut unseen) = (0, 0);
    for (table, columns) in designed_tables_with_columns(facts) {
        let Some(rows) = snapshot.rows(table) else {
            unanalyzed += 1;
            continue;
        };
        if rows < verdicts.threshold("rows") {
            verdicts.examine(1);
            continue;
        }
        let unique = columns_of_unique_indexes(snapshot, table);
        let mandatory: Vec<&Column> = columns
            .iter()
            .filter(|column| {
                !column.not_null
                    && !column.is_generated
                    && !column.is_inherited
                    && !referring.contains(&(table.oid, column.number))
                    && seems_mandatory(snapshot, column, &unique)
            })
            .collect();
        let fractions: Option<Vec<f64>> =
            mandatory.iter().map(|column| null_fraction(snapshot, table, column)).collect();
        let Some(fractions) = fractions else {
            unseen += 1;
            continue;
        };
        verdicts.examine(1);
        let without_nulls: Vec<&Column> = mandatory
            .into_iter()
            .zip(fractions)
            .filter(|&(column, nulls)| nulls == 0.0 && !is_proven_by_check(facts, column))
            .map(|(column, _)| column)
            .collect();
        if !without_nulls.is_empty() {
            verdicts.find(describe(snapshot, table, &without_nulls, rows));
        }
    }
    if unanalyzed > 0 {
        verdicts.unknown_all(unanalyzed, "never analyzed: run ANALYZE");
    }
    if unseen > 0 {
        verdicts.unknown_all(unseen, why_unmeasured(snapshot));
    }
}

fn columns_of_unique_indexes(snapshot: &Snapshot, table: &Relation) -> FxHashSet<ColumnNumber> {
    snapshot
        .indexes_of(table.oid)
        .iter()
        .filter(|index| index.is_unique && index.predicate.is_none() && !index.nulls_not_distinct)
        .flat_map(|index| index.key_columns())
        .map(|key| key.column)
        .collect()
}

/// Names of the moment at which a row was written, which every row has.
const WRITTEN: [&str; 5] = ["created", "inserted", "updated", "modified", "recorded"];

fn seems_mandatory(snapshot: &Snapshot, column: &Column, unique: &FxHashSet<ColumnNumber>) -> bool {
    let base = snapshot.base_type(column.type_oid);
    let is_boolean = base.is_some_and(|base| base.oid == builtin::BOOL);
    let is_moment = base.is_some_and(|base| base.category == 'D');
    column.has_default
        || is_boolean
        || unique.contains(&column.number)
        || (is_moment && says(&column.name, &WRITTEN))
        || ends_with(&column.name, &["status"])
}

fn describe(snapshot: &Snapshot, table: &Relation, columns: &[&Column], rows: f64) -> Finding {
    let name = snapshot.relation_name(table.oid);
    let names = names_of(columns);
    let message = format!(
        "table {name} allows NULL where no sampled row has one ({}): one forgotten value breaks comparisons",
        names.join(", ")
    );
    let finding = Finding::new(name, snapshot.schema_name(table.schema), message)
        .evidence("columns", names)
        .evidence("rows", grouped(rows as i64))
        .evidence("source", "ANALYZE's sample; VALIDATE CONSTRAINT in the fix checks every row");
    match set_not_null(snapshot, table, columns) {
        Some((fix, undo)) => finding.fix(fix, undo),
        None => finding,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Oid;
    use crate::catalog::sample::{Sample, run};
    use crate::finding::Unknown;

    /// `orders` with these nullable columns, none of which holds NULL, after an edit.
    fn judge(
        columns: &[(&str, Oid)],
        edit: impl FnOnce(&mut Sample, Oid),
    ) -> (Vec<Finding>, Vec<Unknown>, u64) {
        let mut sample = Sample::new();
        let table = sample.keyed_table("orders");
        for (name, type_oid) in columns {
            sample.column(table, name, *type_oid);
            sample.measured(table, name, 0.0, -0.5);
        }
        edit(&mut sample, table);
        run(&NULLABLE_WITHOUT_NULLS, &sample.finish())
    }

    #[test]
    fn mandatory_columns_are_listed_by_table() {
        let columns = [
            ("created_at", builtin::TIMESTAMPTZ),
            ("is_paid", builtin::BOOL),
            ("status", builtin::TEXT),
            ("number", builtin::TEXT),
            ("currency", builtin::TEXT),
            ("note", builtin::TEXT),
        ];
        let (found, _, examined) = judge(&columns, |sample, table| {
            sample.keyed_constraint(table, "uq", &["number"], crate::catalog::ConstraintKind::Unique);
            sample.edit_column(table, "currency", |column| column.has_default = true);
        });
        assert_eq!((found.len(), examined), (1, 1));
        assert!(found[0].message.contains(
            "allows NULL where no sampled row has one (created_at, is_paid, status, number, currency)"
        ));
        assert!(found[0].fix.is_some() && found[0].undo.is_some());
    }

    #[test]
    fn optional_null_holding_proven_and_referring_columns_are_right() {
        type Edit = fn(&mut Sample, Oid);
        let right: [(&str, Oid, Edit); 5] = [
            ("note", builtin::TEXT, |_, _| ()),
            ("is_paid", builtin::BOOL, |sample, table| sample.measured(table, "is_paid", 0.02, 2.0)),
            ("is_paid", builtin::BOOL, |sample, table| sample.edit_table(table, |table| table.rows = 500.0)),
            ("order_id", builtin::INT8, |sample, table| {
                sample.edit_column(table, "order_id", |column| column.has_default = true);
                sample.foreign_key(table, &["order_id"], table, &["id"]);
            }),
            ("is_paid", builtin::BOOL, |sample, table| {
                sample.edit_column(table, "is_paid", |column| column.not_null = true);
            }),
        ];
        for (name, type_oid, edit) in right {
            let (found, unknown, examined) = judge(&[(name, type_oid)], edit);
            assert!(found.is_empty() && unknown.is_empty(), "{name}: {found:?}");
            assert_eq!(examined, 1);
        }
    }

    #[test]
    fn what_was_not_measured_is_unknown() {
        let (found, unknown, examined) =
            judge(&[("is_paid", builtin::BOOL)], |sample, table| sample.edit_table(table, |t| t.rows = -1.0));
        assert_eq!((found.len(), unknown[0].objects, examined), (0, 1, 0));
        let (_, unknown, _) = judge(&[("is_paid", builtin::BOOL)], |sample, table| {
            sample.edit_column(table, "is_paid", |column| column.statistics = None);
        });
        assert_eq!(unknown.len(), 1);
    }
}
