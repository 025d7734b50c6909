//! Tables that have used up their column numbers.

use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Threshold, Verdicts};

/// The most columns that a table may ever have had.
const MOST: u64 = 1600;

/// `migration.column_limit_near`: a table that soon takes no new column.
pub const COLUMN_LIMIT_NEAR: Rule = Rule {
    id: "migration.column_limit_near",
    dimension: Dimension::Migration,
    severity: Severity::Warning,
    title: "Table near the limit of 1600 columns",
    why: "Dropped columns count for ever: a table that got a new column and lost an old one with every release takes none \
          any more one day, and only a new table helps.",
    thresholds: &[Threshold {
        name: "columns",
        default: 1200.0,
        range: (1.0, 1600.0),
        meaning: "columns, dropped ones included, from which a table is told of; a table can have 1600",
    }],
    reference: "https://www.postgresql.org/docs/current/limits.html",
    check,
};

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let least = verdicts.threshold("columns") as u64;
    for table in snapshot.judged_tables() {
        (facts.interrupt)();
        verdicts.examine(1);
        let columns = snapshot.columns_of(table.oid);
        let used = u64::from(table.column_numbers.unsigned_abs());
        if used < least {
            continue;
        }
        let name = snapshot.relation_name(table.oid);
        let dropped = used.saturating_sub(columns.len() as u64);
        let message = format!(
            "{name} has used {used} of {MOST} column numbers, {dropped} of them for columns that were dropped: ADD COLUMN \
             fails at the end"
        );
        verdicts.find(
            Finding::new(name, snapshot.schema_name(table.schema), message)
                .evidence("column_numbers", used)
                .evidence("dropped_columns", dropped),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};

    #[test]
    fn dropped_columns_count() {
        let mut sample = Sample::new();
        let (worn, fresh) = (sample.keyed_table("worn"), sample.keyed_table("fresh"));
        sample.edit_table(worn, |table| table.column_numbers = 1_300);
        sample.edit_table(fresh, |table| table.column_numbers = 1_199);
        let (found, _, examined) = run(&COLUMN_LIMIT_NEAR, &sample.finish());
        assert_eq!((found.len(), examined), (1, 2));
        assert_eq!(found[0].object, "public.worn");
        assert_eq!(found[0].evidence["dropped_columns"], 1_299);
    }
}
