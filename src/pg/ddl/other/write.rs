//! UPDATE and DELETE of every row.

use pgrx::pg_sys;
use pgrx::pg_sys::NodeTag as Tag;

use super::names::{Named, pointers, strings, tag, text};
use crate::catalog::LockMode;
use crate::catalog::ddl::{Action, Kind, WrittenTable};

/// UPDATE.
///
/// # Safety
/// The node must live through the call.
pub unsafe fn update(statement: *mut pg_sys::UpdateStmt) -> Vec<Action> {
    // SAFETY: as the caller vouches.
    unsafe { written((*statement).relation, true, (*statement).whereClause) }
}

/// DELETE.
///
/// # Safety
/// The node must live through the call.
pub unsafe fn delete(statement: *mut pg_sys::DeleteStmt) -> Vec<Action> {
    // SAFETY: as the caller vouches.
    unsafe { written((*statement).relation, false, (*statement).whereClause) }
}

/// # Safety
/// Nodes of the parser; the condition may be null.
unsafe fn written(
    relation: *mut pg_sys::RangeVar,
    is_update: bool,
    condition: *mut pg_sys::Node,
) -> Vec<Action> {
    // SAFETY: as the caller vouches.
    unsafe {
        let kind = Kind::Write(WrittenTable {
            is_update,
            has_no_condition: condition.is_null(),
            is_always_true: !condition.is_null() && truth(condition) == Some(true),
        });
        vec![Named::of(relation).action(kind, LockMode::RowExclusive)]
    }
}

/// What a condition is for every row, as far as its constants say; `None` where that depends on the row, or is NULL.
///
/// # Safety
/// A node of the parser.
unsafe fn truth(node: *mut pg_sys::Node) -> Option<bool> {
    // SAFETY: as the caller vouches; the tags say what the nodes are.
    unsafe {
        match tag(node) {
            Tag::T_A_Const => match constant(node)? {
                Constant::Boolean(value) => Some(value),
                Constant::Text(word) => boolean_word(&word),
                Constant::Number(_) => None,
            },
            Tag::T_TypeCast => {
                let cast = node.cast::<pg_sys::TypeCast>();
                let names = strings((*(*cast).typeName).names);
                (names.last().is_some_and(|name| name == "bool")).then(|| truth((*cast).arg)).flatten()
            }
            Tag::T_BoolExpr => {
                let expression = node.cast::<pg_sys::BoolExpr>();
                let mut arguments =
                    pointers::<pg_sys::Node>((*expression).args).into_iter().map(|argument| truth(argument));
                match (*expression).boolop {
                    pg_sys::BoolExprType::NOT_EXPR => arguments.next().flatten().map(|value| !value),
                    pg_sys::BoolExprType::AND_EXPR => {
                        let all: Vec<_> = arguments.collect();
                        if all.contains(&Some(false)) {
                            Some(false)
                        } else {
                            all.iter().all(|value| *value == Some(true)).then_some(true)
                        }
                    }
                    _ => {
                        let all: Vec<_> = arguments.collect();
                        if all.contains(&Some(true)) {
                            Some(true)
                        } else {
                            all.iter().all(|value| *value == Some(false)).then_some(false)
                        }
                    }
                }
            }
            Tag::T_BooleanTest => {
                let test = node.cast::<pg_sys::BooleanTest>();
                let value = truth((*test).arg.cast())?;
                match (*test).booltesttype {
                    pg_sys::BoolTestType::IS_TRUE | pg_sys::BoolTestType::IS_NOT_FALSE => Some(value),
                    pg_sys::BoolTestType::IS_FALSE | pg_sys::BoolTestType::IS_NOT_TRUE => Some(!value),
                    pg_sys::BoolTestType::IS_NOT_UNKNOWN => Some(true),
                    _ => Some(false),
                }
            }
            Tag::T_A_Expr => compared(node.cast()),
            _ => None,
        }
    }
}

/// # Safety
/// A node of the parser.
unsafe fn compared(expression: *mut pg_sys::A_Expr) -> Option<bool> {
    // SAFETY: as the caller vouches.
    unsafe {
        if (*expression).kind != pg_sys::A_Expr_Kind::AEXPR_OP || (*expression).lexpr.is_null() {
            return None;
        }
        let names = strings((*expression).name);
        let (left, right) = (constant((*expression).lexpr)?, constant((*expression).rexpr)?);
        let order = match (&left, &right) {
            (Constant::Number(one), Constant::Number(other)) => one.partial_cmp(other)?,
            (Constant::Boolean(one), Constant::Boolean(other)) => one.cmp(other),
            // The order of texts is the collation's; whether they are the same is not.
            (Constant::Text(one), Constant::Text(other)) if one == other => std::cmp::Ordering::Equal,
            (Constant::Text(_), Constant::Text(_)) => {
                return match names.last()?.as_str() {
                    "=" => Some(false),
                    "<>" => Some(true),
                    _ => None,
                };
            }
            _ => return None,
        };
        match names.last()?.as_str() {
            "=" => Some(order.is_eq()),
            "<>" => Some(order.is_ne()),
            "<" => Some(order.is_lt()),
            "<=" => Some(order.is_le()),
            ">" => Some(order.is_gt()),
            ">=" => Some(order.is_ge()),
            _ => None,
        }
    }
}

enum Constant {
    Number(f64),
    Boolean(bool),
    Text(String),
}

/// # Safety
/// A node of the parser.
unsafe fn constant(node: *mut pg_sys::Node) -> Option<Constant> {
    // SAFETY: as the caller vouches; the tag of the value says which it is.
    unsafe {
        if tag(node) == Tag::T_TypeCast {
            // TRUE was a cast of 't' in old parsers; 1::bigint is 1.
            let cast = node.cast::<pg_sys::TypeCast>();
            let inner = constant((*cast).arg)?;
            let names = strings((*(*cast).typeName).names);
            return match inner {
                Constant::Text(word) if names.last().is_some_and(|name| name == "bool") => {
                    boolean_word(&word).map(Constant::Boolean)
                }
                Constant::Text(word) => {
                    let is_text =
                        names.last().is_some_and(|name| matches!(name.as_str(), "text" | "varchar"));
                    is_text.then_some(Constant::Text(word))
                }
                number => Some(number),
            };
        }
        if tag(node) != Tag::T_A_Const {
            return None;
        }
        let value = node.cast::<pg_sys::A_Const>();
        if (*value).isnull {
            return None;
        }
        match (*value).val.node.type_ {
            Tag::T_Integer => Some(Constant::Number(f64::from((*value).val.ival.ival))),
            Tag::T_Float => text((*value).val.fval.fval).parse().ok().map(Constant::Number),
            Tag::T_Boolean => Some(Constant::Boolean((*value).val.boolval.boolval)),
            Tag::T_String => Some(Constant::Text(text((*value).val.sval.sval))),
            _ => None,
        }
    }
}

/// A word that the type boolean takes, as far as people write them.
fn boolean_word(word: &str) -> Option<bool> {
    match word.trim().to_ascii_lowercase().as_str() {
        "t" | "true" | "y" | "yes" | "on" | "1" => Some(true),
        "f" | "false" | "n" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}
