//! The reading half of the audit trail: rows of the log as texts that depend on no setting, and who may see which.

pub mod access;
mod cursor;
mod rows;
pub mod table;
pub mod typed;

pub use cursor::Cursor;
pub use rows::{Argument, Rows, rows, write};

/// The number that the next transaction to write will have.
pub fn next_transaction() -> i64 {
    // SAFETY: reads a counter in shared memory.
    let next = unsafe { pgrx::pg_sys::ReadNextFullTransactionId() };
    i64::try_from(next.value).unwrap_or(i64::MAX)
}
