//! Transactions of the worker: each ends by itself, and an ERROR in it comes back as what it said.

use std::panic::AssertUnwindSafe;

use std::cell::Cell;

use pgrx::pg_sys::panic::CaughtError;
use pgrx::{PgTryBuilder, pg_sys};

use super::owner::Identity;
use crate::pg::checks_itself;
use crate::pg::error::{code_of, raise, sqlstate_of};

thread_local! {
    /// The role, and what it may not change meanwhile.
    static CREATOR: Cell<Option<(pg_sys::Oid, u32)>> = const { Cell::new(None) };
}

/// From now on transactions have the rights of this role, as in a function with its owner's rights: the session's own
/// role can be had back by nothing that runs in them.
///
/// For a creator that cannot log in, in whose name no worker can begin before version 17. A statement that ends
/// transactions by itself takes the rights along into the next, which the server foresees but asserts never happens:
/// a server built with assertions stops there.
pub fn work_for(creator: pg_sys::Oid) {
    CREATOR.set(Some((creator, pg_sys::SECURITY_LOCAL_USERID_CHANGE)));
}

/// Runs `work`, whose transactions have the rights of this role as in a maintenance command of the server: with them
/// nothing can be left behind in the session.
pub fn working_for<T>(role: pg_sys::Oid, work: impl FnOnce() -> T) -> T {
    struct Restore(Option<(pg_sys::Oid, u32)>);
    impl Drop for Restore {
        fn drop(&mut self) {
            CREATOR.set(self.0);
        }
    }
    let restricted = pg_sys::SECURITY_LOCAL_USERID_CHANGE | pg_sys::SECURITY_RESTRICTED_OPERATION;
    // A server built to check itself does not bear a transaction that begins with restricted rights, as the second of a
    // statement does that has several.
    let restricted = if checks_itself() { 0 } else { restricted };
    let _restore = Restore(CREATOR.replace(Some((role, restricted))));
    work()
}

/// Takes the rights of the creator, in the transaction that has just begun. What was in force before is so again when
/// the answer is dropped.
pub fn as_creator() -> Identity {
    let before = Identity::current();
    if let Some((creator, restricted)) = CREATOR.get() {
        // SAFETY: the role exists, or the server says so when it looks.
        unsafe { pg_sys::SetUserIdAndSecContext(creator, restricted as i32) };
    }
    before
}

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
        let session = as_creator();
        let result = work();
        // SAFETY: as above. The statistics of what was done are due after each transaction.
        unsafe {
            pg_sys::PopActiveSnapshot();
            // What was put off until the end of the transaction is still done with the creator's rights.
            pg_sys::CommitTransactionCommand();
            drop(session);
            pg_sys::pgstat_report_stat(true);
        }
        result
    })
}
