//! Work on rows of a foreign server that the foreign server could have done (P33).

use super::words::{percent, rounded, rows, shortened};
use crate::catalog::plan::{Clause, Node, NodeKind, Plan, Role};
use crate::finding::Severity;
use crate::query::advice::{Advice, Kind};
use crate::query::plan_shares::{WORTH_A_WORD, Weighed};

/// The foreign scan that one side of a join is.
fn foreign<'a>(plan: &'a Plan, join: &Node, role: Role) -> Option<&'a Node> {
    let mut side = plan.child(join, role)?;
    while side.kind.hands_on() || matches!(side.kind, NodeKind::Hash | NodeKind::Sort) {
        side = plan.child(side, Role::Outer)?;
    }
    (side.kind == NodeKind::ForeignScan).then_some(side)
}

fn named(plan: &Plan, scan: &Node) -> String {
    plan.table(scan).map_or_else(|| "a join".to_owned(), |table| table.known_as().to_owned())
}

pub fn judge(weighed: &Weighed, rule: &'static str) -> Vec<Advice> {
    let plan = weighed.plan;
    let mut advice = Vec::new();
    for node in &plan.nodes {
        if node.kind == NodeKind::ForeignScan && !node.filters.is_empty() && weighed.matters(node) {
            let server = node.server.clone().unwrap_or_default();
            let condition = Clause::joined(&node.filters);
            let share = weighed.share(node);
            advice.push(
                Advice::new(
                    Kind::RedFlag,
                    Severity::Warning,
                    rule,
                    format!(
                        "rows of {} are fetched from server {server} and filtered here ({}), {} of the query's cost: \
                         the foreign data wrapper cannot send the condition there",
                        named(plan, node),
                        shortened(&condition),
                        percent(share),
                    ),
                )
                .evidence("table", named(plan, node))
                .evidence("server", server)
                .evidence("condition", condition)
                .evidence("cost_share", rounded(share)),
            );
        }
        if !node.kind.is_join() {
            continue;
        }
        let (Some(left), Some(right)) = (foreign(plan, node, Role::Outer), foreign(plan, node, Role::Inner))
        else {
            continue;
        };
        let share = weighed.share_below(node);
        if left.server.is_none() || left.server != right.server || share < WORTH_A_WORD {
            continue;
        }
        let server = left.server.clone().unwrap_or_default();
        advice.push(
            Advice::new(
                Kind::RedFlag,
                Severity::Warning,
                rule,
                format!(
                    "{} and {} are both on server {server} and joined here: {} and {} are fetched for it; \
                     use_remote_estimate lets the planner see what a join over there costs",
                    named(plan, left),
                    named(plan, right),
                    rows(left.rows),
                    rows(right.rows),
                ),
            )
            .evidence("tables", vec![named(plan, left), named(plan, right)])
            .evidence("server", server)
            .evidence("cost_share", rounded(share)),
        );
    }
    advice
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::plan::sample::{Sample, equals, table};
    use crate::query::red_flag::testing::{flagged, silent};

    const RULE: &str = "query.foreign_scan_not_pushed_down";

    fn foreign_table(name: &str, server: &str) -> Sample {
        Sample::scan(table(name, 0.0, 9_000.0), 9_000.0, 500.0).with(|node| {
            node.kind = NodeKind::ForeignScan;
            node.server = Some(server.to_owned());
        })
    }

    #[test]
    fn filtered_here() {
        flagged(&foreign_table("public.far", "there").filter(equals("a", "1")).done(), RULE);
        silent(&foreign_table("public.far", "there").done(), RULE);
    }

    #[test]
    fn joined_here() {
        let joined = |server: &str| {
            foreign_table("public.far", "there")
                .join(foreign_table("public.away", server), NodeKind::HashJoin, 10.0, 2_000.0)
                .done()
        };
        let advice = flagged(&joined("there"), RULE);
        assert!(advice.message.starts_with("public.far and public.away are both on server there"));
        silent(&joined("elsewhere"), RULE);
    }
}
