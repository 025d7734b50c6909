//! `a = NULL`: never true, whatever a is.

use crate::catalog::query::{Expression, ExpressionKind, Scope};
use crate::finding::Severity;

use super::filter::in_filters;
use super::{Context, Proposal, Rule};

/// The rule.
pub const RULE: Rule = Rule { id: "query.compared_with_null", check };

fn check(scope: &Scope<'_>, context: &Context<'_>, proposals: &mut Vec<Proposal>) {
    for part in in_filters(scope.query) {
        let text = || context.texts.text(part.id);
        let message = match &part.kind {
            ExpressionKind::Operator(call)
                if call.function.is_strict
                    && call.comparison.is_some()
                    && call.arguments.iter().any(is_null) =>
            {
                format!(
                    "{} is never true: NULL equals nothing, not even NULL; IS NULL asks whether there is a value",
                    text()
                )
            }
            // IN with a NULL finds the other values, as it should.
            ExpressionKind::ArrayComparison(comparison)
                if !comparison.any
                    && comparison.operator.function.is_strict
                    && comparison.operator.arguments.get(1).is_some_and(holds_null) =>
            {
                format!("{} is never true, because one of the values is NULL; leave the NULL out", text())
            }
            _ => continue,
        };
        proposals.push(Proposal::advice(RULE.id, Severity::Error, message));
    }
}

fn is_null(expression: &Expression) -> bool {
    expression.without_relabels().as_constant().is_some_and(crate::catalog::query::Constant::is_null)
}

fn holds_null(array: &Expression) -> bool {
    match &array.without_relabels().kind {
        ExpressionKind::Array(elements) => elements.iter().any(is_null),
        _ => is_null(array),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{count, null, where_};
    use super::RULE;
    use crate::catalog::query::sample::{column, equal, expression, function, integer};
    use crate::catalog::query::{ArrayComparison, Comparison, ExpressionKind, OperatorCall};

    #[test]
    fn nothing_equals_null() {
        assert_eq!(count(&RULE, &where_(equal(1, column(2, 0, 0, 1), null(3)))), 1);
        assert_eq!(count(&RULE, &where_(equal(1, column(2, 0, 0, 1), integer(3, 0)))), 0);
        let is_null =
            ExpressionKind::NullTest { argument: Box::new(column(2, 0, 0, 1)), is_null: true, is_row: false };
        assert_eq!(count(&RULE, &where_(expression(1, 16, is_null))), 0);
    }

    #[test]
    fn a_null_spoils_not_in_but_not_in() {
        for (any, comparison, expected) in [(false, Comparison::NotEqual, 1), (true, Comparison::Equal, 0)] {
            let array = expression(3, 1007, ExpressionKind::Array(vec![integer(4, 1), null(5)]));
            let operator = OperatorCall {
                oid: 518,
                function: function("int4ne"),
                comparison: Some(comparison),
                arguments: vec![column(2, 0, 0, 1), array],
                ..OperatorCall::default()
            };
            let query =
                where_(expression(1, 16, ExpressionKind::ArrayComparison(ArrayComparison { operator, any })));
            assert_eq!(count(&RULE, &query), expected);
        }
    }
}
