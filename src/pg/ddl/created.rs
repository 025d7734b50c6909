//! What this transaction made itself.

use pgrx::pg_sys;

/// Whether this transaction created the relation, in whatever of its savepoints, so that nobody else can see it.
///
/// The row in `pg_class` cannot tell: an ALTER TABLE of this transaction wrote it anew. The relation cache can: it
/// keeps the entries of new relations to the end of the transaction, notes the subtransaction that made them, and
/// drops them with it. Only relations whose row this transaction wrote are asked for there, and no lock is taken.
///
/// # Safety
/// The tuple must be the relation's row of `pg_class`.
pub unsafe fn is_created_here(relation: pg_sys::Oid, tuple: pg_sys::HeapTuple) -> bool {
    // SAFETY: the caller vouches for the tuple; the relation may be gone, and then comes back as null.
    unsafe {
        if !is_written_here(tuple) {
            return false;
        }
        let entry = pg_sys::RelationIdGetRelation(relation);
        if entry.is_null() {
            return false;
        }
        // InvalidSubTransactionId is 0.
        let is_new = (*entry).rd_createSubid != 0;
        pg_sys::RelationClose(entry);
        is_new
    }
}

/// Whether this transaction wrote the row.
///
/// # Safety
/// The tuple must be a row of a catalog.
pub unsafe fn is_written_here(tuple: pg_sys::HeapTuple) -> bool {
    // SAFETY: the caller vouches for the tuple, whose header came with it.
    unsafe {
        let header = &*(*tuple).t_data;
        let frozen = pg_sys::HEAP_XMIN_FROZEN as u16;
        header.t_infomask & frozen != frozen
            && pg_sys::TransactionIdIsCurrentTransactionId(header.t_choice.t_heap.t_xmin)
    }
}
