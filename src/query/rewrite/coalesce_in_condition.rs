//! `coalesce(a, 0) = 5`: hides a from its indexes, though it says no more than `a = 5`.
//!
//! With the value that stands for NULL it says `a = 0 OR a IS NULL`. The former may be NULL where coalesce() is false,
//! so that it must not stand below a NOT or be put out.

use std::cmp::Ordering;

use crate::catalog::query::edit::Edit;
use crate::catalog::query::{Comparison, Expression, ExpressionKind, Scope};
use crate::catalog::types::builtin;
use crate::finding::Severity;

use super::filter::{TableColumn, in_filters, in_positive_position, is_exact, literal};
use super::{Condition, Context, Proposal, Rule};

/// The rule.
pub const RULE: Rule = Rule { id: "query.coalesce_in_condition", check };

fn check(scope: &Scope<'_>, context: &Context<'_>, proposals: &mut Vec<Proposal>) {
    let positive: Vec<u32> = in_positive_position(scope.query).iter().map(|part| part.id).collect();
    for part in in_filters(scope.query) {
        let Some((call, left, right)) = part.as_operator() else { continue };
        let Some(comparison) = call.comparison.filter(|comparison| call.is_builtin(comparison.symbol()))
        else {
            continue;
        };
        let (parts, value, comparison) = match (&left.kind, &right.kind) {
            (ExpressionKind::Coalesce(parts), _) => (parts, right, comparison),
            (_, ExpressionKind::Coalesce(parts)) => (parts, left, comparison.commuted()),
            _ => continue,
        };
        let [argument, default] = parts.as_slice() else { continue };
        let column = argument.without_relabels();
        let Some(table) = TableColumn::of(scope, column) else { continue };
        // One type, whose values are told apart by what they print as.
        if argument.type_oid != value.type_oid || !is_exact(argument) || !call.is_deterministic {
            continue;
        }
        let Some(default_holds) = holds(default, comparison, value) else { continue };
        let text = context.texts.text(argument.id);
        let plain = format!("{text} {} {}", comparison.symbol(), context.texts.text(value.id));
        let sql = match (default_holds, positive.contains(&part.id)) {
            (true, _) => format!("({plain} OR {text} IS NULL)"),
            (false, true) => plain,
            (false, false) => continue,
        };
        let proposal = Proposal::advice(
            RULE.id,
            Severity::Info,
            format!(
                "{} hides {}.{} in coalesce(), so that no index on it can be used",
                context.texts.text(part.id),
                table.table.name,
                table.column.name
            ),
        )
        .edits(vec![Edit::ReplaceExpression { expression: part.id, sql }], Condition::Proven);
        proposals.push(if table.wants_index() { proposal.always() } else { proposal });
    }
}

/// Whether the comparison holds between two literals; `None` where we cannot say.
fn holds(left: &Expression, comparison: Comparison, right: &Expression) -> Option<bool> {
    let (one, another) = (literal(left)?, literal(right)?);
    let order = if matches!(left.type_oid, builtin::INT2 | builtin::INT4 | builtin::INT8) {
        one.parse::<i64>().ok()?.cmp(&another.parse::<i64>().ok()?)
    } else if !matches!(comparison, Comparison::Equal | Comparison::NotEqual) {
        // Other types sort in ways that we do not know.
        return None;
    } else if one == another {
        Ordering::Equal
    } else {
        Ordering::Less
    };
    Some(match comparison {
        Comparison::Less => order.is_lt(),
        Comparison::LessOrEqual => order.is_le(),
        Comparison::Equal => order.is_eq(),
        Comparison::GreaterOrEqual => order.is_ge(),
        Comparison::Greater => order.is_gt(),
        Comparison::NotEqual => order.is_ne(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{propose_for, text_column, text_literal, text_table, where_, where_of};
    use super::RULE;
    use crate::catalog::query::edit::Edit;
    use crate::catalog::query::sample::{column, compare, expression, integer};
    use crate::catalog::query::{Comparison, Expression, ExpressionKind, Query};
    use crate::catalog::types::builtin;

    fn coalesce(default: i64) -> Expression {
        expression(2, builtin::INT4, ExpressionKind::Coalesce(vec![column(3, 0, 0, 2), integer(4, default)]))
    }

    fn sql(query: Query) -> Vec<String> {
        propose_for(&RULE, query)
            .into_iter()
            .flat_map(|proposal| proposal.edits)
            .map(|edit| match edit {
                Edit::ReplaceExpression { expression: 1, sql } => sql,
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn the_default_decides() {
        let said =
            |comparison, default| sql(where_(compare(1, comparison, coalesce(default), integer(5, 7))));
        assert_eq!(said(Comparison::Equal, 0), ["<3> = <5>"]);
        assert_eq!(said(Comparison::Equal, 7), ["(<3> = <5> OR <3> IS NULL)"]);
        assert_eq!(said(Comparison::Greater, 0), ["<3> > <5>"]);
        assert_eq!(said(Comparison::LessOrEqual, 0), ["(<3> <= <5> OR <3> IS NULL)"]);
        assert_eq!(said(Comparison::NotEqual, 0), ["(<3> <> <5> OR <3> IS NULL)"]);
        // The value on the left.
        let turned = compare(1, Comparison::Less, integer(5, 7), coalesce(0));
        assert_eq!(sql(where_(turned)), ["<3> > <5>"]);
    }

    #[test]
    fn below_a_not_only_what_is_never_null() {
        let not = |default| {
            let condition = compare(1, Comparison::Equal, coalesce(default), integer(5, 7));
            where_(expression(9, builtin::BOOL, ExpressionKind::Not(Box::new(condition))))
        };
        assert!(sql(not(0)).is_empty());
        assert_eq!(sql(not(7)), ["(<3> = <5> OR <3> IS NULL)"]);
    }

    #[test]
    fn texts_must_be_told_apart_by_their_bytes() {
        let said = |type_oid, is_deterministic| {
            let part = Expression { type_oid, is_deterministic, ..text_column(3, 1) };
            let kind = ExpressionKind::Coalesce(vec![part, text_literal(4, "ab")]);
            let coalesce = Expression { type_oid, is_deterministic, ..expression(2, type_oid, kind) };
            let value = Expression { type_oid, ..text_literal(5, "ab ") };
            sql(where_of(compare(1, Comparison::Equal, coalesce, value), vec![text_table("t")])).len()
        };
        assert_eq!(said(builtin::TEXT, true), 1);
        assert_eq!(said(builtin::TEXT, false), 0);
        assert_eq!(said(builtin::BPCHAR, true), 0);
    }
}
