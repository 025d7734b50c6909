//! Whether there is somebody to guard: the extension in this database, and a statement that somebody sent.

use std::ffi::CStr;

use pgrx::pg_sys;

use super::TRUSTED;
use crate::pg::settings::{self, Guard};

/// `SESSION_REPLICATION_ROLE_REPLICA` of trigger.h.
const REPLICA: i32 = 1;

mod raw {
    use pgrx::pg_sys;

    unsafe extern "C-unwind" {
        pub fn IsTransactionState() -> bool;
        pub fn IsAbortedTransactionBlockState() -> bool;
        pub fn RecoveryInProgress() -> bool;
    }

    // So that the list of what is called without pgrx's barrier stands in one place.
    pub unsafe fn is_parallel_worker() -> bool {
        // SAFETY: reads a variable of this backend.
        unsafe { pg_sys::ParallelWorkerNumber >= 0 }
    }
}

/// What costs nothing to ask: whether the guard is on and this session does the work of a client.
pub fn is_on_duty() -> bool {
    // SAFETY: all of it reads variables of this backend.
    unsafe {
        settings::ddl_guard() != Guard::Off
            && !TRUSTED.get()
            // Single-user mode is the way in when everything else is locked.
            && pg_sys::IsUnderPostmaster
            && !pg_sys::IsBinaryUpgrade
            && !pg_sys::creating_extension
            && pg_sys::SessionReplicationRole != REPLICA
            && raw::IsTransactionState()
            && !raw::IsAbortedTransactionBlockState()
            && !raw::is_parallel_worker()
            && !raw::RecoveryInProgress()
    }
}

/// The schema of the extension.
const SCHEMA: &CStr = c"dbm";

/// One of our own tables; `None` where the extension is not in this database.
pub fn table(name: &CStr) -> Option<pg_sys::Oid> {
    // SAFETY: look-ups in the system caches, which remember what is not there, too.
    unsafe {
        let schema = pg_sys::get_namespace_oid(SCHEMA.as_ptr(), true);
        if schema == pg_sys::InvalidOid {
            return None;
        }
        let table = pg_sys::get_relname_relid(name.as_ptr(), schema);
        (table != pg_sys::InvalidOid).then_some(table)
    }
}

/// Whether the extension is in this database.
pub fn is_created() -> bool {
    table(c"ddl_allowance").is_some()
}
