//! Rows of a type that is known only when the function is called.

use pgrx::{AnyElement, FromDatum, PgSqlErrorCode, pg_sys};

use super::rows::pinned;
use super::table::owner;
use crate::catalog::Oid;
use crate::pg::error::raise;
use crate::pg::planner::server_text;

pub use pgrx::pg_sys::FunctionCallInfo;

/// The type of the first argument, and the table whose rows are of it.
#[expect(clippy::not_unsafe_ptr_arg_deref, reason = "pgrx hands the frame of its own call")]
pub fn row_type(call: FunctionCallInfo) -> (pg_sys::Oid, Oid) {
    // SAFETY: the frame of the call that we are in; look-ups in the catalogs.
    let (row_type, table) = unsafe {
        let row_type = pg_sys::get_fn_expr_argtype((*call).flinfo, 0);
        (row_type, pg_sys::get_typ_typrelid(row_type))
    };
    // SAFETY: a look-up in the catalogs.
    let kind = unsafe { pg_sys::get_rel_relkind(table) } as u8;
    if table == pg_sys::InvalidOid || !matches!(kind, b'r' | b'p') {
        raise(
            PgSqlErrorCode::ERRCODE_DATATYPE_MISMATCH,
            "the first argument is no row of a table",
            "",
            "For example: SELECT * FROM dbm.rows_as_of(NULL::public.orders, now() - interval '1 hour')",
        );
    }
    (row_type, table.to_u32())
}

/// A row of that type from its text. Made with the rights of the table's owner: the checks of its domains are his code, and
/// whoever reads the table runs nothing of it.
pub fn row(row_type: pg_sys::Oid, table: Oid, text: &str) -> AnyElement {
    let text = server_text(text);
    // SAFETY: the input function of the type reads a C string, which lives until it returns.
    let found = pinned(owner(table), || unsafe {
        let (mut function, mut parameter) = (pg_sys::InvalidOid, pg_sys::InvalidOid);
        pg_sys::getTypeInputInfo(row_type, &raw mut function, &raw mut parameter);
        let datum = pg_sys::OidInputFunctionCall(function, text.as_ptr().cast_mut(), parameter, -1);
        AnyElement::from_polymorphic_datum(datum, false, row_type)
    });
    found.unwrap_or_else(|| {
        raise(PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, "a row of the audit log cannot be made", "", "")
    })
}
