//! The table in shared memory, made when the server starts.

use std::cell::Cell;
use std::ffi::CStr;
use std::sync::atomic::AtomicU64;

use pgrx::{pg_guard, pg_sys};

use crate::catalog::captured::table::Table;
use crate::pg::settings;

/// The name of the memory and of its lock, as pg_shmem_allocations and pg_stat_activity show them.
const NAME: &CStr = c"dbmastery_capture";

/// Where `AddinShmemInitLock` of lwlocknames.h is among the main locks, in 15 to 18.
const ADDIN_LOCK: usize = 21;

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
    static NEXT_REQUEST: Cell<pg_sys::shmem_request_hook_type> = const { Cell::new(None) };
    static NEXT_STARTUP: Cell<pg_sys::shmem_startup_hook_type> = const { Cell::new(None) };
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

/// Puts our hooks before those of others.
pub fn install() {
    // SAFETY: the server reads these pointers from this one thread.
    unsafe {
        NEXT_REQUEST.set(pg_sys::shmem_request_hook);
        pg_sys::shmem_request_hook = Some(request);
        NEXT_STARTUP.set(pg_sys::shmem_startup_hook);
        pg_sys::shmem_startup_hook = Some(startup);
    }
}

fn bytes() -> usize {
    Table::size(settings::capture_max_queries(), settings::capture_query_bytes()) * size_of::<AtomicU64>()
}

// Not guarded: this frame owns nothing with a destructor, so a longjmp may cross it and others' ERRORs stay whole.
unsafe extern "C-unwind" fn request() {
    // SAFETY: the server's call, handed on.
    unsafe {
        if let Some(next) = NEXT_REQUEST.get() {
            next();
        }
        ask_for_memory();
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn ask_for_memory() {
    // SAFETY: called by the hook that is there for it.
    unsafe {
        pg_sys::RequestAddinShmemSpace(bytes());
        pg_sys::RequestNamedLWLockTranche(NAME.as_ptr(), 1);
    }
}

// Not guarded, as above.
unsafe extern "C-unwind" fn startup() {
    // SAFETY: the server's call, handed on.
    unsafe {
        if let Some(next) = NEXT_STARTUP.get() {
            next();
        }
        take_memory();
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn take_memory() {
    SHARED.set(None);
    // SAFETY: called by the hook that is there for it; the memory stays as long as the server runs, is aligned to a
    // cache line, and is only ever used as atomic words.
    unsafe {
        let addin_lock = &raw mut (*pg_sys::MainLWLockArray.add(ADDIN_LOCK)).lock;
        pg_sys::LWLockAcquire(addin_lock, pg_sys::LWLockMode::LW_EXCLUSIVE);
        let mut is_there = false;
        let memory = pg_sys::ShmemInitStruct(NAME.as_ptr(), bytes(), &raw mut is_there).cast::<AtomicU64>();
        if !is_there {
            memory.write_bytes(0, bytes() / size_of::<AtomicU64>());
        }
        pg_sys::LWLockRelease(addin_lock);
        let words = std::slice::from_raw_parts(memory, bytes() / size_of::<AtomicU64>());
        let lock = &raw mut (*pg_sys::GetNamedLWLockTranche(NAME.as_ptr())).lock;
        let table = Table::new(words, settings::capture_max_queries(), settings::capture_query_bytes());
        if let Some(table) = table {
            if !is_there {
                table.clear(pg_sys::GetCurrentTimestamp());
            }
            SHARED.set(Some(Shared { table, lock }));
        }
    }
}
