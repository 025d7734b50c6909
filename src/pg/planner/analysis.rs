//! From text to what the planner takes: parse, analyse, rewrite.

use std::ffi::{CStr, CString};
use std::ptr;

use pgrx::{PgSqlErrorCode, pg_sys};

use super::list::{self, tag};
use super::position::located;
use super::refusal::unsupported;
use super::trust;
use crate::catalog::Oid;
use crate::pg::encoding;
use crate::pg::error::raise;

/// A query that can be planned, as often as is wanted.
pub struct Analysis {
    /// In the database's encoding.
    pub(super) text: CString,
    /// What rules made of it.
    pub(super) queries: Vec<*mut pg_sys::Query>,
    /// Whether it has `$1` and the like.
    pub(super) has_parameters: bool,
}

/// Text as the server's parser takes it.
pub fn server_text(text: &str) -> CString {
    // SQL cannot hand us a NUL; whatever comes after one would not be parsed.
    let bytes = encoding::to_server(text);
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    CString::new(&bytes[..end]).unwrap_or_default()
}

/// Parses a text of exactly one statement.
pub fn single_statement(text: &CStr, what: &str) -> *mut pg_sys::RawStmt {
    // SAFETY: a C string that outlives the call.
    let statements = list::pointers::<pg_sys::RawStmt>(unsafe { pg_sys::pg_parse_query(text.as_ptr()) });
    match statements.as_slice() {
        [statement] => *statement,
        [] => raise(PgSqlErrorCode::ERRCODE_SYNTAX_ERROR, &format!("{what} is empty"), "", ""),
        several => raise(
            PgSqlErrorCode::ERRCODE_SYNTAX_ERROR,
            &format!("{what} holds {} statements", several.len()),
            "",
            "Give one statement at a time.",
        ),
    }
}

impl Analysis {
    /// Parses, analyses and rewrites a query with the caller's rights; types of `$1` and the like are inferred.
    ///
    /// Locks its tables until the end of the subtransaction.
    pub fn of(query: &str) -> Self {
        Self::with_types(query, &[])
    }

    /// The same where the types of some parameters are known, of `$1` first; 0 stands for one to be inferred.
    pub fn with_types(query: &str, known: &[Oid]) -> Self {
        let known: Vec<pg_sys::Oid> = known.iter().map(|&oid| oid.into()).collect();
        let text = server_text(query);
        located(query, || {
            let statement = single_statement(&text, "the query");
            // SAFETY: the statement comes from the parser.
            refuse_other_statements(unsafe { (*statement).stmt });
            let mut types = list::new_array::<pg_sys::Oid>(known.len());
            let mut count = i32::try_from(known.len()).unwrap_or(0);
            // SAFETY: a list of parameters that the analysis completes; the text outlives the calls.
            let (query, rewritten) = unsafe {
                ptr::copy_nonoverlapping(known.as_ptr(), types, known.len());
                let query = pg_sys::parse_analyze_varparams(
                    statement,
                    text.as_ptr(),
                    &raw mut types,
                    &raw mut count,
                    ptr::null_mut(),
                );
                if (*query).commandType == pg_sys::CmdType::CMD_UTILITY {
                    refuse("SELECT INTO", true);
                }
                (query, pg_sys::pg_rewrite_query(query))
            };
            debug_assert!(!query.is_null());
            let mut queries = list::pointers::<pg_sys::Query>(rewritten);
            // A rule may add a NOTIFY, which has no plan.
            // SAFETY: queries made by the rewriter.
            queries.retain(|&query| unsafe { (*query).commandType } != pg_sys::CmdType::CMD_UTILITY);
            trust::check(&queries);
            Self { text: text.clone(), queries, has_parameters: count > 0 }
        })
    }
}

/// Ends with an ERROR for what has no plan.
pub(super) fn refuse_other_statements(statement: *mut pg_sys::Node) {
    use pg_sys::NodeTag as Tag;
    match tag(statement) {
        Tag::T_SelectStmt | Tag::T_InsertStmt | Tag::T_UpdateStmt | Tag::T_DeleteStmt | Tag::T_MergeStmt => {}
        tag => {
            // SAFETY: a statement of the parser; its name is a constant of the server.
            let name =
                unsafe { CStr::from_ptr(pg_sys::GetCommandTagName(pg_sys::CreateCommandTag(statement))) };
            let holds_query = matches!(
                tag,
                Tag::T_ExplainStmt
                    | Tag::T_CreateTableAsStmt
                    | Tag::T_DeclareCursorStmt
                    | Tag::T_CopyStmt
                    | Tag::T_PrepareStmt
                    | Tag::T_ViewStmt
            );
            refuse(&name.to_string_lossy(), holds_query);
        }
    }
}

fn refuse(statement: &str, holds_query: bool) -> ! {
    let hint = if holds_query { "Give the query that it holds." } else { "" };
    unsupported(
        &format!("{statement} has no plan"),
        "SELECT, VALUES, INSERT, UPDATE, DELETE and MERGE have one.",
        hint,
    )
}
