//! `IN` with hundreds of literals: each length is another statement to parse, to plan and to account for.

use crate::catalog::query::{ExpressionKind, Scope};
use crate::finding::Severity;

use super::filter::in_filters;
use super::{Context, Proposal, Rule};

/// The rule.
pub const RULE: Rule = Rule { id: "query.long_in_list", check };

/// So many literals are no list that somebody wrote.
const MANY_VALUES: usize = 100;

fn check(scope: &Scope<'_>, context: &Context<'_>, proposals: &mut Vec<Proposal>) {
    for part in in_filters(scope.query) {
        let ExpressionKind::ArrayComparison(comparison) = &part.kind else { continue };
        let Some((value, array)) = comparison.operator.sides() else { continue };
        let ExpressionKind::Array(elements) = &array.without_relabels().kind else { continue };
        if elements.len() < MANY_VALUES {
            continue;
        }
        let (operator, quantifier) = (&comparison.operator.name, if comparison.any { "ANY" } else { "ALL" });
        proposals.push(
            Proposal::advice(
                RULE.id,
                Severity::Info,
                format!(
                    "{text} is compared with {} literals; one parameter that is an array, {text} {operator} {quantifier} ($1), keeps the text the same for every length",
                    elements.len(),
                    text = context.texts.text(value.id)
                ),
            )
            .evidence("values", elements.len()),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{count, where_};
    use super::RULE;
    use crate::catalog::query::sample::{column, expression, integer};
    use crate::catalog::query::{ArrayComparison, ExpressionKind, OperatorCall};

    #[test]
    fn hundreds_of_literals_are_an_array() {
        for (length, expected) in [(99, 0), (100, 1)] {
            let array = expression(
                3,
                1007,
                ExpressionKind::Array((0..length).map(|value| integer(10, value)).collect()),
            );
            let operator =
                OperatorCall { arguments: vec![column(2, 0, 0, 1), array], ..OperatorCall::default() };
            let comparison = ArrayComparison { operator, any: true };
            assert_eq!(
                count(&RULE, &where_(expression(1, 16, ExpressionKind::ArrayComparison(comparison)))),
                expected
            );
        }
    }
}
