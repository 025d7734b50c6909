//! WITH queries that stand in the way of the planner (P23, P24).

use super::words::{percent, rounded, rows, shortened};
use crate::catalog::plan::{Clause, Cte, Node};
use crate::finding::Severity;
use crate::query::advice::{Advice, Kind};
use crate::query::plan_shares::{WORTH_A_WORD, Weighed};

/// Rows from which on a WITH query that is read often is large.
const LARGE: f64 = 100_000.0;

fn scans<'a>(weighed: &Weighed<'a>, cte: &Cte) -> Vec<&'a Node> {
    cte.scans.iter().filter_map(|&position| weighed.plan.nodes.get(position)).collect()
}

/// The WITH queries that could be merged, with their share of the cost.
fn plain<'a>(weighed: &Weighed<'a>) -> Vec<(&'a Cte, &'a Node, f64)> {
    weighed
        .plan
        .ctes
        .iter()
        .filter(|cte| !cte.is_recursive && !cte.writes)
        .filter_map(|cte| {
            let top = weighed.plan.nodes.get(cte.node)?;
            let reading: f64 = scans(weighed, cte).into_iter().map(|scan| weighed.share(scan)).sum();
            Some((cte, top, (weighed.share_below(top) + reading).min(1.0)))
        })
        .filter(|(_, _, share)| *share >= WORTH_A_WORD)
        .collect()
}

pub fn materialized(weighed: &Weighed, rule: &'static str) -> Vec<Advice> {
    plain(weighed)
        .into_iter()
        .filter_map(|(cte, top, share)| {
            let [scan] = scans(weighed, cte)[..] else { return None };
            if scan.filters.is_empty() {
                return None;
            }
            let condition = Clause::joined(&scan.filters);
            let why = if cte.says_materialized {
                "because it says MATERIALIZED: leave that out"
            } else {
                "because it calls a volatile function or locks rows: say the condition inside it"
            };
            Some(
                Advice::new(
                    Kind::RedFlag,
                    Severity::Warning,
                    rule,
                    format!(
                        "WITH query {} computes {} before {} filters them, {} of the query's cost, {why}",
                        cte.name,
                        rows(top.all_rows()),
                        shortened(&condition),
                        percent(share),
                    ),
                )
                .evidence("cte", cte.name.clone())
                .evidence("condition", condition)
                .evidence("rows_computed", top.all_rows())
                .evidence("rows_kept", scan.rows)
                .evidence("cost_share", rounded(share)),
            )
        })
        .collect()
}

pub fn read_often(weighed: &Weighed, rule: &'static str) -> Vec<Advice> {
    plain(weighed)
        .into_iter()
        .filter_map(|(cte, top, share)| {
            let scans = scans(weighed, cte);
            let mut conditions: Vec<String> = scans.iter().map(|scan| Clause::joined(&scan.filters)).collect();
            let count = conditions.len();
            conditions.sort();
            conditions.dedup();
            if count < 2 || conditions.len() < 2 || top.all_rows() <= LARGE {
                return None;
            }
            Some(
                Advice::new(
                    Kind::RedFlag,
                    Severity::Info,
                    rule,
                    format!(
                        "WITH query {} is kept whole, {}, and read {count} times with different conditions, {} of the \
                         query's cost: NOT MATERIALIZED filters earlier, or a temporary table can have an index",
                        cte.name,
                        rows(top.all_rows()),
                        percent(share),
                    ),
                )
                .evidence("cte", cte.name.clone())
                .evidence("rows", top.all_rows())
                .evidence("reads", count)
                .evidence("conditions", conditions)
                .evidence("cost_share", rounded(share)),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::plan::sample::{Sample, equals, table};
    use crate::catalog::plan::{NodeKind, Plan, Role};
    use crate::query::red_flag::testing::{flagged, silent};

    const MATERIALIZED: &str = "query.cte_materialized";
    const OFTEN: &str = "query.cte_read_often";

    /// One or two scans of a WITH query.
    fn plan(conditions: &[Option<&str>], change: impl FnOnce(&mut Cte)) -> Plan {
        let scan = |condition: &Option<&str>| {
            let scan = Sample::scan(table("none", 0.0, 0.0), 1_000.0, 4_000.0).with(|node| {
                node.kind = NodeKind::CteScan;
                node.table = None;
            });
            match condition {
                Some(value) => scan.filter(equals("state", value)),
                None => scan,
            }
        };
        let inner = Sample::scan(table("public.orders", 9_000.0, 900_000.0), 200_000.0, 18_000.0);
        let mut sample = scan(&conditions[0]).below(NodeKind::Append, 2_000.0, 30_000.0);
        for condition in &conditions[1..] {
            sample = sample.child(scan(condition), Role::Member);
        }
        let mut cte =
            Cte { name: "recent".to_owned(), scans: (1..=conditions.len()).collect(), ..Cte::default() };
        cte.node = conditions.len() + 1;
        change(&mut cte);
        sample.child(inner, Role::InitPlan).plan(|plan| plan.ctes.push(cte)).done()
    }

    #[test]
    fn filtered_too_late() {
        let advice = flagged(&plan(&[Some("1")], |cte| cte.says_materialized = true), MATERIALIZED);
        assert!(advice.message.contains("because it says MATERIALIZED"), "{}", advice.message);
        silent(&plan(&[None], |cte| cte.says_materialized = true), MATERIALIZED);
        silent(&plan(&[Some("1")], |cte| cte.is_recursive = true), MATERIALIZED);
        silent(&plan(&[Some("1")], |cte| cte.writes = true), MATERIALIZED);
    }

    #[test]
    fn read_twice_with_other_conditions() {
        flagged(&plan(&[Some("1"), Some("2")], |_| ()), OFTEN);
        silent(&plan(&[Some("1"), Some("1")], |_| ()), OFTEN);
        silent(&plan(&[Some("1")], |_| ()), OFTEN);
    }
}
