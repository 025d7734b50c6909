//! What a query that cannot be planned answers: a reason, where its ERROR would end the statement.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use pgrx::pg_sys::panic::{CaughtError, ErrorReportWithLevel};
use pgrx::{PgSqlErrorCode, PgTryBuilder};

use super::{deadline, position};
use crate::pg::error::{code_of, raise, sqlstate_of};

/// Why a query could not be planned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// Five characters.
    pub sqlstate: String,
    /// The ERROR's message.
    pub message: String,
    /// Its DETAIL.
    pub detail: Option<String>,
    /// Its HINT, empty where there is none.
    pub hint: String,
    /// At which character of the query, counted from 1.
    pub position: Option<usize>,
}

impl Refusal {
    /// A reason of ours.
    pub fn new(code: PgSqlErrorCode, message: impl Into<String>) -> Self {
        Self { sqlstate: sqlstate_of(code), message: message.into(), ..Self::default() }
    }

    fn of(report: &ErrorReportWithLevel) -> Self {
        Self {
            sqlstate: sqlstate_of(report.sql_error_code()),
            message: report.message().to_owned(),
            detail: report.detail().map(str::to_owned),
            hint: report.hint().unwrap_or_default().to_owned(),
            position: position::of_last_error(),
        }
    }

    /// Raises it as the ERROR that it was.
    pub fn raise(&self) -> ! {
        raise(code_of(&self.sqlstate), &self.message, self.detail.as_deref().unwrap_or_default(), &self.hint)
    }

    /// Message and DETAIL as one text.
    pub fn reason(&self) -> String {
        match &self.detail {
            Some(detail) => format!("{}: {detail}", self.message),
            None => self.message.clone(),
        }
    }
}

/// Runs `work`, which must undo by itself what an ERROR in it leaves undone. An ERROR comes back as its reason; a cancel or
/// a shutdown goes on, and so does the end of the time given.
pub fn refusable<T>(work: impl FnOnce() -> T) -> Result<T, Refusal> {
    caught(work, || None)
}

/// The same where the end of the time given is a reason too.
pub fn refusable_in_time<T>(work: impl FnOnce() -> T) -> Result<T, Refusal> {
    caught(work, deadline::is_over)
}

fn caught<T>(work: impl FnOnce() -> T, overdue: fn() -> Option<Duration>) -> Result<T, Refusal> {
    PgTryBuilder::new(AssertUnwindSafe(|| Ok(work())))
        .catch_others(|cause| {
            let refusal = match &cause {
                CaughtError::PostgresError(report)
                | CaughtError::ErrorReport(report)
                | CaughtError::RustPanic { ereport: report, .. } => judge(report, overdue),
            };
            match refusal {
                Some(refusal) => Err(refusal),
                None => cause.rethrow(),
            }
        })
        .execute()
}

/// `None` where the statement as a whole is to end.
///
/// Code of the query can raise any SQLSTATE by itself: only what the server raises where it looks for signals is a
/// cancel.
fn judge(report: &ErrorReportWithLevel, overdue: fn() -> Option<Duration>) -> Option<Refusal> {
    if !is_from_a_signal(report) {
        return Some(Refusal::of(report));
    }
    match report.sql_error_code() {
        PgSqlErrorCode::ERRCODE_QUERY_CANCELED => overdue().map(|limit| {
            Refusal::new(
                PgSqlErrorCode::ERRCODE_QUERY_CANCELED,
                format!("planning it took longer than {} ms", limit.as_millis()),
            )
        }),
        PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE => Some(Refusal::of(report)),
        _ => None,
    }
}

/// Whether it was raised where the server looks for signals, or the whole session is to end.
fn is_from_a_signal(report: &ErrorReportWithLevel) -> bool {
    report.function_name() == Some("ProcessInterrupts")
}
