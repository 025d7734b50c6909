//! Subqueries that are computed for every row (P21), and NOT IN over many rows (P22).

use super::words::{count, percent, rounded, rows};
use crate::catalog::plan::{Node, Plan, SubplanUse};
use crate::finding::Severity;
use crate::query::advice::{Advice, Kind};
use crate::query::plan_shares::{WORTH_A_WORD, Weighed, rows_looked_at};

/// Rows from which on a subquery for each is too many.
const MANY: f64 = 100.0;

/// Every subquery in an expression, with the node that computes it and its own top node.
fn subqueries(plan: &Plan) -> Vec<(&Node, &SubplanUse, &Node)> {
    plan.nodes
        .iter()
        .flat_map(|node| node.subplans.iter().map(move |subplan| (node, subplan)))
        .filter_map(|(node, subplan)| Some((node, subplan, plan.nodes.get(subplan.node?)?)))
        .collect()
}

fn read_tables(plan: &Plan, top: &Node) -> String {
    let mut names: Vec<&str> =
        plan.below(top).into_iter().filter_map(|node| Some(plan.table(node)?.known_as())).collect();
    names.dedup();
    if names.is_empty() {
        "a subquery".to_owned()
    } else {
        format!("the subquery on {}", names.join(" and "))
    }
}

pub fn correlated(weighed: &Weighed, rule: &'static str) -> Vec<Advice> {
    let plan = weighed.plan;
    let mut advice = Vec::new();
    for (node, subplan, top) in subqueries(plan) {
        let calls = rows_looked_at(plan, node, subplan.is_in_condition);
        let share = weighed.share_below(top);
        if !subplan.is_correlated || subplan.is_hashed || calls <= MANY || share < WORTH_A_WORD {
            continue;
        }
        advice.push(
            Advice::new(
                Kind::RedFlag,
                Severity::Warning,
                rule,
                format!(
                    "{} is computed anew for each of {}, {} of the query's cost: join it, or make sure that an index \
                     has the column by which it depends on the outer row",
                    read_tables(plan, top),
                    rows(calls),
                    percent(share),
                ),
            )
            .evidence("subquery", subplan.name.clone())
            .evidence("executions", calls)
            .evidence("cost_of_one", top.total_cost)
            .evidence("cost_share", rounded(share)),
        );
    }
    advice
}

pub fn not_in(weighed: &Weighed, rule: &'static str) -> Vec<Advice> {
    let plan = weighed.plan;
    let mut advice = Vec::new();
    for (node, subplan, top) in subqueries(plan) {
        if !subplan.is_not_in {
            continue;
        }
        let bytes = top.rows * top.width;
        let share = weighed.share_below(top).max(weighed.share(node));
        let outgrows = bytes > plan.settings.hash_mem;
        if (subplan.is_hashed && !outgrows) || share < WORTH_A_WORD {
            continue;
        }
        let compared = rows_looked_at(plan, node, true);
        let message = if subplan.is_hashed {
            format!(
                "NOT IN keeps the {} of {} in memory, more than hash_mem allows: NOT EXISTS can be joined, if neither \
                 side can be NULL it returns the same",
                rows(top.rows),
                read_tables(plan, top),
            )
        } else {
            format!(
                "NOT IN compares each of {} with the {} rows of {} one by one: NOT EXISTS can be joined, if neither \
                 side can be NULL it returns the same",
                rows(compared),
                count(top.rows),
                read_tables(plan, top),
            )
        };
        advice.push(
            Advice::new(Kind::RedFlag, Severity::Error, rule, message)
                .evidence("subquery", subplan.name.clone())
                .evidence("rows_compared", compared)
                .evidence("rows_of_subquery", top.rows)
                .evidence("cost_share", rounded(share)),
        );
    }
    advice
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::plan::Role;
    use crate::catalog::plan::sample::{Sample, table};
    use crate::query::red_flag::testing::{flagged, silent};

    const CORRELATED: &str = "query.subquery_for_each_row";
    const NOT_IN: &str = "query.not_in_row_by_row";

    fn plan(outer: f64, change: impl FnOnce(&mut SubplanUse)) -> Plan {
        let inner = Sample::scan(table("public.items", 900.0, 90_000.0), 90_000.0, 1_800.0);
        let mut subplan = SubplanUse { name: "SubPlan 1".to_owned(), node: Some(1), ..SubplanUse::default() };
        change(&mut subplan);
        Sample::scan(table("public.orders", 900.0, outer), outer, 1_800.0 * (1.0 + outer))
            .child(inner, Role::SubPlan)
            .with(|node| node.subplans.push(subplan))
            .done()
    }

    #[test]
    fn a_subquery_for_each_row() {
        let advice = flagged(&plan(5_000.0, |subplan| subplan.is_correlated = true), CORRELATED);
        assert!(
            advice
                .message
                .starts_with("the subquery on public.items is computed anew for each of 5,000 rows"),
            "{}",
            advice.message
        );
    }

    #[test]
    fn for_few_rows_or_once_is_fine() {
        silent(&plan(50.0, |subplan| subplan.is_correlated = true), CORRELATED);
        silent(&plan(5_000.0, |_| ()), CORRELATED);
    }

    #[test]
    fn not_in_one_by_one() {
        let in_vain = |subplan: &mut SubplanUse| {
            subplan.is_not_in = true;
            subplan.is_in_condition = true;
        };
        flagged(&plan(5_000.0, in_vain), NOT_IN);
        silent(&plan(5_000.0, |subplan| subplan.is_in_condition = true), NOT_IN);
        let hashed = |subplan: &mut SubplanUse| {
            subplan.is_not_in = true;
            subplan.is_hashed = true;
        };
        silent(&plan(5_000.0, hashed), NOT_IN);
    }
}
