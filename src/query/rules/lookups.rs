//! Rows looked up one by one.

use super::{REFERENCE, whole};
use crate::finding::{Dimension, Facts, Rule, Severity, Threshold, Verdicts};
use crate::query::load::{Load, judge_each};
use crate::query::lookup::{LookupLimits, single_row_lookups};

/// A query for one row by its key that runs about once for each row of another query, whose tables refer to that key.
pub const MANY_SINGLE_ROW_LOOKUPS: Rule = Rule {
    id: "query.many_single_row_lookups",
    dimension: Dimension::Query,
    severity: Severity::Warning,
    title: "Rows are looked up one by one that one query could return",
    why: "Each costs a round trip, a parse and a plan; a join, or one query with all keys, costs one of each.",
    thresholds: &[
        Threshold {
            name: "calls",
            default: 1_000.0,
            range: (1.0, 1e12),
            meaning: "runs of the lookup from which on it matters",
        },
        Threshold {
            name: "calls_per_parent",
            default: 10.0,
            range: (2.0, 1e9),
            meaning: "runs of the lookup for each run of the query that it follows",
        },
    ],
    reference: REFERENCE,
    check,
};

/// The limits that are in force unless somebody changes them.
pub const DEFAULT_LIMITS: LookupLimits = LookupLimits { calls: 1_000.0, calls_per_parent: 10.0 };

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    judge_each(facts, verdicts, |load, others, verdicts| {
        let limits = LookupLimits {
            calls: verdicts.threshold("calls"),
            calls_per_parent: verdicts.threshold("calls_per_parent"),
        };
        let found = single_row_lookups(load, others, facts.snapshot, &limits)?;
        let parent = Load { text: found.parent, ..Load::default() }.name();
        let message = format!(
            "query {} looks up one row of {} about {} times for each run of {parent}: join them, or ask for all keys at once with = ANY ($1)",
            load.name(),
            facts.snapshot.relation_name(found.table),
            whole(found.calls_per_parent)
        );
        Some(load.finding(message).evidence("parent_query", found.parent))
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::Sample;
    use crate::catalog::types::builtin;
    use crate::query::load::testing::{findings, statement};

    #[test]
    fn a_lookup_for_each_row_is_found() {
        let mut sample = Sample::new();
        let customers = sample.keyed_table("customers");
        let orders = sample.keyed_table("orders");
        sample.column(orders, "customer_id", builtin::INT8);
        sample.foreign_key(orders, &["customer_id"], customers, &["id"]);
        let found = findings(
            &MANY_SINGLE_ROW_LOOKUPS,
            sample,
            vec![
                statement("SELECT * FROM orders WHERE paid = $1", |statement| statement.rows = 50_000.0),
                statement("SELECT * FROM customers WHERE id = $1", |statement| {
                    (statement.calls, statement.rows) = (50_000.0, 50_000.0);
                }),
            ],
        );
        assert_eq!(
            found,
            [
                "query SELECT * FROM customers WHERE id = $1 looks up one row of public.customers about 50 times for each run of SELECT * FROM orders WHERE paid = $1: join them, or ask for all keys at once with = ANY ($1)"
            ]
        );
    }

    #[test]
    fn defaults_are_those_of_the_rule() {
        let default = |name| MANY_SINGLE_ROW_LOOKUPS.default_threshold(name);
        assert_eq!(default("calls"), Some(DEFAULT_LIMITS.calls));
        assert_eq!(default("calls_per_parent"), Some(DEFAULT_LIMITS.calls_per_parent));
    }
}
