//! Functions of the server without the guard against errors that the bindings put around each: for calls that go together
//! under one guard, and for those that raise no error. A guard costs more than what many of them do.

use pgrx::pg_sys;

unsafe extern "C-unwind" {
    pub fn tuplestore_select_read_pointer(store: *mut pg_sys::Tuplestorestate, pointer: i32);
    pub fn tuplestore_rescan(store: *mut pg_sys::Tuplestorestate);
    pub fn tuplestore_gettupleslot(
        store: *mut pg_sys::Tuplestorestate,
        forward: bool,
        copy: bool,
        slot: *mut pg_sys::TupleTableSlot,
    ) -> bool;
    pub fn slot_getsomeattrs_int(slot: *mut pg_sys::TupleTableSlot, attributes: i32);
    pub fn MakeSingleTupleTableSlot(
        descriptor: pg_sys::TupleDesc,
        operations: *const pg_sys::TupleTableSlotOps,
    ) -> *mut pg_sys::TupleTableSlot;
    pub fn heap_insert(
        relation: pg_sys::Relation,
        tuple: pg_sys::HeapTuple,
        command: pg_sys::CommandId,
        options: i32,
        state: pg_sys::BulkInsertState,
    );
    pub fn GetCurrentCommandId(is_used: bool) -> pg_sys::CommandId;
    pub fn RelationGetIndexList(table: pg_sys::Relation) -> *mut pg_sys::List;
    pub fn index_open(index: pg_sys::Oid, lock: pg_sys::LOCKMODE) -> pg_sys::Relation;
    pub fn SearchSysCache1(cache: i32, key: pg_sys::Datum) -> pg_sys::HeapTuple;
    pub fn CheckForSerializableConflictIn(
        relation: pg_sys::Relation,
        row: pg_sys::ItemPointer,
        block: pg_sys::BlockNumber,
    );
}

mod harmless {
    use pgrx::pg_sys;

    unsafe extern "C-unwind" {
        pub fn GetSessionUserId() -> pg_sys::Oid;
        pub fn GetOuterUserId() -> pg_sys::Oid;
        pub fn GetUserId() -> pg_sys::Oid;
        pub fn GetCurrentTimestamp() -> pg_sys::TimestampTz;
        pub fn ActiveSnapshotSet() -> bool;
        pub fn GetActiveSnapshot() -> pg_sys::Snapshot;
        pub fn GetCurrentTransactionStartTimestamp() -> pg_sys::TimestampTz;
        pub fn HeapTupleHeaderGetCmin(row: pg_sys::HeapTupleHeader) -> pg_sys::CommandId;
        pub fn HeapTupleHeaderGetCmax(row: pg_sys::HeapTupleHeader) -> pg_sys::CommandId;
        pub fn heap_deform_tuple(
            row: pg_sys::HeapTuple,
            descriptor: pg_sys::TupleDesc,
            values: *mut pg_sys::Datum,
            nulls: *mut bool,
        );
        pub fn relation_close(relation: pg_sys::Relation, lock: pg_sys::LOCKMODE);
        pub fn ReleaseSysCache(row: pg_sys::HeapTuple);
        pub fn ReleaseBuffer(buffer: pg_sys::Buffer);
        pub fn ExecDropSingleTupleTableSlot(slot: *mut pg_sys::TupleTableSlot);
    }
}

/// Who logged in, who that became by SET ROLE, and with whose rights it acts.
pub fn users() -> [pg_sys::Oid; 3] {
    // SAFETY: reads variables of this process.
    unsafe { [harmless::GetSessionUserId(), harmless::GetOuterUserId(), harmless::GetUserId()] }
}

/// The clock, in microseconds since 2000.
pub fn clock() -> i64 {
    // SAFETY: reads the clock.
    unsafe { harmless::GetCurrentTimestamp() }
}

/// The snapshot in force.
pub fn active_snapshot() -> Option<pg_sys::Snapshot> {
    // SAFETY: reads variables of this process; there is one where it says so.
    unsafe { harmless::ActiveSnapshotSet().then(|| harmless::GetActiveSnapshot()) }
}

/// When the transaction began.
pub fn transaction_start() -> i64 {
    // SAFETY: reads a variable of this process.
    unsafe { harmless::GetCurrentTransactionStartTimestamp() }
}

/// The command that made a row, of this transaction.
///
/// # Safety
/// A row that this transaction made.
pub unsafe fn made_by(row: pg_sys::HeapTupleHeader) -> pg_sys::CommandId {
    // SAFETY: as the caller vouches; a look into the row, and into memory of this process.
    unsafe { harmless::HeapTupleHeaderGetCmin(row) }
}

/// The command that deleted a row, of this transaction.
///
/// # Safety
/// A row that this transaction deleted.
pub unsafe fn deleted_by(row: pg_sys::HeapTupleHeader) -> pg_sys::CommandId {
    // SAFETY: as the caller vouches; a look into the row, and into memory of this process.
    unsafe { harmless::HeapTupleHeaderGetCmax(row) }
}

/// Takes a row apart. Nothing is copied.
///
/// # Safety
/// A row of that type; both arrays are as long as it has columns.
pub unsafe fn deform(
    row: pg_sys::HeapTuple,
    descriptor: pg_sys::TupleDesc,
    values: &mut [pg_sys::Datum],
    nulls: &mut [bool],
) {
    // SAFETY: as the caller vouches.
    unsafe { harmless::heap_deform_tuple(row, descriptor, values.as_mut_ptr(), nulls.as_mut_ptr()) }
}

/// Closes a table or an index. Its lock stays to the end of the transaction.
///
/// # Safety
/// It was opened, once for each time.
pub unsafe fn close(relation: pg_sys::Relation) {
    // SAFETY: as the caller vouches.
    unsafe { harmless::relation_close(relation, pg_sys::NoLock as pg_sys::LOCKMODE) }
}

/// Lets go of a row of a system cache.
///
/// # Safety
/// It was found there, once for each time.
pub unsafe fn release_cached(row: pg_sys::HeapTuple) {
    // SAFETY: as the caller vouches.
    unsafe { harmless::ReleaseSysCache(row) }
}

/// Lets go of a page.
///
/// # Safety
/// It is pinned by us.
pub unsafe fn release_page(buffer: pg_sys::Buffer) {
    // SAFETY: as the caller vouches.
    unsafe { harmless::ReleaseBuffer(buffer) }
}

/// Drops a slot.
///
/// # Safety
/// It was made by itself, and is dropped once.
pub unsafe fn drop_slot(slot: *mut pg_sys::TupleTableSlot) {
    // SAFETY: as the caller vouches.
    unsafe { harmless::ExecDropSingleTupleTableSlot(slot) }
}
