//! LIMIT that hopes to find its rows early (P19), and OFFSET that counts rows away (P20).

use super::words::{count, plain_columns, rounded, rows, shortened};
use crate::catalog::plan::{Bound, NodeKind, Role};
use crate::finding::Severity;
use crate::query::advice::{Advice, Kind};
use crate::query::plan_shares::{WORTH_A_WORD, Weighed};

/// How many times more rows are thrown away than are wanted.
const TIMES: f64 = 100.0;
/// An OFFSET from which on one pages too deep.
const DEEP: f64 = 1000.0;
/// How many times more rows come from below than are returned.
const PAGES: f64 = 10.0;

pub fn trap(weighed: &Weighed, rule: &'static str) -> Vec<Advice> {
    let plan = weighed.plan;
    let mut advice = Vec::new();
    for limit in plan.nodes.iter().filter(|node| node.kind == NodeKind::Limit && node.limit.is_some()) {
        let Some(scan) = plan.input(limit) else { continue };
        if !matches!(scan.kind, NodeKind::IndexScan | NodeKind::IndexOnlyScan) || scan.filters.is_empty() {
            continue;
        }
        let (Some(table), Some(index)) = (plan.table(scan), &scan.index) else { continue };
        let found = scan.index_rows.unwrap_or(table.tuples);
        let wanted = limit.rows.max(1.0);
        // Rows that meet the filter lie scattered among those that the index gives in order.
        let removed = wanted * (found / scan.rows.max(1.0) - 1.0);
        if removed <= TIMES * wanted || weighed.share_below(limit) < WORTH_A_WORD {
            continue;
        }
        let condition = crate::catalog::plan::Clause::joined(&scan.filters);
        let columns = plain_columns(&scan.filters);
        let ordered: Vec<String> = table
            .index(index.oid)
            .map(|index| index.keys.iter().map(|key| key.text.clone()).collect())
            .unwrap_or_default();
        let remedy = if columns.is_empty() || ordered.is_empty() {
            String::new()
        } else {
            format!(": an index on ({}, {}) finds them at once", columns.join(", "), ordered.join(", "))
        };
        advice.push(
            Advice::new(
                Kind::RedFlag,
                Severity::Warning,
                rule,
                format!(
                    "index {} is walked in its order in the hope that {} of {} with {} come early: about {} are read \
                     in vain, and all if there are none{remedy}",
                    index.name,
                    rows(wanted),
                    table.known_as(),
                    shortened(&condition),
                    count(removed),
                ),
            )
            .evidence("table", table.known_as())
            .evidence("index", index.name.clone())
            .evidence("condition", condition)
            .evidence("rows_wanted", wanted)
            .evidence("rows_in_vain", removed)
            .evidence("rows_in_all", found),
        );
    }
    advice
}

pub fn offset(weighed: &Weighed, rule: &'static str) -> Vec<Advice> {
    let plan = weighed.plan;
    let mut advice = Vec::new();
    for limit in plan.nodes.iter().filter(|node| node.kind == NodeKind::Limit) {
        let Some(input) = plan.child(limit, Role::Outer) else { continue };
        let deep = match limit.offset {
            Some(Bound::Constant(rows)) if rows > DEEP => Some(rows),
            Some(Bound::Unknown) => None,
            _ => continue,
        };
        let returned = match limit.limit {
            Some(Bound::Constant(rows)) => rows.max(1.0),
            _ => limit.rows.max(1.0),
        };
        let share = weighed.share_below(limit);
        if input.all_rows() <= PAGES * returned || share < WORTH_A_WORD {
            continue;
        }
        let message = match deep {
            Some(deep) => format!(
                "OFFSET counts {} away before it returns {}: remember the last row's key and ask for what comes after \
                 it instead",
                rows(deep),
                count(limit.rows),
            ),
            None => format!(
                "OFFSET is known only when the query runs, and each page counts all rows before it away, of {}: \
                 remember the last row's key and ask for what comes after it instead",
                rows(input.all_rows()),
            ),
        };
        let severity = if deep.is_some() { Severity::Warning } else { Severity::Info };
        advice.push(
            Advice::new(Kind::RedFlag, severity, rule, message)
                .evidence("offset", deep)
                .evidence("rows_below", input.all_rows())
                .evidence("rows_returned", limit.rows)
                .evidence("cost_share", rounded(share)),
        );
    }
    advice
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::plan::Plan;
    use crate::catalog::plan::sample::{Sample, equals, index, table};
    use crate::query::red_flag::testing::{flagged, silent};

    const TRAP: &str = "query.limit_trap";
    const OFFSET: &str = "query.deep_offset";

    fn limited(matching: f64) -> Plan {
        let mut orders = table("public.orders", 9_000.0, 900_000.0);
        orders.indexes.push(index("public.by_day", &["day"]));
        Sample::index_scan(orders, "public.by_day", matching, 40_000.0)
            .filter(equals("state", "'odd'"))
            .below(NodeKind::Limit, 10.0, 500.0)
            .with(|limit| limit.limit = Some(Bound::Constant(10.0)))
            .done()
    }

    #[test]
    fn few_rows_in_a_long_index() {
        let advice = flagged(&limited(900.0), TRAP);
        assert!(advice.message.contains("an index on (state, day) finds them"), "{}", advice.message);
        assert!(advice.message.contains("about 9,990 are read in vain"), "{}", advice.message);
        silent(&limited(400_000.0), TRAP);
    }

    fn paged(offset: Option<Bound>) -> Plan {
        Sample::scan(table("public.orders", 9_000.0, 900_000.0), 900_000.0, 18_000.0)
            .below(NodeKind::Limit, 20.0, 1_000.0)
            .with(|limit| {
                limit.limit = Some(Bound::Constant(20.0));
                limit.offset = offset;
            })
            .done()
    }

    #[test]
    fn a_deep_page() {
        assert!(flagged(&paged(Some(Bound::Constant(50_000.0))), OFFSET).message.contains("50,000 rows"));
        assert_eq!(flagged(&paged(Some(Bound::Unknown)), OFFSET).severity, Severity::Info);
        silent(&paged(Some(Bound::Constant(100.0))), OFFSET);
        silent(&paged(None), OFFSET);
    }
}
