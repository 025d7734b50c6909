//! One process at a time is at a set.
//!
//! An advisory lock in a class of its own, which the server's functions for advisory locks cannot name: nobody can take
//! it to keep a set from being kept, and nobody can leave it behind in a pooled session.

use pgrx::pg_sys;

use crate::catalog::Oid;
use crate::pg::query;

/// Advisory locks of SQL have 1 or 2 here; plans have another number of ours.
const CLASS: u16 = 0x6475;

/// The set is ours until this is dropped, or until the transaction ends where it was taken for that.
pub struct Claim {
    parent: Oid,
    is_for_process: bool,
}

fn tag(parent: Oid) -> pg_sys::LOCKTAG {
    pg_sys::LOCKTAG {
        // SAFETY: a number that does not change while the process lives.
        locktag_field1: unsafe { pg_sys::MyDatabaseId }.to_u32(),
        locktag_field2: pg_sys::RelationRelationId.to_u32(),
        locktag_field3: parent,
        locktag_field4: CLASS,
        locktag_type: pg_sys::LockTagType::LOCKTAG_ADVISORY as u8,
        locktag_lockmethodid: pg_sys::USER_LOCKMETHOD as u8,
    }
}

fn take(parent: Oid, is_for_process: bool) -> Option<Claim> {
    let tag = tag(parent);
    // SAFETY: the tag is read; nothing waits for the lock.
    let result = unsafe {
        pg_sys::LockAcquire(&raw const tag, pg_sys::ExclusiveLock as pg_sys::LOCKMODE, is_for_process, true)
    };
    (result != pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL).then_some(Claim { parent, is_for_process })
}

impl Claim {
    /// For a worker, over its transactions; `None` where another process has it.
    pub fn for_process(parent: Oid) -> Option<Self> {
        take(parent, true)
    }

    /// For the transaction that is open.
    pub fn for_transaction(parent: Oid) -> Option<Self> {
        take(parent, false)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.is_for_process {
            let tag = tag(self.parent);
            // SAFETY: gives up what was taken; the end of the process does too.
            unsafe {
                pg_sys::LockRelease(&raw const tag, pg_sys::ExclusiveLock as pg_sys::LOCKMODE, true);
            }
        }
    }
}

/// The process that is at a set now.
pub fn holder_of(parent: Oid) -> Option<i32> {
    query::rows(
        "SELECT l.pid FROM pg_catalog.pg_locks l
         WHERE l.locktype OPERATOR(pg_catalog.=) 'advisory' AND l.granted
           AND l.database OPERATOR(pg_catalog.=)
               (SELECT d.oid FROM pg_catalog.pg_database d
                WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())
           AND l.objid::pg_catalog.int8 OPERATOR(pg_catalog.=) $1
           AND l.objsubid OPERATOR(pg_catalog.=) $2",
        &[i64::from(parent).into(), (CLASS as i16).into()],
        |row| row.get::<i32>(1),
    )
    .into_iter()
    .flatten()
    .next()
}
