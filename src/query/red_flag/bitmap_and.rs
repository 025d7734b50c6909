//! Two indexes are read and their results intersected, where one index would do (P12).

use super::words::{percent, plain_columns, rounded};
use crate::catalog::plan::{Node, NodeKind, Role};
use crate::finding::Severity;
use crate::query::advice::{Advice, Kind};
use crate::query::plan_shares::Weighed;

/// A scan much smaller than another: its partner is read nearly in vain.
const MUCH_SMALLER: f64 = 0.5;
/// The bitmaps must cost as much of the query to be worth a word.
const WORTH: f64 = crate::query::plan_shares::WORTH_A_WORD;

pub fn judge(weighed: &Weighed, rule: &'static str) -> Vec<Advice> {
    let plan = weighed.plan;
    let mut advice = Vec::new();
    for node in plan.nodes.iter().filter(|node| node.kind == NodeKind::BitmapAnd) {
        let scans: Vec<&Node> = plan
            .children(node)
            .filter(|child| child.role == Role::Member && child.kind == NodeKind::BitmapIndexScan)
            .collect();
        let (Some(least), Some(most)) = (
            scans.iter().map(|scan| scan.rows).min_by(f64::total_cmp),
            scans.iter().map(|scan| scan.rows).max_by(f64::total_cmp),
        ) else {
            continue;
        };
        let share = weighed.share_below(node);
        if scans.len() < 2 || least >= MUCH_SMALLER * most || share < WORTH {
            continue;
        }
        let Some(table) = scans.first().and_then(|scan| plan.table(scan)) else { continue };
        let indexes: Vec<String> =
            scans.iter().filter_map(|scan| Some(scan.index.as_ref()?.name.clone())).collect();
        let mut columns: Vec<String> = Vec::new();
        for scan in &scans {
            columns.extend(plain_columns(&scan.index_conditions));
        }
        columns.dedup();
        advice.push(
            Advice::new(
                Kind::RedFlag,
                Severity::Info,
                rule,
                format!(
                    "indexes {} of {} are read and what they find is intersected, {} of the query's cost: one index \
                     on ({}) would find it at once",
                    indexes.join(" and "),
                    table.known_as(),
                    percent(share),
                    columns.join(", "),
                ),
            )
            .evidence("table", table.known_as())
            .evidence("indexes", indexes)
            .evidence("columns", columns)
            .evidence("fewest_rows", least)
            .evidence("most_rows", most)
            .evidence("cost_share", rounded(share)),
        );
    }
    advice
}

#[cfg(test)]
mod tests {
    use crate::catalog::plan::sample::{Sample, equals, table};
    use crate::catalog::plan::{NodeKind, Plan, Role};
    use crate::query::red_flag::testing::{flagged, silent};

    const RULE: &str = "query.bitmap_and";

    fn plan(first: f64, second: f64) -> Plan {
        let scan = |name: &str, rows: f64| {
            Sample::index_scan(table("public.orders", 9_000.0, 900_000.0), name, rows, 400.0)
                .with(|node| {
                    node.kind = NodeKind::BitmapIndexScan;
                    node.role = Role::Member;
                })
                .index_condition(equals(if first == rows { "state" } else { "customer_id" }, "1"))
        };
        scan("public.by_state", first)
            .below(NodeKind::BitmapAnd, 10.0, 810.0)
            .child(scan("public.by_customer", second), Role::Member)
            .below(NodeKind::BitmapHeapScan, 10.0, 900.0)
            .done()
    }

    #[test]
    fn one_index_finds_far_fewer() {
        let advice = flagged(&plan(50_000.0, 200.0), RULE);
        assert!(advice.message.contains("one index on (state, customer_id)"), "{}", advice.message);
    }

    #[test]
    fn equal_partners_are_fine() {
        silent(&plan(50_000.0, 40_000.0), RULE);
    }
}
