//! One backfill of a table at a time.

use pgrx::{IntoDatum, direct_function_call, pg_sys};

/// The first half of the advisory lock's key, "dbmb"; the second is the table's number.
pub const CLASS: i32 = 0x6462_6d62;

/// The lock of the session that fills a table; kept over commits, and given back when dropped, also by an ERROR.
pub struct TargetLock {
    key: i32,
}

impl TargetLock {
    /// Takes it; none where another session has it.
    pub fn take(target: u32) -> Option<Self> {
        let key = target as i32;
        // SAFETY: a function of the server with two integers.
        let taken = unsafe {
            direct_function_call::<bool>(
                pg_sys::pg_try_advisory_lock_int4,
                &[CLASS.into_datum(), key.into_datum()],
            )
        };
        (taken == Some(true)).then_some(Self { key })
    }
}

/// Whether nobody fills the table; nobody can begin to before this transaction ends.
pub fn is_free_until_commit(target: u32) -> bool {
    // SAFETY: as above.
    let taken = unsafe {
        direct_function_call::<bool>(
            pg_sys::pg_try_advisory_xact_lock_int4,
            &[CLASS.into_datum(), (target as i32).into_datum()],
        )
    };
    taken == Some(true)
}

impl Drop for TargetLock {
    fn drop(&mut self) {
        // SAFETY: as above; it warns and raises nothing where somebody has released all locks of the session.
        unsafe {
            direct_function_call::<bool>(
                pg_sys::pg_advisory_unlock_int4,
                &[CLASS.into_datum(), self.key.into_datum()],
            );
        }
    }
}
