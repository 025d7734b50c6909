//! A bound on how long a DDL statement waits for its lock, since everybody else waits behind it.
//!
//! The variable behind `lock_timeout` is set itself: a setting that is saved, as by a function's SET clause, ends with the
//! first of the transactions of which VACUUM FULL, CLUSTER and REINDEX SCHEMA are made, before the lock is asked for.

use std::cell::{Cell, RefCell};

use pgrx::{pg_guard, pg_sys};

use crate::catalog::LockMode;
use crate::catalog::ddl::{Alteration, Kind, Statement, Touched};
use crate::pg::settings;

/// A bound to be taken back; none by default.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Bound {
    /// How many there are with this one.
    depth: usize,
}

/// One that is in force.
struct InForce {
    /// What was chosen.
    chosen: i32,
    /// What holds instead.
    limit: i32,
    /// In which subtransaction the statement was sent.
    subtransaction: pg_sys::SubTransactionId,
}

thread_local! {
    static IN_FORCE: RefCell<Vec<InForce>> = const { RefCell::new(Vec::new()) };
    static IS_INSTALLED: Cell<bool> = const { Cell::new(false) };
}

/// Whether the wait of a statement is to be bounded: it takes a lock for which others wait, and leaves nothing half done
/// behind when it is stopped.
pub fn is_for(statement: &Statement) -> bool {
    let is_left_alone = statement.actions.iter().any(|action| match &action.kind {
        // LOCK TABLE waits because somebody wants it to.
        Kind::LockTable { .. } | Kind::Write(_) | Kind::Seen(_) => true,
        // An index that is not valid, or a partition that is half detached, would have to be cleaned up after.
        Kind::CreateIndex(index) => index.is_concurrent,
        Kind::Drop(object) => object.is_concurrent,
        Kind::Reindex { is_concurrent, .. } => *is_concurrent,
        Kind::Alter(Alteration::DetachPartition { is_concurrent, .. }) => *is_concurrent,
        _ => false,
    });
    // Those without a name take the strong lock on one table after the other: what is done by then stays done.
    let takes_table_by_table = |kind: &Kind| {
        matches!(kind, Kind::VacuumFull | Kind::Cluster | Kind::Reindex { is_concurrent: false, .. })
    };
    let is_whole = statement.actions.iter().any(|action| {
        takes_table_by_table(&action.kind) && !action.target.as_ref().is_some_and(Touched::is_private)
    });
    let is_strong =
        || super::strongest_lock(statement).is_some_and(|mode| mode > LockMode::ShareUpdateExclusive);
    !is_left_alone && (is_whole || is_strong())
}

/// What `lock_timeout` is while a statement runs whose wait is bounded, in milliseconds.
pub fn in_force(chosen: i64) -> i64 {
    let limit = i64::from(settings::ddl_lock_timeout());
    if limit <= 0 || (chosen > 0 && chosen <= limit) { chosen } else { limit }
}

/// Bounds the wait of the statement that is about to be run, unless whoever sent it chose a shorter one.
pub fn bound() -> Bound {
    let limit = settings::ddl_lock_timeout();
    // SAFETY: reads and sets variables of this backend.
    unsafe {
        let chosen = pg_sys::LockTimeout;
        if limit <= 0 || (chosen > 0 && chosen <= limit) {
            return Bound::default();
        }
        install();
        let subtransaction = pg_sys::GetCurrentSubTransactionId();
        pg_sys::LockTimeout = limit;
        let depth = IN_FORCE.with_borrow_mut(|all| {
            all.push(InForce { chosen, limit, subtransaction });
            all.len()
        });
        Bound { depth }
    }
}

/// Takes it back, after the statement has succeeded.
pub fn unbind(bound: Bound) {
    if bound.depth > 0 {
        take_back(|_, depth| depth >= bound.depth);
    }
}

/// Takes the newest back as long as they are meant, by what they are and how many there are with them.
fn take_back(is_meant: impl Fn(&InForce, usize) -> bool) {
    IN_FORCE.with_borrow_mut(|all| {
        while let Some(last) = all.last().filter(|last| is_meant(last, all.len())) {
            // SAFETY: a variable of this backend. Whoever set another value meanwhile is left alone.
            unsafe {
                if pg_sys::LockTimeout == last.limit {
                    pg_sys::LockTimeout = last.chosen;
                }
            }
            all.pop();
        }
    });
}

/// Begins to watch for statements that fail.
fn install() {
    if !IS_INSTALLED.replace(true) {
        // SAFETY: registers functions that live as long as the backend.
        unsafe {
            pg_sys::RegisterXactCallback(Some(at_end), std::ptr::null_mut());
            pg_sys::RegisterSubXactCallback(Some(at_end_of_subtransaction), std::ptr::null_mut());
        }
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn at_end(event: pg_sys::XactEvent::Type, _argument: *mut std::ffi::c_void) {
    // A commit may be one within the statement.
    if event == pg_sys::XactEvent::XACT_EVENT_ABORT {
        take_back(|_, _| true);
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn at_end_of_subtransaction(
    event: pg_sys::SubXactEvent::Type,
    own: pg_sys::SubTransactionId,
    _parent: pg_sys::SubTransactionId,
    _argument: *mut std::ffi::c_void,
) {
    // One that begins and fails within the statement has another number.
    if event == pg_sys::SubXactEvent::SUBXACT_EVENT_ABORT_SUB {
        take_back(|bound, _| bound.subtransaction == own);
    }
}
