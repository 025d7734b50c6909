//! Transactions of a copy, one after the other, over one connection to SPI: in a procedure that may commit, or in a worker
//! of ours. Each begins without a snapshot, ends whichever way its work ends, and waits for no lock longer than it says.

use std::ffi::{CStr, CString};
use std::time::Duration;

use pgrx::pg_sys;

use crate::pg::backfill::attempt::attempt;
use crate::pg::backfill::conversation::Conversation;
use crate::pg::fault::kill_itself;
use crate::pg::guard;
use crate::pg::local_settings::{PINNED_SEARCH_PATH, with_protected_settings};
use crate::pg::planner::Refusal;
use crate::pg::run::owner::Identity;
use crate::pg::run::statement::run_alone;
use crate::pg::run::{Failure, owner, transaction};
use crate::pg::settings;
use crate::pg::silence;
pub use crate::pg::silence::silently;

/// What a transaction sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sees {
    /// Each statement what was committed before it.
    Newest,
    /// All statements the same: what was committed before the first.
    One,
}

/// No transaction of ours takes longer, however large an index is.
const LONGEST: Duration = Duration::from_secs(7 * 86_400);

/// Settings by which values are written so that they are read again as they were, and by which nothing of ours looks up a
/// name that somebody else made.
const EXACT: [(&CStr, &CStr); 7] = [
    (c"search_path", PINNED_SEARCH_PATH),
    (c"DateStyle", c"ISO, YMD"),
    (c"TimeZone", c"UTC"),
    (c"IntervalStyle", c"postgres"),
    (c"bytea_output", c"hex"),
    (c"extra_float_digits", c"1"),
    (c"jit", c"off"),
];

/// The session.
pub struct Session {
    talk: Conversation,
}

impl Session {
    /// Begins; where a transaction is open, it is committed first.
    pub fn open() -> Self {
        let talk = Conversation::open();
        talk.commit();
        Self { talk }
    }

    /// One transaction. What fails is rolled back and comes back as its reason.
    pub fn transaction<T>(
        &self,
        sees: Sees,
        lock_timeout: Duration,
        work: impl FnOnce(&Conversation) -> T,
    ) -> Result<T, Refusal> {
        let level = match sees {
            Sees::Newest => pg_sys::XACT_READ_COMMITTED,
            Sees::One => pg_sys::XACT_REPEATABLE_READ,
        };
        // SAFETY: the transaction has just begun and has no snapshot yet; the next one begins with the session's own.
        unsafe { pg_sys::XactIsoLevel = level as i32 };
        let result = attempt(lock_timeout, LONGEST, || {
            guard::trusting(|| with_protected_settings(&EXACT, || work(&self.talk)))
        });
        silence::forget_expressions();
        self.talk.commit();
        result
    }
}

/// One transaction of a worker of ours, which has none open.
pub fn in_worker<T>(lock_timeout: Duration, work: impl FnOnce(&Conversation) -> T) -> Result<T, Failure> {
    let limit = CString::new(lock_timeout.as_millis().max(1).to_string()).unwrap_or_default();
    transaction(|| {
        let talk = Conversation::open();
        guard::trusting(|| {
            with_protected_settings(&EXACT, || {
                with_protected_settings(&[(c"lock_timeout", &limit)], || work(&talk))
            })
        })
    })
}

/// Carries a copy on in a worker of ours: a procedure at top level, so that it can commit.
pub fn carry_on(id: i64, upto: &str, lock_timeout: Duration, give_up_after: Duration) -> Result<(), Failure> {
    guard::trusting(|| {
        run_alone(&format!(
            "CALL dbm.partition_copy({id}, '{upto}', lock_timeout => '{} ms', give_up_after => '{} ms')",
            lock_timeout.as_millis().max(1),
            give_up_after.as_millis().max(1)
        ))
    })
}

/// Runs `work`, statements of ours on our own tables and on triggers of ours, with the rights of the extension's owner.
pub fn as_extension<T>(work: impl FnOnce() -> T) -> T {
    owner::as_owner(work)
}

/// Runs `work`, which looks few rows up by an index, so that it does even where the planner thinks that dear: it knows
/// nothing of partitions that are passed by, and would read all rows instead.
pub fn by_index<T>(work: impl FnOnce() -> T) -> T {
    with_protected_settings(
        &[(c"enable_seqscan", c"off"), (c"enable_hashjoin", c"off"), (c"enable_mergejoin", c"off")],
        work,
    )
}

/// Runs `work` with the rights of the table's owner, whose functions in indexes, constraints and generated columns it may
/// run.
pub fn as_role<T>(role: u32, work: impl FnOnce() -> T) -> T {
    // Row security that is forced on the owner must not hide rows from a copy of all of them.
    let _before = Identity::maintaining(role.into(), pg_sys::SECURITY_NOFORCE_RLS);
    work()
}

/// Runs `work`, which reads; row security that would hide rows is an ERROR.
pub fn unfiltered<T>(work: impl FnOnce() -> T) -> T {
    with_protected_settings(&[(c"row_security", c"off")], work)
}

/// Runs `work`, in which an autovacuum in the way is asked to end after so long.
pub fn giving_way<T>(after: Duration, work: impl FnOnce() -> T) -> T {
    let text = CString::new(after.as_millis().max(1).to_string()).unwrap_or_default();
    with_protected_settings(&[(c"deadlock_timeout", &text)], work)
}

/// Runs `work`, in which no lock is waited for longer than this.
pub fn waiting_no_longer_than<T>(limit: Duration, work: impl FnOnce() -> T) -> T {
    let text = CString::new(limit.as_millis().max(2).to_string()).unwrap_or_default();
    with_protected_settings(&[(c"lock_timeout", &text)], work)
}

/// Ends this process without further ado if a test wants it here.
pub fn fault(place: &str) {
    if settings::fault_in_step().is_some_and(|wanted| wanted == place) {
        kill_itself();
    }
}

/// Locks a journal against those who write it, before the transaction sees anything.
pub fn lock_journal(journal: u32) {
    // SAFETY: a lock that the end of the transaction gives back; waits as long as lock_timeout says.
    unsafe {
        pg_sys::LockRelationOid(journal.into(), pg_sys::ShareRowExclusiveLock as pg_sys::LOCKMODE);
    }
}

/// The role whose rights are in force.
pub fn current_role() -> u32 {
    // SAFETY: reads it.
    unsafe { pg_sys::GetUserId() }.to_u32()
}

/// Whether a role has the rights of another.
pub fn has_rights_of(role: u32, other: u32) -> bool {
    // SAFETY: look-ups in the catalogs of roles.
    unsafe { pg_sys::has_privs_of_role(role.into(), other.into()) }
}
