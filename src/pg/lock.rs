//! Locks on relations by their numbers.

use pgrx::pg_sys;

use super::planner::server::find_all_inheritors;

/// Locks a table, and what inherits from it, against writers until the end of the transaction: in the order in which LOCK
/// TABLE does, but whatever they are called by then. Whether the caller may is not asked. What was committed while it waited
/// is seen by the queries that follow, unless the transaction's isolation is a higher one.
pub fn tree_against_writers(table: pg_sys::Oid) {
    let mode = pg_sys::ShareRowExclusiveLock as pg_sys::LOCKMODE;
    // SAFETY: locks by number; the parent is locked before its heirs are looked for.
    unsafe {
        pg_sys::LockRelationOid(table, mode);
        find_all_inheritors(table, mode);
        // Before the transaction has a number, queries are made with the snapshot of the statement that called.
        pg_sys::GetCurrentTransactionId();
    }
}
