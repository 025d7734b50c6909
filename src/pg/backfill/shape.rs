//! Whether a piece of SQL is what it is said to be, and nothing beside: an assignment list, a condition.
//!
//! Each is parsed alone, so that what would close a parenthesis of ours, open a comment or begin a statement is a
//! syntax error before it can become part of a statement.

use std::ffi::CStr;

use pgrx::{PgSqlErrorCode, pg_sys};

use crate::pg::encoding::from_server;
use crate::pg::error::raise;
use crate::pg::planner::list::pointers;
use crate::pg::planner::{refusable, server_text};

/// The columns that an assignment list `column = expression, …` sets. Ends with an ERROR for anything else.
pub fn assigned_columns(assignment: &str) -> Vec<String> {
    let refuse = |detail: &str| -> ! {
        raise(
            PgSqlErrorCode::ERRCODE_SYNTAX_ERROR,
            "the assignment is no list of column = expression",
            detail,
            "Give what stands between SET and WHERE of an UPDATE, e.g. 'total = price * quantity'.",
        )
    };
    let statement =
        only_statement(&format!("UPDATE t SET\n{assignment}\n")).unwrap_or_else(|why| refuse(&why));
    // SAFETY: nodes made by the parser.
    unsafe {
        if (*statement).type_ != pg_sys::NodeTag::T_UpdateStmt {
            refuse("It begins another statement.");
        }
        let update = &*statement.cast::<pg_sys::UpdateStmt>();
        if !update.whereClause.is_null() {
            refuse("It holds WHERE; give the condition as predicate.");
        }
        if !update.fromClause.is_null() {
            refuse("It holds FROM; use a subquery.");
        }
        #[cfg(not(feature = "pg18"))]
        let returns = !update.returningList.is_null();
        #[cfg(feature = "pg18")]
        let returns = !update.returningClause.is_null();
        if returns {
            refuse("It holds RETURNING.");
        }
        pointers::<pg_sys::ResTarget>(update.targetList)
            .into_iter()
            .map(|target| from_server(CStr::from_ptr((*target).name).to_bytes()).into_owned())
            .collect()
    }
}

/// Ends with an ERROR for what is no single expression.
pub fn check_predicate(predicate: &str) {
    let refuse = |detail: &str| -> ! {
        raise(
            PgSqlErrorCode::ERRCODE_SYNTAX_ERROR,
            "the predicate is no single condition",
            detail,
            "Give what stands after WHERE, e.g. 'total IS NULL'.",
        )
    };
    let statement = only_statement(&format!("SELECT\n{predicate}\n")).unwrap_or_else(|why| refuse(&why));
    // SAFETY: nodes made by the parser.
    unsafe {
        if (*statement).type_ != pg_sys::NodeTag::T_SelectStmt {
            refuse("It begins another statement.");
        }
        let select = &*statement.cast::<pg_sys::SelectStmt>();
        let lists = [
            select.distinctClause,
            select.fromClause,
            select.groupClause,
            select.windowClause,
            select.valuesLists,
            select.sortClause,
            select.lockingClause,
        ];
        let nodes = [select.whereClause, select.havingClause, select.limitOffset, select.limitCount];
        let is_plain = lists.iter().all(|list| list.is_null())
            && nodes.iter().all(|node| node.is_null())
            && select.intoClause.is_null()
            && select.withClause.is_null()
            && select.op == pg_sys::SetOperation::SETOP_NONE;
        let targets = pointers::<pg_sys::ResTarget>(select.targetList);
        match targets.as_slice() {
            [target] if is_plain && (**target).name.is_null() && (**target).indirection.is_null() => {}
            _ => refuse("It is more than one expression."),
        }
    }
}

/// The statement of a text that holds one, without a semicolon.
fn only_statement(text: &str) -> Result<*mut pg_sys::Node, String> {
    let text = server_text(text);
    // SAFETY: a C string that outlives the call; nodes made by the parser.
    unsafe {
        let parsed = refusable(|| pg_sys::raw_parser(text.as_ptr(), pg_sys::RawParseMode::RAW_PARSE_DEFAULT));
        match pointers::<pg_sys::RawStmt>(parsed.map_err(|refusal| refusal.message)?).as_slice() {
            // A length is given where a semicolon ends the statement.
            [statement] if (**statement).stmt_len == 0 => Ok((**statement).stmt),
            _ => Err("It holds a semicolon.".to_owned()),
        }
    }
}
