//! One broken piece of work must not end the whole: subtransactions as the only safe way to catch.

use std::panic::AssertUnwindSafe;
use std::ptr;

use pgrx::pg_sys::panic::CaughtError;
use pgrx::{PgSqlErrorCode, PgTryBuilder, pg_sys};

/// Runs `work` in a subtransaction. An ERROR or a panic in it is rolled back and comes back as its message; a cancel
/// or a shutdown is passed on.
///
/// Needs no transaction id, so it works on a standby; not allowed in a parallel worker.
pub fn isolated(work: &mut dyn FnMut()) -> Result<(), String> {
    // SAFETY: the pattern of every procedural language: remember, begin, and restore on both ways out.
    let (context, owner) = unsafe {
        let remembered = (pg_sys::CurrentMemoryContext, pg_sys::CurrentResourceOwner);
        pg_sys::BeginInternalSubTransaction(ptr::null());
        pg_sys::MemoryContextSwitchTo(remembered.0);
        remembered
    };
    PgTryBuilder::new(AssertUnwindSafe(|| {
        work();
        // SAFETY: closes the subtransaction begun above.
        unsafe {
            pg_sys::ReleaseCurrentSubTransaction();
            pg_sys::MemoryContextSwitchTo(context);
            pg_sys::CurrentResourceOwner = owner;
        }
        Ok(())
    }))
    .catch_others(move |cause| {
        // SAFETY: rolls the subtransaction begun above back.
        unsafe {
            pg_sys::MemoryContextSwitchTo(context);
            pg_sys::RollbackAndReleaseCurrentSubTransaction();
            pg_sys::MemoryContextSwitchTo(context);
            pg_sys::CurrentResourceOwner = owner;
        }
        // Only now: an error that leaves the subtransaction open would leave the session in an aborted block.
        if is_cancel(&cause) {
            cause.rethrow();
        }
        Err(message_of(&cause))
    })
    .execute()
}

/// Whether the user or the server wants the statement to end.
fn is_cancel(cause: &CaughtError) -> bool {
    let code = match cause {
        CaughtError::PostgresError(report) | CaughtError::ErrorReport(report) => report.sql_error_code(),
        CaughtError::RustPanic { ereport, .. } => ereport.sql_error_code(),
    };
    matches!(
        code,
        PgSqlErrorCode::ERRCODE_QUERY_CANCELED
            | PgSqlErrorCode::ERRCODE_ADMIN_SHUTDOWN
            | PgSqlErrorCode::ERRCODE_CRASH_SHUTDOWN
            | PgSqlErrorCode::ERRCODE_DATABASE_DROPPED
            | PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY
    )
}

fn message_of(cause: &CaughtError) -> String {
    match cause {
        CaughtError::PostgresError(report) | CaughtError::ErrorReport(report) => report.message().to_owned(),
        CaughtError::RustPanic { ereport, .. } => ereport.message().to_owned(),
    }
}
