//! Where rows of the log go: the partition of the moment, remembered as long as nothing of it changes.

use std::cell::RefCell;

use pgrx::pg_sys;

use super::log::{Open, changes, refuse, verify};
use crate::catalog::trail::layout::Table;

/// A table that takes rows of moments from `from` until before `to`.
#[derive(Clone, Copy)]
struct Place {
    table: &'static Table,
    parent: pg_sys::Oid,
    leaf: pg_sys::Oid,
    from: i64,
    to: i64,
}

thread_local! {
    static PLACES: RefCell<Vec<Place>> = const { RefCell::new(Vec::new()) };
}

/// A table changed; 0: any may have.
pub fn forget(relation: pg_sys::Oid) {
    PLACES.with_borrow_mut(|places| {
        if relation == pg_sys::InvalidOid {
            places.clear();
        } else {
            places.retain(|place| place.parent != relation && place.leaf != relation);
        }
    });
}

/// Where rows of a moment go, as far as it is known that this is still so.
pub fn remembered(table: &'static Table, at: i64) -> Option<pg_sys::Oid> {
    PLACES.with_borrow(|places| {
        let found = places.iter().find(|place| std::ptr::eq(place.table, table))?;
        (found.from <= at && at < found.to).then_some(found.leaf)
    })
}

const LOCK: pg_sys::LOCKMODE = pg_sys::RowExclusiveLock as pg_sys::LOCKMODE;

/// Opens the table that takes rows of the moment `at`, the table itself or a partition of it; it is as it was made.
///
/// Where it is remembered, the parent is not even locked: whoever detaches, drops or changes a partition locks that one
/// as well, and tells all processes before that lock is free.
pub fn open(table: &'static Table, at: i64) -> Open {
    if let Some(leaf) = remembered(table, at) {
        // SAFETY: null where it is gone.
        let relation = unsafe { pg_sys::try_table_open(leaf, LOCK) };
        if !relation.is_null() {
            // With the lock came what others changed before.
            if remembered(table, at) == Some(leaf) {
                return Open { relation };
            }
            // Whoever changes partitions locks the parent first: he may wait for this one, and we for that.
            // SAFETY: opened and locked just now.
            unsafe { pg_sys::table_close(relation, LOCK) };
        }
    }
    let before = changes();
    let parent = Open::by_name(table.name, LOCK);
    // SAFETY: the relations are open, and stay locked.
    unsafe {
        verify(parent.relation, table);
        let oid = (*parent.relation).rd_id;
        let (open, place) = if table.partitioned_by.is_some() {
            let (leaf, bounds) = partition_for(parent.relation, at, table.name);
            let open = Open::by_oid(leaf, LOCK);
            verify(open.relation, table);
            (open, bounds.map(|(from, to)| Place { table, parent: oid, leaf, from, to }))
        } else {
            (parent, Some(Place { table, parent: oid, leaf: oid, from: i64::MIN, to: i64::MAX }))
        };
        if let Some(place) = place
            && changes() == before
        {
            PLACES.with_borrow_mut(|places| {
                places.retain(|other| !std::ptr::eq(other.table, table));
                places.push(place);
            });
        }
        open
    }
}

/// Which partition takes rows of a moment, and from when until when it does; `None` for the default partition, which
/// takes what no other does.
///
/// # Safety
/// The parent is open and locked.
unsafe fn partition_for(parent: pg_sys::Relation, at: i64, name: &str) -> (pg_sys::Oid, Option<(i64, i64)>) {
    // SAFETY: as the caller vouches. Bounds are of one timestamptz each, as verified by the table's layout.
    unsafe {
        let partitions = &*pg_sys::RelationGetPartitionDesc(parent, true);
        if partitions.nparts == 0 || partitions.boundinfo.is_null() {
            refuse(name, "It has no partition.");
        }
        let bounds = &*partitions.boundinfo;
        if bounds.strategy as u8 != b'r' {
            refuse(name, "It is not partitioned by ranges.");
        }
        let count = usize::try_from(bounds.ndatums).unwrap_or(0);
        let bound = |place: usize| match *(*bounds.kind.add(place)) {
            pg_sys::PartitionRangeDatumKind::PARTITION_RANGE_DATUM_MINVALUE => i64::MIN,
            pg_sys::PartitionRangeDatumKind::PARTITION_RANGE_DATUM_MAXVALUE => i64::MAX,
            _ => (*(*bounds.datums.add(place))).value() as i64,
        };
        // How many bounds are not above the moment, which is one of the clock's, and so no end of time.
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = (low + high) / 2;
            if bound(middle) <= at {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let place = *bounds.indexes.add(low);
        let is_default = place < 0;
        let Ok(place) = usize::try_from(if is_default { bounds.default_index } else { place }) else {
            refuse(name, "It has no partition for this moment, and no default partition.")
        };
        if !*partitions.is_leaf.add(place) {
            refuse(name, "Its partition is itself partitioned.");
        }
        let from = if low == 0 { i64::MIN } else { bound(low - 1) };
        let to = if low == count { i64::MAX } else { bound(low) };
        (*partitions.oids.add(place), (!is_default).then_some((from, to)))
    }
}
