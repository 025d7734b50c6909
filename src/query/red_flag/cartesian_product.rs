//! Every row of one side is joined with every row of the other (P15).

use super::words::{rounded, rows};
use crate::catalog::plan::{Comparison, JoinKind, Node, NodeKind, Plan, Role};
use crate::finding::Severity;
use crate::query::advice::{Advice, Kind};
use crate::query::plan_shares::{WORTH_A_WORD, Weighed};

/// Pairs from which on it is worth a word.
const MANY: f64 = 10_000.0;

/// The names of the tables that are scanned below a node.
fn tables<'a>(plan: &'a Plan, node: &'a Node) -> Vec<&'a str> {
    let mut names: Vec<&str> =
        plan.below(node).into_iter().filter_map(|node| Some(plan.table(node)?.known_as())).collect();
    names.dedup();
    names
}

/// The constants that something below a node is equated with.
fn constants<'a>(plan: &'a Plan, node: &'a Node) -> Vec<&'a str> {
    plan.below(node)
        .into_iter()
        .flat_map(|node| node.filters.iter().chain(&node.index_conditions))
        .filter(|clause| clause.comparison == Comparison::Equality)
        .filter_map(|clause| clause.value.as_deref())
        .collect()
}

pub fn judge(weighed: &Weighed, rule: &'static str) -> Vec<Advice> {
    let plan = weighed.plan;
    let mut advice = Vec::new();
    for join in plan.nodes.iter().filter(|node| node.kind == NodeKind::NestLoop) {
        let (Some(outer), Some(inner)) = (plan.child(join, Role::Outer), plan.child(join, Role::Inner))
        else {
            continue;
        };
        let has_condition = !join.join_filters.is_empty() || join.nested_parameters > 0;
        let pairs = outer.all_rows() * inner.rows;
        if has_condition
            || join.join != JoinKind::Inner
            || outer.rows <= 1.0
            || inner.rows <= 1.0
            || pairs <= MANY
            || weighed.share_below(join) < WORTH_A_WORD
        {
            continue;
        }
        // Both sides equated with one value: they are joined by it, and every pair is wanted.
        let values = constants(plan, outer);
        if constants(plan, inner).iter().any(|value| values.contains(value)) {
            continue;
        }
        let (left, right) = (tables(plan, outer), tables(plan, inner));
        let share = weighed.share_below(join);
        advice.push(
            Advice::new(
                Kind::RedFlag,
                Severity::Error,
                rule,
                format!(
                    "every row of {} is joined with every row of {}, which makes {}: a join condition is missing",
                    named(&left),
                    named(&right),
                    rows(pairs),
                ),
            )
            .evidence("left", left)
            .evidence("right", right)
            .evidence("left_rows", outer.all_rows())
            .evidence("right_rows", inner.rows)
            .evidence("pairs", pairs)
            .evidence("cost_share", rounded(share)),
        );
    }
    advice
}

fn named(tables: &[&str]) -> String {
    if tables.is_empty() { "a subquery".to_owned() } else { tables.join(" and ") }
}

#[cfg(test)]
mod tests {
    use crate::catalog::plan::sample::{Sample, compares, equals, table};
    use crate::catalog::plan::{Comparison, NodeKind};
    use crate::query::red_flag::testing::{flagged, silent};

    const RULE: &str = "query.cartesian_product";

    fn joined(value: &str) -> Sample {
        let side = |name: &str| Sample::scan(table(name, 50.0, 5_000.0), 1_000.0, 100.0);
        let outer = side("public.orders").filter(equals("state", "'new'"));
        let inner = side("public.products").filter(equals("kind", value));
        outer.join(inner, NodeKind::NestLoop, 1_000_000.0, 20_000.0)
    }

    #[test]
    fn no_condition_at_all() {
        let advice = flagged(&joined("7").done(), RULE);
        assert!(
            advice.message.contains("every row of public.orders is joined with every row of public.products"),
            "{}",
            advice.message
        );
    }

    #[test]
    fn a_condition_or_a_value_in_common_is_fine() {
        let with_condition =
            joined("7").with(|join| join.join_filters.push(compares("a", "<", "b", Comparison::Range)));
        silent(&with_condition.done(), RULE);
        silent(&joined("7").with(|join| join.nested_parameters = 1).done(), RULE);
        silent(&joined("'new'").done(), RULE);
    }
}
