//! The numbers of the log, from its sequences, whoever asks.

use pgrx::pg_sys;
use pgrx::pg_sys::ffi::pg_guard_ffi_boundary;

use super::log::find_or_raise;

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

    /// By how much it grows.
    fn step(&self) -> i64 {
        // SAFETY: a look-up in the system cache; the tuple is released after it was read.
        unsafe {
            let tuple = pg_sys::SearchSysCache1(pg_sys::SysCacheIdentifier::SEQRELID as i32, self.0.into());
            if tuple.is_null() {
                return 1;
            }
            let step = (*pg_sys::GETSTRUCT(tuple).cast::<raw::Sequence>()).increment;
            pg_sys::ReleaseSysCache(tuple);
            step
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
        let last = self.sequence.next();
        // That took the lock under which nobody changes the step.
        self.left = self.sequence.step().max(1);
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
