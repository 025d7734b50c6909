//! The session in which a statement stands.

use std::ffi::CStr;

use pgrx::pg_sys;

use super::{held, tracker, written};
use crate::catalog::ddl::{Session, Timeouts};

/// As it is now.
pub fn now() -> Session {
    let remembered = tracker::remembered();
    // SAFETY: reads the state of the transaction. True also for a block that the server makes of several statements
    // which a client sends at once.
    let is_in_transaction_block = unsafe { pg_sys::IsTransactionBlock() };
    Session {
        server_version: pg_sys::PG_VERSION_NUM.cast_signed(),
        is_in_transaction_block,
        timeouts: timeouts(),
        held: held::now(),
        altered: remembered.altered,
        added_not_valid: remembered.added_not_valid,
        extended_enums: remembered.extended_enums,
        dropped_indexes: remembered.dropped_indexes,
        rows_written: written::rows(),
        is_restored: is_restored(),
        ..Session::default()
    }
}

/// Whether a dump is being restored: `pg_restore` says so by its name, and a script of `pg_dump` by the settings with
/// which it begins.
fn is_restored() -> bool {
    // SAFETY: reads settings of this backend; the name is a C string or null.
    unsafe {
        let name = pg_sys::application_name;
        let is_named = !name.is_null() && CStr::from_ptr(name) == c"pg_restore";
        is_named || (!pg_sys::check_function_bodies && !pg_sys::row_security)
    }
}

fn timeouts() -> Timeouts {
    // SAFETY: reads settings of this backend.
    unsafe {
        Timeouts {
            lock: i64::from(pg_sys::LockTimeout),
            statement: i64::from(pg_sys::StatementTimeout),
            idle_in_transaction: i64::from(pg_sys::IdleInTransactionSessionTimeout),
            #[cfg(any(feature = "pg15", feature = "pg16"))]
            transaction: None,
            #[cfg(not(any(feature = "pg15", feature = "pg16")))]
            transaction: Some(i64::from(pg_sys::TransactionTimeout)),
        }
    }
}
