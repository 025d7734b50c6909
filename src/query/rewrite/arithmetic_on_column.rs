//! `column + 10 > 50`: the arithmetic hides the column from its index; moved to the other side it does not.

use super::index_use::{is_compared_bare, is_worth_an_index};
use super::wording::{column_name, signed};
use super::{Condition, Context, Proposal, Rule};
use crate::catalog::query::edit::Edit;
use crate::catalog::query::{ColumnReference, Comparison, Expression, ExpressionKind, Scope};
use crate::catalog::types::builtin;
use crate::finding::Severity;
use crate::syntax::operand::operand;

/// The rule.
pub const RULE: Rule = Rule { id: "query.arithmetic_on_column", check };

/// `column + moved`, `column - moved`, `moved - column`.
struct Sum<'a> {
    column: &'a ColumnReference,
    operand: &'a Expression,
    moved: &'a Expression,
    /// What is to be done with the other side to undo it.
    undo: char,
    /// `moved - column`: the column is what is left of it.
    is_mirrored: bool,
}

fn check(scope: &Scope<'_>, context: &Context<'_>, found: &mut Vec<Proposal>) {
    for condition in scope.query.inner_conditions() {
        for (comparison, left, right) in condition.as_comparison_either_way().into_iter().flatten() {
            let Some(sum) = sum(left) else { continue };
            let Some(entry) = scope.relation(sum.column) else { continue };
            if entry.table().is_none()
                || !right.is_fixed()
                || comparison == Comparison::NotEqual
                || is_compared_bare(scope, sum.column)
            {
                continue;
            }
            let Some((edit, proof)) = moved(scope, context, condition, &sum, comparison, right) else {
                continue;
            };
            let name = column_name(scope, sum.column);
            let message = format!("arithmetic on {name} keeps an index on the column from being used");
            let proposal = Proposal::advice(RULE.id, Severity::Warning, message)
                .evidence("column", name)
                .edits(vec![edit], proof);
            found.push(if is_worth_an_index(entry, sum.column) { proposal.always() } else { proposal });
            break;
        }
    }
}

fn sum(expression: &Expression) -> Option<Sum<'_>> {
    let (call, left, right) = expression.as_operator()?;
    let is_plus = call.is_builtin("+");
    if !is_plus && !call.is_builtin("-") {
        return None;
    }
    let undo = if is_plus { '-' } else { '+' };
    let of = |operand: &'_ Expression| operand.as_own_column().is_some_and(|column| column.column > 0);
    if of(left) && right.is_fixed() {
        return Some(Sum {
            column: left.as_own_column()?,
            operand: left,
            moved: right,
            undo,
            is_mirrored: false,
        });
    }
    if of(right) && left.is_fixed() {
        let is_mirrored = !is_plus;
        let undo = if is_plus { '-' } else { '+' };
        return Some(Sum { column: right.as_own_column()?, operand: right, moved: left, undo, is_mirrored });
    }
    None
}

fn moved(
    scope: &Scope<'_>,
    context: &Context<'_>,
    condition: &Expression,
    sum: &Sum<'_>,
    comparison: Comparison,
    other: &Expression,
) -> Option<(Edit, Condition)> {
    let text = |expression: &Expression| operand(&context.texts.text(expression.id));
    let replace = |sql: String| Edit::ReplaceExpression { expression: condition.id, sql };
    let column = text(sum.operand);
    let (own, added) = (sum.operand.type_oid, sum.moved.type_oid);
    let is_integer = |type_oid| matches!(type_oid, builtin::INT2 | builtin::INT4 | builtin::INT8);
    let side = if sum.is_mirrored { comparison.commuted() } else { comparison };
    let symbol = side.symbol();
    if is_integer(own) && is_integer(added) && is_integer(other.type_oid) {
        if let (Some(moved), Some(other)) = (sum.moved.as_whole_number(), other.as_whole_number()) {
            let value = match (sum.is_mirrored, sum.undo) {
                (true, _) => moved.checked_sub(other)?,
                (false, '-') => other.checked_sub(moved)?,
                (false, _) => other.checked_add(moved)?,
            };
            // Only rows for which the original fails, because the sum is out of range, can differ.
            return Some((replace(format!("{column} {symbol} {}", signed(value))), Condition::Proven));
        }
        let (left, right) =
            if sum.is_mirrored { (text(sum.moved), text(other)) } else { (text(other), text(sum.moved)) };
        let undo = if sum.is_mirrored { '-' } else { sum.undo };
        let value = format!("{left}::bigint {undo} {right}");
        let fits = added != builtin::INT8 && other.type_oid != builtin::INT8;
        let proof = Condition::Unless(format!("{value} is within the range of bigint"));
        return Some((
            replace(format!("{column} {symbol} ({value})")),
            if fits { Condition::Proven } else { proof },
        ));
    }
    let is_finite = |expression: &Expression| {
        let is_infinite = |text: &str| text.contains("nfinity") || text.eq_ignore_ascii_case("nan");
        match expression.as_constant() {
            Some(constant) => constant.text.as_deref().is_some_and(|text| !is_infinite(text)),
            None => {
                expression.as_whole_number().is_some() || matches!(expression.kind, ExpressionKind::SqlValue)
            }
        }
    };
    let is_number = |type_oid| type_oid == builtin::NUMERIC;
    let is_day = own == builtin::DATE && other.type_oid == builtin::DATE && is_integer(added);
    if (is_number(own) && is_number(added) && is_number(other.type_oid) || is_day)
        && !sum.is_mirrored
        && is_finite(sum.moved)
        && is_finite(other)
    {
        let value = format!("{} {} {}", text(other), sum.undo, text(sum.moved));
        return Some((replace(format!("{column} {symbol} ({value})")), Condition::Proven));
    }
    if matches!(own, builtin::TIMESTAMP | builtin::TIMESTAMPTZ)
        && added == builtin::INTERVAL
        && !sum.is_mirrored
    {
        return moment(scope, context, condition, sum, comparison, other);
    }
    None
}

/// A moment and an interval: hours, minutes and seconds can be moved; days and months are not always as long, so that
/// the condition stays and a range that is wide enough joins it.
fn moment(
    scope: &Scope<'_>,
    context: &Context<'_>,
    condition: &Expression,
    sum: &Sum<'_>,
    comparison: Comparison,
    other: &Expression,
) -> Option<(Edit, Condition)> {
    let text = |expression: &Expression| operand(&context.texts.text(expression.id));
    let (column, bound, interval) = (text(sum.operand), text(other), text(sum.moved));
    // A day of the local calendar beside a moment of another would bring the zone's clock in once more.
    if other.type_oid != sum.operand.type_oid {
        return None;
    }
    let is_infinite = |expression: &Expression| {
        expression
            .as_constant()
            .is_some_and(|constant| constant.text.as_deref().is_none_or(|text| text.contains("infinity")))
    };
    if is_infinite(sum.moved) || is_infinite(other) {
        return None;
    }
    let moved = format!("{bound} {} {interval}", sum.undo);
    if is_clock_time(sum.moved.as_constant()?.text.as_deref()?) {
        let sql = format!("{column} {} ({moved})", comparison.symbol());
        let proof = if other.as_constant().is_some() || is_now(other) {
            Condition::Proven
        } else {
            Condition::Unless(format!("{bound} is finite"))
        };
        return Some((Edit::ReplaceExpression { expression: condition.id, sql }, proof));
    }
    // Days differ by a day at most, where a zone skipped one; months by three.
    let slack = "interval '5 days'";
    let (from, to) = (format!("{moved} - {slack}"), format!("{moved} + {slack}"));
    let sql = match comparison {
        Comparison::Less | Comparison::LessOrEqual => format!("{column} < ({to})"),
        Comparison::Greater | Comparison::GreaterOrEqual => format!("{column} > ({from})"),
        Comparison::Equal => format!("{column} > ({from}) AND {column} < ({to})"),
        Comparison::NotEqual => return None,
    };
    let proof = if other.as_constant().is_some() || is_now(other) {
        Condition::Proven
    } else {
        Condition::Unless(format!("{bound} is finite"))
    };
    Some((Edit::AddCondition { query: scope.query.id, sql }, proof))
}

/// `now()`, CURRENT_TIMESTAMP and the like: always finite.
fn is_now(expression: &Expression) -> bool {
    expression.as_builtin_call("now").is_some() || matches!(expression.kind, ExpressionKind::SqlValue)
}

/// Whether an interval is hours, minutes and seconds alone, as the server prints it in its own style.
fn is_clock_time(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let parts: Vec<&str> = text.split(':').collect();
    parts.len() == 3
        && parts
            .iter()
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::query::sample::{Numbers, column, compare, equal, function, integer, select, table};
    use crate::catalog::query::{OperatorCall, Query, Statement};
    use crate::query::rewrite::propose_by;

    fn arithmetic(name: &str, left: Expression, right: Expression) -> Expression {
        let call = OperatorCall {
            oid: 551,
            name: name.to_owned(),
            function: function("int4pl"),
            arguments: vec![left, right],
            ..OperatorCall::default()
        };
        Expression { kind: ExpressionKind::Operator(call), type_oid: builtin::INT4, ..integer(5, 0) }
    }

    fn proposed(condition: Expression) -> Vec<(Edit, Condition)> {
        let mut query: Query = select(0, vec![column(1, 0, 0, 1)], vec![table("a", &[true], &[])]);
        query.condition = Some(condition);
        propose_by(&RULE, &Statement { query, server: 15, ..Statement::default() }, &Numbers)
            .into_iter()
            .map(|proposal| (proposal.edits[0].clone(), proposal.condition))
            .collect()
    }

    fn replaced(sql: &str) -> Vec<(Edit, Condition)> {
        vec![(Edit::ReplaceExpression { expression: 2, sql: sql.to_owned() }, Condition::Proven)]
    }

    #[test]
    fn whole_numbers_move_to_the_other_side() {
        let own = || column(3, 0, 0, 1);
        let plus = arithmetic("+", own(), integer(6, 10));
        assert_eq!(proposed(equal(2, plus.clone(), integer(7, 50))), replaced("(<3>) = 40"));
        assert_eq!(proposed(compare(2, Comparison::Less, integer(7, 50), plus)), replaced("(<3>) > 40"));
        let minus = arithmetic("-", own(), integer(6, 10));
        assert_eq!(proposed(compare(2, Comparison::Less, minus, integer(7, 50))), replaced("(<3>) < 60"));
        let mirrored = arithmetic("-", integer(6, 10), own());
        assert_eq!(
            proposed(compare(2, Comparison::Less, mirrored, integer(7, 50))),
            replaced("(<3>) > (-40)")
        );
    }

    #[test]
    fn what_is_not_there_to_move() {
        assert_eq!(proposed(equal(2, column(3, 0, 0, 1), integer(7, 50))), []);
        let both = arithmetic("+", column(3, 0, 0, 1), column(4, 0, 0, 1));
        assert_eq!(proposed(equal(2, both, integer(7, 50))), []);
        let overflowing = arithmetic("-", column(3, 0, 0, 1), integer(6, 10));
        assert_eq!(proposed(equal(2, overflowing, integer(7, i64::MAX))), []);
    }

    #[test]
    fn clock_times() {
        for clock in ["01:00:00", "-00:30:00", "100:00:00.5"] {
            assert!(is_clock_time(clock), "{clock}");
        }
        for calendar in ["1 day", "1 day 01:00:00", "1 mon", "PT1H", "@ 1 hour", "-1 days +02:00:00"] {
            assert!(!is_clock_time(calendar), "{calendar}");
        }
    }
}
