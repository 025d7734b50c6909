//! Lists of values that nothing enforces.

use rustc_hash::FxHashSet;

use crate::catalog::{Column, ColumnNumber, ConstraintKind, Oid, Relation, Snapshot, TypeKind};
use crate::design::designed::is_migration_book;
use crate::design::measured::why_unmeasured;
use crate::design::prevalence::{PREVAILING_SHARE, PREVAILING_TABLES, Practice};
use crate::design::words::{ends_with, says};
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Threshold, Verdicts};

/// `schema.status_without_check`: a text column with a handful of values, named as one, that accepts any text.
///
/// There is no fix: which values are right is not ours to know, and the catalog tells only how many there are.
pub const STATUS_WITHOUT_CHECK: Rule = Rule {
    id: "schema.status_without_check",
    dimension: Dimension::Schema,
    severity: Severity::Warning,
    title: "Status without CHECK",
    why: "A misspelt status is stored like any other; the row then belongs to no list, no report and no next step, and \
          nobody is told.",
    thresholds: &[
        Threshold {
            name: "rows",
            default: 100.0,
            range: (1.0, 1e12),
            meaning: "rows from which the number of distinct values says something",
        },
        Threshold {
            name: "distinct_values",
            default: 20.0,
            range: (2.0, 1000.0),
            meaning: "distinct values up to which a column holds a fixed list (longer lists are kept in tables)",
        },
        PREVAILING_SHARE,
        PREVAILING_TABLES,
    ],
    reference: "https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-CHECK-CONSTRAINTS",
    check,
};

/// Last words of columns that hold one of a list of values.
const LISTED: [&str; 12] = [
    "status",
    "state",
    "kind",
    "type",
    "phase",
    "stage",
    "visibility",
    "severity",
    "priority",
    "gender",
    "mode",
    "outcome",
];

/// Words that make it an open list, or another's.
const OPEN: [&str; 8] = ["mime", "content", "media", "class", "country", "us", "billing", "shipping"];

/// Neighbours that make `state` a part of an address.
const ADDRESS: [&str; 7] = ["city", "zip", "postal", "postcode", "street", "address", "country"];

/// Knows what columns of which tables are lists.
struct Lists<'a> {
    snapshot: &'a Snapshot,
    /// Rails keeps the class of a row in `type`; a new class must not meet a CHECK.
    is_rails: bool,
    constrained: FxHashSet<(Oid, ColumnNumber)>,
}

impl<'a> Lists<'a> {
    fn of(snapshot: &'a Snapshot) -> Self {
        let mut constrained = FxHashSet::default();
        for constraint in &snapshot.constraints {
            let says_which = match constraint.kind {
                ConstraintKind::Check | ConstraintKind::ForeignKey => true,
                ConstraintKind::PrimaryKey | ConstraintKind::Unique => constraint.columns.len() == 1,
                _ => false,
            };
            if says_which {
                constrained.extend(constraint.columns.iter().map(|&number| (constraint.table, number)));
            }
        }
        let is_rails = snapshot
            .judged_tables()
            .any(|table| is_migration_book(table) && &*table.name == "ar_internal_metadata");
        Self { snapshot, is_rails, constrained }
    }

    fn is_list(&self, table: &Relation, column: &Column) -> bool {
        if !ends_with(&column.name, &LISTED) || says(&column.name, &OPEN) {
            return false;
        }
        let neighbours = self.snapshot.columns_of(table.oid);
        if column.name.ends_with("state") && neighbours.iter().any(|other| says(&other.name, &ADDRESS)) {
            return false;
        }
        if self.is_rails && &*column.name == "type" {
            return false;
        }
        // Beside `x_id` an `x_type` names a table, and the tables grow in number.
        let stem = column.name.strip_suffix("_type");
        !stem.is_some_and(|stem| neighbours.iter().any(|other| other.name.strip_suffix("_id") == Some(stem)))
    }

    fn is_enforced(&self, table: &Relation, column: &Column) -> bool {
        let is_domain =
            self.snapshot.types.get(&column.type_oid).is_some_and(|found| found.kind == TypeKind::Domain);
        is_domain || self.constrained.contains(&(table.oid, column.number))
    }
}

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let lists = Lists::of(snapshot);
    let (least_rows, most_values) = (verdicts.threshold("rows"), verdicts.threshold("distinct_values"));
    let mut unmeasured = 0;
    let practice = Practice::observe(facts, |table, column, base| {
        if base.category != 'S' || !lists.is_list(table, column) {
            return None;
        }
        if lists.is_enforced(table, column) {
            return Some(false);
        }
        let rows = snapshot.rows(table);
        // Too few rows, too many values: no list after all.
        if rows.is_some_and(|rows| rows < least_rows) {
            return None;
        }
        let (Some(rows), Some(statistics)) = (rows, column.statistics) else {
            unmeasured += 1;
            return None;
        };
        (2.0..=most_values).contains(&statistics.distinct_values(rows)).then_some(true)
    });
    if unmeasured > 0 {
        verdicts.unknown_all(unmeasured, why_unmeasured(snapshot));
    }
    practice.report_columns(
        facts,
        verdicts,
        |extent| {
            format!(
                "lists of values are enforced by no CHECK throughout ({extent}): a misspelt status is stored"
            )
        },
        |table, column| describe(snapshot, table, column),
    );
}

fn describe(snapshot: &Snapshot, table: &Relation, column: &Column) -> Finding {
    let rows = snapshot.rows(table).unwrap_or(0.0);
    let distinct = column.statistics.map_or(0.0, |statistics| statistics.distinct_values(rows)).round();
    let name = snapshot.column_name(column);
    let message = format!(
        "column {name} holds {distinct} values but accepts any text: a misspelt one is stored; add a CHECK that lists them"
    );
    let is_status = ends_with(&column.name, &["status", "state"]);
    Finding::new(name, snapshot.schema_name(table.schema), message)
        .severity(if is_status { Severity::Warning } else { Severity::Info })
        .evidence("distinct_values", distinct)
        .evidence("rows", rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};
    use crate::catalog::types::builtin;
    use crate::finding::Unknown;

    /// A text column of `orders` with five values, after an edit.
    fn judge(name: &str, edit: impl FnOnce(&mut Sample, Oid)) -> (Vec<Finding>, Vec<Unknown>, u64) {
        let mut sample = Sample::new();
        let table = sample.keyed_table("orders");
        sample.column(table, name, builtin::TEXT);
        sample.measured(table, name, 0.0, 5.0);
        edit(&mut sample, table);
        run(&STATUS_WITHOUT_CHECK, &sample.finish())
    }

    #[test]
    fn a_free_status_is_a_warning_and_a_free_kind_is_info() {
        let (found, _, examined) = judge("status", |_, _| ());
        assert_eq!((found.len(), examined), (1, 1));
        assert_eq!((found[0].severity, &found[0].fix), (Some(Severity::Warning), &None));
        assert!(found[0].message.contains("holds 5 values"), "{}", found[0].message);
        assert_eq!(judge("paymentKind", |_, _| ()).0[0].severity, Some(Severity::Info));
        assert_eq!(judge("type", |_, _| ()).0.len(), 1);
    }

    #[test]
    fn enforced_lists_are_right() {
        type Edit = fn(&mut Sample, Oid);
        let right: [Edit; 4] = [
            |sample, table| {
                sample.check(table, "chk_orders_status", &["id", "status"]);
            },
            |sample, table| {
                let target = sample.table("statuses");
                sample.column(target, "name", builtin::TEXT);
                sample.primary_key(target, &["name"]);
                sample.foreign_key(table, &["status"], target, &["name"]);
            },
            |sample, table| {
                let domain = sample.domain("order_status", builtin::TEXT);
                sample.edit_column(table, "status", |column| column.type_oid = domain);
            },
            |sample, table| {
                sample.keyed_constraint(table, "uq_orders_status", &["status"], ConstraintKind::Unique);
            },
        ];
        for edit in right {
            let (found, unknown, _) = judge("status", edit);
            assert!(found.is_empty() && unknown.is_empty(), "{found:?}");
        }
    }

    #[test]
    fn open_lists_short_tables_and_other_names_are_right() {
        for name in ["content_type", "mime_type", "status_note", "statement"] {
            assert!(judge(name, |_, _| ()).0.is_empty(), "{name}");
        }
        let with_city = |sample: &mut Sample, table| {
            sample.column(table, "city", builtin::TEXT);
        };
        assert!(judge("state", with_city).0.is_empty());
        let with_id = |sample: &mut Sample, table| {
            sample.column(table, "subject_id", builtin::INT8);
        };
        assert!(judge("subject_type", with_id).0.is_empty());
        let rails = |sample: &mut Sample, _| {
            sample.keyed_table("ar_internal_metadata");
        };
        assert!(judge("type", rails).0.is_empty());
        assert!(judge("status", |sample, table| sample.edit_table(table, |t| t.rows = 20.0)).0.is_empty());
        for distinct in [1.0, 300.0, -0.9] {
            assert!(
                judge("status", |sample, table| sample.measured(table, "status", 0.0, distinct)).0.is_empty()
            );
        }
    }

    #[test]
    fn without_statistics_it_is_unknown() {
        let (found, unknown, examined) = judge("status", |sample, table| {
            sample.edit_column(table, "status", |column| column.statistics = None);
        });
        assert_eq!((found.len(), examined), (0, 0));
        assert_eq!(unknown[0].objects, 1);
    }
}
