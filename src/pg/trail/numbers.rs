//! The numbers of the log, from its sequences, whoever asks.

use std::cell::Cell;

use pgrx::pg_sys::ffi::pg_guard_ffi_boundary;
use pgrx::{IntoDatum, direct_function_call, pg_sys};

use super::bare;
use super::log::{find_or_raise, find_with_owner};
use crate::pg::upkeep::as_role;

mod raw {
    use pgrx::pg_sys;

    unsafe extern "C-unwind" {
        pub fn nextval_internal(relation: pg_sys::Oid, check_permissions: bool) -> i64;
    }

    /// The beginning of a row of `pg_sequence`.
    #[repr(C)]
    pub struct Sequence {
        pub relation: pg_sys::Oid,
        pub type_oid: pg_sys::Oid,
        pub start: i64,
        pub increment: i64,
    }
}

/// Its sequences.
const SEQUENCES: [&str; 4] = ["relation_id", "shape_id", "change_id", "event_id"];

thread_local! {
    /// Whether this transaction has made the log.
    static ARE_NEW: Cell<bool> = const { Cell::new(false) };
}

/// The log was made, with its sequences.
pub fn are_new() {
    ARE_NEW.set(true);
}

/// The transaction is over.
pub fn forget_new() {
    ARE_NEW.set(false);
}

/// Whether a sequence was made by this transaction: what made it may have been rolled back to a savepoint, and the log that
/// is there now be another's, who takes numbers at the same time.
fn is_new(sequence: pg_sys::Oid) -> bool {
    // SAFETY: opened and closed at once; null where it is gone.
    unsafe {
        let relation = pg_sys::try_relation_open(sequence, pg_sys::AccessShareLock as pg_sys::LOCKMODE);
        if relation.is_null() {
            return false;
        }
        // 0 is no subtransaction.
        let is_new = (*relation).rd_createSubid != 0;
        pg_sys::relation_close(relation, pg_sys::NoLock as pg_sys::LOCKMODE);
        is_new
    }
}

/// The transaction that made the log is about to be committed.
///
/// A sequence says in WAL that it is thirty-two numbers further than it is, so as not to write each of them. With
/// wal_level = minimal it says nothing while it is new, believes afterwards that it has, and after a crash gives out the
/// same numbers again. Told where it is, it starts anew.
pub fn settle() {
    // SAFETY: reads two variables of this process.
    let is_needed =
        unsafe { pg_sys::wal_level <= pg_sys::WalLevel::WAL_LEVEL_MINIMAL as i32 && !pg_sys::XactReadOnly };
    if !ARE_NEW.replace(false) || !is_needed {
        return;
    }
    for name in SEQUENCES {
        let Some((sequence, owner)) = find_with_owner(name) else { continue };
        if !is_new(sequence) {
            continue;
        }
        as_role(owner.to_u32(), || {
            // SAFETY: functions of the server with what they take.
            unsafe {
                let number = sequence.into_datum();
                if let Some(last) = direct_function_call::<i64>(pg_sys::pg_sequence_last_value, &[number]) {
                    direct_function_call::<i64>(pg_sys::setval_oid, &[number, last.into_datum()]);
                }
            }
        });
    }
}

/// A sequence of the log.
pub struct Sequence(pg_sys::Oid);

impl Sequence {
    /// Looks it up.
    pub fn find(name: &str) -> Self {
        Self(find_or_raise(name))
    }

    /// Its next number.
    pub fn next(&self) -> i64 {
        // SAFETY: a relation of the log; it raises where that is no sequence. One call, nothing to be dropped.
        unsafe { pg_guard_ffi_boundary(|| raw::nextval_internal(self.0, false)) }
    }

    /// Its next number, and by how much it grows.
    fn next_and_step(&self) -> (i64, i64) {
        let (cache, sequence) = (pg_sys::SysCacheIdentifier::SEQRELID as i32, self.0);
        // SAFETY: as for the next number, which takes the lock under which nobody changes the step; then a look-up in the
        // system cache, where the tuple is released after it was read. Nothing to be dropped.
        unsafe {
            pg_guard_ffi_boundary(|| {
                let last = raw::nextval_internal(sequence, false);
                let tuple = bare::SearchSysCache1(cache, pg_sys::Datum::from(sequence));
                if tuple.is_null() {
                    return (last, 1);
                }
                let step = (*pg_sys::GETSTRUCT(tuple).cast::<raw::Sequence>()).increment;
                bare::release_cached(tuple);
                (last, step)
            })
        }
    }
}

/// The numbers of the changes of one call of the trigger, taken as many at once as the sequence grows by.
///
/// They are the order in which changes were made to a row. The trigger is called when the rows of its call have been
/// changed, so that this transaction holds the locks of all of them, and keeps them to its end: whoever changes one of
/// them later waits for that, and takes his numbers after it; and whoever changed one of them earlier was over, numbers
/// taken, before this transaction got the lock. So numbers may be taken before they are needed, but not before the call,
/// and what is left of them is not for the next one.
pub struct Numbers {
    sequence: Sequence,
    next: i64,
    left: i64,
}

impl Numbers {
    /// Looks up the sequence, and takes the first of them.
    pub fn take() -> Self {
        let mut numbers = Self { sequence: Sequence::find("change_id"), next: 0, left: 0 };
        numbers.refill();
        numbers
    }

    fn refill(&mut self) {
        let (last, step) = self.sequence.next_and_step();
        self.left = step.max(1);
        self.next = last - self.left + 1;
    }

    /// The one that comes next.
    pub fn peek(&self) -> i64 {
        self.next
    }

    /// Takes it.
    pub fn next(&mut self) -> i64 {
        if self.left == 0 {
            self.refill();
        }
        self.left -= 1;
        self.next += 1;
        self.next - 1
    }
}
