//! Tables with too many columns.

use crate::design::designed::designed_tables_with_columns;
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Threshold, Verdicts};

/// From more columns than this a table is wide, unless `dbm.rule_setting` says otherwise.
pub const MANY_COLUMNS: f64 = 50.0;

/// `schema.wide_table`: a table with more than fifty columns.
pub const WIDE_TABLE: Rule = Rule {
    id: "schema.wide_table",
    dimension: Dimension::Schema,
    severity: Severity::Info,
    title: "Wide table",
    why: "An UPDATE of one column writes the whole row anew, a scan for one column reads all of them, and a table that \
          grew this wide usually holds more than one thing.",
    thresholds: &[Threshold {
        name: "columns",
        default: MANY_COLUMNS,
        range: (1.0, 1600.0),
        meaning: "columns above which a table is wide (the server's own limit is 1,600, or what fits into a page)",
    }],
    reference: "https://www.postgresql.org/docs/current/limits.html",
    check,
};

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    for (table, columns) in designed_tables_with_columns(facts) {
        verdicts.examine(1);
        let columns = columns.len();
        if columns as f64 > verdicts.threshold("columns") {
            let name = snapshot.relation_name(table.oid);
            let message = format!(
                "table {name} has {columns} columns: every UPDATE writes, and every scan reads, all of them"
            );
            verdicts.find(
                Finding::new(name, snapshot.schema_name(table.schema), message)
                    .evidence("columns", columns as u64),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};
    use crate::catalog::types::builtin;

    #[test]
    fn more_than_fifty_columns_is_wide_and_fifty_is_not() {
        for (columns, expected) in [(50, 0), (51, 1)] {
            let mut sample = Sample::new();
            let table = sample.table("surveys");
            for number in 0..columns {
                sample.column(table, &format!("answer_{number}"), builtin::TEXT);
            }
            let (found, _, examined) = run(&WIDE_TABLE, &sample.finish());
            assert_eq!((found.len(), examined), (expected, 1));
        }
    }
}
