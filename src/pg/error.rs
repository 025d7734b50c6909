//! Errors as PostgreSQL users know them: SQLSTATE, message, DETAIL, HINT.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgLogLevel, PgSqlErrorCode};

use super::encoding::message_to_server;

/// Raises an ERROR; an empty detail or hint is left out.
///
/// Unwinds as a Rust panic first, so destructors on the way run.
pub fn raise(code: PgSqlErrorCode, message: &str, detail: &str, hint: &str) -> ! {
    let mut report = ErrorReport::new(code, message_to_server(message).into_owned(), "dbmastery");
    if !detail.is_empty() {
        report = report.set_detail(message_to_server(detail).into_owned());
    }
    if !hint.is_empty() {
        report = report.set_hint(message_to_server(hint).into_owned());
    }
    report.report(PgLogLevel::ERROR);
    unreachable!("an ERROR does not return")
}
