//! Length limits that nobody decided on.

use crate::catalog::Column;
use crate::catalog::types::builtin;
use crate::design::prevalence::{PREVAILING_SHARE, PREVAILING_TABLES, Practice, names_of};
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Threshold, Verdicts};

use super::type_change::TypeChanges;

/// `schema.varchar_length`: `varchar(255)` and its kin, one finding a table. A small limit is taken for a decision.
pub const VARCHAR_LENGTH: Rule = Rule {
    id: "schema.varchar_length",
    dimension: Dimension::Schema,
    severity: Severity::Info,
    title: "Length limit by habit",
    why: "255, 256 and 191 are limits of other database servers. Here they save nothing, and one day a longer value \
          makes an INSERT fail.",
    thresholds: &[
        Threshold {
            default: 0.0,
            meaning: "share of the text columns above which the limit is the database's habit and is reported once \
                      (0: a limit by habit is a habit, so that the number of tables says enough)",
            ..PREVAILING_SHARE
        },
        PREVAILING_TABLES,
    ],
    reference: "https://wiki.postgresql.org/wiki/Don%27t_Do_This#Don.27t_use_varchar.28n.29_by_default",
    check,
};

/// Whether the limit is one that tools write when nobody gave any.
pub fn is_round_default(length: i32) -> bool {
    matches!(length, 191 | 255 | 256)
}

fn is_by_habit(column: &Column) -> bool {
    column.length_limit().is_some_and(is_round_default)
}

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let practice = Practice::observe(facts, |_, column, base| {
        (base.category == 'S').then(|| base.oid == builtin::VARCHAR && is_by_habit(column))
    });
    let snapshot = facts.snapshot;
    let changes = TypeChanges::new(facts);
    practice.report_tables(
        facts,
        verdicts,
        |extent| {
            format!(
                "text is limited to 255 characters or so by habit ({extent}): the limit saves nothing and fails the \
                 first longer value; use text, and limit where the business does"
            )
        },
        |table, columns| {
            let names = names_of(columns);
            let message = format!(
                "table {} limits text by habit ({}): the limit saves nothing and fails the first longer value",
                snapshot.relation_name(table.oid),
                names.join(", ")
            );
            let finding =
                Finding::new(snapshot.relation_name(table.oid), snapshot.schema_name(table.schema), message)
                    .evidence("columns", names);
            let wider: Vec<(&Column, &str)> = columns.iter().map(|&column| (column, "text")).collect();
            changes.repair(finding, table, &wider)
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Oid;
    use crate::catalog::sample::{Sample, run};

    fn limited(sample: &mut Sample, table: Oid, name: &str, length: i32) {
        sample.column(table, name, builtin::VARCHAR);
        sample.edit_column(table, name, |column| column.type_modifier = length + 4);
    }

    #[test]
    fn round_defaults_are_listed_by_table() {
        let mut sample = Sample::new();
        let table = sample.keyed_table("things");
        limited(&mut sample, table, "title", 255);
        limited(&mut sample, table, "subtitle", 191);
        limited(&mut sample, table, "postal_code", 10);
        let (found, _, examined) = run(&VARCHAR_LENGTH, &sample.finish());
        assert_eq!((found.len(), examined), (1, 1));
        assert!(found[0].message.contains("(title, subtitle)"));
        let fix = found[0].fix.as_deref().unwrap();
        assert!(fix.contains("ALTER COLUMN title TYPE text, ALTER COLUMN subtitle TYPE text;"), "{fix}");
    }

    #[test]
    fn deliberate_limits_and_no_limits_are_right() {
        let mut sample = Sample::new();
        let table = sample.keyed_table("things");
        limited(&mut sample, table, "postal_code", 10);
        limited(&mut sample, table, "title", 200);
        sample.column(table, "free", builtin::VARCHAR);
        sample.column(table, "note", builtin::TEXT);
        sample.column(table, "padded", builtin::BPCHAR);
        sample.edit_column(table, "padded", |column| column.type_modifier = 259);
        assert!(run(&VARCHAR_LENGTH, &sample.finish()).0.is_empty());
    }

    #[test]
    fn a_frameworks_habit_is_told_once() {
        let mut sample = Sample::new();
        for number in 0..15 {
            let table = sample.keyed_table(&format!("t{number}"));
            limited(&mut sample, table, "a", 255);
            for other in ["b", "c", "d"] {
                sample.column(table, other, builtin::TEXT);
            }
        }
        let (found, _, _) = run(&VARCHAR_LENGTH, &sample.finish());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].object, "database");
    }
}
