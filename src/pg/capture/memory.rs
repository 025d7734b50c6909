//! The table in shared memory, made when the server starts.

use std::cell::Cell;
use std::ffi::CStr;
use std::sync::atomic::AtomicU64;

use pgrx::pg_sys;

use crate::catalog::captured::table::Table;
use crate::pg::settings;
use crate::pg::shared_memory::{self, Part, Taken};

/// The name of the memory and of its lock, as pg_shmem_allocations and pg_stat_activity show them.
const NAME: &CStr = c"dbmastery_capture";

/// The table and its lock.
#[derive(Clone, Copy)]
pub struct Shared {
    /// The table; counting needs no lock.
    pub table: Table<'static>,
    lock: *mut pg_sys::LWLock,
}

thread_local! {
    // Set in the postmaster; its children inherit it.
    static SHARED: Cell<Option<Shared>> = const { Cell::new(None) };
}

/// The table, where there is one.
pub fn shared() -> Option<Shared> {
    SHARED.get()
}

impl Shared {
    /// Reads with the table held still. `work` must not raise an ERROR and must not wait.
    pub fn reading<T>(&self, work: impl FnOnce(&Table<'static>) -> T) -> T {
        self.locked(pg_sys::LWLockMode::LW_SHARED, work)
    }

    /// Changes the table alone. `work` must not raise an ERROR and must not wait.
    pub fn changing<T>(&self, work: impl FnOnce(&Table<'static>) -> T) -> T {
        self.locked(pg_sys::LWLockMode::LW_EXCLUSIVE, work)
    }

    fn locked<T>(&self, mode: pg_sys::LWLockMode::Type, work: impl FnOnce(&Table<'static>) -> T) -> T {
        // SAFETY: the lock was made with the table. Should `work` panic, the end of the transaction releases it.
        unsafe {
            pg_sys::LWLockAcquire(self.lock, mode);
            let result = work(&self.table);
            pg_sys::LWLockRelease(self.lock);
            result
        }
    }
}

/// Asks for the table's memory.
pub fn install() {
    shared_memory::share(Part { name: NAME, bytes, taken });
}

fn bytes() -> usize {
    Table::size(settings::capture_max_queries(), settings::capture_query_bytes()) * size_of::<AtomicU64>()
}

fn taken(part: &Taken) {
    SHARED.set(None);
    // SAFETY: the memory stays as long as the server runs, is aligned to a cache line, and is only ever used as atomic
    // words.
    let words = unsafe {
        std::slice::from_raw_parts(part.memory.cast::<AtomicU64>(), part.bytes / size_of::<AtomicU64>())
    };
    let table = Table::new(words, settings::capture_max_queries(), settings::capture_query_bytes());
    if let Some(table) = table {
        if part.is_new {
            // SAFETY: reads the clock.
            table.clear(unsafe { pg_sys::GetCurrentTimestamp() });
        }
        SHARED.set(Some(Shared { table, lock: part.lock }));
    }
}
