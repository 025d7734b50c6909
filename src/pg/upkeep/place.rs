//! Where actions run: in transactions of a worker, or in subtransactions of the session that asked where no worker is to
//! be had.

use std::ffi::{CStr, CString};
use std::time::Duration;

use pgrx::pg_sys;

use super::rights::as_role;
use crate::catalog::Oid;
use crate::pg::local_settings::{PINNED_SEARCH_PATH, set_for_process, with_settings};
use crate::pg::planner::{Deadline, Refusal, kept, refusable, rolled_back};
use crate::pg::run::statement::run_alone;
use crate::pg::run::transaction::working_for;
use crate::pg::run::{Failure, caught, transaction};
use crate::pg::sleep::sleep;

/// Where actions run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a worker, which begins and ends transactions. `is_awaited`: by a session, whose snapshot lives as long.
    Worker {
        /// Whether a session waits.
        is_awaited: bool,
    },
    /// In the transaction of a session.
    Session,
}

fn milliseconds(span: Duration) -> CString {
    CString::new(span.as_millis().max(1).to_string()).unwrap_or_default()
}

/// Runs `work` in a transaction or subtransaction of its own with the rights of `role`, in which no lock is waited for
/// longer than `lock_timeout`.
pub fn in_transaction<T>(
    place: Place,
    role: Oid,
    lock_timeout: Duration,
    work: impl FnOnce() -> T,
) -> Result<T, Failure> {
    let limit = milliseconds(lock_timeout);
    let limited = || with_settings(&[(c"search_path", PINNED_SEARCH_PATH), (c"lock_timeout", &limit)], work);
    match place {
        Place::Worker { .. } => working_for(role.into(), || transaction(limited)),
        Place::Session => refusable(|| kept(|| as_role(role, limited))).map_err(failure),
    }
}

fn failure(refusal: Refusal) -> Failure {
    Failure {
        sqlstate: refusal.sqlstate,
        message: refusal.message,
        detail: refusal.detail.unwrap_or_default(),
        hint: refusal.hint,
    }
}

/// Runs one statement alone at top level with the rights of `role`; in a worker only.
pub fn alone(role: Oid, lock_timeout: Duration, sql: &str) -> Result<(), Failure> {
    let set = |limit: Duration| {
        let limit = CString::new(limit.as_millis().to_string()).unwrap_or_default();
        transaction(|| set_for_process(c"lock_timeout", &limit))
    };
    set(lock_timeout.max(Duration::from_millis(1)))?;
    let result = working_for(role.into(), || run_alone(sql));
    set(Duration::ZERO)?;
    result
}

/// The code of a [`Failure`] of work that did not end in its time; none of the server's.
pub const TOO_LONG: &str = "late";

/// Runs `work` of a worker, which is cancelled when it takes longer than `limit`: limits of the server's own count for
/// single locks, and for statements of clients.
pub fn within<T>(limit: Duration, work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let deadline = Deadline::start(limit);
    let result = work();
    let is_over = deadline.is_over();
    drop(deadline);
    result.map_err(|failure| {
        let is_ours = is_over && failure.sqlstate == "57014";
        if is_ours { Failure { sqlstate: TOO_LONG.to_owned(), ..failure } } else { failure }
    })
}

/// The time after which the server looks for a deadlock, and asks an autovacuum in the way to end.
pub fn patience_of_server() -> Duration {
    // SAFETY: reads a setting.
    Duration::from_millis(unsafe { pg_sys::DeadlockTimeout }.try_into().unwrap_or(1000))
}

/// From now on has an autovacuum in the way asked to end after this time; a worker's way.
pub fn give_way(after: Duration) -> Result<(), Failure> {
    let after = milliseconds(after);
    transaction(|| set_for_process(c"deadlock_timeout", &after))
}

/// Sleeps, and wakes for signals. In a worker an ERROR comes back as its reason; a session's transaction stays open, and an
/// ERROR is its own.
pub fn pause(duration: Duration) -> Result<(), Failure> {
    // SAFETY: reads a flag.
    if unsafe { pg_sys::IsTransactionState() } {
        sleep(duration);
        return Ok(());
    }
    caught(|| sleep(duration))
}

/// What `look` finds with the rights of a role; leaves nothing behind, no lock either. An ERROR comes back as its reason.
pub fn probed<T>(role: Oid, look: impl FnOnce() -> T) -> Result<T, Failure> {
    refusable(|| rolled_back(|| as_role(role, look))).map_err(failure)
}

/// Runs `work` of a worker, whose commits do not wait for the disk: nobody waits for locks meanwhile, and what a crash
/// takes back is due again.
pub fn asynchronously<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let set = |value: &CStr| transaction(|| set_for_process(c"synchronous_commit", value));
    // SAFETY: the answer is a C string of the server's, copied at once.
    let before = unsafe {
        let value = pg_sys::GetConfigOption(c"synchronous_commit".as_ptr(), true, false);
        if value.is_null() { c"on".to_owned() } else { CStr::from_ptr(value).to_owned() }
    };
    set(c"off")?;
    let result = work();
    set(&before)?;
    result
}
