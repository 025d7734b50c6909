//! Ends on purpose, so that tests see what comes after.

use pgrx::pg_sys;

/// Kills this process without further ado, as kill -9 does.
pub fn kill_itself() {
    unsafe extern "C" {
        fn raise(signal: i32) -> i32;
    }
    // SAFETY: ends this process.
    unsafe { raise(pg_sys::SIGKILL as i32) };
}
