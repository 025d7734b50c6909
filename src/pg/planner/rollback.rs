//! Work in a subtransaction: what leaves nothing behind, no lock, no setting, no row; and what leaves nothing behind
//! only where it fails.

use std::panic::AssertUnwindSafe;
use std::ptr;

use pgrx::{PgTryBuilder, pg_sys};

/// Runs `work` in a subtransaction that is rolled back whichever way it ends; an ERROR goes on from there.
///
/// Needs no transaction id, so it works on a standby; not allowed in a parallel worker.
pub fn rolled_back<T>(work: impl FnOnce() -> T) -> T {
    in_subtransaction(work, false)
}

/// Runs `work` in a subtransaction that is rolled back where it fails; an ERROR goes on from there. Otherwise its locks
/// stay.
pub fn kept<T>(work: impl FnOnce() -> T) -> T {
    in_subtransaction(work, true)
}

fn in_subtransaction<T>(work: impl FnOnce() -> T, is_kept: bool) -> T {
    // SAFETY: the pattern of every procedural language: remember, begin, and restore on both ways out.
    let (context, owner) = unsafe {
        let remembered = (pg_sys::CurrentMemoryContext, pg_sys::CurrentResourceOwner);
        pg_sys::BeginInternalSubTransaction(ptr::null());
        pg_sys::MemoryContextSwitchTo(remembered.0);
        remembered
    };
    let end = move |is_kept: bool| {
        // SAFETY: ends the subtransaction begun above.
        unsafe {
            pg_sys::MemoryContextSwitchTo(context);
            if is_kept {
                pg_sys::ReleaseCurrentSubTransaction();
            } else {
                pg_sys::RollbackAndReleaseCurrentSubTransaction();
            }
            pg_sys::MemoryContextSwitchTo(context);
            pg_sys::CurrentResourceOwner = owner;
        }
    };
    PgTryBuilder::new(AssertUnwindSafe(|| {
        let result = work();
        end(is_kept);
        result
    }))
    .catch_others(move |cause| {
        // Before the ERROR goes on: whoever catches it rolls the innermost subtransaction back, which must be his.
        end(false);
        cause.rethrow()
    })
    .execute()
}
