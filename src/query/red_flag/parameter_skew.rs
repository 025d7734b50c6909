//! A parameter compared with a column of which a few values take most rows: no one plan fits all values (R50).

use super::words::{percent, rounded, shortened};
use crate::catalog::plan::{Clause, ColumnFacts, Comparison, NodeKind};
use crate::finding::Severity;
use crate::query::advice::{Advice, Kind};
use crate::query::plan_shares::Weighed;
use crate::syntax::tokens::{self, tokens};

/// The share of the rows from which on reading the whole table is worth thinking of.
const COMMON: f64 = 0.05;
/// How many times rarer an average value must be: below, one plan serves nearly all.
const TIMES: f64 = 20.0;
/// Smaller tables are read at once by either plan.
const ENOUGH_ROWS: f64 = 10_000.0;

pub fn judge(weighed: &Weighed, rule: &'static str) -> Vec<Advice> {
    let mut advice = Vec::new();
    for scan in weighed.scans().iter().filter(|scan| scan.matters() && scan.table.tuples >= ENOUGH_ROWS) {
        let mut nodes = vec![scan.node];
        if scan.node.kind == NodeKind::BitmapHeapScan {
            nodes.extend(weighed.plan.nodes.iter().filter(|node| node.parent == Some(scan.node.position)));
        }
        let conditions = nodes.iter().flat_map(|node| node.index_conditions.iter().chain(&node.filters));
        for (column, clause) in conditions.filter_map(|clause| Some((compared(scan.table, clause)?, clause)))
        {
            let (Some(common), Some(average)) = (column.most_common, average(column)) else { continue };
            if common < COMMON || common < TIMES * average {
                continue;
            }
            advice.push(
                Advice::new(
                    Kind::Setting,
                    Severity::Info,
                    rule,
                    format!(
                        "one value of {}.{} takes {} of the rows and an average one {}: after five runs of a prepared \
                         statement the server may keep one plan for all values of {}",
                        scan.table.known_as(),
                        column.name,
                        percent(common),
                        percent(average),
                        shortened(&clause.text),
                    ),
                )
                .evidence("table", scan.table.known_as())
                .evidence("column", column.name.clone())
                .evidence("share_of_most_common", rounded(common))
                .evidence("share_of_average", average)
                .sql("SET plan_cache_mode = force_custom_plan;"),
            );
        }
    }
    advice
}

/// The column that a condition compares with a parameter of the statement, where an index could serve it.
fn compared<'a>(table: &'a crate::catalog::plan::TableFacts, clause: &Clause) -> Option<&'a ColumnFacts> {
    let key = clause.key.as_ref().filter(|key| key.wrapper.is_none())?;
    let is_searchable = clause.fits.iter().any(|fit| fit.position == 0 && fit.obstacle.is_none());
    let has_own_parameter = !clause.has_parameter
        && tokens(&clause.text).iter().any(|token| matches!(token.kind, tokens::Kind::Parameter(_)));
    (clause.comparison == Comparison::Equality && is_searchable && has_own_parameter)
        .then(|| table.column(key.column.column))
        .flatten()
}

/// The share of the rows that a value takes which is not the most common one.
fn average(column: &ColumnFacts) -> Option<f64> {
    let others = column.distinct? - 1.0;
    (others >= 1.0).then(|| (1.0 - column.most_common.unwrap_or(0.0)) / others)
}

#[cfg(test)]
mod tests {
    use crate::catalog::plan::Fit;
    use crate::catalog::plan::Plan;
    use crate::catalog::plan::sample::{Sample, equals, table};
    use crate::query::red_flag::testing::{flagged, silent};

    const RULE: &str = "query.parameter_skew";

    fn plan(value: &str, common: Option<f64>, distinct: f64, has_index: bool) -> Plan {
        let mut clause = equals("customer_id", value);
        if value.starts_with('$') {
            clause.value = None;
        }
        if has_index {
            clause.fits.push(Fit { index: 7, position: 0, obstacle: None });
        }
        Sample::scan(table("public.orders", 9_000.0, 900_000.0), 90.0, 18_000.0)
            .filter(clause)
            .plan(|plan| {
                let column = &mut plan.tables[0].columns[0];
                (column.most_common, column.distinct) = (common, Some(distinct));
            })
            .done()
    }

    #[test]
    fn one_value_takes_many_rows() {
        let advice = flagged(&plan("$1", Some(0.4), 10_001.0, true), RULE);
        assert!(
            advice.message.contains("takes 40 % of the rows and an average one less than 0.1 %"),
            "{}",
            advice.message
        );
        assert_eq!(advice.sql.as_deref(), Some("SET plan_cache_mode = force_custom_plan;"));
    }

    #[test]
    fn one_plan_is_enough() {
        silent(&plan("5", Some(0.4), 10_001.0, true), RULE);
        silent(&plan("$1", Some(0.4), 10_001.0, false), RULE);
        silent(&plan("$1", Some(0.01), 10_001.0, true), RULE);
        silent(&plan("$1", Some(0.4), 3.0, true), RULE);
        silent(&plan("$1", None, 10_001.0, true), RULE);
    }
}
