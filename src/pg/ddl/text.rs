//! A statement given as text.

use std::ffi::CString;

use pgrx::{PgList, PgSqlErrorCode, pg_sys};

use crate::catalog::ddl::Statement;
use crate::pg::encoding;
use crate::pg::error::raise;

/// The facts of a text that is one statement; an ERROR for any other.
pub fn only_statement(text: &str) -> Statement {
    let text = text.trim();
    let bytes = encoding::to_server(text);
    let read = CString::new(bytes.as_ref()).unwrap_or_default();
    // SAFETY: the server reads the text and returns a list of raw statements in the current memory context.
    let statements = unsafe { PgList::<pg_sys::RawStmt>::from_pg(pg_sys::pg_parse_query(read.as_ptr())) };
    let (1, Some(raw)) = (statements.len(), statements.get_ptr(0)) else {
        raise(
            PgSqlErrorCode::ERRCODE_SYNTAX_ERROR,
            "a change must be one statement",
            &format!("It is {} statements.", statements.len()),
            "Ask for a plan for each of them.",
        )
    };
    // SAFETY: the node is the parser's and lives as long as the call.
    unsafe {
        refuse_rows((*(*raw).stmt).type_);
        let start = usize::try_from((*raw).stmt_location).unwrap_or(0);
        let length = usize::try_from((*raw).stmt_len).unwrap_or(0);
        let end = if length == 0 { bytes.len() } else { start + length };
        let own = bytes.get(start..end).unwrap_or(&bytes);
        super::statement((*raw).stmt, encoding::from_server(own).trim())
    }
}

/// Refuses what reads or changes rows.
fn refuse_rows(kind: pg_sys::NodeTag) {
    use pg_sys::NodeTag::{T_DeleteStmt, T_InsertStmt, T_MergeStmt, T_SelectStmt, T_UpdateStmt};
    if matches!(kind, T_DeleteStmt | T_InsertStmt | T_MergeStmt | T_SelectStmt | T_UpdateStmt) {
        raise(
            PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
            "there is no plan for a statement that reads or changes rows",
            "",
            "CALL dbm.backfill() changes the rows of a table in batches.",
        );
    }
}
