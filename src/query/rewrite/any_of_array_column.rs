//! `'a' = ANY (tags)`: what a GIN index on tags finds if it is written as `tags @> ARRAY['a']`.
//!
//! Only where NULL is as good as false: an element that is NULL makes the one NULL and the other false.

use crate::catalog::query::edit::Edit;
use crate::catalog::query::{Comparison, ExpressionKind, Scope};
use crate::finding::Severity;
use crate::text::identifier::quote_identifier;

use super::filter::{TableColumn, in_positive_position, is_large};
use super::{Condition, Context, Proposal, Rule};

/// The rule.
pub const RULE: Rule = Rule { id: "query.any_of_array_column", check };

fn check(scope: &Scope<'_>, context: &Context<'_>, proposals: &mut Vec<Proposal>) {
    for part in in_positive_position(scope.query) {
        let ExpressionKind::ArrayComparison(comparison) = &part.kind else { continue };
        let Some((value, array)) = comparison.operator.sides() else { continue };
        let Some(column) = TableColumn::of(scope, array) else { continue };
        let is_equality = comparison.any
            && comparison.operator.is_builtin("=")
            && comparison.operator.comparison == Some(Comparison::Equal)
            && comparison.operator.is_deterministic;
        // Containment compares elements by their own type's equality.
        let is_element = array.type_name.strip_suffix("[]") == Some(&value.type_name);
        let is_null = value.as_constant().is_some_and(crate::catalog::query::Constant::is_null);
        if !is_equality || !is_element || is_null || !value.is_fixed() || !is_large(column.table) {
            continue;
        }
        let name = quote_identifier(&column.column.name);
        let sql = format!(
            "{} @> ARRAY[{}]::{}",
            context.texts.text(array.id),
            context.texts.text(value.id),
            array.type_name
        );
        let proposal = Proposal::advice(
            RULE.id,
            Severity::Info,
            format!(
                "{} cannot use an index on {}.{name}; containment says the same, and a GIN index serves it",
                context.texts.text(part.id),
                column.table.name
            ),
        )
        .edits(vec![Edit::ReplaceExpression { expression: part.id, sql }], Condition::Proven);
        proposals.push(if column.has_operator_family(&["gin"], "array_ops") {
            proposal
        } else {
            proposal
                .always()
                .statement(format!("CREATE INDEX CONCURRENTLY ON {} USING gin ({name})", column.table.name))
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{propose_for, where_of, with_rows};
    use super::{Proposal, RULE};
    use crate::catalog::query::edit::Edit;
    use crate::catalog::query::sample::{column, expression, function, integer, table};
    use crate::catalog::query::{ArrayComparison, Comparison, Expression, ExpressionKind, OperatorCall};
    use crate::catalog::types::builtin;

    fn condition(any: bool, element: &str) -> Expression {
        let value = Expression { type_name: element.to_owned(), ..integer(2, 1) };
        let array = Expression { type_oid: 1007, type_name: "integer[]".to_owned(), ..column(3, 0, 0, 1) };
        let operator = OperatorCall {
            oid: 96,
            name: "=".to_owned(),
            function: function("int4eq"),
            comparison: Some(Comparison::Equal),
            is_deterministic: true,
            arguments: vec![value, array],
            ..OperatorCall::default()
        };
        expression(1, builtin::BOOL, ExpressionKind::ArrayComparison(ArrayComparison { operator, any }))
    }

    fn said(condition: Expression) -> Vec<Proposal> {
        propose_for(&RULE, where_of(condition, vec![with_rows(table("t", &[false], &[]), 1e6)]))
    }

    #[test]
    fn a_value_in_an_array_is_contained() {
        let [proposal] = &said(condition(true, "integer"))[..] else { panic!() };
        let sql = "<3> @> ARRAY[<2>]::integer[]".to_owned();
        assert_eq!(proposal.edits, [Edit::ReplaceExpression { expression: 1, sql }]);
        assert_eq!(
            proposal.statement.as_deref(),
            Some("CREATE INDEX CONCURRENTLY ON public.t USING gin (c1)")
        );
    }

    #[test]
    fn not_all_not_negated_not_of_another_type() {
        assert!(said(condition(false, "integer")).is_empty());
        assert!(said(condition(true, "bigint")).is_empty());
        let not = ExpressionKind::Not(Box::new(condition(true, "integer")));
        assert!(said(expression(9, builtin::BOOL, not)).is_empty());
    }
}
