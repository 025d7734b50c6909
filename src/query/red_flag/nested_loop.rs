//! Nested loops that read a table whole again and again (P02), or that rest on a guess (P14).

use super::words::{count, counted, percent, rounded, rows, shortened};
use crate::catalog::plan::{Clause, Node, NodeKind, Plan, Role};
use crate::finding::Severity;
use crate::query::advice::{Advice, Kind};
use crate::query::plan_shares::{WORTH_A_WORD, Weighed};

/// Pages up to which a table may be read again and again.
const TINY: f64 = 10.0;
/// Executions of the inner side from which on a wrong guess of the outer one hurts.
const MANY: f64 = 100.0;
/// The share of the cost that the inner side must have for that.
const MOST: f64 = 0.5;

/// The inner side without what keeps its rows.
fn inner<'a>(plan: &'a Plan, join: &Node) -> Option<&'a Node> {
    let mut inner = plan.child(join, Role::Inner)?;
    while matches!(inner.kind, NodeKind::Material | NodeKind::Memoize) {
        inner = plan.child(inner, Role::Outer)?;
    }
    Some(inner)
}

pub fn sequential_scan(weighed: &Weighed, rule: &'static str) -> Vec<Advice> {
    let plan = weighed.plan;
    let mut advice = Vec::new();
    for join in plan.nodes.iter().filter(|node| node.kind == NodeKind::NestLoop) {
        let Some(outer) = plan.child(join, Role::Outer) else { continue };
        let Some(scan) = inner(plan, join).filter(|inner| inner.kind == NodeKind::SeqScan) else { continue };
        let Some(table) = plan.table(scan) else { continue };
        let is_kept = plan.child(join, Role::Inner).is_some_and(|child| child.kind == NodeKind::Material);
        let kept = plan.child(join, Role::Inner).filter(|_| is_kept);
        let share =
            (weighed.share(join) + weighed.share(scan) + kept.map_or(0.0, |kept| weighed.share(kept)))
                .min(1.0);
        // Without a condition it is another flag: a product.
        let conditions: Vec<Clause> = join.join_filters.iter().chain(&scan.filters).cloned().collect();
        if outer.rows <= 1.0
            || table.pages <= TINY
            || share < WORTH_A_WORD
            || (join.join_filters.is_empty() && !scan.filters.iter().any(|clause| clause.has_parameter))
        {
            continue;
        }
        let what = if is_kept {
            format!("{} of {} are compared one by one with", rows(scan.rows), table.known_as())
        } else {
            format!("{} is read whole, {}, for", table.known_as(), counted(table.pages, "page", "pages"))
        };
        let condition = Clause::joined(&conditions);
        advice.push(
            Advice::new(
                Kind::RedFlag,
                Severity::Warning,
                rule,
                format!(
                    "{what} each of {} on the other side of a join ({}), which is {} of the query's cost: no index \
                     on the joined column is used",
                    rows(outer.rows),
                    shortened(&condition),
                    percent(share),
                ),
            )
            .evidence("table", table.known_as())
            .evidence("condition", condition)
            .evidence("outer_rows", outer.rows)
            .evidence("inner_rows", scan.rows)
            .evidence("pages", table.pages)
            .evidence("cost_share", rounded(share)),
        );
    }
    advice
}

pub fn fragile(weighed: &Weighed, rule: &'static str) -> Vec<Advice> {
    let plan = weighed.plan;
    let mut advice = Vec::new();
    for join in plan.nodes.iter().filter(|node| node.kind == NodeKind::NestLoop) {
        let (Some(outer), Some(inner)) = (plan.child(join, Role::Outer), plan.child(join, Role::Inner))
        else {
            continue;
        };
        let share = weighed.share_below(inner);
        if outer.rows <= MANY || share <= MOST {
            continue;
        }
        // The guess is only as good as the statistics of what is guessed from.
        let Some(unknown) =
            plan.below(outer).into_iter().filter_map(|node| Some((node, plan.table(node)?))).find_map(
                |(node, table)| {
                    let filtered = node.filters.iter().chain(&node.index_conditions);
                    let columns = filtered.flat_map(|clause| &clause.columns);
                    let missing = columns.filter_map(|column| table.column(column.column));
                    let missing = missing.into_iter().find(|column| !column.is_analysed);
                    (missing.is_some() || !table.is_analysed).then_some((table, missing))
                },
            )
        else {
            continue;
        };
        let (table, column) = unknown;
        let of = column.map_or_else(String::new, |column| format!(" of column {}", column.name));
        let list = column.map_or_else(String::new, |column| format!(" ({})", column.name));
        advice.push(
            Advice::new(
                Kind::RedFlag,
                Severity::Warning,
                rule,
                format!(
                    "the inner side of a nested loop is carried out {} times, {} of the query's cost, because {} are \
                     expected of {}, of which there are no statistics{of}: if there are more, it takes as much longer",
                    count(outer.rows),
                    percent(share),
                    rows(outer.rows),
                    table.known_as(),
                ),
            )
            .evidence("table", table.known_as())
            .evidence("outer_rows", outer.rows)
            .evidence("cost_share", rounded(share))
            .sql(format!("ANALYZE {}{list};", table.known_as())),
        );
    }
    advice
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::plan::Comparison;
    use crate::catalog::plan::sample::{Sample, compares, equals, table};
    use crate::query::red_flag::testing::{flagged, silent};

    const LOOP: &str = "query.sequential_scan_in_loop";
    const FRAGILE: &str = "query.fragile_nested_loop";

    fn joined(outer_rows: f64, pages: f64) -> Sample {
        let outer = Sample::scan(table("public.orders", 500.0, 5_000.0), outer_rows, 600.0);
        let inner = Sample::scan(table("public.items", pages, 20_000.0), 4.0, 450.0);
        let cost = 600.0 + outer_rows * 450.0;
        outer
            .join(inner, NodeKind::NestLoop, 4.0 * outer_rows, cost)
            .with(|join| join.join_filters.push(compares("o.id", "=", "i.order_id", Comparison::Equality)))
    }

    #[test]
    fn a_table_read_for_each_row() {
        let advice = flagged(&joined(50.0, 200.0).done(), LOOP);
        assert!(advice.message.starts_with("public.items is read whole, 200 pages, for each of 50 rows"));
    }

    #[test]
    fn once_or_a_tiny_table_is_fine() {
        silent(&joined(1.0, 200.0).done(), LOOP);
        silent(&joined(50.0, 5.0).done(), LOOP);
    }

    fn looked_up(is_analysed: bool) -> Plan {
        let outer = Sample::scan(table("public.orders", 500.0, 50_000.0), 5_000.0, 600.0)
            .filter(equals("state", "'new'"))
            .plan(|plan| plan.tables[0].columns[0].is_analysed = is_analysed);
        let inner = Sample::index_scan(table("public.items", 900.0, 90_000.0), "public.i", 1.0, 8.0);
        outer
            .join(inner, NodeKind::NestLoop, 5_000.0, 40_600.0)
            .with(|join| join.nested_parameters = 1)
            .done()
    }

    #[test]
    fn a_loop_that_rests_on_a_guess() {
        let advice = flagged(&looked_up(false), FRAGILE);
        assert_eq!(advice.sql.as_deref(), Some("ANALYZE public.orders (state);"));
        silent(&looked_up(true), FRAGILE);
    }
}
