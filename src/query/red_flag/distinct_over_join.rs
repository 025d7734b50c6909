//! DISTINCT takes away what a join has multiplied (P32).

use super::words::{percent, rounded, rows};
use crate::catalog::plan::{JoinKind, Node, NodeKind, Plan, Role, TableFacts};
use crate::finding::Severity;
use crate::query::advice::{Advice, Kind};
use crate::query::plan_shares::{WORTH_A_WORD, Weighed};

/// The join below a node, if only sorts and the like are between.
fn join_below<'a>(plan: &'a Plan, node: &Node) -> Option<&'a Node> {
    let mut below = plan.child(node, Role::Outer)?;
    while below.kind.hands_on()
        || matches!(below.kind, NodeKind::Sort | NodeKind::IncrementalSort | NodeKind::Hash)
    {
        below = plan.child(below, Role::Outer)?;
    }
    below.kind.is_join().then_some(below)
}

/// Whether the columns hold all of a key without NULL, so that rows of the table are distinct by them.
fn has_key(table: &TableFacts, columns: &[i16]) -> bool {
    table.indexes.iter().any(|index| {
        index.is_unique
            && index.is_valid
            && index.predicate.is_none()
            && index.keys.iter().all(|key| {
                columns.contains(&key.column)
                    && table.column(key.column).is_some_and(|column| column.is_not_null)
            })
    })
}

pub fn judge(weighed: &Weighed, rule: &'static str) -> Vec<Advice> {
    let plan = weighed.plan;
    let mut advice = Vec::new();
    for node in &plan.nodes {
        let is_distinct = node.kind == NodeKind::Unique
            || matches!(node.kind, NodeKind::Aggregate | NodeKind::Group) && !node.has_aggregates;
        let Some(join) = join_below(plan, node).filter(|_| is_distinct && !node.keys.is_empty()) else {
            continue;
        };
        let columns: Vec<_> = node.keys.iter().filter_map(|key| key.column.as_ref()).collect();
        let Some(first) = columns.first().filter(|_| columns.len() == node.keys.len()) else { continue };
        if columns.iter().any(|column| column.table != first.table) || !matches!(join.join, JoinKind::Inner) {
            continue;
        }
        let Some(table) = plan.tables.get(first.table) else { continue };
        let numbers: Vec<i16> = columns.iter().map(|column| column.column).collect();
        let share = weighed.share(node)
            + plan.child(node, Role::Outer).map_or(0.0, |below| weighed.share(below))
            + if plan.child(node, Role::Outer).is_some_and(|below| below.position != join.position) {
                weighed.share(join)
            } else {
                0.0
            };
        if !has_key(table, &numbers) || share < WORTH_A_WORD {
            continue;
        }
        advice.push(
            Advice::new(
                Kind::RedFlag,
                Severity::Warning,
                rule,
                format!(
                    "the join makes {} of which DISTINCT keeps {}, each a row of {}: the other tables only filter, and \
                     EXISTS does that without multiplying rows, {} of the query's cost",
                    rows(join.all_rows()),
                    super::words::count(node.all_rows()),
                    table.known_as(),
                    percent(share.min(1.0)),
                ),
            )
            .evidence("table", table.known_as())
            .evidence("rows_joined", join.all_rows())
            .evidence("rows_kept", node.all_rows())
            .evidence("cost_share", rounded(share.min(1.0))),
        );
    }
    advice
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::plan::sample::{Sample, equals, index, sorted, table};
    use crate::query::red_flag::testing::{flagged, silent};

    const RULE: &str = "query.distinct_undoes_join";

    fn plan(key: &str, kind: JoinKind) -> Sample {
        let mut customers = table("public.customers", 900.0, 90_000.0);
        let mut primary = index("public.customers_pkey", &[key]);
        primary.is_unique = true;
        customers.indexes.push(primary);
        let outer = Sample::scan(customers, 90_000.0, 1_800.0).filter(equals("id", "id"));
        let inner = Sample::scan(table("public.orders", 9_000.0, 900_000.0), 900_000.0, 18_000.0);
        outer
            .join(inner, NodeKind::HashJoin, 900_000.0, 40_000.0)
            .with(|join| join.join = kind)
            .below(NodeKind::Aggregate, 90_000.0, 60_000.0)
            .with(|distinct| distinct.keys = vec![sorted("id")])
    }

    #[test]
    fn a_join_that_only_filters() {
        let advice = flagged(&plan("id", JoinKind::Inner).done(), RULE);
        assert!(advice.message.contains("each a row of public.customers"), "{}", advice.message);
    }

    #[test]
    fn no_key_another_join_or_an_aggregate_is_fine() {
        silent(&plan("email", JoinKind::Inner).done(), RULE);
        silent(&plan("id", JoinKind::Left).done(), RULE);
        silent(&plan("id", JoinKind::Inner).with(|node| node.has_aggregates = true).done(), RULE);
    }
}
