//! A large table is read whole to keep a few rows (P01).

use super::words::{count, percent, rounded, rows, shortened};
use crate::catalog::plan::NodeKind;
use crate::finding::Severity;
use crate::query::advice::{Advice, Kind};
use crate::query::plan_shares::Weighed;

/// Pages from which on a table is large.
const LARGE: f64 = 1000.0;
/// The share of rows below which a scan is selective.
const FEW: f64 = 0.05;

pub fn judge(weighed: &Weighed, rule: &'static str) -> Vec<Advice> {
    weighed
        .scans()
        .iter()
        .filter(|scan| scan.node.kind == NodeKind::SeqScan && scan.matters())
        .filter(|scan| !scan.node.filters.is_empty() && scan.pages > LARGE && scan.tuples > 0.0)
        .filter(|scan| scan.kept / scan.tuples < FEW)
        .map(|scan| {
            let condition = scan.condition();
            Advice::new(
                Kind::RedFlag,
                Severity::Warning,
                rule,
                format!(
                    "all {} of {} are read to keep {} ({}), which is {} of the query's cost: see dbm.why_no_index()",
                    rows(scan.tuples),
                    scan.name,
                    count(scan.kept),
                    shortened(&condition),
                    percent(scan.share),
                ),
            )
            .evidence("table", scan.name)
            .evidence("condition", condition)
            .evidence("rows_read", scan.tuples)
            .evidence("rows_kept", scan.kept)
            .evidence("pages", scan.pages)
            .evidence("cost_share", rounded(scan.share))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::catalog::plan::sample::{Sample, equals, table};
    use crate::query::red_flag::testing::{flagged, silent};

    const RULE: &str = "query.selective_sequential_scan";

    #[test]
    fn few_rows_of_a_large_table() {
        let orders = table("public.orders", 20_000.0, 1_000_000.0);
        let plan = Sample::scan(orders, 12.0, 25_000.0).filter(equals("customer_id", "5"));
        let advice = flagged(&plan.done(), RULE);
        assert!(advice.message.contains("all 1,000,000 rows of public.orders"), "{}", advice.message);
        assert!(advice.message.contains("to keep 12 (customer_id = 5)"), "{}", advice.message);
    }

    #[test]
    fn many_rows_or_a_small_table_are_fine() {
        let many = table("public.orders", 20_000.0, 1_000_000.0);
        silent(&Sample::scan(many, 200_000.0, 25_000.0).filter(equals("a", "5")).done(), RULE);
        let small = table("public.orders", 900.0, 100_000.0);
        silent(&Sample::scan(small, 12.0, 2_000.0).filter(equals("a", "5")).done(), RULE);
    }

    #[test]
    fn what_costs_little_in_the_query_is_fine() {
        let orders = table("public.orders", 2_000.0, 100_000.0);
        let plan = Sample::scan(orders, 12.0, 2_500.0).filter(equals("customer_id", "5"));
        silent(&plan.below(crate::catalog::plan::NodeKind::Aggregate, 1.0, 100_000.0).done(), RULE);
    }
}
