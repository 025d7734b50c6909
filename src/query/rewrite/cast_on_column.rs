//! `id::text = '5'`, `id = 5.0`: a cast, written or not, hides the column from its index.

use super::index_use::is_worth_an_index;
use super::wording::{column_name, signed};
use super::{Condition, Context, Proposal, Rule};
use crate::catalog::Oid;
use crate::catalog::query::edit::Edit;
use crate::catalog::query::{
    CastKind, ColumnReference, Comparison, Expression, ExpressionKind, FunctionForm, Scope,
};
use crate::catalog::types::builtin;
use crate::finding::Severity;
use crate::syntax::operand::operand;
use crate::text::identifier::quote_literal;

/// The rule.
pub const RULE: Rule = Rule { id: "query.cast_on_column", check };

/// A column under a cast.
struct Hidden<'a> {
    column: &'a ColumnReference,
    expression: &'a Expression,
    to: To,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum To {
    Text,
    Numeric,
    Float,
}

fn check(scope: &Scope<'_>, context: &Context<'_>, found: &mut Vec<Proposal>) {
    for condition in scope.query.inner_conditions() {
        for (comparison, left, right) in condition.as_comparison_either_way().into_iter().flatten() {
            let Some(hidden) = hidden(left) else { continue };
            let Some(entry) = scope.relation(hidden.column) else { continue };
            if entry.table().is_none() || !right.is_fixed() {
                continue;
            }
            let Some(proposal) = proposal(scope, context, condition, &hidden, comparison, right) else {
                continue;
            };
            found.push(if is_worth_an_index(entry, hidden.column) { proposal.always() } else { proposal });
            break;
        }
    }
}

fn hidden(expression: &Expression) -> Option<Hidden<'_>> {
    let expression = expression.without_relabels();
    let (argument, to) = match &expression.kind {
        ExpressionKind::Cast(cast) if cast.kind == CastKind::Text && expression.type_oid == builtin::TEXT => {
            (&*cast.argument, To::Text)
        }
        ExpressionKind::Function(call) if call.form != FunctionForm::Call && call.arguments.len() == 1 => {
            let to = if call.function.is_builtin("numeric") {
                To::Numeric
            } else if call.function.is_builtin("float8") {
                To::Float
            } else {
                return None;
            };
            (call.arguments.first()?, to)
        }
        _ => return None,
    };
    let column = argument.as_own_column().filter(|column| column.column > 0)?;
    let is_whole = is_whole(argument.type_oid);
    let is_known = match to {
        To::Text => is_whole || argument.type_oid == builtin::UUID,
        To::Numeric => is_whole,
        // A float has gaps among the larger ones of bigint.
        To::Float => is_whole && argument.type_oid != builtin::INT8,
    };
    is_known.then_some(Hidden { column, expression: argument, to })
}

fn is_whole(type_oid: Oid) -> bool {
    matches!(type_oid, builtin::INT2 | builtin::INT4 | builtin::INT8)
}

fn proposal(
    scope: &Scope<'_>,
    context: &Context<'_>,
    condition: &Expression,
    hidden: &Hidden<'_>,
    comparison: Comparison,
    other: &Expression,
) -> Option<Proposal> {
    let name = column_name(scope, hidden.column);
    let column = operand(&context.texts.text(hidden.expression.id));
    let type_name = &hidden.expression.type_name;
    let warn = |message: String| {
        Proposal::advice(RULE.id, Severity::Warning, message).evidence("column", name.as_str())
    };
    let replace = |sql: String| vec![Edit::ReplaceExpression { expression: condition.id, sql }];
    let keeps = |to: &str| format!("a cast of {name} to {to} keeps an index on the column from being used");
    let never = || {
        Proposal::advice(
            RULE.id,
            Severity::Error,
            format!(
                "the condition on {name} never holds: no {type_name} is {}",
                context.texts.text(other.id)
            ),
        )
        .evidence("column", name.as_str())
    };
    let literal = other.without_relabels().as_constant();
    match hidden.to {
        To::Text => {
            if comparison != Comparison::Equal {
                return None;
            }
            let Some(literal) = literal else {
                // Only a parameter is worth it; what is computed may be anything.
                if !matches!(other.without_relabels().kind, ExpressionKind::Parameter(_)) {
                    return None;
                }
                let text = context.texts.text(other.id);
                return Some(warn(format!("{}; bind {text} as {type_name}", keeps("text"))).edits(
                    replace(format!("{column} = {}::{type_name}", operand(&text))),
                    Condition::Unless(format!(
                        "{text} is written as the type {type_name} prints it: no leading zeros, no spaces, no sign +"
                    )),
                ));
            };
            let text = literal.text.as_deref()?;
            if !is_canonical(text, hidden.expression.type_oid) {
                return Some(never());
            }
            let value = if is_whole(hidden.expression.type_oid) {
                if text.starts_with('-') { format!("({text})") } else { text.to_owned() }
            } else {
                format!("{}::{type_name}", quote_literal(text))
            };
            Some(warn(keeps("text")).edits(replace(format!("{column} = {value}")), Condition::Proven))
        }
        To::Numeric | To::Float => {
            let to = if hidden.to == To::Numeric { "numeric" } else { "double precision" };
            let Some(literal) = literal else {
                if other.as_whole_number().is_some() {
                    return None;
                }
                return Some(warn(format!(
                    "{}; give {} as {type_name}",
                    keeps(to),
                    context.texts.text(other.id)
                )));
            };
            let (whole, is_exact) = floor(literal.text.as_deref()?)?;
            let sql = match (comparison, is_exact) {
                (Comparison::Equal, false) => return Some(never()),
                (Comparison::NotEqual, _) => return None,
                (_, true) => format!("{column} {} {}", comparison.symbol(), signed(whole)),
                (Comparison::Less | Comparison::LessOrEqual, false) => {
                    format!("{column} <= {}", signed(whole))
                }
                (Comparison::Greater | Comparison::GreaterOrEqual, false) => {
                    format!("{column} > {}", signed(whole))
                }
            };
            Some(warn(keeps(to)).edits(replace(sql), Condition::Proven))
        }
    }
}

/// Whether the text is what the type's output makes of some value.
fn is_canonical(text: &str, type_oid: Oid) -> bool {
    if type_oid == builtin::UUID {
        let bytes = text.as_bytes();
        return bytes.len() == 36
            && bytes.iter().enumerate().all(|(position, byte)| match position {
                8 | 13 | 18 | 23 => *byte == b'-',
                _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            });
    }
    let range = match type_oid {
        builtin::INT2 => i64::from(i16::MIN)..=i64::from(i16::MAX),
        builtin::INT4 => i64::from(i32::MIN)..=i64::from(i32::MAX),
        _ => i64::MIN..=i64::MAX,
    };
    text.parse::<i64>().is_ok_and(|number| range.contains(&number) && number.to_string() == text)
}

/// The greatest whole number that is not above a decimal one, and whether it is that one.
fn floor(text: &str) -> Option<(i64, bool)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: i64 = whole.parse().ok()?;
    if fraction.bytes().all(|byte| byte == b'0') {
        return Some((number, true));
    }
    Some((if whole.starts_with('-') { number.checked_sub(1)? } else { number }, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_number_prints_as() {
        for text in ["0", "5", "-5", "32767"] {
            assert!(is_canonical(text, builtin::INT2), "{text}");
        }
        for text in ["05", "+5", " 5", "-0", "32768", "5.0", "", "x"] {
            assert!(!is_canonical(text, builtin::INT2), "{text}");
        }
        assert!(is_canonical("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", builtin::UUID));
        assert!(!is_canonical("A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", builtin::UUID));
    }

    #[test]
    fn floors() {
        for (text, expected) in [
            ("5", Some((5, true))),
            ("5.00", Some((5, true))),
            ("5.5", Some((5, false))),
            ("-5.5", Some((-6, false))),
            ("-0.5", Some((-1, false))),
            ("NaN", None),
            ("1e3", None),
        ] {
            assert_eq!(floor(text), expected, "{text}");
        }
    }
}
