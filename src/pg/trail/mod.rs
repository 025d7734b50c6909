//! The audit trail on the server.

pub mod reading;

use pgrx::pg_sys;

/// Where the OIDs and the transactions of this database are right.
pub fn home() -> String {
    // SAFETY: reads two constants of this process.
    unsafe { format!("{}/{}", pg_sys::GetSystemIdentifier(), pg_sys::MyDatabaseId.to_u32()) }
}
