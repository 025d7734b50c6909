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
    pub fn ReleaseBuffer(buffer: pg_sys::Buffer);
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
