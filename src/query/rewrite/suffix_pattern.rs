//! `LIKE '%abc'`: the reversed text begins with what is looked for, and an index on reverse() finds it.
//!
//! Not for char(n): LIKE sees its trailing blanks, reverse() does not.

use crate::catalog::query::Scope;
use crate::catalog::query::edit::Edit;
use crate::finding::Severity;
use crate::text::identifier::{quote_identifier, quote_literal};

use super::filter::{TableColumn, in_filters, is_large, is_text, literal};
use super::pattern::reversed;
use super::{Condition, Context, Proposal, Rule};

/// The rule.
pub const RULE: Rule = Rule { id: "query.suffix_pattern", check };

fn check(scope: &Scope<'_>, context: &Context<'_>, proposals: &mut Vec<Proposal>) {
    for part in in_filters(scope.query) {
        let Some((call, left, right)) = part.as_operator() else { continue };
        // A collation that calls different texts equal may do so for the beginning and not for the end.
        if !call.is_builtin("~~") || !call.is_deterministic {
            continue;
        }
        let inner = left.without_relabels();
        let Some(column) = TableColumn::of(scope, inner) else { continue };
        let Some(pattern) = literal(right) else { continue };
        let Some(reversed) = reversed(pattern) else { continue };
        if !is_text(inner) || !is_large(column.table) {
            continue;
        }
        let text = context.texts.text(inner.id);
        let name = quote_identifier(&column.column.name);
        let table = &column.table.name;
        let proposal =
            Proposal::advice(
                RULE.id,
                Severity::Warning,
                format!(
                    "{table}.{name} LIKE {} reads the whole table: an index finds how a text begins, not how it ends; one on reverse({name}) finds the end",
                    quote_literal(pattern)
                ),
            )
            .edits(
                vec![Edit::ReplaceExpression {
                    expression: part.id,
                    sql: format!("reverse({text}) LIKE {}", quote_literal(&reversed)),
                }],
                Condition::Proven,
            );
        // An expression index may be just this one; the planner knows.
        proposals.push(if column.table.has_expression_index {
            proposal
        } else {
            proposal
                .always()
                .statement(format!("CREATE INDEX CONCURRENTLY ON {table} (reverse({name}) text_pattern_ops)"))
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{
        operator, propose_for, text_column, text_literal, text_table, where_of, with_rows,
    };
    use super::RULE;
    use crate::catalog::query::Expression;
    use crate::catalog::query::edit::Edit;
    use crate::catalog::types::builtin;

    fn said(column: Expression, symbol: &str) -> Vec<super::Proposal> {
        let condition = operator(1, symbol, column, text_literal(3, "%a'c"));
        propose_for(&RULE, where_of(condition, vec![with_rows(text_table("t"), 1e6)]))
    }

    #[test]
    fn the_end_of_a_text_is_the_beginning_of_its_reverse() {
        let [proposal] = &said(text_column(2, 1), "~~")[..] else { panic!() };
        let sql = "reverse(<2>) LIKE 'c''a%'".to_owned();
        assert_eq!(proposal.edits, [Edit::ReplaceExpression { expression: 1, sql }]);
        assert!(said(text_column(2, 1), "~~*").is_empty());
        let padded = Expression { type_oid: builtin::BPCHAR, ..text_column(2, 1) };
        assert!(said(padded, "~~").is_empty());
    }
}
