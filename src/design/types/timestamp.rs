//! Moments without a time zone.

use crate::catalog::types::builtin;
use crate::design::prevalence::{PREVAILING_SHARE, PREVAILING_TABLES, Practice, names_of};
use crate::design::words::says;
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};

/// `schema.timestamp_without_time_zone`: moments kept as wall-clock readings, one finding a table.
///
/// There is no fix: in which zone the writers' clocks stood is not in the catalog, and to guess it moves every value.
pub const TIMESTAMP_WITHOUT_TIME_ZONE: Rule = Rule {
    id: "schema.timestamp_without_time_zone",
    dimension: Dimension::Schema,
    severity: Severity::Warning,
    title: "Moment kept without time zone",
    why: "timestamp without time zone is a reading of some clock, not a moment: sessions in different zones write and \
          read different instants, and the hour of a clock change happens twice or never.",
    thresholds: &[PREVAILING_SHARE, PREVAILING_TABLES],
    reference: "https://wiki.postgresql.org/wiki/Don%27t_Do_This#Don.27t_use_timestamp_.28without_time_zone.29",
    check,
};

/// Words that say that a wall clock is meant, or which zone it stands in.
const WALL_CLOCK: [&str; 5] = ["local", "wall", "naive", "utc", "gmt"];

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let practice = Practice::observe(facts, |_, column, base| match base.oid {
        builtin::TIMESTAMPTZ => Some(false),
        builtin::TIMESTAMP => Some(!says(&column.name, &WALL_CLOCK)),
        _ => None,
    });
    let snapshot = facts.snapshot;
    practice.report_tables(
        facts,
        verdicts,
        |extent| {
            format!(
                "moments are kept without time zone throughout ({extent}): make sure that every writer uses UTC, and \
                 use timestamptz for new columns"
            )
        },
        |table, columns| {
            let names = names_of(columns);
            let message = format!(
                "table {} keeps moments without time zone ({}): sessions in different zones read different instants",
                snapshot.relation_name(table.oid),
                names.join(", ")
            );
            Finding::new(snapshot.relation_name(table.oid), snapshot.schema_name(table.schema), message)
                .evidence("columns", names)
                .evidence(
                    "how",
                    "ALTER COLUMN ... TYPE timestamptz USING ... AT TIME ZONE 'the zone of the writers'; rewrites the table",
                )
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};

    #[test]
    fn one_finding_a_table_lists_its_columns() {
        let mut sample = Sample::new();
        let table = sample.keyed_table("visits");
        for name in ["created_at", "updated_at"] {
            sample.column(table, name, builtin::TIMESTAMP);
        }
        sample.column(table, "seen_at", builtin::TIMESTAMPTZ);
        let other = sample.keyed_table("notes");
        sample.column(other, "created_at", builtin::TIMESTAMPTZ);
        let (found, _, examined) = run(&TIMESTAMP_WITHOUT_TIME_ZONE, &sample.finish());
        assert_eq!((found.len(), examined), (1, 2));
        assert_eq!(found[0].object, "public.visits");
        assert!(found[0].message.contains("(created_at, updated_at)"));
        assert_eq!(found[0].fix, None);
    }

    #[test]
    fn wall_clocks_dates_and_moments_are_right() {
        let mut sample = Sample::new();
        let table = sample.keyed_table("concerts");
        sample.column(table, "starts_at_local", builtin::TIMESTAMP);
        sample.column(table, "recorded_utc", builtin::TIMESTAMP);
        sample.column(table, "day", builtin::DATE);
        sample.column(table, "created_at", builtin::TIMESTAMPTZ);
        let books = sample.keyed_table("ar_internal_metadata");
        sample.column(books, "created_at", builtin::TIMESTAMP);
        assert!(run(&TIMESTAMP_WITHOUT_TIME_ZONE, &sample.finish()).0.is_empty());
    }

    #[test]
    fn a_habit_is_told_once_and_half_a_habit_is_not() {
        let found = |tables_with: usize, tables_without: usize| {
            let mut sample = Sample::new();
            for number in 0..tables_with + tables_without {
                let table = sample.keyed_table(&format!("t{number}"));
                let kind = if number < tables_with { builtin::TIMESTAMP } else { builtin::TIMESTAMPTZ };
                sample.column(table, "created_at", kind);
            }
            run(&TIMESTAMP_WITHOUT_TIME_ZONE, &sample.finish()).0
        };
        let habit = found(40, 2);
        assert_eq!(habit.len(), 1);
        assert_eq!(habit[0].object, "database");
        assert_eq!(habit[0].evidence["columns"], 40);
        assert_eq!(found(20, 20).len(), 20);
        assert_eq!(found(9, 0).len(), 9);
    }
}
