//! A bound on how long a DDL statement waits for its lock, since everybody else waits behind it.
//!
//! It is set as a function's SET clause is: the server takes it back where the statement fails, and we where it does
//! not.

use std::ffi::CString;

use pgrx::pg_sys;

use crate::pg::settings;

/// A setting to be taken back; none by default.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Bound {
    /// Above 0 where there is one.
    level: i32,
    transaction: u32,
}

impl Bound {
    /// Whether there is anything to be taken back.
    pub fn is_set(self) -> bool {
        self.level > 0
    }
}

/// What `lock_timeout` is while a statement runs whose wait is bounded, in milliseconds.
pub fn in_force(chosen: i64) -> i64 {
    let limit = i64::from(settings::ddl_lock_timeout());
    if limit <= 0 || (chosen > 0 && chosen <= limit) { chosen } else { limit }
}

/// Bounds the wait of the statement that is about to be run, unless whoever sent it chose a shorter one.
pub fn bound() -> Bound {
    let limit = settings::ddl_lock_timeout();
    // SAFETY: reads variables of this backend; sets a setting as the server's own functions do.
    unsafe {
        let chosen = pg_sys::LockTimeout;
        if limit <= 0 || (chosen > 0 && chosen <= limit) {
            return Bound::default();
        }
        let value = CString::new(limit.to_string()).unwrap_or_default();
        let level = pg_sys::NewGUCNestLevel();
        pg_sys::set_config_option(
            c"lock_timeout".as_ptr(),
            value.as_ptr(),
            pg_sys::GucContext::PGC_USERSET,
            pg_sys::GucSource::PGC_S_SESSION,
            pg_sys::GucAction::GUC_ACTION_SAVE,
            true,
            0,
            false,
        );
        Bound { level, transaction: local_transaction() }
    }
}

/// Takes it back, after the statement has succeeded.
pub fn unbind(bound: Bound) {
    // A statement that committed in between, as VACUUM does, took it back itself.
    if bound.is_set() && local_transaction() == bound.transaction {
        // SAFETY: the level was opened by `bound`, and what was opened above it was closed by the statement.
        unsafe { pg_sys::AtEOXact_GUC(true, bound.level) };
    }
}

/// The number of the transaction in this backend.
#[cfg(any(feature = "pg15", feature = "pg16"))]
fn local_transaction() -> u32 {
    // SAFETY: reads our own entry in shared memory.
    unsafe { (*pg_sys::MyProc).lxid }
}

/// The number of the transaction in this backend.
#[cfg(not(any(feature = "pg15", feature = "pg16")))]
fn local_transaction() -> u32 {
    // SAFETY: reads our own entry in shared memory.
    unsafe { (*pg_sys::MyProc).vxid.lxid }
}
