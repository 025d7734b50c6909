//! The executor without pgrx's barrier: an ERROR has to pass a hook as it is. A hook of ours hands on what it got to the next
//! one, or to the server's own function.

use pgrx::pg_sys;

mod raw {
    use pgrx::pg_sys;

    unsafe extern "C-unwind" {
        #[cfg(not(feature = "pg18"))]
        pub fn standard_ExecutorRun(
            description: *mut pg_sys::QueryDesc,
            direction: pg_sys::ScanDirection::Type,
            count: u64,
            execute_once: bool,
        );
        #[cfg(feature = "pg18")]
        pub fn standard_ExecutorRun(
            description: *mut pg_sys::QueryDesc,
            direction: pg_sys::ScanDirection::Type,
            count: u64,
        );
        pub fn standard_ExecutorFinish(description: *mut pg_sys::QueryDesc);
    }
}

/// Runs a query.
///
/// # Safety
/// The arguments of the server's hook.
#[cfg(not(feature = "pg18"))]
pub unsafe fn run(
    next: pg_sys::ExecutorRun_hook_type,
    description: *mut pg_sys::QueryDesc,
    direction: pg_sys::ScanDirection::Type,
    count: u64,
    execute_once: bool,
) {
    // SAFETY: as the caller vouches.
    unsafe {
        match next {
            Some(next) => next(description, direction, count, execute_once),
            None => raw::standard_ExecutorRun(description, direction, count, execute_once),
        }
    }
}

/// Runs a query.
///
/// # Safety
/// The arguments of the server's hook.
#[cfg(feature = "pg18")]
pub unsafe fn run(
    next: pg_sys::ExecutorRun_hook_type,
    description: *mut pg_sys::QueryDesc,
    direction: pg_sys::ScanDirection::Type,
    count: u64,
) {
    // SAFETY: as the caller vouches.
    unsafe {
        match next {
            Some(next) => next(description, direction, count),
            None => raw::standard_ExecutorRun(description, direction, count),
        }
    }
}

/// Ends a query: its triggers fire.
///
/// # Safety
/// The argument of the server's hook.
pub unsafe fn finish(next: pg_sys::ExecutorFinish_hook_type, description: *mut pg_sys::QueryDesc) {
    // SAFETY: as the caller vouches.
    unsafe {
        match next {
            Some(next) => next(description),
            None => raw::standard_ExecutorFinish(description),
        }
    }
}
