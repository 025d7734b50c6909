//! `a = 1 OR a = 2`: an IN list is one search of an index.
//!
//! From PostgreSQL 18 on the planner makes the list by itself.

use super::{Condition, Context, Proposal, Rule};
use crate::catalog::query::edit::Edit;
use crate::catalog::query::{Comparison, Expression, ExpressionKind, OperatorCall, Scope};
use crate::finding::Severity;
use crate::query::rewrite::wording::column_name;
use crate::syntax::operand::operand;

/// The rule.
pub const RULE: Rule = Rule { id: "query.or_instead_of_in", check };

const MAKES_THE_LIST_ITSELF: u32 = 18;

fn check(scope: &Scope<'_>, context: &Context<'_>, found: &mut Vec<Proposal>) {
    if context.statement.server >= MAKES_THE_LIST_ITSELF {
        return;
    }
    for condition in scope.query.inner_conditions() {
        let ExpressionKind::Or(parts) = &condition.kind else { continue };
        let Some(equalities) = parts.iter().map(equality).collect::<Option<Vec<_>>>() else { continue };
        let Some(((first, left, right), others)) = equalities.split_first() else { continue };
        let Some(column) = left.without_relabels().as_own_column() else { continue };
        let alike = others.iter().all(|(call, other, value)| {
            call.oid == first.oid
                && call.collation == first.collation
                && other.is_same(left)
                && value.type_oid == right.type_oid
        });
        if !alike || others.is_empty() {
            continue;
        }
        let values: Vec<String> =
            equalities.iter().map(|(_, _, value)| context.texts.text(value.id)).collect();
        let name = column_name(scope, column);
        let sql = format!("{} IN ({})", operand(&context.texts.text(left.id)), values.join(", "));
        found.push(
            Proposal::advice(
                RULE.id,
                Severity::Info,
                format!(
                    "{} alternatives for {name} are looked up one by one; IN looks them up at once",
                    values.len()
                ),
            )
            .evidence("column", name)
            .evidence("alternatives", values.len())
            .edits(vec![Edit::ReplaceExpression { expression: condition.id, sql }], Condition::Proven),
        );
    }
}

/// `column = fixed value`.
fn equality(expression: &Expression) -> Option<(&OperatorCall, &Expression, &Expression)> {
    let (call, left, right) = expression.as_operator()?;
    let is_column = left.without_relabels().as_own_column().is_some();
    (call.comparison == Some(Comparison::Equal) && call.is_builtin("=") && is_column && right.is_fixed())
        .then_some((call, left, right))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::query::Statement;
    use crate::catalog::query::sample::{Numbers, column, equal, expression, integer, select, table};
    use crate::catalog::types::builtin;
    use crate::query::rewrite::propose_by;

    fn proposed(parts: Vec<Expression>, server: u32) -> Vec<Vec<Edit>> {
        let mut query = select(0, vec![column(1, 0, 0, 1)], vec![table("a", &[true, true], &[])]);
        query.condition = Some(expression(2, builtin::BOOL, ExpressionKind::Or(parts)));
        let proposals = propose_by(&RULE, &Statement { query, server, ..Statement::default() }, &Numbers);
        proposals.into_iter().map(|proposal| proposal.edits).collect()
    }

    #[test]
    fn one_column_makes_a_list() {
        let parts =
            || vec![equal(3, column(4, 0, 0, 1), integer(5, 1)), equal(6, column(7, 0, 0, 1), integer(8, 2))];
        let sql = "(<4>) IN (<5>, <8>)".to_owned();
        assert_eq!(proposed(parts(), 17), [vec![Edit::ReplaceExpression { expression: 2, sql }]]);
        assert_eq!(proposed(parts(), 18), Vec::<Vec<Edit>>::new());
    }

    #[test]
    fn two_columns_do_not() {
        let parts =
            vec![equal(3, column(4, 0, 0, 1), integer(5, 1)), equal(6, column(7, 0, 0, 2), integer(8, 2))];
        assert_eq!(proposed(parts, 15), Vec::<Vec<Edit>>::new());
    }
}
