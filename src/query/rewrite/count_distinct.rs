//! `count(DISTINCT a)`: sorts every value, in one process; counting the rows of a DISTINCT hashes them.
//!
//! DISTINCT keeps one NULL, which count() leaves out.

use crate::catalog::query::edit::Edit;
use crate::catalog::query::{Distinct, ExpressionKind, Scope};
use crate::finding::Severity;
use crate::text::identifier::quote_identifier;

use super::filter::{has_rows, is_branch};
use super::{Condition, Context, Proposal, Rule};

/// The rule.
pub const RULE: Rule = Rule { id: "query.count_distinct", check };

/// The first version whose planner counts what the sort within an aggregate costs.
const SORT_IS_COUNTED: u32 = 16;

/// Fewer values are sorted in no time.
const MANY_ROWS: f64 = 10_000.0;

fn check(scope: &Scope<'_>, context: &Context<'_>, proposals: &mut Vec<Proposal>) {
    let query = scope.query;
    let [target] = query.targets.as_slice() else { return };
    let ExpressionKind::Aggregate(aggregate) = &target.expression.kind else { return };
    let [argument] = aggregate.arguments.as_slice() else { return };
    let counts_distinct = aggregate.function.is_builtin("count")
        && aggregate.is_distinct
        && aggregate.levels_up == 0
        && aggregate.filter.is_none();
    let is_all = query.group_by.is_empty()
        && !query.has_grouping_sets
        && query.having.is_none()
        && query.set_operation.is_none()
        && query.distinct == Distinct::No
        && query.order_by.is_empty()
        && query.limit.is_none()
        && query.offset.is_none()
        && query.row_locks.is_empty()
        && query.common_tables.is_empty()
        && !query.has_window_functions
        && !query.returns_sets
        && !is_branch(scope);
    // Once for each row of another query, the values are few.
    if !counts_distinct || !is_all || query.is_volatile() || query.is_correlated() {
        return;
    }
    let is_large = query.from.iter().flat_map(|item| item.relations()).any(|index| {
        query
            .relation(index)
            .is_some_and(|entry| entry.table().is_none_or(|table| has_rows(table, MANY_ROWS)))
    });
    if !is_large {
        return;
    }
    let value = context.texts.text(argument.id);
    let mut edits = vec![Edit::ReplaceTargets { query: query.id, sql: format!("DISTINCT {value}") }];
    if !scope.is_never_null(argument) {
        edits.push(Edit::AddCondition { query: query.id, sql: format!("{value} IS NOT NULL") });
    }
    let name = if target.name.is_empty() { "count" } else { &target.name };
    let sql = format!(
        "SELECT count(*) AS {} FROM ({}) AS {}",
        quote_identifier(name),
        context.texts.query(query.id, &edits),
        context.texts.new_alias(1)
    );
    let proposal =
        Proposal::advice(
            RULE.id,
            Severity::Info,
            format!("count(DISTINCT {value}) sorts every value; counting the rows of a DISTINCT hashes them, and in parallel"),
        )
        .edits(vec![Edit::ReplaceQuery { query: query.id, sql }], Condition::Proven);
    proposals.push(if context.statement.server < SORT_IS_COUNTED { proposal.always() } else { proposal });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{aggregate, queries_of, with_rows};
    use super::RULE;
    use crate::catalog::query::sample::{column, equal, select, table};
    use crate::catalog::query::{Aggregate, ExpressionKind, Query, SortKey};

    fn query(number: i16, change: impl FnOnce(&mut Aggregate)) -> Query {
        let mut count = aggregate(1, "count", vec![column(2, 0, 0, number)]);
        if let ExpressionKind::Aggregate(aggregate) = &mut count.kind {
            aggregate.is_distinct = true;
            change(aggregate);
        }
        let mut query = select(0, vec![count], vec![with_rows(table("t", &[true, false], &[]), 1e6)]);
        query.has_aggregates = true;
        query
    }

    #[test]
    fn null_is_filtered_where_it_may_be() {
        let [nullable] = &queries_of(&RULE, query(2, |_| ()))[..] else { panic!() };
        assert!(nullable.starts_with("SELECT count(*) AS t1 FROM ("));
        assert!(nullable.contains("<2> IS NOT NULL"));
        let [filled] = &queries_of(&RULE, query(1, |_| ()))[..] else { panic!() };
        assert!(!filled.contains("IS NOT NULL"));
    }

    #[test]
    fn only_a_count_of_different_values_that_stands_alone() {
        assert!(queries_of(&RULE, query(2, |aggregate| aggregate.is_distinct = false)).is_empty());
        assert!(
            queries_of(&RULE, query(2, |aggregate| aggregate.function.name = "sum".to_owned())).is_empty()
        );
        let filter = |aggregate: &mut Aggregate| aggregate.filter = Some(Box::new(column(3, 0, 0, 1)));
        assert!(queries_of(&RULE, query(2, filter)).is_empty());
        let mut grouped = query(2, |_| ());
        grouped.group_by = vec![SortKey::default()];
        assert!(queries_of(&RULE, grouped).is_empty());
        let mut correlated = query(2, |_| ());
        correlated.condition = Some(equal(5, column(6, 0, 0, 1), column(7, 1, 0, 1)));
        assert!(queries_of(&RULE, correlated).is_empty());
        let mut two = query(2, |_| ());
        two.targets.push(two.targets[0].clone());
        assert!(queries_of(&RULE, two).is_empty());
    }
}
