//! A very long IN list that every row is compared with (P39).

use super::words::{count, percent, rounded, rows};
use crate::finding::Severity;
use crate::query::advice::{Advice, Kind};
use crate::query::plan_shares::Weighed;

/// Elements from which on a list is long.
const LONG: usize = 1000;

pub fn judge(weighed: &Weighed, rule: &'static str) -> Vec<Advice> {
    let mut advice = Vec::new();
    for scan in weighed.scans().iter().filter(|scan| scan.matters()) {
        for clause in &scan.node.filters {
            let Some(length) = clause.list_length.filter(|&length| length > LONG) else { continue };
            let column = clause
                .key
                .as_ref()
                .map_or_else(|| "an expression".to_owned(), |key| format!("column {}", key.text));
            advice.push(
                Advice::new(
                    Kind::RedFlag,
                    Severity::Warning,
                    rule,
                    format!(
                        "{column} of {} of {} is looked up in a list of {} values, {} of the query's cost: join them as \
                         rows (VALUES, unnest($1) or a temporary table), or index the column",
                        rows(scan.read),
                        scan.name,
                        count(length as f64),
                        percent(scan.share),
                    ),
                )
                .evidence("table", scan.name)
                .evidence("list_length", length)
                .evidence("rows_read", scan.read)
                .evidence("cost_share", rounded(scan.share)),
            );
        }
    }
    advice
}

#[cfg(test)]
mod tests {
    use crate::catalog::plan::sample::{Sample, equals, table};
    use crate::catalog::plan::{Clause, Comparison, Plan};
    use crate::query::red_flag::testing::{flagged, silent};

    const RULE: &str = "query.large_in_list";

    fn plan(length: usize, in_index: bool) -> Plan {
        let clause = Clause {
            comparison: Comparison::AnyOf,
            list_length: Some(length),
            ..equals("id", "ANY ('{...}')")
        };
        let scan = Sample::scan(table("public.orders", 900.0, 90_000.0), 1_500.0, 1_800.0);
        if in_index { scan.index_condition(clause).done() } else { scan.filter(clause).done() }
    }

    #[test]
    fn a_long_list_for_every_row() {
        assert!(flagged(&plan(1_500, false), RULE).message.contains("a list of 1,500 values"));
        silent(&plan(900, false), RULE);
        silent(&plan(1_500, true), RULE);
    }
}
