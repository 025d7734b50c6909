//! Work that one process at a time may do: it holds a lock as long as it lives, however it ends.
//!
//! Advisory locks in classes of our own, which the server's functions for advisory locks cannot name: nobody can take one
//! to keep work from being done.

use pgrx::pg_sys;

use crate::pg::query;

/// What may be claimed, each a class of its own. Advisory locks of SQL have 1 or 2 here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Class {
    /// To carry a plan.
    Plan = 0x6470,
    /// To run a job.
    Job = 0x6471,
    /// To seal the audit log.
    Seal = 0x6476,
    /// To keep a partition set; the key is the number of its parent.
    Set = 0x6475,
    /// To carry a copy of a table on; the key is its number.
    Copy = 0x6477,
    /// To be the launcher of one database; the key is where its shared memory is found.
    Launcher = 0x6472,
}

/// One piece of work.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    class: Class,
    database: pg_sys::Oid,
    key: i64,
}

/// A claim that is given up when this is dropped.
pub struct Held(Claim);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.release();
    }
}

fn halves(key: i64) -> (u32, u32) {
    let bits = key as u64;
    ((bits >> 32) as u32, bits as u32)
}

/// Takes that lock, for this process or else for its transaction, if nobody has one that it cannot be beside.
fn take(tag: &pg_sys::LOCKTAG, mode: u32, is_for_process: bool) -> bool {
    // SAFETY: the tag is read; nothing waits for the lock.
    let result = unsafe { pg_sys::LockAcquire(tag, mode as pg_sys::LOCKMODE, is_for_process, true) };
    result != pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL
}

impl Claim {
    /// In this database.
    pub fn here(class: Class, key: i64) -> Self {
        // SAFETY: a number that does not change while the process lives.
        Self::elsewhere(class, unsafe { pg_sys::MyDatabaseId }.to_u32(), key)
    }

    /// In the database of that number.
    pub fn elsewhere(class: Class, database: u32, key: i64) -> Self {
        Self { class, database: pg_sys::Oid::from(database), key }
    }

    fn tag(self) -> pg_sys::LOCKTAG {
        let (high, low) = halves(self.key);
        pg_sys::LOCKTAG {
            locktag_field1: self.database.to_u32(),
            locktag_field2: high,
            locktag_field3: low,
            locktag_field4: self.class as u16,
            locktag_type: pg_sys::LockTagType::LOCKTAG_ADVISORY as u8,
            locktag_lockmethodid: pg_sys::USER_LOCKMETHOD as u8,
        }
    }

    /// Takes it, or finds that another process has it. Taking it again does no harm.
    pub fn take(self) -> bool {
        take(&self.tag(), pg_sys::ExclusiveLock, true)
    }

    /// Takes it until the answer is dropped; `None` where another process has it.
    pub fn hold(self) -> Option<Held> {
        self.take().then_some(Held(self))
    }

    /// Takes it until the transaction that is open ends.
    pub fn take_for_transaction(self) -> bool {
        take(&self.tag(), pg_sys::ExclusiveLock, false)
    }

    /// Gives it up, once for each time that it was taken.
    pub fn release(self) {
        let tag = self.tag();
        // SAFETY: the tag is read; a lock that is not held is a WARNING.
        unsafe {
            pg_sys::LockRelease(&raw const tag, pg_sys::ExclusiveLock as pg_sys::LOCKMODE, true);
        }
    }
}

/// Who holds claims of a class in this database: the key and the process.
pub fn holders(class: Class) -> Vec<(i64, i32)> {
    query::rows(
        "SELECT l.classid::pg_catalog.int8, l.objid::pg_catalog.int8, l.pid FROM pg_catalog.pg_locks l
         WHERE l.locktype OPERATOR(pg_catalog.=) 'advisory' AND l.granted
           AND l.database OPERATOR(pg_catalog.=)
               (SELECT d.oid FROM pg_catalog.pg_database d
                WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())
           AND l.objsubid OPERATOR(pg_catalog.=) $1",
        &[(class as i16).into()],
        |row| Ok((row.get::<i64>(1)?, row.get::<i64>(2)?, row.get::<i32>(3)?)),
    )
    .into_iter()
    .filter_map(|(high, low, process)| Some(((high? << 32) | low?, process?)))
    .collect()
}

/// Whether somebody needs a database alone, to drop it, to copy it or to move it: then nobody may begin there, and whoever
/// is there is waited for.
pub fn is_database_needed(database: u32) -> bool {
    let tag = pg_sys::LOCKTAG {
        locktag_field1: 0,
        locktag_field2: pg_sys::DatabaseRelationId.to_u32(),
        locktag_field3: database,
        locktag_field4: 0,
        locktag_type: pg_sys::LockTagType::LOCKTAG_OBJECT as u8,
        locktag_lockmethodid: pg_sys::DEFAULT_LOCKMETHOD as u8,
    };
    // The lock that every session takes while it connects.
    let is_free = take(&tag, pg_sys::RowExclusiveLock, true);
    if is_free {
        // SAFETY: it was just taken.
        unsafe { pg_sys::LockRelease(&raw const tag, pg_sys::RowExclusiveLock as pg_sys::LOCKMODE, true) };
    }
    !is_free
}
