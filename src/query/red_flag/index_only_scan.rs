//! An index-only scan that has to look at the table all the same (P13).

use super::words::{percent, rounded};
use crate::catalog::plan::NodeKind;
use crate::finding::Severity;
use crate::query::advice::{Advice, Kind};
use crate::query::plan_shares::Weighed;

/// The share of all-visible pages below which most rows are looked up.
const VISIBLE: f64 = 0.7;
/// Pages from which on that is worth a word.
const LARGE: f64 = 100.0;

pub fn judge(weighed: &Weighed, rule: &'static str) -> Vec<Advice> {
    weighed
        .scans()
        .iter()
        .filter(|scan| scan.node.kind == NodeKind::IndexOnlyScan && scan.matters() && scan.pages > LARGE)
        .filter(|scan| scan.table.visible_share < VISIBLE)
        .map(|scan| {
            let index = scan.node.index.as_ref().map_or_else(String::new, |index| index.name.clone());
            Advice::new(
                Kind::RedFlag,
                Severity::Warning,
                rule,
                format!(
                    "the index-only scan of {index} looks rows up in {} all the same, {} of the query's cost, because \
                     only {} of its pages are known to be visible to everybody: vacuum it, and more often",
                    scan.table.name,
                    percent(scan.share),
                    percent(scan.table.visible_share),
                ),
            )
            .evidence("table", scan.table.name.clone())
            .evidence("index", index)
            .evidence("visible_share", rounded(scan.table.visible_share))
            .evidence("pages", scan.pages)
            .evidence("cost_share", rounded(scan.share))
            .sql(format!("VACUUM {};", scan.table.name))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::catalog::plan::sample::{Sample, table};
    use crate::catalog::plan::{NodeKind, Plan};
    use crate::query::red_flag::testing::{flagged, silent};

    const RULE: &str = "query.index_only_scan_visits_table";

    fn plan(visible_share: f64, kind: NodeKind) -> Plan {
        let mut orders = table("public.orders", 9_000.0, 900_000.0);
        orders.visible_share = visible_share;
        Sample::index_scan(orders, "public.by_customer", 5_000.0, 800.0).with(|node| node.kind = kind).done()
    }

    #[test]
    fn a_table_that_was_not_vacuumed() {
        let advice = flagged(&plan(0.2, NodeKind::IndexOnlyScan), RULE);
        assert_eq!(advice.sql.as_deref(), Some("VACUUM public.orders;"));
        assert!(advice.message.contains("only 20 % of its pages"), "{}", advice.message);
    }

    #[test]
    fn a_vacuumed_table_or_a_scan_that_needs_it_anyway_is_fine() {
        silent(&plan(0.9, NodeKind::IndexOnlyScan), RULE);
        silent(&plan(0.2, NodeKind::IndexScan), RULE);
    }
}
