//! Ends of transactions, and changes of tables: what makes stale what this process remembers.

use std::ptr::null_mut;

use pgrx::{pg_guard, pg_sys};

use super::{activity, context, log, numbers, watched};

pub fn install() {
    // SAFETY: functions that live as long as the process, registered once in each.
    unsafe {
        pg_sys::RegisterXactCallback(Some(at_end), null_mut());
        pg_sys::RegisterSubXactCallback(Some(at_end_of_subtransaction), null_mut());
        let nothing = pg_sys::Datum::from(0_usize);
        pg_sys::CacheRegisterRelcacheCallback(Some(at_change), nothing);
        for cache in [pg_sys::SysCacheIdentifier::NAMESPACEOID, pg_sys::SysCacheIdentifier::AUTHOID] {
            pg_sys::CacheRegisterSyscacheCallback(cache as i32, Some(at_change_of_name), nothing);
        }
    }
}

/// A table changed; 0: any may have.
#[pg_guard]
unsafe extern "C-unwind" fn at_change(_argument: pg_sys::Datum, relation: pg_sys::Oid) {
    watched::forget(relation);
    log::forget(relation);
}

/// A schema or a role got another name, or is gone.
#[pg_guard]
unsafe extern "C-unwind" fn at_change_of_name(_argument: pg_sys::Datum, cache: i32, _hash: u32) {
    if cache == pg_sys::SysCacheIdentifier::AUTHOID as i32 {
        activity::forget_names();
    } else {
        log::forget(pg_sys::InvalidOid);
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn at_end(event: pg_sys::XactEvent::Type, _argument: *mut std::ffi::c_void) {
    let is_committed = match event {
        pg_sys::XactEvent::XACT_EVENT_PRE_COMMIT | pg_sys::XactEvent::XACT_EVENT_PRE_PREPARE => {
            numbers::settle();
            return;
        }
        pg_sys::XactEvent::XACT_EVENT_COMMIT => true,
        // What was prepared may yet be rolled back, by anybody.
        pg_sys::XactEvent::XACT_EVENT_PREPARE | pg_sys::XactEvent::XACT_EVENT_ABORT => false,
        _ => return,
    };
    numbers::forget_new();
    activity::settle(is_committed);
    context::clear();
    watched::settle(is_committed);
}

#[pg_guard]
unsafe extern "C-unwind" fn at_end_of_subtransaction(
    event: pg_sys::SubXactEvent::Type,
    _subtransaction: pg_sys::SubTransactionId,
    _parent: pg_sys::SubTransactionId,
    _argument: *mut std::ffi::c_void,
) {
    // SAFETY: reads the depth of this process.
    let level = unsafe { pg_sys::GetCurrentTransactionNestLevel() };
    match event {
        // What it wrote may be gone: it is written again where it is needed.
        pg_sys::SubXactEvent::SUBXACT_EVENT_ABORT_SUB => {
            activity::settle(false);
            context::roll_back(level);
            watched::settle(false);
        }
        pg_sys::SubXactEvent::SUBXACT_EVENT_COMMIT_SUB => context::keep(level),
        _ => {}
    }
}
