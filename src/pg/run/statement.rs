//! Statements of a plan, with the rights in force.

use std::ffi::{CStr, CString};
use std::ptr;

use pgrx::{PgList, PgSqlErrorCode, pg_sys};

use super::owner::Identity;
use super::transaction::{Failure, as_creator, caught};
use crate::pg::encoding;
use crate::pg::error::raise;

/// A statement as the server reads it.
fn c_text(sql: &str) -> CString {
    CString::new(encoding::to_server(sql).as_ref()).unwrap_or_else(|_| {
        raise(
            PgSqlErrorCode::ERRCODE_CHARACTER_NOT_IN_REPERTOIRE,
            "a statement of the plan holds a zero byte",
            "",
            "",
        )
    })
}

/// Shows the statement in pg_stat_activity and in the messages of the server's log.
struct Shown<'a>(#[allow(dead_code, reason = "keeps the text alive while the server points to it")] &'a CStr);

impl<'a> Shown<'a> {
    fn new(text: &'a CStr) -> Self {
        // SAFETY: the server reads the text until it is taken away again below.
        unsafe {
            pg_sys::debug_query_string = text.as_ptr();
            pg_sys::pgstat_report_activity(pg_sys::BackendState::STATE_RUNNING, text.as_ptr());
        }
        Self(text)
    }
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        // SAFETY: as above; copies nothing that could fail.
        unsafe {
            pg_sys::debug_query_string = ptr::null();
            pg_sys::pgstat_report_activity(pg_sys::BackendState::STATE_IDLE, ptr::null());
        }
    }
}

/// Runs statements in the transaction that is open.
pub fn run(sql: &str) {
    let text = c_text(sql);
    let _shown = Shown::new(&text);
    // SAFETY: the server's own way to run statements; on ERROR the end of the transaction clears up.
    unsafe {
        pg_sys::SPI_connect();
        let code = pg_sys::SPI_execute(text.as_ptr(), false, 0);
        if code < 0 {
            let reason = CStr::from_ptr(pg_sys::SPI_result_code_string(code)).to_string_lossy();
            raise(
                PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
                "the statement cannot be run in a step of a plan",
                &format!("The server answers {reason}."),
                "A step can neither begin nor end a transaction nor read from the client.",
            );
        }
        pg_sys::SPI_finish();
    }
}

/// Whether a query returns true, in the transaction that is open.
pub fn is_true(query: &str) -> bool {
    let text = c_text(query);
    let _shown = Shown::new(&text);
    // SAFETY: as above; the first row is looked at only where there is one.
    unsafe {
        pg_sys::SPI_connect();
        let code = pg_sys::SPI_execute(text.as_ptr(), false, 1);
        let table = pg_sys::SPI_tuptable;
        let is_boolean = code == pg_sys::SPI_OK_SELECT as i32
            && !table.is_null()
            && pg_sys::SPI_gettypeid((*table).tupdesc, 1) == pg_sys::BOOLOID;
        if !is_boolean {
            raise(
                PgSqlErrorCode::ERRCODE_DATATYPE_MISMATCH,
                "a check of the plan is no query of one boolean",
                query,
                "",
            );
        }
        let mut is_null = true;
        let is_true = pg_sys::SPI_processed > 0 && {
            let datum = pg_sys::SPI_getbinval(*(*table).vals, (*table).tupdesc, 1, &raw mut is_null);
            !is_null && datum.value() != 0
        };
        pg_sys::SPI_finish();
        is_true
    }
}

/// Runs one statement by itself at top level, as a client would send it: it begins and ends its transactions as it likes.
pub fn run_alone(sql: &str) -> Result<(), Failure> {
    let mut memory = None;
    // Also when the last of several transactions fails, whose end leaves the rights with which it began.
    let _session = Identity::current();
    let result = caught(|| {
        let text = c_text(sql);
        let _shown = Shown::new(&text);
        // SAFETY: the context is deleted below, when nothing points into it any more.
        unsafe {
            let context = pg_sys::AllocSetContextCreateInternal(
                pg_sys::TopMemoryContext,
                c"dbmastery statement".as_ptr(),
                pg_sys::ALLOCSET_DEFAULT_MINSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_INITSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
            );
            memory = Some(context);
            at_top_level(&text, context);
        }
    });
    if let Some(context) = memory {
        // SAFETY: the transaction has ended either way, and the portal with it.
        unsafe {
            pg_sys::MemoryContextSwitchTo(pg_sys::TopMemoryContext);
            pg_sys::MemoryContextDelete(context);
        }
    }
    result
}

/// # Safety
/// No transaction may be open; `context` must outlive all transactions of the statement.
unsafe fn at_top_level(text: &CStr, context: pg_sys::MemoryContext) {
    // SAFETY: the order in which the server's own loop takes a client's statement: parse, analyse, plan, portal, run.
    // The trees are in a context that lives longer than the transactions that the statement begins and ends.
    unsafe {
        pg_sys::SetCurrentStatementStartTimestamp();
        pg_sys::StartTransactionCommand();
        let session = as_creator();
        pg_sys::MemoryContextSwitchTo(context);
        let statements = PgList::<pg_sys::RawStmt>::from_pg(pg_sys::pg_parse_query(text.as_ptr()));
        let (1, Some(statement)) = (statements.len(), statements.get_ptr(0)) else {
            raise(
                PgSqlErrorCode::ERRCODE_SYNTAX_ERROR,
                "a step that runs alone must be one statement",
                &format!("It is {} statements.", statements.len()),
                "",
            )
        };
        let needs_snapshot = pg_sys::analyze_requires_snapshot(statement);
        if needs_snapshot {
            pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
        }
        let queries = pg_sys::pg_analyze_and_rewrite_fixedparams(
            statement,
            text.as_ptr(),
            ptr::null(),
            0,
            ptr::null_mut(),
        );
        let plans = pg_sys::pg_plan_queries(
            queries,
            text.as_ptr(),
            pg_sys::CURSOR_OPT_PARALLEL_OK as i32,
            ptr::null_mut(),
        );
        if needs_snapshot {
            pg_sys::PopActiveSnapshot();
        }
        let tag = pg_sys::CreateCommandTag((*statement).stmt);
        let portal = pg_sys::CreatePortal(c"".as_ptr(), true, true);
        (*portal).visible = false;
        pg_sys::PortalDefineQuery(portal, ptr::null(), text.as_ptr(), tag, plans, ptr::null_mut());
        pg_sys::PortalStart(portal, ptr::null_mut(), 0, ptr::null_mut());
        let nowhere = pg_sys::CreateDestReceiver(pg_sys::CommandDest::DestNone);
        let mut completion = pg_sys::QueryCompletion::default();
        let all = std::ffi::c_long::MAX;
        #[cfg(not(feature = "pg18"))]
        pg_sys::PortalRun(portal, all, true, true, nowhere, nowhere, &raw mut completion);
        #[cfg(feature = "pg18")]
        pg_sys::PortalRun(portal, all, true, nowhere, nowhere, &raw mut completion);
        pg_sys::PortalDrop(portal, false);
        pg_sys::CommitTransactionCommand();
        drop(session);
        pg_sys::pgstat_report_stat(true);
    }
}
