//! What is slow in a plan, seen without running it.
//!
//! One flag a file or small group; each is a pure function from a weighed plan to advice, and speaks only where the
//! node's own cost is a tenth of the query's or more. Not here, because only a run shows it: hash aggregates and hash
//! joins that outgrow their memory against the estimate, lossy bitmaps and what they recheck, estimates that missed,
//! workers that were not launched, time spent in JIT, in planning or in triggers, pages that were not in the cache,
//! temporary files. Bloat of an index and indexes that nobody scans are findings of the audit, not of one query.

mod bitmap_and;
mod cartesian_product;
mod correlated_columns;
mod cte;
mod distinct_over_join;
mod filter_after_index;
mod foreign_scan;
mod in_list;
mod index_only_scan;
mod limit;
mod nested_loop;
mod not_parallel;
mod order;
mod parameter_skew;
mod partitions;
mod sequential_scan;
mod settings;
mod spill;
mod statistics;
mod subquery;
#[cfg(test)]
mod testing;
mod unsearchable;
pub mod words;

use super::advice::Advice;
use super::plan_shares::Weighed;
use crate::catalog::plan::Plan;

/// One flag.
struct Flag {
    /// The rule of its advice.
    rule: &'static str,
    /// What it says of a plan.
    judge: fn(&Weighed, &'static str) -> Vec<Advice>,
}

/// All flags, in the order in which their advice is given.
const FLAGS: &[Flag] = &[
    Flag { rule: "query.cartesian_product", judge: cartesian_product::judge },
    Flag { rule: "query.sequential_scan_in_loop", judge: nested_loop::sequential_scan },
    Flag { rule: "query.selective_sequential_scan", judge: sequential_scan::judge },
    Flag { rule: "query.implicit_cast", judge: unsearchable::implicit_cast },
    Flag { rule: "query.column_wrapped", judge: unsearchable::wrapped },
    Flag { rule: "query.filter_after_index", judge: filter_after_index::judge },
    Flag { rule: "query.bitmap_and", judge: bitmap_and::judge },
    Flag { rule: "query.index_only_scan_visits_table", judge: index_only_scan::judge },
    Flag { rule: "query.not_in_row_by_row", judge: subquery::not_in },
    Flag { rule: "query.subquery_for_each_row", judge: subquery::correlated },
    Flag { rule: "query.limit_trap", judge: limit::trap },
    Flag { rule: "query.deep_offset", judge: limit::offset },
    Flag { rule: "query.index_in_other_order", judge: order::other_direction },
    Flag { rule: "query.avoidable_sort", judge: order::avoidable },
    Flag { rule: "query.sort_spills", judge: spill::sort },
    Flag { rule: "query.hash_spills", judge: spill::hash },
    Flag { rule: "query.wide_rows", judge: spill::wide_rows },
    Flag { rule: "query.distinct_undoes_join", judge: distinct_over_join::judge },
    Flag { rule: "query.cte_materialized", judge: cte::materialized },
    Flag { rule: "query.cte_read_often", judge: cte::read_often },
    Flag { rule: "query.partitions_not_pruned", judge: partitions::judge },
    Flag { rule: "query.foreign_scan_not_pushed_down", judge: foreign_scan::judge },
    Flag { rule: "query.large_in_list", judge: in_list::judge },
    Flag { rule: "query.statistics_missing", judge: statistics::missing },
    Flag { rule: "query.statistics_stale", judge: statistics::stale },
    Flag { rule: "query.fragile_nested_loop", judge: nested_loop::fragile },
    Flag { rule: "query.correlated_columns", judge: correlated_columns::judge },
    Flag { rule: "query.parameter_skew", judge: parameter_skew::judge },
    Flag { rule: "query.not_parallel", judge: not_parallel::judge },
    Flag { rule: "query.node_disabled", judge: settings::disabled },
];

/// What is wrong with a plan, the worst first.
pub fn judge(plan: &Plan) -> Vec<Advice> {
    let weighed = Weighed::of(plan);
    let mut advice: Vec<Advice> = Vec::new();
    for flag in FLAGS {
        for mut one in (flag.judge)(&weighed, flag.rule) {
            // The partitions of a table, and a subquery that stands twice, say the same.
            if advice.iter().any(|other| other.rule == one.rule && other.message == one.message) {
                continue;
            }
            one.cost_before = Some(weighed.total());
            advice.push(one);
        }
    }
    advice.sort_by_key(|one| std::cmp::Reverse(one.severity));
    advice
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_is_named_once_and_says_its_dimension() {
        let mut rules: Vec<&str> = FLAGS.iter().map(|flag| flag.rule).collect();
        assert!(rules.iter().all(|rule| rule.starts_with("query.")));
        rules.sort_unstable();
        rules.dedup();
        assert_eq!(rules.len(), FLAGS.len());
    }

    #[test]
    fn a_plan_of_nothing_is_fine() {
        assert_eq!(judge(&Plan::default()), []);
    }
}
