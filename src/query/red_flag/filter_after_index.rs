//! An index finds many rows of which a filter throws most away (P03).

use super::words::{percent, plain_columns, rounded, rows, shortened};
use crate::catalog::plan::NodeKind;
use crate::finding::Severity;
use crate::query::advice::{Advice, Kind};
use crate::query::plan_shares::Weighed;

/// How many times more rows are found than kept.
const TIMES: f64 = 10.0;

pub fn judge(weighed: &Weighed, rule: &'static str) -> Vec<Advice> {
    let mut advice = Vec::new();
    for scan in weighed.scans() {
        let node = scan.node;
        let is_index_scan =
            matches!(node.kind, NodeKind::IndexScan | NodeKind::IndexOnlyScan | NodeKind::BitmapHeapScan);
        let Some(index) = node.index.as_ref().filter(|_| is_index_scan) else { continue };
        if !scan.matters() || node.filters.is_empty() || node.index_conditions.is_empty() {
            continue;
        }
        let Some(found) = node.index_rows.filter(|&found| found / node.rows.max(1.0) > TIMES) else {
            continue;
        };
        let columns = plain_columns(&node.filters);
        let remedy = if columns.is_empty() {
            String::new()
        } else {
            format!(": an index that also has {} would find them at once", columns.join(", "))
        };
        let condition = scan.condition();
        advice.push(
            Advice::new(
                Kind::RedFlag,
                Severity::Warning,
                rule,
                format!(
                    "index {} finds {} of {} of which {} keeps {}, {} of the query's cost{remedy}",
                    index.name,
                    rows(found),
                    scan.name,
                    shortened(&condition),
                    super::words::count(node.rows),
                    percent(scan.share),
                ),
            )
            .evidence("table", scan.name)
            .evidence("index", index.name.clone())
            .evidence("condition", condition)
            .evidence("rows_found", found)
            .evidence("rows_kept", node.rows)
            .evidence("columns", columns)
            .evidence("cost_share", rounded(scan.share)),
        );
    }
    advice
}

#[cfg(test)]
mod tests {
    use crate::catalog::plan::Plan;
    use crate::catalog::plan::sample::{Sample, equals, index, table};
    use crate::query::red_flag::testing::{flagged, silent};

    const RULE: &str = "query.filter_after_index";

    fn plan(found: f64, kept: f64) -> Plan {
        let mut orders = table("public.orders", 9_000.0, 900_000.0);
        orders.indexes.push(index("public.by_customer", &["customer_id"]));
        Sample::index_scan(orders, "public.by_customer", kept, 5_000.0)
            .index_condition(equals("customer_id", "5"))
            .filter(equals("state", "'new'"))
            .with(|node| node.index_rows = Some(found))
            .done()
    }

    #[test]
    fn most_of_what_is_found_is_thrown_away() {
        let advice = flagged(&plan(5_000.0, 20.0), RULE);
        assert!(advice.message.contains("finds 5,000 rows of public.orders"), "{}", advice.message);
        assert!(advice.message.contains("an index that also has state"), "{}", advice.message);
    }

    #[test]
    fn some_of_it_is_fine() {
        silent(&plan(5_000.0, 2_000.0), RULE);
        silent(&plan(5.0, 1.0), RULE);
    }
}
