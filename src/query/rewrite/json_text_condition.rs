//! `a ->> 'k' = 'v'`: what a GIN index on a finds if it is written as `a @> '{"k": "v"}'`.
//!
//! The same rows where v is a text that no other JSON value prints as: `->>` gives 5 for 5 as well as for "5". And
//! only where NULL is as good as false.

use serde_json::json;

use crate::catalog::query::edit::Edit;
use crate::catalog::query::{Comparison, Scope};
use crate::catalog::types::builtin;
use crate::finding::Severity;
use crate::text::identifier::{quote_identifier, quote_literal};

use super::filter::{TableColumn, in_positive_position, is_large, literal};
use super::{Condition, Context, Proposal, Rule};

/// The rule.
pub const RULE: Rule = Rule { id: "query.json_text_condition", check };

fn check(scope: &Scope<'_>, context: &Context<'_>, proposals: &mut Vec<Proposal>) {
    for part in in_positive_position(scope.query) {
        let Some((Comparison::Equal, left, right)) = part.as_comparison() else { continue };
        let Some((call, ..)) = part.as_operator() else { continue };
        if !call.is_builtin("=") || !call.is_deterministic {
            continue;
        }
        for (path, value) in [(left, right), (right, left)] {
            let Some((arrow, document, key)) = path.as_operator() else { continue };
            if !arrow.is_builtin("->>") || document.type_oid != builtin::JSONB {
                continue;
            }
            let Some(column) = TableColumn::of(scope, document) else { continue };
            // A number picks an element of an array.
            if key.type_oid != builtin::TEXT || !is_large(column.table) {
                continue;
            }
            let (Some(key), Some(value)) = (literal(key), literal(value)) else { continue };
            let name = quote_identifier(&column.column.name);
            let condition = context.texts.text(part.id);
            let proposal = |rest: &str| {
                Proposal::advice(
                    RULE.id,
                    Severity::Info,
                    format!("{condition} cannot use an index on {}.{name}; {rest}", column.table.name),
                )
            };
            if column.has_operator_family(&["gin"], "jsonb_") {
                let sql = format!(
                    "{} @> {}",
                    context.texts.text(document.id),
                    quote_literal(&json!({ key: value }).to_string())
                );
                let condition = if is_text_alone(value) {
                    Condition::Proven
                } else {
                    Condition::Unless(format!(
                        "{key} is always a text, never a number, a boolean, an array or an object"
                    ))
                };
                proposals.push(
                    proposal("containment uses its GIN index")
                        .edits(vec![Edit::ReplaceExpression { expression: part.id, sql }], condition),
                );
            } else if !column.table.has_expression_index {
                let expression = format!("({name} ->> {})", quote_literal(key));
                proposals.push(
                    proposal("an index on the expression serves it").statement(format!(
                        "CREATE INDEX CONCURRENTLY ON {} ({expression})",
                        column.table.name
                    )),
                );
            }
        }
    }
}

/// Whether only a JSON text prints so: no number, boolean, null, array or object begins like it.
fn is_text_alone(value: &str) -> bool {
    !value.starts_with(|character: char| {
        character.is_ascii_digit() || matches!(character, '-' | '+' | '.' | '{' | '[')
    }) && !matches!(value, "true" | "false" | "null")
}

#[cfg(test)]
mod tests {
    use super::super::testing::{operator, propose_for, text_literal, where_of, with_rows};
    use super::{Condition, Proposal, RULE};
    use crate::catalog::query::edit::Edit;
    use crate::catalog::query::sample::{column, equal, expression, table};
    use crate::catalog::query::{Expression, ExpressionKind, IndexedColumn, RelationSource};
    use crate::catalog::types::builtin;

    fn condition(value: &str) -> Expression {
        let document = Expression { type_oid: builtin::JSONB, ..column(3, 0, 0, 1) };
        let path =
            Expression { type_oid: builtin::TEXT, ..operator(2, "->>", document, text_literal(4, "k")) };
        equal(1, path, text_literal(5, value))
    }

    fn said(condition: Expression, indexed: bool) -> Vec<Proposal> {
        let mut table = with_rows(table("t", &[false], &[]), 1e6);
        if let (RelationSource::Table(facts), true) = (&mut table.source, indexed) {
            facts.indexed_columns.push(IndexedColumn {
                column: 1,
                method: "gin".to_owned(),
                operator_family: "jsonb_path_ops".to_owned(),
            });
        }
        propose_for(&RULE, where_of(condition, vec![table]))
    }

    #[test]
    fn only_a_text_that_is_no_other_value_is_the_same() {
        for (value, proven) in [
            ("v", true),
            ("", true),
            ("5", false),
            ("-1", false),
            ("true", false),
            ("[1]", false),
            ("{}", false),
        ] {
            let [proposal] = &said(condition(value), true)[..] else { panic!("{value}") };
            assert_eq!(proposal.condition == Condition::Proven, proven, "{value}");
        }
        let sql = "<3> @> '{\"k\":\"v''s\"}'".to_owned();
        assert_eq!(said(condition("v's"), true)[0].edits, [Edit::ReplaceExpression { expression: 1, sql }]);
    }

    #[test]
    fn without_an_index_for_containment_one_on_the_expression() {
        let [proposal] = &said(condition("v"), false)[..] else { panic!() };
        assert!(proposal.edits.is_empty());
        assert_eq!(
            proposal.statement.as_deref(),
            Some("CREATE INDEX CONCURRENTLY ON public.t ((c1 ->> 'k'))")
        );
    }

    #[test]
    fn not_where_null_and_false_differ() {
        let not = expression(9, builtin::BOOL, ExpressionKind::Not(Box::new(condition("v"))));
        assert!(said(not, true).is_empty());
    }
}
