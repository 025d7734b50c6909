//! `SELECT count(*) FROM big`: reads it all; where about is enough, the statistics know.

use crate::catalog::query::{ExpressionKind, Scope};
use crate::finding::Severity;
use crate::text::identifier::quote_literal;

use super::filter::has_rows;
use super::{Context, Proposal, Rule};

/// The rule.
pub const RULE: Rule = Rule { id: "query.exact_count", check };

/// Fewer rows are counted while one blinks.
const MANY_ROWS: f64 = 1_000_000.0;

fn check(scope: &Scope<'_>, _: &Context<'_>, proposals: &mut Vec<Proposal>) {
    let query = scope.query;
    let Some(table) =
        query.only_relation().and_then(|index| query.relation(index)).and_then(|entry| entry.table())
    else {
        return;
    };
    let [target] = query.targets.as_slice() else { return };
    let ExpressionKind::Aggregate(aggregate) = &target.expression.kind else { return };
    let counts_all = aggregate.is_star
        && aggregate.function.is_builtin("count")
        && aggregate.filter.is_none()
        && query.condition.is_none()
        && query.group_by.is_empty()
        && !query.has_grouping_sets;
    // Of a partitioned table the statistics know only where somebody ran ANALYZE on it by name.
    let (true, 'r', Some(rows), true) = (counts_all, table.kind, table.rows, has_rows(table, MANY_ROWS))
    else {
        return;
    };
    proposals.push(
        Proposal::advice(
            RULE.id,
            Severity::Info,
            format!(
                "counting reads all of {}, about {rows:.0} rows; where about is enough, as for the number of pages, pg_class.reltuples knows",
                table.name
            ),
        )
        .evidence("rows", rows)
        .statement(format!("SELECT reltuples::bigint FROM pg_class WHERE oid = {}::regclass", quote_literal(&table.name))),
    );
}

#[cfg(test)]
mod tests {
    use super::super::testing::{aggregate, count, with_rows};
    use super::RULE;
    use crate::catalog::query::sample::{column, equal, integer, select, table};
    use crate::catalog::query::{ExpressionKind, Query};

    fn query(rows: f64) -> Query {
        let mut star = aggregate(1, "count", vec![]);
        if let ExpressionKind::Aggregate(aggregate) = &mut star.kind {
            aggregate.is_star = true;
        }
        let mut query = select(0, vec![star], vec![with_rows(table("t", &[true], &[]), rows)]);
        query.has_aggregates = true;
        query
    }

    #[test]
    fn all_of_a_large_table() {
        assert_eq!(count(&RULE, &query(2e6)), 1);
        assert_eq!(count(&RULE, &query(1e5)), 0);
        let mut filtered = query(2e6);
        filtered.condition = Some(equal(2, column(3, 0, 0, 1), integer(4, 1)));
        assert_eq!(count(&RULE, &filtered), 0);
    }
}
