//! `left(a, 3) = 'abc'`: says what `a LIKE 'abc%'` says, which an index finds.
//!
//! Only where the literal is as long as what is cut off: a shorter one asks for equality, a longer one for nothing. Not
//! for char(n), whose blanks are lost on the way, and not where different texts may be equal.

use crate::catalog::query::edit::Edit;
use crate::catalog::query::{Comparison, Expression, ExpressionKind, Scope};
use crate::finding::Severity;
use crate::text::identifier::quote_literal;

use super::filter::{TableColumn, in_filters, is_text, literal};
use super::pattern::{Element, write};
use super::{Condition, Context, Proposal, Rule};

/// The rule.
pub const RULE: Rule = Rule { id: "query.substring_as_prefix", check };

fn check(scope: &Scope<'_>, context: &Context<'_>, proposals: &mut Vec<Proposal>) {
    for part in in_filters(scope.query) {
        let Some((Comparison::Equal, left, right)) = part.as_comparison() else { continue };
        let Some((call, ..)) = part.as_operator() else { continue };
        if !call.is_builtin("=") || !call.is_deterministic {
            continue;
        }
        for (cut, value) in [(left, right), (right, left)] {
            let Some((argument, length)) = beginning(cut.without_relabels()) else { continue };
            let column = argument.without_relabels();
            let Some(table) = TableColumn::of(scope, column) else { continue };
            let Some(value) = literal(value) else { continue };
            if !is_text(column) || usize::try_from(length) != Ok(value.chars().count()) || value.is_empty() {
                continue;
            }
            let pattern = write(value.chars().map(Element::Literal).chain([Element::Any]));
            let proposal = Proposal::advice(
                RULE.id,
                Severity::Info,
                format!(
                    "{} hides {}.{} in a function, so that no index on it can be used; LIKE says the same",
                    context.texts.text(part.id),
                    table.table.name,
                    table.column.name
                ),
            )
            .edits(
                vec![Edit::ReplaceExpression {
                    expression: part.id,
                    sql: format!("{} LIKE {}", context.texts.text(column.id), quote_literal(&pattern)),
                }],
                Condition::Proven,
            );
            proposals.push(if table.wants_index() { proposal.always() } else { proposal });
        }
    }
}

/// What is cut off at the front: of what, and how many characters.
fn beginning(expression: &Expression) -> Option<(&Expression, i64)> {
    let ExpressionKind::Function(call) = &expression.kind else { return None };
    let is = |name: &str| call.function.is_builtin(name);
    match call.arguments.as_slice() {
        [text, length] if is("left") => Some((text, length.as_constant()?.integer()?)),
        [text, from, length] if is("substr") || is("substring") => {
            (from.as_constant()?.integer()? == 1).then_some((text, length.as_constant()?.integer()?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{call, propose_for, text_column, text_literal, text_table, where_of};
    use super::RULE;
    use crate::catalog::query::edit::Edit;
    use crate::catalog::query::sample::{equal, integer};
    use crate::catalog::query::{Expression, ExpressionKind, OperatorCall};
    use crate::catalog::types::builtin;

    fn said(cut: Expression, value: &str) -> Vec<Edit> {
        let query = where_of(equal(1, cut, text_literal(9, value)), vec![text_table("t")]);
        propose_for(&RULE, query).into_iter().flat_map(|proposal| proposal.edits).collect()
    }

    fn left(length: i64) -> Expression {
        call(2, "left", vec![text_column(3, 1), integer(4, length)])
    }

    #[test]
    fn a_beginning_is_a_pattern() {
        let sql = "<3> LIKE E'a\\\\%c%'".to_owned();
        assert_eq!(said(left(3), "a%c"), [Edit::ReplaceExpression { expression: 1, sql }]);
        let substr = |from| call(2, "substr", vec![text_column(3, 1), integer(4, from), integer(5, 2)]);
        assert_eq!(said(substr(1), "ab").len(), 1);
        assert!(said(substr(2), "ab").is_empty());
    }

    #[test]
    fn lengths_must_agree() {
        assert!(said(left(3), "ab").is_empty());
        assert!(said(left(2), "abc").is_empty());
        assert!(said(left(-1), "a").is_empty());
        assert!(said(left(0), "").is_empty());
    }

    #[test]
    fn neither_padded_nor_of_a_soft_collation() {
        let padded = Expression { type_oid: builtin::BPCHAR, ..text_column(3, 1) };
        assert!(said(call(2, "left", vec![padded, integer(4, 3)]), "abc").is_empty());
        let mut soft = equal(1, left(3), text_literal(9, "abc"));
        if let ExpressionKind::Operator(OperatorCall { is_deterministic, .. }) = &mut soft.kind {
            *is_deterministic = false;
        }
        assert!(propose_for(&RULE, where_of(soft, vec![text_table("t")])).is_empty());
    }
}
