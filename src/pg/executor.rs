//! Where the server tells us that the executor runs a query, and that it ends one: once, for all that ask.
//!
//! Nothing here is guarded: these frames own nothing with a destructor, so a longjmp may cross them and others' ERRORs stay
//! whole. For the same reason the server's own functions are called without pgrx's barrier.

use std::cell::Cell;

use pgrx::pg_sys;

use super::capture::Watch;
use super::silence;

mod raw {
    use pgrx::pg_sys;

    unsafe extern "C-unwind" {
        pub fn standard_ExecutorRun(
            description: *mut pg_sys::QueryDesc,
            direction: pg_sys::ScanDirection::Type,
            count: u64,
            #[cfg(not(feature = "pg18"))] execute_once: bool,
        );
        pub fn standard_ExecutorFinish(description: *mut pg_sys::QueryDesc);
    }
}

thread_local! {
    static NEXT_RUN: Cell<pg_sys::ExecutorRun_hook_type> = const { Cell::new(None) };
    static NEXT_FINISH: Cell<pg_sys::ExecutorFinish_hook_type> = const { Cell::new(None) };
}

/// Puts our hooks before those of others. Called once, when the library is loaded.
pub fn install() {
    // SAFETY: the server reads these pointers from this one thread.
    unsafe {
        NEXT_RUN.set(pg_sys::ExecutorRun_hook);
        pg_sys::ExecutorRun_hook = Some(run);
        NEXT_FINISH.set(pg_sys::ExecutorFinish_hook);
        pg_sys::ExecutorFinish_hook = Some(finish);
    }
}

/// A query runs, whole or in part.
///
/// # Safety
/// Called by the server alone.
unsafe extern "C-unwind" fn run(
    description: *mut pg_sys::QueryDesc,
    direction: pg_sys::ScanDirection::Type,
    count: u64,
    #[cfg(not(feature = "pg18"))] execute_once: bool,
) {
    // SAFETY: the server's own arguments, handed on.
    unsafe {
        silence::begin_run();
        let watch = Watch::start(description);
        let run = NEXT_RUN.get().unwrap_or(raw::standard_ExecutorRun);
        #[cfg(not(feature = "pg18"))]
        run(description, direction, count, execute_once);
        #[cfg(feature = "pg18")]
        run(description, direction, count);
        watch.stop(description);
        silence::end_run();
    }
}

/// A query ends: its triggers fire.
///
/// # Safety
/// Called by the server alone.
unsafe extern "C-unwind" fn finish(description: *mut pg_sys::QueryDesc) {
    // SAFETY: the server's own argument, handed on.
    unsafe {
        silence::begin_run();
        let watch = Watch::start_of_finish(description);
        NEXT_FINISH.get().unwrap_or(raw::standard_ExecutorFinish)(description);
        watch.stop(description);
        silence::end_run();
    }
}
