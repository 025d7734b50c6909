//! `BETWEEN '2024-02-01' AND '2024-02-29'` on moments: the last day is only its midnight.

use crate::catalog::query::edit::Edit;
use crate::catalog::query::{Comparison, Expression, Scope};
use crate::catalog::types::builtin;
use crate::finding::Severity;

use super::filter::{TableColumn, filters, literal};
use super::{Condition, Context, Proposal, Rule};

/// The rule.
pub const RULE: Rule = Rule { id: "query.between_to_midnight", check };

fn check(scope: &Scope<'_>, context: &Context<'_>, proposals: &mut Vec<Proposal>) {
    for filter in filters(scope.query) {
        let conditions = filter.conjuncts();
        for condition in &conditions {
            let Some((Comparison::LessOrEqual, left, right)) = condition.as_comparison() else { continue };
            let Some(column) = TableColumn::of(scope, left) else { continue };
            let is_moment = matches!(left.type_oid, builtin::TIMESTAMP | builtin::TIMESTAMPTZ);
            let begins = conditions.iter().any(|other| {
                other.as_comparison().is_some_and(|(comparison, one, _)| {
                    comparison == Comparison::GreaterOrEqual && one.is_same(left)
                })
            });
            let Some(day) = midnight(right) else { continue };
            if !is_moment || !begins {
                continue;
            }
            let name = format!("{}.{}", column.table.name, column.column.name);
            let sql =
                format!("{} < ({})::date + 1", context.texts.text(left.id), context.texts.text(right.id));
            proposals.push(
                Proposal::advice(
                    RULE.id,
                    Severity::Warning,
                    format!("{} ends at the midnight that {day} begins with: what {name} says of that day later on is left out", context.texts.text(condition.id)),
                )
                .edits(
                    vec![Edit::ReplaceExpression { expression: condition.id, sql }],
                    Condition::Unless(format!("{name} never lies on {day} after midnight")),
                )
                .always(),
            );
        }
    }
}

/// The day, where an expression is the midnight that it begins with.
fn midnight(expression: &Expression) -> Option<String> {
    let text = literal(expression)?;
    match expression.type_oid {
        builtin::DATE => Some(text.to_owned()),
        builtin::TIMESTAMP | builtin::TIMESTAMPTZ => {
            let (day, time) = text.split_once(' ')?;
            let time = time.split(['+', '-', ' ']).next()?;
            (time == "00:00:00").then(|| day.to_owned())
        }
        _ => None,
    }
    .filter(|day| !day.contains("infinity"))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{count, where_};
    use super::RULE;
    use crate::catalog::query::sample::{column, compare, expression};
    use crate::catalog::query::{Comparison, Constant, Expression, ExpressionKind};
    use crate::catalog::types::builtin;

    fn said(begins: bool, comparison: Comparison, type_oid: u32, end: &str) -> usize {
        let moment = |id| Expression { type_oid: builtin::TIMESTAMP, ..column(id, 0, 0, 1) };
        let value = |id, text: &str| {
            expression(id, type_oid, ExpressionKind::Constant(Constant { text: Some(text.to_owned()) }))
        };
        let mut parts = vec![compare(1, comparison, moment(2), value(3, end))];
        if begins {
            parts.push(compare(4, Comparison::GreaterOrEqual, moment(5), value(6, "2024-02-01 00:00:00")));
        }
        count(&RULE, &where_(expression(9, builtin::BOOL, ExpressionKind::And(parts))))
    }

    #[test]
    fn a_span_of_days_ends_too_early() {
        assert_eq!(said(true, Comparison::LessOrEqual, builtin::TIMESTAMP, "2024-02-29 00:00:00"), 1);
        assert_eq!(said(true, Comparison::LessOrEqual, builtin::TIMESTAMPTZ, "2024-02-29 00:00:00+01"), 1);
        assert_eq!(said(true, Comparison::LessOrEqual, builtin::DATE, "2024-02-29"), 1);
    }

    #[test]
    fn not_where_the_end_is_meant() {
        assert_eq!(said(true, Comparison::LessOrEqual, builtin::TIMESTAMP, "2024-02-29 23:59:59"), 0);
        assert_eq!(said(true, Comparison::Less, builtin::TIMESTAMP, "2024-02-29 00:00:00"), 0);
        assert_eq!(said(false, Comparison::LessOrEqual, builtin::TIMESTAMP, "2024-02-29 00:00:00"), 0);
        assert_eq!(said(true, Comparison::LessOrEqual, builtin::DATE, "infinity"), 0);
    }
}
