//! Sorts (P07) and hash tables (P08) that do not fit into memory, and rows too wide to be moved about (P31).

use super::words::{as_setting, percent, rounded, rows};
use crate::catalog::plan::{Bound, Node, NodeKind, Plan};
use crate::finding::Severity;
use crate::query::advice::{Advice, Kind};
use crate::query::plan_shares::{WORTH_A_WORD, Weighed};
use crate::text::size::pretty_bytes;

/// What a tuple takes besides its data: in a sort, and in a hash table.
const SORTED_TUPLE: f64 = 24.0;
const HASHED_TUPLE: f64 = 32.0;
/// How much more than the estimate to allow.
const ALLOWANCE: f64 = 1.2;
/// Memory that nobody should give to one node without thinking.
const TOO_MUCH: f64 = 1024.0 * 1024.0 * 1024.0;
/// Bytes of a row from which on it is wide.
const WIDE: f64 = 2000.0;

fn aligned(width: f64) -> f64 {
    (width / 8.0).ceil() * 8.0
}

fn bytes(size: f64) -> String {
    pretty_bytes(size as u64)
}

/// The node, the nodes above and below included that spill with it.
fn share(weighed: &Weighed, node: &Node) -> f64 {
    // The cost of a hash table's batches is on the join above it.
    let join = weighed.plan.parent(node).filter(|parent| parent.kind == NodeKind::HashJoin);
    weighed.share(node) + join.map_or(0.0, |join| weighed.share(join))
}

fn advice(
    weighed: &Weighed,
    node: &Node,
    rule: &'static str,
    need: f64,
    have: f64,
    what: &str,
) -> Option<Advice> {
    let share = share(weighed, node).min(1.0);
    if need <= have || share < WORTH_A_WORD {
        return None;
    }
    // work_mem is a limit to each process, and a hash table may take a multiple of it.
    let work_mem = need * ALLOWANCE * weighed.plan.settings.work_mem / have;
    let message = format!(
        "{what} about {} of memory and may take {}, so that it goes to disk, {} of the query's cost",
        bytes(need),
        bytes(have),
        percent(share),
    );
    let is_reasonable = work_mem <= TOO_MUCH;
    let remedy =
        if is_reasonable { String::new() } else { ": sort or hash fewer rows or fewer columns".to_owned() };
    let advice = Advice::new(Kind::Setting, Severity::Warning, rule, format!("{message}{remedy}"))
        .evidence("rows", node.rows)
        .evidence("row_bytes", node.width)
        .evidence("needed_bytes", need)
        .evidence("allowed_bytes", have)
        .evidence("cost_share", rounded(share));
    Some(if is_reasonable {
        advice.sql(format!("SET LOCAL work_mem = '{}';", as_setting(work_mem)))
    } else {
        advice
    })
}

/// Whether only the first few rows are kept in memory.
fn is_bounded(plan: &Plan, sort: &Node) -> bool {
    let mut above = plan.parent(sort);
    while let Some(node) = above.filter(|node| node.kind.hands_on()) {
        above = plan.parent(node);
    }
    above.is_some_and(|node| node.kind == NodeKind::Limit && matches!(node.limit, Some(Bound::Constant(_))))
}

pub fn sort(weighed: &Weighed, rule: &'static str) -> Vec<Advice> {
    weighed
        .plan
        .nodes
        .iter()
        .filter(|node| node.kind == NodeKind::Sort && !is_bounded(weighed.plan, node))
        .filter_map(|node| {
            let need = node.rows * (aligned(node.width) + SORTED_TUPLE);
            let keys: Vec<&str> = node.keys.iter().map(|key| key.text.as_str()).collect();
            let what = format!("sorting {} by ({}) takes", rows(node.rows), keys.join(", "));
            advice(weighed, node, rule, need, weighed.plan.settings.work_mem, &what)
        })
        .collect()
}

pub fn hash(weighed: &Weighed, rule: &'static str) -> Vec<Advice> {
    weighed
        .plan
        .nodes
        .iter()
        .filter(|node| node.kind == NodeKind::Hash)
        .filter_map(|node| {
            let need = node.rows * (aligned(node.width) + HASHED_TUPLE);
            let source = weighed
                .plan
                .below(node)
                .into_iter()
                .find_map(|below| Some(weighed.plan.table(below)?.known_as().to_owned()))
                .map_or_else(String::new, |name| format!(" of {name}"));
            let what = format!("the hash table of {}{source} takes", rows(node.rows));
            advice(weighed, node, rule, need, weighed.plan.settings.hash_mem, &what)
        })
        .collect()
}

pub fn wide_rows(weighed: &Weighed, rule: &'static str) -> Vec<Advice> {
    weighed
        .plan
        .nodes
        .iter()
        .filter(|node| matches!(node.kind, NodeKind::Sort | NodeKind::Hash) && node.width > WIDE)
        .filter_map(|node| {
            let share = share(weighed, node).min(1.0);
            let what = if node.kind == NodeKind::Sort { "sorted" } else { "hashed" };
            (share >= WORTH_A_WORD).then(|| {
                Advice::new(
                    Kind::RedFlag,
                    Severity::Info,
                    rule,
                    format!(
                        "{} of about {} each are {what}, {} of the query's cost: select only the columns that are \
                         needed, or join the wide ones afterwards by key",
                        rows(node.rows),
                        bytes(node.width),
                        percent(share),
                    ),
                )
                .evidence("rows", node.rows)
                .evidence("row_bytes", node.width)
                .evidence("cost_share", rounded(share))
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::plan::Role;
    use crate::catalog::plan::sample::{Sample, sorted, table};
    use crate::query::red_flag::testing::{flagged, silent};

    fn sorting(rows: f64) -> Sample {
        Sample::scan(table("public.orders", 9_000.0, 900_000.0), rows, 18_000.0)
            .below(NodeKind::Sort, rows, 90_000.0)
            .with(|sort| sort.keys = vec![sorted("day")])
    }

    #[test]
    fn a_sort_that_does_not_fit() {
        let advice = flagged(&sorting(900_000.0).done(), "query.sort_spills");
        // 900,000 rows of 40 + 24 bytes, and a fifth more, in megabytes.
        assert_eq!(advice.sql.as_deref(), Some("SET LOCAL work_mem = '66MB';"));
        assert_eq!(advice.kind, Kind::Setting);
    }

    #[test]
    fn a_small_sort_or_the_first_few_rows_fit() {
        silent(&sorting(20_000.0).done(), "query.sort_spills");
        let first = sorting(900_000.0)
            .below(NodeKind::Limit, 10.0, 90_000.0)
            .with(|limit| limit.limit = Some(Bound::Constant(10.0)));
        silent(&first.done(), "query.sort_spills");
    }

    #[test]
    fn a_sort_of_more_than_memory_can_hold_gets_no_setting() {
        let huge = sorting(9.0e8).done();
        assert_eq!(flagged(&huge, "query.sort_spills").sql, None);
    }

    fn hashing(rows: f64, width: f64) -> Plan {
        let outer = Sample::scan(table("public.orders", 900.0, 90_000.0), 90_000.0, 1_800.0);
        let inner = Sample::scan(table("public.items", 9_000.0, rows), rows, 18_000.0)
            .below(NodeKind::Hash, rows, 18_000.0)
            .with(|hash| {
                hash.width = width;
                hash.role = Role::Inner;
            });
        outer.join(inner, NodeKind::HashJoin, 90_000.0, 40_000.0).done()
    }

    #[test]
    fn a_hash_table_that_does_not_fit() {
        let advice = flagged(&hashing(900_000.0, 40.0), "query.hash_spills");
        assert!(advice.message.contains("900,000 rows of public.items"), "{}", advice.message);
        // The multiplier is the server's; work_mem is half of what a hash table takes.
        assert_eq!(advice.sql.as_deref(), Some("SET LOCAL work_mem = '38MB';"));
        silent(&hashing(90_000.0, 40.0), "query.hash_spills");
    }

    #[test]
    fn rows_too_wide() {
        flagged(&hashing(1_000.0, 5_000.0), "query.wide_rows");
        silent(&hashing(1_000.0, 500.0), "query.wide_rows");
    }
}
