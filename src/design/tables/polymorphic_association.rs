//! References to whichever table another column names.

use crate::catalog::types::builtin;
use crate::catalog::{Column, Snapshot};
use crate::design::keys::nullable_foreign_key::columns_of_foreign_keys;
use crate::design::prevalence::{PREVAILING_SHARE, PREVAILING_TABLES, Practice};
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Threshold, Verdicts};
use crate::text::quote_identifier;

/// `schema.polymorphic_association`: `x_id` without foreign key beside `x_type` that says which table it means.
pub const POLYMORPHIC_ASSOCIATION: Rule = Rule {
    id: "schema.polymorphic_association",
    dimension: Dimension::Schema,
    severity: Severity::Info,
    title: "Polymorphic association",
    why: "No foreign key can check a reference whose table is named in another column: orphans appear when rows are \
          deleted, and a join must know every table that may be meant.",
    thresholds: &[
        Threshold {
            default: 0.0,
            meaning: "share of the referring columns above which such pairs are the database's habit and are reported \
                      once (0: a framework writes them, so that the number of tables says enough)",
            ..PREVAILING_SHARE
        },
        PREVAILING_TABLES,
    ],
    reference: "https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-FK",
    check,
};

/// The text column `x_type` beside `x_id`.
fn type_column<'a>(snapshot: &'a Snapshot, id: &Column) -> Option<&'a Column> {
    let stem = id.name.strip_suffix("_id").filter(|stem| !stem.is_empty())?;
    snapshot.columns_of(id.relation).iter().find(|column| {
        column.name.strip_suffix("_type") == Some(stem)
            && snapshot.base_type(column.type_oid).is_some_and(|base| base.category == 'S')
    })
}

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let referring = columns_of_foreign_keys(snapshot);
    // What is looked at are columns that refer to something, by a foreign key or by such a pair.
    let practice = Practice::observe(facts, |table, column, base| {
        if referring.contains(&(table.oid, column.number)) {
            return Some(false);
        }
        let is_reference = matches!(base.oid, builtin::INT4 | builtin::INT8 | builtin::UUID);
        (is_reference && type_column(snapshot, column).is_some()).then_some(true)
    });
    practice.report_columns(
        facts,
        verdicts,
        |extent| {
            let following = extent.split_once(" of ").map_or(extent, |(following, _)| following);
            format!(
                "{following} columns refer to whichever table another column names, as in a framework's polymorphic \
                 associations: no foreign key can check them"
            )
        },
        |table, column| {
            let beside = type_column(snapshot, column).map_or("", |found| &found.name);
            let message = format!(
                "column {} refers to whichever table {} names: no foreign key can check it",
                snapshot.column_name(column),
                quote_identifier(beside)
            );
            Finding::new(snapshot.column_name(column), snapshot.schema_name(table.schema), message)
                .evidence("type_column", beside)
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};

    #[test]
    fn a_pair_without_foreign_key_is_found() {
        let mut sample = Sample::new();
        let table = sample.keyed_table("comments");
        sample.column(table, "subject_id", builtin::INT8);
        sample.column(table, "subject_type", builtin::VARCHAR);
        let (found, _, examined) = run(&POLYMORPHIC_ASSOCIATION, &sample.finish());
        assert_eq!((found.len(), examined), (1, 1));
        assert_eq!(found[0].object, "public.comments.subject_id");
    }

    #[test]
    fn a_frameworks_habit_is_told_once_however_many_foreign_keys_there_are() {
        let mut sample = Sample::new();
        let people = sample.keyed_table("people");
        for number in 0..10 {
            let table = sample.keyed_table(&format!("t{number}"));
            for name in ["person_id", "author_id", "owner_id"] {
                sample.column(table, name, builtin::INT8);
            }
            sample.column(table, "owner_type", builtin::TEXT);
            for name in ["person_id", "author_id"] {
                sample.foreign_key(table, &[name], people, &["id"]);
            }
        }
        let (found, _, examined) = run(&POLYMORPHIC_ASSOCIATION, &sample.finish());
        assert_eq!((found.len(), examined), (1, 1));
        assert_eq!(found[0].object, "database");
        assert!(found[0].message.starts_with("10 columns refer"), "{}", found[0].message);
    }

    #[test]
    fn checked_references_other_types_and_lone_columns_are_right() {
        let mut sample = Sample::new();
        let payments = sample.keyed_table("payments");
        let table = sample.keyed_table("refunds");
        let kind = sample.enum_type("kind");
        for (name, type_oid) in [
            ("payment_id", builtin::INT8),
            ("payment_type", builtin::TEXT),
            ("order_id", builtin::INT8),
            ("external_id", builtin::TEXT),
            ("external_type", builtin::TEXT),
            ("shape_id", builtin::INT8),
            ("shape_type", kind),
            ("content_type", builtin::TEXT),
        ] {
            sample.column(table, name, type_oid);
        }
        sample.foreign_key(table, &["payment_id"], payments, &["id"]);
        let (found, _, examined) = run(&POLYMORPHIC_ASSOCIATION, &sample.finish());
        assert!(found.is_empty(), "{found:?}");
        assert_eq!(examined, 1);
    }
}
