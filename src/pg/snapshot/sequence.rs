//! `pg_sequence`, and where each sequence stands.

use pgrx::pg_sys;
use rustc_hash::FxHashMap;

use crate::catalog::{LastValue, Oid, Persistence, Sequence, Snapshot};
use crate::pg::file;
use crate::pg::scan::CatalogScan;

const SEQUENCE: u32 = 2224;

/// Completes what `pg_class` said of sequences.
pub fn read(snapshot: &mut Snapshot, found: Vec<Sequence>) {
    snapshot.sequences = found;
    let positions: FxHashMap<Oid, usize> =
        snapshot.sequences.iter().enumerate().map(|(position, sequence)| (sequence.oid, position)).collect();
    let mut scan = CatalogScan::open(SEQUENCE);
    let oid = scan.attribute(c"seqrelid");
    let type_oid = scan.attribute(c"seqtypid");
    let start = scan.attribute(c"seqstart");
    let increment = scan.attribute(c"seqincrement");
    let maximum = scan.attribute(c"seqmax");
    let minimum = scan.attribute(c"seqmin");
    let cycles = scan.attribute(c"seqcycle");
    while let Some(row) = scan.next_row() {
        let Some(&position) = positions.get(&row.oid(oid)) else {
            continue;
        };
        let sequence = &mut snapshot.sequences[position];
        sequence.type_oid = row.oid(type_oid);
        sequence.start = row.int8(start).unwrap_or(1);
        sequence.increment = row.int8(increment).unwrap_or(1);
        sequence.maximum = row.int8(maximum).unwrap_or(i64::MAX);
        sequence.minimum = row.int8(minimum).unwrap_or(1);
        sequence.cycles = row.bool(cycles);
    }
}

/// Reads each sequence's one row where the caller may and nobody holds it exclusively.
pub fn read_last_values(snapshot: &mut Snapshot) {
    let in_recovery = snapshot.server.is_in_recovery;
    for sequence in &mut snapshot.sequences {
        sequence.last_value = last_value(sequence, in_recovery);
    }
}

/// The row that every sequence's page holds (`FormData_pg_sequence_data`).
#[repr(C)]
struct SequenceRow {
    last_value: i64,
    log_count: i64,
    is_called: bool,
}

fn last_value(sequence: &Sequence, in_recovery: bool) -> LastValue {
    // Temporary sequences live in another session's memory, unlogged ones are empty on a standby.
    let is_elsewhere = match sequence.persistence {
        Persistence::Temporary => true,
        Persistence::Unlogged => in_recovery,
        Persistence::Permanent => false,
    };
    if is_elsewhere || sequence.file.number == 0 {
        return LastValue::Unread;
    }
    let oid = pg_sys::Oid::from(sequence.oid);
    // SAFETY: a look-up by OID; an object that is gone has no rights.
    let may_read = unsafe {
        pg_sys::SearchSysCacheExists(
            pg_sys::SysCacheIdentifier::RELOID as _,
            pg_sys::Datum::from(oid),
            pg_sys::Datum::from(0),
            pg_sys::Datum::from(0),
            pg_sys::Datum::from(0),
        ) && pg_sys::pg_class_aclmask(
            oid,
            pg_sys::GetUserId(),
            (pg_sys::ACL_SELECT | pg_sys::ACL_USAGE) as _,
            pg_sys::AclMaskHow::ACLMASK_ANY,
        ) != 0
    };
    if !may_read {
        return LastValue::NoPrivilege;
    }
    // The lock keeps the file from being dropped or rewritten while its page is read; it is never waited for.
    // SAFETY: the lock is released below; on ERROR the transaction releases it.
    if !unsafe { pg_sys::ConditionalLockRelationOid(oid, pg_sys::AccessShareLock as _) } {
        return LastValue::Locked;
    }
    let read = if file::is_current(oid, sequence.file) {
        // SAFETY: the lock is held and the file is the relation's own: page 0 exists, with one row on it.
        unsafe { read_row(sequence) }
    } else {
        LastValue::Unread
    };
    // SAFETY: taken above.
    unsafe { pg_sys::UnlockRelationOid(oid, pg_sys::AccessShareLock as _) };
    read
}

/// # Safety
/// The sequence's lock must be held and its file location current.
unsafe fn read_row(sequence: &Sequence) -> LastValue {
    // SAFETY: page 0 of a sequence holds exactly one row whose form is `SequenceRow`; it is copied under the
    // buffer's share lock.
    unsafe {
        let buffer = pg_sys::ReadBufferWithoutRelcache(
            file::locator(sequence.file),
            pg_sys::ForkNumber::MAIN_FORKNUM,
            0,
            pg_sys::ReadBufferMode::RBM_NORMAL,
            std::ptr::null_mut(),
            sequence.persistence == Persistence::Permanent,
        );
        pg_sys::LockBuffer(buffer, pg_sys::BUFFER_LOCK_SHARE as _);
        let page = pg_sys::BufferGetPage(buffer);
        let mut value = LastValue::Unread;
        if pg_sys::PageGetMaxOffsetNumber(page) >= 1 {
            let item = pg_sys::PageGetItemId(page, 1);
            let tuple = pg_sys::PageGetItem(page, item).cast::<pg_sys::HeapTupleHeaderData>();
            let row = &*tuple.cast::<u8>().add(usize::from((*tuple).t_hoff)).cast::<SequenceRow>();
            value = if row.is_called || row.last_value != sequence.start {
                LastValue::At(row.last_value)
            } else {
                LastValue::Untouched
            };
        }
        pg_sys::UnlockReleaseBuffer(buffer);
        value
    }
}
