//! Waiting for time to pass.

use std::time::Duration;

use pgrx::pg_sys;

/// Waits without a snapshot; ends early with the ERROR of a cancel.
pub fn sleep(duration: Duration) {
    let end = std::time::Instant::now() + duration;
    loop {
        pgrx::check_for_interrupts!();
        let left = end.saturating_duration_since(std::time::Instant::now());
        if left.is_zero() {
            return;
        }
        let events = pg_sys::WL_LATCH_SET | pg_sys::WL_TIMEOUT | pg_sys::WL_EXIT_ON_PM_DEATH;
        let milliseconds = left.as_millis().clamp(1, 60_000) as i64;
        // SAFETY: this backend's own latch.
        unsafe {
            pg_sys::WaitLatch(pg_sys::MyLatch, events as i32, milliseconds, pg_sys::PG_WAIT_EXTENSION);
            pg_sys::ResetLatch(pg_sys::MyLatch);
        }
    }
}
