//! A large scan that workers could share and do not (P26).

use super::words::{counted, percent, rounded};
use crate::catalog::plan::{Command, NodeKind};
use crate::finding::Severity;
use crate::query::advice::{Advice, Kind};
use crate::query::plan_shares::Weighed;

/// How many times larger than the least that is scanned in parallel.
const TIMES: f64 = 3.0;

pub fn judge(weighed: &Weighed, rule: &'static str) -> Vec<Advice> {
    let plan = weighed.plan;
    let is_parallel =
        plan.nodes.iter().any(|node| matches!(node.kind, NodeKind::Gather | NodeKind::GatherMerge));
    if is_parallel || plan.command != Command::Select {
        return Vec::new();
    }
    let scans = weighed.scans();
    let large = scans.iter().find(|scan| {
        scan.node.kind == NodeKind::SeqScan
            && scan.matters()
            && !scan.table.is_temporary
            && scan.pages > TIMES * plan.settings.parallel_scan_pages
    });
    let Some(scan) = large else { return Vec::new() };
    let (kind, why, sql) = if plan.settings.parallel_workers <= 0 {
        (
            Kind::Setting,
            "because max_parallel_workers_per_gather is 0".to_owned(),
            Some("SET LOCAL max_parallel_workers_per_gather = 2;".to_owned()),
        )
    } else if plan.is_parallel_unsafe {
        let functions = &plan.parallel_unsafe_functions;
        let why = if functions.is_empty() {
            "because something in the query is PARALLEL UNSAFE".to_owned()
        } else {
            let are = if functions.len() == 1 { "is" } else { "are" };
            format!("because {} {are} marked PARALLEL UNSAFE", functions.join(", "))
        };
        (Kind::RedFlag, why, None)
    } else {
        return Vec::new();
    };
    let advice = Advice::new(
        kind,
        Severity::Info,
        rule,
        format!(
            "{}, {}, is scanned by one process, {} of the query's cost, {why}",
            scan.name,
            counted(scan.pages, "page", "pages"),
            percent(scan.share),
        ),
    )
    .evidence("table", scan.name)
    .evidence("pages", scan.pages)
    .evidence("functions", plan.parallel_unsafe_functions.clone())
    .evidence("cost_share", rounded(scan.share));
    vec![match sql {
        Some(sql) => advice.sql(sql),
        None => advice,
    }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::plan::Plan;
    use crate::catalog::plan::sample::{Sample, table};
    use crate::query::red_flag::testing::{flagged, silent};

    const RULE: &str = "query.not_parallel";

    fn plan(pages: f64, change: impl FnOnce(&mut Plan)) -> Plan {
        Sample::scan(table("public.orders", pages, pages * 100.0), pages * 100.0, pages * 2.0)
            .plan(change)
            .done()
    }

    #[test]
    fn a_function_keeps_workers_away() {
        let marked = plan(9_000.0, |plan| {
            plan.is_parallel_unsafe = true;
            plan.parallel_unsafe_functions = vec!["public.rate".to_owned()];
        });
        let advice = flagged(&marked, RULE);
        assert!(
            advice.message.ends_with("because public.rate is marked PARALLEL UNSAFE"),
            "{}",
            advice.message
        );
        silent(&plan(2_000.0, |plan| plan.is_parallel_unsafe = true), RULE);
    }

    #[test]
    fn no_workers_are_allowed() {
        let none = plan(9_000.0, |plan| plan.settings.parallel_workers = 0);
        assert_eq!(flagged(&none, RULE).kind, Kind::Setting);
        silent(&plan(9_000.0, |_| ()), RULE);
        silent(
            &plan(9_000.0, |plan| {
                plan.settings.parallel_workers = 0;
                plan.command = Command::Update;
            }),
            RULE,
        );
    }
}
