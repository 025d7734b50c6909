//! Foreign keys that could be empty but never are.

use rustc_hash::FxHashSet;

use crate::catalog::{Column, ColumnNumber, Oid, ReferentialAction, Snapshot};
use crate::design::measured::{null_fraction, why_unmeasured};
use crate::design::not_null::{is_proven_by_check, set_not_null};
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Threshold, Verdicts};
use crate::text::size::grouped;

use super::foreign_keys::foreign_keys;

/// `schema.nullable_foreign_key`: a nullable foreign key column in which ANALYZE found no NULL.
///
/// A reference that some rows lack is a decision; one that all rows have is a NOT NULL that somebody forgot.
pub const NULLABLE_FOREIGN_KEY: Rule = Rule {
    id: "schema.nullable_foreign_key",
    dimension: Dimension::Schema,
    severity: Severity::Info,
    title: "Nullable foreign key without NULL",
    why: "A NULL satisfies every foreign key, so that a row may slip in that belongs to nothing, and queries must be \
          written with outer joins for rows that never come.",
    thresholds: &[Threshold {
        name: "rows",
        default: 100.0,
        range: (1.0, 1e12),
        meaning: "rows from which the absence of NULL says something",
    }],
    reference: "https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-NOT-NULL",
    check,
};

/// The columns of foreign keys, each with whether a NULL has a meaning there: it is written when the referenced row
/// goes, or it marks the root of a tree.
fn referring_columns(facts: &Facts<'_>) -> Vec<(Oid, ColumnNumber, bool)> {
    let mut columns: Vec<(Oid, ColumnNumber, bool)> = foreign_keys(facts)
        .flat_map(|(table, constraint, key)| {
            let sets = |action| matches!(action, ReferentialAction::SetNull | ReferentialAction::SetDefault);
            let means_something = key.table == table.oid || sets(key.on_delete) || sets(key.on_update);
            constraint.columns.iter().map(move |&number| (table.oid, number, means_something))
        })
        .collect();
    // Of several foreign keys on one column the one that gives NULL a meaning decides: it sorts last.
    columns.sort_unstable();
    columns.dedup_by(|later, kept| {
        let is_same = (later.0, later.1) == (kept.0, kept.1);
        kept.2 |= is_same && later.2;
        is_same
    });
    columns
}

/// Every column of a foreign key, whoever's it is.
pub fn columns_of_foreign_keys(snapshot: &Snapshot) -> FxHashSet<(Oid, ColumnNumber)> {
    snapshot
        .constraints
        .iter()
        .filter(|constraint| constraint.foreign_key.is_some())
        .flat_map(|constraint| constraint.columns.iter().map(|&number| (constraint.table, number)))
        .collect()
}

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let mut unmeasured = 0;
    for (table, number, null_means_something) in referring_columns(facts) {
        let Some(relation) = snapshot.relation(table) else { continue };
        let Some(column) = snapshot.column(table, number) else { continue };
        if column.not_null || null_means_something {
            verdicts.examine(1);
            continue;
        }
        let measured = snapshot.rows(relation).and_then(|rows| {
            // An empty table tells nothing, and has no column statistics to miss.
            let nulls = if rows == 0.0 { 1.0 } else { null_fraction(snapshot, relation, column)? };
            Some((rows, nulls))
        });
        let Some((rows, nulls)) = measured else {
            unmeasured += 1;
            continue;
        };
        verdicts.examine(1);
        if nulls == 0.0 && rows >= verdicts.threshold("rows") && !is_proven_by_check(facts, column) {
            verdicts.find(describe(facts, column, rows));
        }
    }
    if unmeasured > 0 {
        verdicts.unknown_all(unmeasured, why_unmeasured(snapshot));
    }
}

fn describe(facts: &Facts<'_>, column: &Column, rows: f64) -> Finding {
    let snapshot = facts.snapshot;
    let name = snapshot.column_name(column);
    let message = format!(
        "foreign key column {name} allows NULL, but no sampled row has one: a forgotten value would make a row that \
         belongs to nothing"
    );
    let finding = Finding::new(&name, snapshot.schema_of(column.relation), message)
        .evidence("rows", grouped(rows as i64))
        .evidence("source", "ANALYZE's sample; VALIDATE CONSTRAINT in the fix checks every row");
    let change =
        snapshot.relation(column.relation).and_then(|table| set_not_null(snapshot, table, &[column]));
    match change {
        Some((fix, undo)) => finding.fix(fix, undo),
        None => finding,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};
    use crate::catalog::types::builtin;
    use crate::finding::Unknown;

    /// `lines.order_id → orders.id` without NULL, after an edit of the sample.
    fn judge(edit: impl FnOnce(&mut Sample, Oid, Oid)) -> (Vec<Finding>, Vec<Unknown>, u64) {
        let mut sample = Sample::new();
        let orders = sample.keyed_table("orders");
        let lines = sample.keyed_table("lines");
        sample.column(lines, "order_id", builtin::INT8);
        sample.measured(lines, "order_id", 0.0, -0.2);
        let key = sample.foreign_key(lines, &["order_id"], orders, &["id"]);
        edit(&mut sample, lines, key);
        run(&NULLABLE_FOREIGN_KEY, &sample.finish())
    }

    #[test]
    fn never_null_is_found_with_a_safe_fix() {
        let (found, _, examined) = judge(|_, _, _| ());
        assert_eq!((found.len(), examined), (1, 1));
        assert_eq!(found[0].object, "public.lines.order_id");
        let fix = found[0].fix.as_deref().unwrap();
        assert!(
            fix.contains("NOT VALID;\n") && fix.contains("VALIDATE") && fix.contains("SET NOT NULL"),
            "{fix}"
        );
        assert_eq!(
            found[0].undo.as_deref(),
            Some("ALTER TABLE public.lines ALTER COLUMN order_id DROP NOT NULL;")
        );
    }

    #[test]
    fn nulls_with_a_meaning_are_right() {
        type Edit = fn(&mut Sample, Oid, Oid);
        let right: [Edit; 5] = [
            |sample, lines, _| sample.measured(lines, "order_id", 0.01, 5.0),
            |sample, lines, _| sample.edit_column(lines, "order_id", |column| column.not_null = true),
            |sample, lines, _| sample.edit_table(lines, |table| table.rows = 40.0),
            |sample, _, key| {
                sample.edit_constraint(key, |constraint| {
                    constraint.foreign_key.as_mut().unwrap().on_delete = ReferentialAction::SetNull;
                });
            },
            |sample, lines, key| {
                sample.edit_constraint(key, |constraint| {
                    constraint.foreign_key.as_mut().unwrap().table = lines
                });
            },
        ];
        for (number, edit) in right.into_iter().enumerate() {
            let (found, unknown, examined) = judge(edit);
            assert!(found.is_empty() && unknown.is_empty(), "{number}: {found:?}");
            assert_eq!(examined, 1);
        }
    }

    #[test]
    fn without_statistics_it_is_unknown() {
        let (found, unknown, examined) = judge(|sample, lines, _| {
            sample.edit_column(lines, "order_id", |column| column.statistics = None);
        });
        assert_eq!((found.len(), examined), (0, 0));
        assert_eq!(unknown[0].objects, 1);
        assert!(unknown[0].reason.contains("ANALYZE"));
        let (_, unknown, _) = judge(|sample, lines, _| {
            sample.edit_column(lines, "order_id", |column| column.statistics = None);
            sample.snapshot.server.sees_statistics = false;
        });
        assert!(unknown[0].reason.contains("pg_monitor"));
    }

    #[test]
    fn a_column_of_two_foreign_keys_is_one_finding() {
        let (found, _, examined) = judge(|sample, lines, _| {
            let others = sample.keyed_table("others");
            sample.foreign_key(lines, &["order_id"], others, &["id"]);
        });
        assert_eq!((found.len(), examined), (1, 1));
    }
}
