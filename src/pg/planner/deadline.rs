//! A limit of time for work that may run other people's code: `statement_timeout` counts for whole statements only.

use std::cell::{Cell, OnceCell};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pgrx::pg_sys;
use pgrx::pg_sys::ffi::pg_guard_ffi_boundary;

/// `USER_TIMEOUT` of timeout.h, which asks for any free place.
#[cfg(any(feature = "pg15", feature = "pg16"))]
const ANY_FREE: i32 = 12;
#[cfg(not(any(feature = "pg15", feature = "pg16")))]
const ANY_FREE: i32 = 13;

mod raw {
    use pgrx::pg_sys;

    unsafe extern "C-unwind" {
        pub fn RegisterTimeout(id: i32, handler: unsafe extern "C-unwind" fn()) -> i32;
        pub fn enable_timeout_every(id: i32, first: pg_sys::TimestampTz, milliseconds: i32);
        pub fn disable_timeout(id: i32, keep_indicator: bool);
        /// The symbol itself: the bindings' wrapper is not fit for a signal handler.
        pub fn SetLatch(latch: *mut pg_sys::Latch);
    }
}

static IS_OVER: AtomicBool = AtomicBool::new(false);

thread_local! {
    static PLACE: OnceCell<i32> = const { OnceCell::new() };
    static LIMIT: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Called in a signal handler: asks for a cancel, as `pg_cancel_backend()` does.
unsafe extern "C-unwind" fn expire() {
    IS_OVER.store(true, Ordering::Relaxed);
    // SAFETY: flags that signal handlers set, and a call that the server makes in its own handlers.
    unsafe {
        pg_sys::InterruptPending = 1;
        pg_sys::QueryCancelPending = 1;
        raw::SetLatch(pg_sys::MyLatch);
    }
}

/// The limit, if it was passed in the work that ran last.
pub fn is_over() -> Option<Duration> {
    IS_OVER.load(Ordering::Relaxed).then(|| LIMIT.get())
}

/// Runs until it is dropped.
pub struct Deadline {
    place: i32,
}

impl Deadline {
    /// Begins to count.
    pub fn start(limit: Duration) -> Self {
        let place = PLACE.with(|place| {
            // SAFETY: registers a handler once a session; the timeouts of a session are set up before any statement.
            *place.get_or_init(|| unsafe { pg_guard_ffi_boundary(|| raw::RegisterTimeout(ANY_FREE, expire)) })
        });
        IS_OVER.store(false, Ordering::Relaxed);
        LIMIT.set(limit);
        let milliseconds = i32::try_from(limit.as_millis()).unwrap_or(i32::MAX).max(1);
        // Again and again: code that catches the first cancel meets the next.
        // SAFETY: a timeout that was registered.
        unsafe {
            let first = pg_sys::GetCurrentTimestamp() + i64::from(milliseconds) * 1_000;
            pg_guard_ffi_boundary(|| raw::enable_timeout_every(place, first, milliseconds));
        }
        Self { place }
    }
}

impl Deadline {
    /// Whether it was passed.
    pub fn is_over(&self) -> bool {
        is_over().is_some()
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        // SAFETY: a timeout that was registered; raises nothing.
        unsafe {
            raw::disable_timeout(self.place, false);
            // The cancel that we asked for must not meet what comes after.
            if IS_OVER.load(Ordering::Relaxed) {
                pg_sys::QueryCancelPending = 0;
            }
        }
    }
}
