//! Which rows an assignment would change at all.

use std::ffi::{CStr, CString};
use std::ptr;

use pgrx::pg_sys;

use crate::pg::encoding::from_server;
use crate::pg::planner::list::pointers;
use crate::pg::planner::{server_text, single_statement};
use crate::text::quote_identifier;

/// A condition that is true of the rows that `assignment` changes, byte for byte.
///
/// None where it cannot be told without computing more than once what may differ, cost much or have effects (volatile
/// functions, subqueries), and where the assignment changes nothing on purpose, so that triggers run.
/// Takes the lock of an UPDATE on the table.
pub fn differs(
    table: pg_sys::Oid,
    qualified: &str,
    alias: &str,
    bare: &str,
    assignment: &str,
) -> Option<String> {
    let text = server_text(&format!("UPDATE {qualified} AS {alias} SET\n{assignment}\n"));
    let statement = single_statement(&text, "the assignment");
    // SAFETY: a statement of the parser, analysed as the server does; the nodes live in the current context.
    unsafe {
        let raw = (*statement).stmt.cast::<pg_sys::UpdateStmt>();
        let has_parts = pointers::<pg_sys::ResTarget>((*raw).targetList)
            .iter()
            .any(|target| !(**target).indirection.is_null());
        let query =
            pg_sys::parse_analyze_fixedparams(statement, text.as_ptr(), ptr::null(), 0, ptr::null_mut());
        if has_parts || (*query).hasSubLinks {
            return None;
        }
        let name = CString::new(crate::pg::encoding::to_server(bare).as_ref()).ok()?;
        let context = pg_sys::deparse_context_for(name.as_ptr(), table);
        let (mut before, mut after) = (Vec::new(), Vec::new());
        let mut touches_only = true;
        for entry in pointers::<pg_sys::TargetEntry>((*query).targetList) {
            let expression: *mut pg_sys::Node = (*entry).expr.cast();
            if (*entry).resjunk
                || (*expression).type_ == pg_sys::NodeTag::T_SetToDefault
                || pg_sys::contain_volatile_functions(expression)
            {
                return None;
            }
            let is_itself = (*expression).type_ == pg_sys::NodeTag::T_Var
                && (*expression.cast::<pg_sys::Var>()).varattno == (*entry).resno;
            touches_only &= is_itself;
            let column = pg_sys::get_attname(table, (*entry).resno, false);
            let column = quote_identifier(&from_server(CStr::from_ptr(column).to_bytes()));
            let shown = pg_sys::deparse_expression(expression, context, true, false);
            let shown = from_server(CStr::from_ptr(shown).to_bytes()).into_owned();
            before.push(format!("{alias}.{column}"));
            after.push(format!("({shown})::{}", type_of(table, (*entry).resno)?));
        }
        (!touches_only && !before.is_empty()).then(|| {
            format!("pg_catalog.record_image_ne(ROW({}), ROW({}))", before.join(", "), after.join(", "))
        })
    }
}

/// The type of a column, qualified and without a length.
///
/// # Safety
/// A table that exists.
unsafe fn type_of(table: pg_sys::Oid, column: pg_sys::AttrNumber) -> Option<String> {
    // SAFETY: look-ups in the catalogs; the text is the server's copy.
    unsafe {
        let of = pg_sys::get_atttype(table, column);
        let flags = pg_sys::FORMAT_TYPE_FORCE_QUALIFY | pg_sys::FORMAT_TYPE_TYPEMOD_GIVEN;
        let text = pg_sys::format_type_extended(of, -1, flags as u16);
        (!text.is_null()).then(|| from_server(CStr::from_ptr(text).to_bytes()).into_owned())
    }
}
