//! Work that leaves nothing behind: no lock, no setting, no row.

use std::panic::AssertUnwindSafe;
use std::ptr;

use pgrx::{PgTryBuilder, pg_sys};

/// Runs `work` in a subtransaction that is rolled back whichever way it ends; an ERROR goes on from there.
///
/// Needs no transaction id, so it works on a standby; not allowed in a parallel worker.
pub fn rolled_back<T>(work: impl FnOnce() -> T) -> T {
    // SAFETY: the pattern of every procedural language: remember, begin, and restore on both ways out.
    let (context, owner) = unsafe {
        let remembered = (pg_sys::CurrentMemoryContext, pg_sys::CurrentResourceOwner);
        pg_sys::BeginInternalSubTransaction(ptr::null());
        pg_sys::MemoryContextSwitchTo(remembered.0);
        remembered
    };
    let roll_back = move || {
        // SAFETY: rolls the subtransaction begun above back.
        unsafe {
            pg_sys::MemoryContextSwitchTo(context);
            pg_sys::RollbackAndReleaseCurrentSubTransaction();
            pg_sys::MemoryContextSwitchTo(context);
            pg_sys::CurrentResourceOwner = owner;
        }
    };
    PgTryBuilder::new(AssertUnwindSafe(|| {
        let result = work();
        roll_back();
        result
    }))
    .catch_others(move |cause| {
        // Before the ERROR goes on: whoever catches it rolls the innermost subtransaction back, which must be his.
        roll_back();
        cause.rethrow()
    })
    .execute()
}
