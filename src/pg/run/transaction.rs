//! Transactions of the worker: each ends by itself, and an ERROR in it comes back as what it said.

use std::panic::AssertUnwindSafe;

use pgrx::pg_sys::panic::CaughtError;
use pgrx::{PgTryBuilder, pg_sys};

use crate::pg::error::{code_of, raise, sqlstate_of};

/// What an ERROR said.
#[derive(Clone, Debug, Default)]
pub struct Failure {
    /// Its code.
    pub sqlstate: String,
    /// Its message.
    pub message: String,
    /// Its DETAIL.
    pub detail: String,
    /// Its HINT.
    pub hint: String,
}

impl Failure {
    fn of(cause: &CaughtError) -> Self {
        let (CaughtError::PostgresError(report)
        | CaughtError::ErrorReport(report)
        | CaughtError::RustPanic { ereport: report, .. }) = cause;
        Self {
            sqlstate: sqlstate_of(report.sql_error_code()),
            message: report.message().to_owned(),
            detail: report.detail().unwrap_or_default().to_owned(),
            hint: report.hint().unwrap_or_default().to_owned(),
        }
    }

    /// Message, DETAIL and HINT in one text.
    pub fn text(&self) -> String {
        [("", &self.message), ("DETAIL: ", &self.detail), ("HINT: ", &self.hint)]
            .into_iter()
            .filter(|(_, text)| !text.is_empty())
            .map(|(label, text)| format!("{label}{text}"))
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Raises it as the ERROR that it was.
    pub fn raise(&self) -> ! {
        raise(code_of(&self.sqlstate), &self.message, &self.detail, &self.hint)
    }
}

/// Runs `work`; on ERROR ends whatever transaction is open and says why.
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T, Failure> {
    PgTryBuilder::new(AssertUnwindSafe(|| Ok(work())))
        .catch_others(|cause| {
            let failure = Failure::of(&cause);
            // SAFETY: does nothing where no transaction is open.
            unsafe { pg_sys::AbortCurrentTransaction() };
            Err(failure)
        })
        .execute()
}

/// Runs `work` in a transaction of its own, with a snapshot.
pub fn transaction<T>(work: impl FnOnce() -> T) -> Result<T, Failure> {
    caught(|| {
        // SAFETY: as every worker begins and ends a transaction; on ERROR `caught` ends it.
        unsafe {
            pg_sys::SetCurrentStatementStartTimestamp();
            pg_sys::StartTransactionCommand();
            pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
        }
        let result = work();
        // SAFETY: as above. The statistics of what was done are due after each transaction.
        unsafe {
            pg_sys::PopActiveSnapshot();
            pg_sys::CommitTransactionCommand();
            pg_sys::pgstat_report_stat(true);
        }
        result
    })
}
