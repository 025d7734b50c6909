//! Expressions of a statement, analysed as the server would, without opening their table.
//!
//! The server looks columns up in an open relation, which wants a lock. Here a hook of the parser looks them up in the
//! caches of the catalogs, and makes the same variables of them.

use std::ffi::c_void;

use pgrx::pg_sys::ffi::pg_guard_ffi_boundary;
use pgrx::{pg_guard, pg_sys};

use crate::catalog::ddl::ColumnDefault;
use crate::pg::ddl::attempt::attempt;
use crate::pg::ddl::column::{self, Column};
use crate::pg::planner::{list, walkers};
use crate::pg::scan::text_of_c_string;

/// The only relation of an expression in a definition.
const OWN: i32 = 1;

/// A column as the server's variable.
pub fn variable(column: &Column) -> *mut pg_sys::Node {
    // SAFETY: makes a node in the current context.
    unsafe {
        pg_sys::makeVar(OWN, column.number, column.type_oid, column.modifier, column.collation, 0).cast()
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn column_reference(
    state: *mut pg_sys::ParseState,
    reference: *mut pg_sys::ColumnRef,
) -> *mut pg_sys::Node {
    // SAFETY: the parser hands over its state, with the relation that `analysed` put there, and a reference whose
    // last field is a name or a star.
    unsafe {
        let relation = *(*state).p_ref_hook_state.cast::<pg_sys::Oid>();
        let fields = list::pointers::<pg_sys::Node>((*reference).fields);
        let Some(&last) = fields.last() else {
            return std::ptr::null_mut();
        };
        if list::tag(last) != pg_sys::NodeTag::T_String {
            return std::ptr::null_mut();
        }
        match column::named(relation, (*last.cast::<pg_sys::String>()).sval) {
            Some(column) => variable(&column),
            None => std::ptr::null_mut(),
        }
    }
}

/// Analyses an expression over the columns of a relation. May raise an ERROR.
///
/// # Safety
/// The expression must be one of the parser.
pub unsafe fn analysed(
    relation: pg_sys::Oid,
    expression: *mut pg_sys::Node,
    kind: pg_sys::ParseExprKind::Type,
) -> *mut pg_sys::Node {
    let mut relation = relation;
    // SAFETY: the state lives as long as the call, and so does the relation in it; the statement's own tree is not
    // touched.
    unsafe {
        let state = pg_sys::make_parsestate(std::ptr::null_mut());
        (*state).p_pre_columnref_hook = Some(column_reference);
        (*state).p_ref_hook_state = (&raw mut relation).cast();
        let analysed = pg_sys::transformExpr(state, list::copy(expression), kind);
        pg_sys::free_parsestate(state);
        analysed
    }
}

/// What becomes of a new column's default.
///
/// # Safety
/// The expression must be one of the parser, or null.
pub unsafe fn default(
    expression: *mut pg_sys::Node,
    type_oid: pg_sys::Oid,
    modifier: i32,
    name: *const std::ffi::c_char,
) -> ColumnDefault {
    if expression.is_null() {
        return ColumnDefault::None;
    }
    // SAFETY: as the caller vouches; the statement's own tree is not touched.
    let functions = attempt(|| unsafe {
        let state = pg_sys::make_parsestate(std::ptr::null_mut());
        let copy = list::copy(expression);
        let cooked = pg_sys::cookDefault(state, copy, type_oid, modifier, name, 0);
        pg_sys::free_parsestate(state);
        called_anew(cooked)
    });
    match functions {
        Some(Some(functions)) => ColumnDefault::Volatile(functions),
        Some(None) => ColumnDefault::Stored,
        None => ColumnDefault::Unknown,
    }
}

/// What becomes of a new column without a default of its own: a domain may bring one.
pub fn default_of_type(type_oid: pg_sys::Oid) -> ColumnDefault {
    // SAFETY: a look-up in the catalogs; what it answers was analysed when the type was made.
    let functions = attempt(|| unsafe {
        let default = pg_sys::get_typdefault(type_oid);
        (!default.is_null()).then(|| called_anew(default))
    });
    match functions {
        Some(Some(Some(functions))) => ColumnDefault::Volatile(functions),
        Some(Some(None)) => ColumnDefault::Stored,
        Some(None) => ColumnDefault::None,
        None => ColumnDefault::Unknown,
    }
}

/// The volatile functions of a default, for which it is computed row by row; `None` where it is computed once.
///
/// # Safety
/// The expression must be an analysed one.
unsafe fn called_anew(cooked: *mut pg_sys::Node) -> Option<Vec<String>> {
    // SAFETY: as the caller vouches.
    unsafe {
        let planned = pg_sys::expression_planner(cooked.cast()).cast::<pg_sys::Node>();
        pg_sys::contain_volatile_functions(planned).then(|| volatile_functions(planned))
    }
}

#[derive(Default)]
struct Called {
    functions: Vec<pg_sys::Oid>,
    has_sequence: bool,
}

// Not guarded, as the next: both frames own nothing with a destructor, so a longjmp may cross them.
unsafe extern "C-unwind" fn note_function(function: pg_sys::Oid, context: *mut c_void) -> bool {
    // SAFETY: the context is the one given below.
    unsafe { (*context.cast::<Called>()).functions.push(function) };
    false
}

unsafe extern "C-unwind" fn note(node: *mut pg_sys::Node, context: *mut c_void) -> bool {
    if node.is_null() {
        return false;
    }
    // SAFETY: a node of an analysed expression, and the context given below.
    unsafe {
        if (*node).type_ == pg_sys::NodeTag::T_NextValueExpr {
            (*context.cast::<Called>()).has_sequence = true;
        }
        walkers::functions(node, note_function, context);
        walkers::expression(node, note, context)
    }
}

/// The names of the volatile functions in an analysed expression.
fn volatile_functions(expression: *mut pg_sys::Node) -> Vec<String> {
    let mut called = Called::default();
    let context = (&raw mut called).cast::<c_void>();
    // SAFETY: the expression is analysed; the walk is behind the boundary that turns an ERROR into a panic.
    unsafe { pg_guard_ffi_boundary(|| note(expression, context)) };
    let mut names = Vec::new();
    for function in called.functions {
        // SAFETY: look-ups of a function that the expression names.
        let name = unsafe {
            if pg_sys::func_volatile(function) as u8 != pg_sys::PROVOLATILE_VOLATILE {
                continue;
            }
            text_of_c_string(pg_sys::get_func_name(function))
        };
        names.extend(name.map(String::from));
    }
    if called.has_sequence {
        names.push("nextval".to_owned());
    }
    names.dedup();
    names
}
