//! A node that a setting forbids, taken because there is no other (P40).

use crate::catalog::plan::{Node, NodeKind, Plan};
use crate::finding::Severity;
use crate::query::advice::{Advice, Kind};
use crate::query::plan_shares::Weighed;

/// The setting that forbids a kind of node, and what the node is called.
fn forbidden_by(kind: NodeKind) -> Option<(&'static str, &'static str)> {
    Some(match kind {
        NodeKind::SeqScan => ("enable_seqscan", "a sequential scan"),
        NodeKind::IndexScan => ("enable_indexscan", "an index scan"),
        NodeKind::IndexOnlyScan => ("enable_indexonlyscan", "an index-only scan"),
        NodeKind::BitmapHeapScan => ("enable_bitmapscan", "a bitmap scan"),
        NodeKind::TidScan => ("enable_tidscan", "a TID scan"),
        NodeKind::Sort => ("enable_sort", "a sort"),
        NodeKind::IncrementalSort => ("enable_incremental_sort", "an incremental sort"),
        NodeKind::NestLoop => ("enable_nestloop", "a nested loop"),
        NodeKind::MergeJoin => ("enable_mergejoin", "a merge join"),
        NodeKind::HashJoin => ("enable_hashjoin", "a hash join"),
        NodeKind::Aggregate => ("enable_hashagg", "a hash aggregate"),
        NodeKind::Material => ("enable_material", "a materialisation"),
        _ => return None,
    })
}

fn table(plan: &Plan, node: &Node) -> String {
    plan.table(node).map_or_else(String::new, |table| format!(" of {}", table.known_as()))
}

pub fn disabled(weighed: &Weighed, rule: &'static str) -> Vec<Advice> {
    weighed
        .plan
        .nodes
        .iter()
        .filter(|node| node.is_disabled)
        .map(|node| {
            let known = forbidden_by(node.kind);
            let (setting, what) = known.unwrap_or(("an enable_ setting", "a node"));
            let advice = Advice::new(
                Kind::Setting,
                Severity::Warning,
                rule,
                format!(
                    "{what}{} is in the plan although {setting} is off, because nothing else can do it: the planner \
                     does not look for the cheapest plan in this session",
                    table(weighed.plan, node),
                ),
            )
            .evidence("setting", setting)
            .evidence("settings_off", weighed.plan.settings.disabled.clone());
            match known {
                Some((setting, _)) => advice.sql(format!("RESET {setting};")),
                None => advice,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::catalog::plan::sample::{Sample, table};
    use crate::query::red_flag::testing::{flagged, silent};

    const RULE: &str = "query.node_disabled";

    #[test]
    fn a_scan_that_is_forbidden() {
        let scan = Sample::scan(table("public.orders", 900.0, 90_000.0), 9.0, 1_800.0);
        let advice = flagged(&scan.clone().with(|node| node.is_disabled = true).done(), RULE);
        assert_eq!(advice.sql.as_deref(), Some("RESET enable_seqscan;"));
        silent(&scan.done(), RULE);
    }
}
