//! `x NOT IN (SELECT y ...)`: one NULL among the y, and no row comes through; and no join can be made of it.

use super::wording::{column_name, listed};
use super::{Condition, Context, Proposal, Rule};
use crate::catalog::query::edit::Edit;
use crate::catalog::query::{
    Command, Comparison, Distinct, Expression, ExpressionKind, Place, Query, Scope, SubLink, SubLinkKind,
};
use crate::finding::Severity;
use crate::syntax::operand::operand;

/// The rule.
pub const RULE: Rule = Rule { id: "query.not_in_subquery", check };

fn check(scope: &Scope<'_>, context: &Context<'_>, found: &mut Vec<Proposal>) {
    for condition in scope.query.inner_conditions() {
        let Some((expression, link, pairs)) = not_in(condition) else { continue };
        if !takes_a_condition(&link.query) || link.query.is_volatile() {
            continue;
        }
        let inner = scope.inner(&link.query, Place::SubLink(expression, link));
        let mut nullable = Vec::new();
        let mut matches = Vec::new();
        for (outer, number) in &pairs {
            let Some(target) = target(&link.query, *number) else { return };
            if !scope.is_never_null(outer) {
                nullable.push(name(scope, context, outer));
            }
            if !inner.is_never_null(target) {
                nullable.push(name(&inner, context, target));
            }
            let (inner_text, outer_text) = (context.texts.text(target.id), context.texts.text(outer.id));
            matches.push(format!("{} = {}", operand(&inner_text), operand(&outer_text)));
        }
        let mut edits = vec![
            Edit::ReplaceTargets { query: link.query.id, sql: "1".to_owned() },
            Edit::AddCondition { query: link.query.id, sql: matches.join(" AND ") },
            Edit::DropDistinct { query: link.query.id },
            Edit::DropSort { query: link.query.id },
        ];
        if let ExpressionKind::Not(_) = condition.kind {
            edits.push(Edit::ToExists { expression: expression.id });
        } else {
            // x <> ALL (...): the whole condition gives way.
            let subquery = context.texts.query(link.query.id, &edits);
            edits = vec![Edit::ReplaceExpression {
                expression: condition.id,
                sql: format!("NOT EXISTS ({subquery})"),
            }];
        }
        let outer =
            listed(&pairs.iter().map(|(outer, _)| name(scope, context, outer)).collect::<Vec<_>>(), "and");
        nullable.dedup();
        found.push(if nullable.is_empty() {
            Proposal::advice(
                RULE.id,
                Severity::Warning,
                format!("NOT IN for {outer} compares with every row of its subquery; NOT EXISTS is a join"),
            )
            .edits(edits, Condition::Proven)
        } else {
            let names = listed(&nullable, "or");
            Proposal::advice(
                RULE.id,
                Severity::Warning,
                format!("NOT IN for {outer} lets no row through as soon as {names} is NULL; NOT EXISTS does"),
            )
            .evidence("nullable", nullable.clone())
            .edits(edits, Condition::Unless(format!("{} NULL", never(&nullable))))
            .always()
        });
    }
}

/// "a is never", "neither a nor b is ever".
fn never(names: &[String]) -> String {
    match names {
        [only] => format!("{only} is never"),
        several => format!("none of {} is ever", listed(several, "and")),
    }
}

fn name(scope: &Scope<'_>, context: &Context<'_>, expression: &Expression) -> String {
    match expression.without_relabels().as_column() {
        Some(column) => column_name(scope, column),
        None => context.texts.text(expression.id),
    }
}

type Pairs<'a> = Vec<(&'a Expression, i32)>;

/// NOT IN, with what is compared: outer values and columns of the subquery, by their numbers.
fn not_in(condition: &Expression) -> Option<(&Expression, &SubLink, Pairs<'_>)> {
    let (expression, wanted, kind) = match &condition.kind {
        ExpressionKind::Not(argument) => (&**argument, Comparison::Equal, SubLinkKind::Any),
        _ => (condition, Comparison::NotEqual, SubLinkKind::All),
    };
    let link = expression.as_sublink().filter(|link| link.kind == kind)?;
    let test = link.test.as_deref()?;
    // A row is unequal as soon as one field is: that is no AND, and we leave it.
    let tests = if wanted == Comparison::Equal { test.conjuncts() } else { vec![test] };
    let mut pairs = Vec::new();
    for test in tests {
        let (call, outer, inner) = test.as_operator()?;
        // Any other cast around it would have to be repeated.
        let ExpressionKind::SubLinkColumn(number) = inner.without_relabels().kind else { return None };
        if call.comparison != Some(wanted) || !(call.is_builtin("=") || call.is_builtin("<>")) {
            return None;
        }
        pairs.push((outer, number));
    }
    Some((expression, link, pairs))
}

fn target(query: &Query, number: i32) -> Option<&Expression> {
    let position = usize::try_from(number - 1).ok()?;
    query.output().nth(position).map(|target| &target.expression)
}

/// Whether a condition on its select list may go into its WHERE.
fn takes_a_condition(query: &Query) -> bool {
    query.command == Command::Select
        && query.set_operation.is_none()
        && !query.groups()
        && !query.has_window_functions
        && !query.returns_sets
        && !matches!(query.distinct, Distinct::On(_))
        && query.limit.is_none()
        && query.offset.is_none()
        && query.row_locks.is_empty()
        && !query.from.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::query::Statement;
    use crate::catalog::query::sample::{Numbers, column, equal, expression, select, sublink, table};
    use crate::catalog::types::builtin;
    use crate::query::rewrite::propose_by;

    fn proposals(outer_not_null: bool, inner_not_null: bool, change: impl Fn(&mut Query)) -> Vec<Proposal> {
        let mut inner = select(1, vec![column(20, 0, 0, 1)], vec![table("b", &[inner_not_null], &[])]);
        change(&mut inner);
        let test =
            equal(11, column(12, 0, 0, 1), expression(13, builtin::INT4, ExpressionKind::SubLinkColumn(1)));
        let link = sublink(10, SubLinkKind::Any, Some(test), inner);
        let mut query = select(0, vec![column(1, 0, 0, 1)], vec![table("a", &[outer_not_null], &[])]);
        query.condition = Some(expression(2, builtin::BOOL, ExpressionKind::Not(Box::new(link))));
        propose_by(&RULE, &Statement { query, server: 15, ..Statement::default() }, &Numbers)
    }

    #[test]
    fn proven_where_neither_side_can_be_null() {
        let found = proposals(true, true, |_| {});
        assert_eq!(found[0].condition, Condition::Proven);
        assert_eq!(
            found[0].edits,
            [
                Edit::ReplaceTargets { query: 1, sql: "1".to_owned() },
                Edit::AddCondition { query: 1, sql: "(<20>) = (<12>)".to_owned() },
                Edit::DropDistinct { query: 1 },
                Edit::DropSort { query: 1 },
                Edit::ToExists { expression: 10 },
            ]
        );
    }

    #[test]
    fn otherwise_it_says_what_may_be_null() {
        let unless = |found: Vec<Proposal>| match &found[0].condition {
            Condition::Unless(condition) => condition.clone(),
            Condition::Proven => panic!("{found:?}"),
        };
        assert_eq!(unless(proposals(true, false, |_| {})), "public.b.c1 is never NULL");
        assert_eq!(unless(proposals(false, true, |_| {})), "public.a.c1 is never NULL");
        assert_eq!(
            unless(proposals(false, false, |_| {})),
            "none of public.a.c1 and public.b.c1 is ever NULL"
        );
    }

    #[test]
    fn a_subquery_that_takes_no_condition_is_left_alone() {
        assert_eq!(proposals(true, true, |query| query.has_aggregates = true), []);
        assert_eq!(proposals(true, true, |query| query.limit = Some(column(30, 0, 0, 1))), []);
    }
}
