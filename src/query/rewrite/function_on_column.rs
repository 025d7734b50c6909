//! `date(moment) = day`: the function hides the column from its index.
//!
//! For columns without time zone, a range of the column says the same. With time zone, a day does not begin and end at
//! a moment that follows from it (clocks go back over midnight in some places), so the condition stays, and a range
//! that is wide enough whatever the clocks do joins it.

use super::index_use::{is_compared_bare, is_worth_an_index};
use super::wording::column_name;
use super::{Condition, Context, Proposal, Rule};
use crate::catalog::query::edit::Edit;
use crate::catalog::query::{ColumnReference, Comparison, Expression, ExpressionKind, Scope};
use crate::catalog::types::builtin;
use crate::finding::Severity;
use crate::syntax::operand::operand;

/// The rule.
pub const RULE: Rule = Rule { id: "query.function_on_column", check };

/// What a condition asks of a column.
struct Asked<'a> {
    column: &'a ColumnReference,
    column_expression: &'a Expression,
    function: &'a str,
    unit: Unit,
}

/// What the function makes of a moment.
enum Unit {
    /// `date(moment)`
    Day,
    /// `date_trunc(unit, moment)`: an interval that a unit is at most as long as.
    Truncated(&'static str),
    /// `extract(year FROM moment)`
    Year,
    /// `to_char(moment, ...)`
    Text,
}

fn check(scope: &Scope<'_>, context: &Context<'_>, found: &mut Vec<Proposal>) {
    for condition in scope.query.inner_conditions() {
        for (comparison, left, right) in condition.as_comparison_either_way().into_iter().flatten() {
            let Some(asked) = asked(left) else { continue };
            let Some(entry) = scope.relation(asked.column) else { continue };
            if entry.table().is_none()
                || !right.is_fixed()
                || comparison == Comparison::NotEqual
                || is_compared_bare(scope, asked.column)
            {
                continue;
            }
            if let Some(proposal) = proposal(scope, context, condition, &asked, (comparison, right)) {
                found.push(if is_worth_an_index(entry, asked.column) { proposal.always() } else { proposal });
            }
            break;
        }
    }
}

/// The function of a column that an expression is.
fn asked(expression: &Expression) -> Option<Asked<'_>> {
    let ExpressionKind::Function(call) = &expression.kind else { return None };
    let builtin = |name: &str| call.function.is_builtin(name);
    let unit_of = |position: usize| call.arguments.get(position)?.as_constant()?.text.as_deref();
    let (unit, argument) = if builtin("date") {
        (Unit::Day, call.arguments.first()?)
    } else if builtin("date_trunc") && call.arguments.len() == 2 {
        (Unit::Truncated(length(unit_of(0)?)?), call.arguments.get(1)?)
    } else if builtin("extract") || builtin("date_part") {
        if !unit_of(0)?.eq_ignore_ascii_case("year") {
            return None;
        }
        (Unit::Year, call.arguments.get(1)?)
    } else if builtin("to_char") {
        (Unit::Text, call.arguments.first()?)
    } else {
        return None;
    };
    let column = argument.as_own_column()?;
    let is_moment = matches!(argument.type_oid, builtin::TIMESTAMP | builtin::TIMESTAMPTZ)
        || (matches!(unit, Unit::Year) && argument.type_oid == builtin::DATE);
    (is_moment && column.column > 0).then_some(Asked {
        column,
        column_expression: argument,
        function: &call.function.name,
        unit,
    })
}

/// An interval that no such unit is longer than.
fn length(unit: &str) -> Option<&'static str> {
    Some(match unit.to_ascii_lowercase().as_str() {
        "minute" => "1 minute",
        "hour" => "1 hour",
        "day" => "1 day",
        "week" => "7 days",
        "month" => "1 month",
        "quarter" => "3 months",
        "year" => "1 year",
        _ => return None,
    })
}

fn proposal(
    scope: &Scope<'_>,
    context: &Context<'_>,
    condition: &Expression,
    asked: &Asked<'_>,
    (comparison, bound): (Comparison, &Expression),
) -> Option<Proposal> {
    let name = column_name(scope, asked.column);
    let message = format!("{}() around {name} keeps an index on the column from being used", asked.function);
    let advice = Proposal::advice(RULE.id, Severity::Warning, message).evidence("column", name.as_str());
    let column = context.texts.text(asked.column_expression.id);
    let text = || operand(&context.texts.text(bound.id));
    let has_zone = asked.column_expression.type_oid == builtin::TIMESTAMPTZ;
    // (from, to) of the values for which the function may be equal to the bound.
    let (from, to, replaces) = match &asked.unit {
        Unit::Text => return Some(advice),
        Unit::Day if has_zone => (format!("{} - 1", text()), format!("{} + 1", text()), false),
        Unit::Day => (text(), format!("{} + 1", text()), true),
        // Kept: whether the bound is the beginning of a unit is not for us to say.
        Unit::Truncated(length) if has_zone => (
            format!("{} - interval '1 day'", text()),
            format!("{} + interval '{length}' + interval '1 day'", text()),
            false,
        ),
        Unit::Truncated(length) => (text(), format!("{} + interval '{length}'", text()), false),
        Unit::Year => {
            let year = bound.as_whole_number().filter(|year| (1_000..9_990).contains(year))?;
            let first = |year: i64| format!("'{year:04}-01-01'::date");
            let slack = if has_zone { 1 } else { 0 };
            let around = |text: String, sign: char| {
                if slack == 0 { text } else { format!("{text} {sign} {slack}") }
            };
            (around(first(year), '-'), around(first(year + 1), '+'), !has_zone)
        }
    };
    // A day that is infinite has no next one.
    let mut proof = Condition::Proven;
    if let Some(constant) = bound.as_constant() {
        let text = constant.text.as_deref()?;
        if text.contains("infinity") {
            return None;
        }
    } else if bound.as_whole_number().is_none() && !matches!(bound.kind, ExpressionKind::SqlValue) {
        proof = Condition::Unless(format!("{} is finite", context.texts.text(bound.id)));
    }
    let column = operand(&column);
    let range = match comparison {
        Comparison::Equal => format!("{column} >= {from} AND {column} < {to}"),
        Comparison::Less if replaces => format!("{column} < {from}"),
        Comparison::Less | Comparison::LessOrEqual => format!("{column} < {to}"),
        Comparison::Greater if replaces => format!("{column} >= {to}"),
        Comparison::Greater | Comparison::GreaterOrEqual => format!("{column} >= {from}"),
        Comparison::NotEqual => return None,
    };
    let edit = if replaces {
        Edit::ReplaceExpression { expression: condition.id, sql: range }
    } else {
        Edit::AddCondition { query: scope.query.id, sql: range }
    };
    Some(advice.edits(vec![edit], proof))
}
