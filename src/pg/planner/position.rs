//! Where in a text an ERROR is: the position gets lost on the way through Rust, so it is fetched before.

use std::cell::Cell;
use std::ffi::c_void;
use std::panic::AssertUnwindSafe;
use std::ptr;

use pgrx::pg_sys::panic::CaughtError;
use pgrx::{PgTryBuilder, pg_sys};

use crate::pg::error::raise;

thread_local! {
    static POSITION: Cell<i32> = const { Cell::new(0) };
    static LAST: Cell<Option<usize>> = const { Cell::new(None) };
}

/// At which character, counted from 1, the last ERROR was that [`located`] let through; `None` where it had no place.
pub fn of_last_error() -> Option<usize> {
    LAST.get()
}

/// Forgets the place of an earlier ERROR.
pub fn forget() {
    LAST.set(None);
}

/// Takes the callback off the server's stack.
struct OnStack(*mut pg_sys::ErrorContextCallback);

impl Drop for OnStack {
    fn drop(&mut self) {
        // SAFETY: what was on top before the push.
        unsafe { pg_sys::error_context_stack = self.0 };
    }
}

mod raw {
    unsafe extern "C-unwind" {
        /// The symbol itself: it only reads a field of the error that is being reported.
        pub fn geterrposition() -> i32;
    }
}

/// Called by the server while it reports an error.
unsafe extern "C-unwind" fn remember(_: *mut c_void) {
    // SAFETY: called inside an error report, as that function asks.
    POSITION.set(unsafe { raw::geterrposition() });
}

/// Runs `work`, which parses `text`; an ERROR that has a position there says so in its DETAIL.
pub fn located<T>(text: &str, work: impl FnOnce() -> T) -> T {
    POSITION.set(0);
    LAST.set(None);
    let mut callback = pg_sys::ErrorContextCallback {
        previous: ptr::null_mut(),
        callback: Some(remember),
        arg: ptr::null_mut(),
    };
    // SAFETY: the callback outlives the guard, which takes it off the stack whichever way this ends.
    let _on_stack = unsafe {
        let previous = pg_sys::error_context_stack;
        callback.previous = previous;
        pg_sys::error_context_stack = &raw mut callback;
        OnStack(previous)
    };
    PgTryBuilder::new(AssertUnwindSafe(work))
        .catch_others(|cause| {
            let position = usize::try_from(POSITION.replace(0)).unwrap_or(0);
            LAST.set((position > 0).then_some(position));
            match &cause {
                CaughtError::PostgresError(report) if position > 0 => {
                    let place = place(text, position);
                    let detail =
                        report.detail().map_or_else(|| place.clone(), |detail| format!("{detail} {place}"));
                    raise(
                        report.sql_error_code(),
                        report.message(),
                        &detail,
                        report.hint().unwrap_or_default(),
                    )
                }
                _ => cause.rethrow(),
            }
        })
        .execute()
}

/// A sentence that names a place: the character, counted from 1, and what stands there.
fn place(text: &str, position: usize) -> String {
    const SHOWN: usize = 40;
    let rest: String =
        text.chars().skip(position - 1).take_while(|&character| character != '\n').take(SHOWN).collect();
    if rest.is_empty() {
        format!("At character {position}, the end of the text.")
    } else {
        format!("At character {position}: {rest}")
    }
}
