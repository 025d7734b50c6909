//! Memory that all sessions share, each part with a lock of its own; made when the server starts.

use std::cell::{Cell, RefCell};
use std::ffi::CStr;

use pgrx::{pg_guard, pg_sys};

/// Where `AddinShmemInitLock` of lwlocknames.h is among the main locks, in 15 to 18.
const ADDIN_LOCK: usize = 21;

/// One part.
#[derive(Clone, Copy)]
pub struct Part {
    /// The name of the memory and of its lock, as pg_shmem_allocations and pg_stat_activity show them.
    pub name: &'static CStr,
    /// How much of it, by the settings that the server starts with.
    pub bytes: fn() -> usize,
    /// Told where it is, in the postmaster, whose children inherit what is kept of it. The memory stays as long as the
    /// server runs and is aligned to a cache line.
    pub taken: fn(&Taken),
}

/// A part that is there.
pub struct Taken {
    /// Its first byte.
    pub memory: *mut u8,
    /// How many there are.
    pub bytes: usize,
    /// Whether it was just made: then all its bytes are zero.
    pub is_new: bool,
    /// Its lock.
    pub lock: *mut pg_sys::LWLock,
}

thread_local! {
    static PARTS: RefCell<Vec<Part>> = const { RefCell::new(Vec::new()) };
    static NEXT_REQUEST: Cell<pg_sys::shmem_request_hook_type> = const { Cell::new(None) };
    static NEXT_STARTUP: Cell<pg_sys::shmem_startup_hook_type> = const { Cell::new(None) };
}

/// Asks for a part. To be called while the server preloads the library.
pub fn share(part: Part) {
    let is_first = PARTS.with_borrow_mut(|parts| {
        parts.push(part);
        parts.len() == 1
    });
    if is_first {
        install();
    }
}

/// Puts our hooks before those of others.
fn install() {
    // SAFETY: the server reads these pointers from this one thread.
    unsafe {
        NEXT_REQUEST.set(pg_sys::shmem_request_hook);
        pg_sys::shmem_request_hook = Some(request);
        NEXT_STARTUP.set(pg_sys::shmem_startup_hook);
        pg_sys::shmem_startup_hook = Some(startup);
    }
}

fn parts() -> Vec<Part> {
    PARTS.with_borrow(Clone::clone)
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
    for part in parts() {
        // SAFETY: called by the hook that is there for it.
        unsafe {
            pg_sys::RequestAddinShmemSpace((part.bytes)());
            pg_sys::RequestNamedLWLockTranche(part.name.as_ptr(), 1);
        }
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
    for part in parts() {
        // SAFETY: called by the hook that is there for it.
        let taken = unsafe { take(&part) };
        (part.taken)(&taken);
    }
}

/// # Safety
/// To be called by the hook that is there for it.
unsafe fn take(part: &Part) -> Taken {
    let bytes = (part.bytes)();
    // SAFETY: as the caller vouches; the memory is as long as was asked for.
    unsafe {
        let addin_lock = &raw mut (*pg_sys::MainLWLockArray.add(ADDIN_LOCK)).lock;
        pg_sys::LWLockAcquire(addin_lock, pg_sys::LWLockMode::LW_EXCLUSIVE);
        let mut is_there = false;
        let memory = pg_sys::ShmemInitStruct(part.name.as_ptr(), bytes, &raw mut is_there).cast::<u8>();
        if !is_there {
            memory.write_bytes(0, bytes);
        }
        pg_sys::LWLockRelease(addin_lock);
        let lock = &raw mut (*pg_sys::GetNamedLWLockTranche(part.name.as_ptr())).lock;
        Taken { memory, bytes, is_new: !is_there, lock }
    }
}
