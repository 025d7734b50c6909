//! `lower(a) = 'x'` although there is an index on a: it does not help.

use crate::catalog::query::{Comparison, ExpressionKind, Scope};
use crate::finding::Severity;
use crate::text::identifier::quote_identifier;

use super::filter::{TableColumn, in_filters, is_large};
use super::{Context, Proposal, Rule};

/// The rule.
pub const RULE: Rule = Rule { id: "query.folded_case", check };

fn check(scope: &Scope<'_>, context: &Context<'_>, proposals: &mut Vec<Proposal>) {
    for part in in_filters(scope.query) {
        let sides = match &part.kind {
            ExpressionKind::Operator(call) if call.comparison == Some(Comparison::Equal) => call.sides(),
            ExpressionKind::ArrayComparison(comparison) if comparison.any => comparison.operator.sides(),
            _ => None,
        };
        let Some((left, right)) = sides else { continue };
        for (folded, other) in [(left, right), (right, left)] {
            let ExpressionKind::Function(call) = &folded.kind else { continue };
            let Some(name) = ["lower", "upper"].into_iter().find(|name| call.function.is_builtin(name))
            else {
                continue;
            };
            let Some(column) = call
                .arguments
                .first()
                .and_then(|argument| TableColumn::of(scope, argument.without_relabels()))
            else {
                continue;
            };
            // An expression index may be just this one; without any index on the column, nobody is misled.
            if !other.is_fixed()
                || column.table.has_expression_index
                || !column.has_index()
                || !is_large(column.table)
            {
                continue;
            }
            let quoted = quote_identifier(&column.column.name);
            proposals.push(
                Proposal::advice(
                    RULE.id,
                    Severity::Warning,
                    format!(
                        "{} cannot use the index on {}.{quoted}; an index on {name}({quoted}) serves it, or a type or collation that ignores case",
                        context.texts.text(part.id),
                        column.table.name
                    ),
                )
                .statement(format!("CREATE INDEX CONCURRENTLY ON {} ({name}({quoted}))", column.table.name)),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{call, count, text_column, text_literal, text_table, where_of, with_rows};
    use super::RULE;
    use crate::catalog::query::RelationSource;
    use crate::catalog::query::sample::equal;

    fn said(function: &str, indexed: bool, expression_index: bool) -> usize {
        let mut table = with_rows(text_table("t"), 1e6);
        if let RelationSource::Table(facts) = &mut table.source {
            facts.index_columns = if indexed { vec![vec![1]] } else { vec![] };
            facts.has_expression_index = expression_index;
        }
        let condition = equal(1, call(2, function, vec![text_column(3, 1)]), text_literal(4, "x"));
        count(&RULE, &where_of(condition, vec![table]))
    }

    #[test]
    fn the_index_that_is_there_does_not_help() {
        assert_eq!(said("lower", true, false), 1);
        assert_eq!(said("upper", true, false), 1);
        assert_eq!(said("lower", false, false), 0);
        assert_eq!(said("lower", true, true), 0);
        assert_eq!(said("btrim", true, false), 0);
    }
}
