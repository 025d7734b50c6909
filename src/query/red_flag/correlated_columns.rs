//! Conditions on columns whose values go together, which the planner takes for independent (P18).

use super::words::{percent, rounded, rows};
use crate::finding::Severity;
use crate::query::advice::{Advice, Kind};
use crate::query::plan_shares::Weighed;

/// How many times more rows than the planner assumes.
const TIMES: f64 = 5.0;
/// Rows of the sample that must meet all conditions: fewer prove nothing.
const ENOUGH: f64 = 10.0;

pub fn judge(weighed: &Weighed, rule: &'static str) -> Vec<Advice> {
    let mut advice = Vec::new();
    for scan in weighed.scans().iter().filter(|scan| scan.matters()) {
        let table = scan.table;
        for correlation in &table.correlations {
            let names: Vec<String> = correlation
                .columns
                .iter()
                .filter_map(|&number| Some(table.column(number)?.name.clone()))
                .collect();
            let is_covered = table
                .extended_statistics
                .iter()
                .any(|known| correlation.columns.iter().all(|column| known.contains(column)));
            let times = correlation.measured / correlation.assumed.max(f64::MIN_POSITIVE);
            if is_covered
                || names.len() < 2
                || times <= TIMES
                || correlation.measured * correlation.sampled < ENOUGH
            {
                continue;
            }
            let list = names.join(", ");
            advice.push(
                Advice::new(
                    Kind::Statistics,
                    Severity::Warning,
                    rule,
                    format!(
                        "columns {list} of {} go together: {} of {} sampled meet the conditions on them, {times:.0} \
                         times more than the planner assumes",
                        table.known_as(),
                        percent(correlation.measured),
                        rows(correlation.sampled),
                    ),
                )
                .evidence("table", table.known_as())
                .evidence("columns", names)
                .evidence("measured_share", rounded(correlation.measured))
                .evidence("assumed_share", correlation.assumed)
                .evidence("rows_sampled", correlation.sampled)
                .evidence("cost_share", rounded(scan.share))
                .sql(format!(
                    "CREATE STATISTICS (dependencies, mcv) ON {list} FROM {name}; ANALYZE {name};",
                    name = table.known_as(),
                )),
            );
        }
    }
    advice
}

#[cfg(test)]
mod tests {
    use crate::catalog::plan::sample::{Sample, equals, number, table};
    use crate::catalog::plan::{Correlation, Plan};
    use crate::query::red_flag::testing::{flagged, silent};

    const RULE: &str = "query.correlated_columns";

    fn plan(assumed: f64, has_statistics: bool) -> Plan {
        Sample::scan(table("public.homes", 900.0, 90_000.0), 9.0, 1_800.0)
            .filter(equals("town", "'X'"))
            .filter(equals("code", "'Y'"))
            .plan(|plan| {
                let columns = vec![number("town"), number("code")];
                if has_statistics {
                    plan.tables[0].extended_statistics.push(columns.clone());
                }
                plan.tables[0].correlations.push(Correlation {
                    columns,
                    measured: 0.01,
                    assumed,
                    sampled: 30_000.0,
                });
            })
            .done()
    }

    #[test]
    fn far_more_rows_than_assumed() {
        let advice = flagged(&plan(0.0001, false), RULE);
        assert!(advice.message.contains("100 times more than the planner assumes"), "{}", advice.message);
        assert_eq!(
            advice.sql.as_deref(),
            Some(
                "CREATE STATISTICS (dependencies, mcv) ON town, code FROM public.homes; ANALYZE public.homes;"
            )
        );
    }

    #[test]
    fn independent_columns_or_statistics_that_know_are_fine() {
        silent(&plan(0.009, false), RULE);
        silent(&plan(0.0001, true), RULE);
    }
}
