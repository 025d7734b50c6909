//! `(SELECT count(*) ...) > 0`: counts all rows to learn whether there is one.

use super::{Condition, Context, Proposal, Rule};
use crate::catalog::query::edit::Edit;
use crate::catalog::query::{
    Aggregate, Command, Comparison, Distinct, Expression, ExpressionKind, FromItem, Place, Query, Scope,
    SubLinkKind,
};
use crate::finding::Severity;
use crate::query::rewrite::wording::{listed, relation_name};
use crate::syntax::operand::operand;
use crate::text::identifier::quote_identifier;

/// The rule.
pub const RULE: Rule = Rule { id: "query.count_instead_of_exists", check };

fn check(scope: &Scope<'_>, context: &Context<'_>, found: &mut Vec<Proposal>) {
    let whole = matches!(scope.place, Place::Top).then(|| whole_query(scope.query)).flatten();
    if let Some((aggregate, exists)) = whole
        && let Some(target) = scope.query.output().next()
    {
        let sql = format!(
            "SELECT {} AS {}",
            existence(context, scope.query, aggregate, exists),
            quote_identifier(&target.name)
        );
        found.push(proposal(scope.query, vec![Edit::ReplaceQuery { query: scope.query.id, sql }]));
        return;
    }
    for expression in scope.query.expressions() {
        expression.each(&mut |part| {
            let Some((link, exists)) = compared(part) else { return };
            let Some(query) = link.as_sublink().filter(|link| link.kind == SubLinkKind::Scalar) else {
                return;
            };
            let query = &*query.query;
            let Some(aggregate) = counts(query) else { return };
            let sql = existence(context, query, aggregate, exists);
            found.push(proposal(query, vec![Edit::ReplaceExpression { expression: part.id, sql }]));
        });
    }
}

fn proposal(query: &Query, edits: Vec<Edit>) -> Proposal {
    let relations: Vec<String> = query
        .from
        .iter()
        .flat_map(FromItem::relations)
        .filter_map(|index| query.relation(index).map(relation_name))
        .collect();
    Proposal::advice(
        RULE.id,
        Severity::Warning,
        format!(
            "all matching rows of {} are counted to learn whether there is one; EXISTS stops at the first",
            listed(&relations, "and")
        ),
    )
    .edits(edits, Condition::Proven)
}

/// `SELECT count(*) > 0 FROM ...`
fn whole_query(query: &Query) -> Option<(&Aggregate, bool)> {
    let mut output = query.output();
    let (target, None) = (output.next()?, output.next()) else { return None };
    let (counted, exists) = compared(&target.expression)?;
    let ExpressionKind::Aggregate(aggregate) = &counted.kind else { return None };
    (is_count(aggregate) && is_bare(query) && query.common_tables.is_empty()).then_some((aggregate, exists))
}

/// What is compared with the border between none and some, and whether it is to be some.
fn compared(expression: &Expression) -> Option<(&Expression, bool)> {
    let (call, left, right) = expression.as_operator()?;
    let comparison = call.comparison.filter(|_| call.oid < crate::catalog::query::FIRST_NORMAL_OID)?;
    for (comparison, counted, border) in [(comparison, left, right), (comparison.commuted(), right, left)] {
        let exists = match (comparison, border.as_whole_number()) {
            (Comparison::Greater | Comparison::NotEqual, Some(0)) | (Comparison::GreaterOrEqual, Some(1)) => {
                true
            }
            (Comparison::Equal | Comparison::LessOrEqual, Some(0)) | (Comparison::Less, Some(1)) => false,
            _ => continue,
        };
        return Some((counted, exists));
    }
    None
}

/// The count that is all of the query.
fn counts(query: &Query) -> Option<&Aggregate> {
    let mut output = query.output();
    let (target, None) = (output.next()?, output.next()) else { return None };
    match &target.expression.kind {
        ExpressionKind::Aggregate(aggregate) if is_count(aggregate) && is_bare(query) => Some(aggregate),
        _ => None,
    }
}

fn is_count(aggregate: &Aggregate) -> bool {
    aggregate.function.is_builtin("count")
        && aggregate.levels_up == 0
        && (aggregate.is_star || aggregate.arguments.len() == 1)
}

/// Whether it has nothing but FROM and WHERE, so that its count is the number of rows.
fn is_bare(query: &Query) -> bool {
    query.command == Command::Select
        && query.set_operation.is_none()
        && query.group_by.is_empty()
        && !query.has_grouping_sets
        && query.having.is_none()
        && query.order_by.is_empty()
        && query.distinct == Distinct::No
        && query.limit.is_none()
        && query.offset.is_none()
        && query.windows.is_empty()
        && query.row_locks.is_empty()
        && !query.from.is_empty()
        && !query.returns_sets
        && !query.is_volatile()
}

fn existence(context: &Context<'_>, query: &Query, aggregate: &Aggregate, exists: bool) -> String {
    let mut edits = vec![Edit::ReplaceTargets { query: query.id, sql: "1".to_owned() }];
    // count(a) counts where a is not NULL, DISTINCT or not.
    if let Some(argument) = aggregate.arguments.first().filter(|_| !aggregate.is_star) {
        let sql = format!("{} IS NOT NULL", operand(&context.texts.text(argument.id)));
        edits.push(Edit::AddCondition { query: query.id, sql });
    }
    if let Some(filter) = &aggregate.filter {
        let sql = format!("({})", context.texts.text(filter.id));
        edits.push(Edit::AddCondition { query: query.id, sql });
    }
    let subquery = context.texts.query(query.id, &edits);
    format!("{}EXISTS ({subquery})", if exists { "" } else { "NOT " })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::query::Statement;
    use crate::catalog::query::sample::{
        Numbers, column, compare, expression, function, integer, select, sublink, table,
    };
    use crate::catalog::types::builtin;
    use crate::query::rewrite::propose_by;

    fn counting(change: impl Fn(&mut Query)) -> Query {
        let count = Aggregate { function: function("count"), is_star: true, ..Aggregate::default() };
        let target = expression(20, builtin::INT8, ExpressionKind::Aggregate(count));
        let mut query = select(1, vec![target], vec![table("b", &[true], &[])]);
        query.has_aggregates = true;
        change(&mut query);
        query
    }

    fn proposed(comparison: Comparison, border: i64, inner: Query) -> Option<String> {
        let link = sublink(10, SubLinkKind::Scalar, None, inner);
        let mut query = select(0, vec![column(1, 0, 0, 1)], vec![table("a", &[true], &[])]);
        query.condition = Some(compare(2, comparison, link, integer(3, border)));
        let found = propose_by(&RULE, &Statement { query, server: 15, ..Statement::default() }, &Numbers);
        found.first().map(|proposal| match &*proposal.edits {
            [Edit::ReplaceExpression { expression: 2, sql }] => sql.clone(),
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn the_border_between_none_and_some() {
        for (comparison, border, word) in [
            (Comparison::Greater, 0, "EXISTS"),
            (Comparison::GreaterOrEqual, 1, "EXISTS"),
            (Comparison::NotEqual, 0, "EXISTS"),
            (Comparison::Equal, 0, "NOT EXISTS"),
            (Comparison::Less, 1, "NOT EXISTS"),
        ] {
            let sql = proposed(comparison, border, counting(|_| {})).expect("proposed");
            assert!(sql.starts_with(&format!("{word} (")), "{comparison:?} {border}: {sql}");
        }
        assert_eq!(proposed(Comparison::Greater, 1, counting(|_| {})), None);
        assert_eq!(proposed(Comparison::Equal, 1, counting(|_| {})), None);
    }

    #[test]
    fn groups_are_not_rows() {
        let grouped = counting(|query| query.having = Some(integer(30, 1)));
        assert_eq!(proposed(Comparison::Greater, 0, grouped), None);
        let limited = counting(|query| query.limit = Some(integer(30, 1)));
        assert_eq!(proposed(Comparison::Greater, 0, limited), None);
    }
}
