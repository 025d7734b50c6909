//! The strong locks that this session itself holds.

use pgrx::pg_sys;

use super::cache::{class, row};
use super::created::is_created_here;
use super::other::table_of;
use crate::catalog::ddl::HeldLock;
use crate::catalog::{LockMode, Oid};
use crate::text::quote_qualified;

/// So many locks are looked at.
const MOST: usize = 256;

/// Relations that this session has locked in SHARE UPDATE EXCLUSIVE or stronger, and did not make in this transaction;
/// without temporary ones, without TOAST tables, and without indexes whose table it has locked as strongly.
pub fn now() -> Vec<HeldLock> {
    let all = strong();
    let mode_of = |relation: Oid| all.iter().find(|(other, _)| *other == relation).map(|(_, mode)| *mode);
    let is_implied = |relation: Oid, mode: LockMode| {
        let table = table_of(relation.into()).map(pg_sys::Oid::to_u32);
        table.and_then(mode_of).is_some_and(|of_table| of_table >= mode)
    };
    all.iter()
        .filter(|(relation, mode)| !is_implied(*relation, *mode))
        .filter_map(|&(relation, mode)| Some(HeldLock { relation, name: name_of_other(relation)?, mode }))
        .collect()
}

/// The name of a relation that others can see.
fn name_of_other(relation: Oid) -> Option<String> {
    let oid = pg_sys::Oid::from(relation);
    let is_of_interest =
        class(oid, |form| form.relkind as u8 != b't' && form.relpersistence as u8 != b't').unwrap_or(false);
    if !is_of_interest {
        return None;
    }
    let is_new = row(pg_sys::SysCacheIdentifier::RELOID, &[pg_sys::Datum::from(oid)], |tuple| {
        // SAFETY: the row of pg_class.
        unsafe { is_created_here(oid, tuple) }
    });
    if is_new != Some(false) {
        return None;
    }
    let (schema, name) = super::cache::relation_name(oid)?;
    Some(quote_qualified(&schema, &name))
}

/// Relations of this database with the strongest mode in which this session has them, from SHARE UPDATE EXCLUSIVE on.
///
/// Weaker modes stand in another place, and reading all locks of the server costs more than a DDL statement may: this
/// goes through this backend's own lists alone, as the server does at the end of a transaction.
fn strong() -> Vec<(Oid, LockMode)> {
    let mut found = [(0_u32, 0_i32); MOST];
    let mut count = 0;
    // SAFETY: the lists of this backend's slot in shared memory, read under the lock of their partition. Nothing in
    // between raises or allocates.
    unsafe {
        let own = pg_sys::MyProc;
        if own.is_null() {
            return Vec::new();
        }
        for partition in 0..pg_sys::NUM_LOCK_PARTITIONS as usize {
            let head = head(own, partition);
            // Only this backend adds what is of interest here, so that an empty list needs no lock.
            if (*head).next.is_null() || (*head).next == head {
                continue;
            }
            let place = pg_sys::LOCK_MANAGER_LWLOCK_OFFSET as usize + partition;
            let latch = &raw mut (*pg_sys::MainLWLockArray.add(place)).lock;
            pg_sys::LWLockAcquire(latch, pg_sys::LWLockMode::LW_SHARED);
            let mut link = (*head).next;
            while !link.is_null() && link != head && count < MOST {
                let held = link
                    .byte_sub(std::mem::offset_of!(pg_sys::PROCLOCK, procLink))
                    .cast::<pg_sys::PROCLOCK>();
                let tag = (*(*held).tag.myLock).tag;
                let is_relation_here = u32::from(tag.locktag_type) == pg_sys::LockTagType::LOCKTAG_RELATION
                    && tag.locktag_field1 == pg_sys::MyDatabaseId.to_u32()
                    && tag.locktag_field2 >= pg_sys::FirstNormalObjectId;
                if is_relation_here && (*held).holdMask != 0 {
                    found[count] = (tag.locktag_field2, (*held).holdMask);
                    count += 1;
                }
                link = (*link).next;
            }
            pg_sys::LWLockRelease(latch);
        }
    }
    let strongest = |mask: i32| {
        let mut modes = LockMode::ALL.into_iter().rev();
        modes.find(|mode| mask & (1 << mode.number()) != 0 && *mode >= LockMode::ShareUpdateExclusive)
    };
    found[..count].iter().filter_map(|&(relation, mask)| Some((relation, strongest(mask)?))).collect()
}

#[cfg(feature = "pg15")]
type Link = pg_sys::SHM_QUEUE;
#[cfg(not(feature = "pg15"))]
type Link = pg_sys::dlist_node;

/// # Safety
/// This backend's own slot.
unsafe fn head(own: *mut pg_sys::PGPROC, partition: usize) -> *mut Link {
    // SAFETY: as the caller vouches.
    unsafe {
        #[cfg(feature = "pg15")]
        return &raw mut (*own).myProcLocks[partition];
        #[cfg(not(feature = "pg15"))]
        return &raw mut (*own).myProcLocks[partition].head;
    }
}
