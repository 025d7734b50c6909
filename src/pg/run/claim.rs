//! One plan is run by one worker at a time: it holds a lock as long as it lives, however it ends.
//!
//! An advisory lock in a class of its own, which the server's functions for advisory locks cannot name: nobody can take
//! it to keep a plan from being run.

use pgrx::pg_sys;

use crate::pg::query;

/// Advisory locks of SQL have 1 or 2 here.
const CLASS: u16 = 0x6470;

fn halves(plan: i64) -> (u32, u32) {
    let bits = plan as u64;
    ((bits >> 32) as u32, bits as u32)
}

/// Takes the plan, or finds that another process has it. Taking it again does no harm.
pub fn claim(plan: i64) -> bool {
    let (high, low) = halves(plan);
    let tag = pg_sys::LOCKTAG {
        // SAFETY: a number that does not change while the process lives.
        locktag_field1: unsafe { pg_sys::MyDatabaseId }.to_u32(),
        locktag_field2: high,
        locktag_field3: low,
        locktag_field4: CLASS,
        locktag_type: pg_sys::LockTagType::LOCKTAG_ADVISORY as u8,
        locktag_lockmethodid: pg_sys::USER_LOCKMETHOD as u8,
    };
    // SAFETY: the tag is read; the lock is the session's, and nothing waits for it.
    let result =
        unsafe { pg_sys::LockAcquire(&raw const tag, pg_sys::ExclusiveLock as pg_sys::LOCKMODE, true, true) };
    result != pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL
}

/// The process that runs the plan now.
pub fn runner_of(plan: i64) -> Option<i32> {
    let (high, low) = halves(plan);
    query::rows(
        "SELECT l.pid FROM pg_catalog.pg_locks l
         WHERE l.locktype OPERATOR(pg_catalog.=) 'advisory' AND l.granted
           AND l.database OPERATOR(pg_catalog.=)
               (SELECT d.oid FROM pg_catalog.pg_database d
                WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())
           AND l.classid::pg_catalog.int8 OPERATOR(pg_catalog.=) $1
           AND l.objid::pg_catalog.int8 OPERATOR(pg_catalog.=) $2
           AND l.objsubid OPERATOR(pg_catalog.=) $3",
        &[i64::from(high).into(), i64::from(low).into(), (CLASS as i16).into()],
        |row| row.get::<i32>(1),
    )
    .into_iter()
    .flatten()
    .next()
}
