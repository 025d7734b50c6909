//! Expressions of a query that is being planned, as SQL about one table.

use std::ffi::CStr;

use pgrx::pg_sys;

use super::Place;
use crate::pg::planner::list::{self, tag};
use crate::pg::planner::plan_tree::visit;
use crate::pg::scan::text_of;

/// The variables and placeholders of an expression.
pub fn variables(expression: *mut pg_sys::Node) -> Vec<*mut pg_sys::Node> {
    let flags =
        pg_sys::PVC_INCLUDE_AGGREGATES | pg_sys::PVC_INCLUDE_WINDOWFUNCS | pg_sys::PVC_INCLUDE_PLACEHOLDERS;
    // SAFETY: an expression of the planner; with these flags the walk refuses nothing.
    list::pointers(unsafe { pg_sys::pull_var_clause(expression, flags as i32) })
}

/// Whether the expression is about columns of this relation alone, and written with nothing that only a plan has.
pub fn is_about(place: &Place, expression: *mut pg_sys::Node) -> bool {
    let is_own_column = |node: *mut pg_sys::Node| {
        tag(node) == pg_sys::NodeTag::T_Var && {
            // SAFETY: its tag says what it is.
            let variable = unsafe { &*node.cast::<pg_sys::Var>() };
            i64::from(variable.varno) == i64::from(place.variable)
                && variable.varattno > 0
                && variable.varlevelsup == 0
        }
    };
    let all = variables(expression);
    // SAFETY: an expression of the planner.
    let has_subplans = unsafe { pg_sys::contain_subplans(expression) };
    !has_subplans && !all.is_empty() && all.into_iter().all(is_own_column)
}

/// The expression as SQL about the table, column names not qualified.
///
/// `None` where it has parts that have no text.
pub fn of(place: &Place, expression: *mut pg_sys::Node) -> Option<String> {
    if !is_about(place, expression) {
        return None;
    }
    let own: *mut pg_sys::Node = list::copy(expression);
    // SAFETY: the copy's variables become those of the only entry of the context.
    unsafe {
        if place.variable != 1 {
            pg_sys::ChangeVarNodes(own, place.variable, 1, 0);
        }
        free_of_plan(own);
        Some(about_table(place.oid, own))
    }
}

/// Whether an expression of the planner holds a parameter, which no index can be on.
pub fn has_parameter(expression: *mut pg_sys::Node) -> bool {
    let mut found = false;
    // SAFETY: an expression of the planner.
    unsafe {
        visit(expression, &mut |part| {
            found |= tag(part) == pg_sys::NodeTag::T_Param;
            !found
        });
    }
    found
}

/// Makes parameters of what another part of the plan computes: later majors look those up in the plan to print them, and
/// there is none yet.
///
/// # Safety
/// The expression must be a copy of ours.
unsafe fn free_of_plan(expression: *mut pg_sys::Node) {
    // SAFETY: as the caller vouches; the tag says what the node is.
    unsafe {
        visit(expression, &mut |part| {
            if tag(part) == pg_sys::NodeTag::T_Param {
                (*part.cast::<pg_sys::Param>()).paramkind = pg_sys::ParamKind::PARAM_EXTERN;
            }
            true
        });
    }
}

/// An expression whose variable number 1 is the table, as SQL.
///
/// # Safety
/// The table must be locked, and the expression be about it alone.
pub unsafe fn about_table(table: pg_sys::Oid, expression: *mut pg_sys::Node) -> String {
    // SAFETY: as the caller vouches; the text is a C string.
    unsafe {
        let context = pg_sys::deparse_context_for(pg_sys::get_rel_name(table), table);
        let text = pg_sys::deparse_expression(expression, context, false, false);
        text_of(CStr::from_ptr(text).to_bytes()).into()
    }
}

/// An expression as a key of CREATE INDEX, in parentheses.
pub fn key(text: &str) -> String {
    let is_enclosed = text.starts_with('(') && closing(text) == Some(text.len() - 1);
    if is_enclosed { text.to_owned() } else { format!("({text})") }
}

/// Where the parenthesis that the text begins with closes; strings and quoted names do not count.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    let mut quote = None;
    for (position, character) in text.char_indices() {
        match (quote, character) {
            (Some(open), _) if character == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(character),
            (None, '(') => depth += 1,
            (None, ')') => {
                depth -= 1;
                if depth == 0 {
                    return Some(position);
                }
            }
            _ => {}
        }
    }
    None
}
