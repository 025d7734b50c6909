//! Records on their way from a refused statement to the table: a ring in shared memory, there only where the library is
//! preloaded. The newest take the place of the oldest.

use std::cell::Cell;
use std::ffi::CStr;

use pgrx::pg_sys;

use super::record::Entry;
use crate::pg::moment;
use crate::pg::shared_memory::{self, Part, Taken};

/// The name of the memory and of its lock, as pg_shmem_allocations and pg_stat_activity show them.
const NAME: &CStr = c"dbmastery_ddl_records";

/// How many records fit.
const SLOTS: usize = 128;
/// How long one may be.
const SLOT_BYTES: usize = 2032;

/// How long a worker that was asked for may take before another one is, in microseconds.
const PATIENCE: i64 = 5_000_000;

#[repr(C)]
struct Slot {
    /// Which record it is; 0 for none.
    number: u64,
    database: u32,
    length: u32,
    bytes: [u8; SLOT_BYTES],
}

#[repr(C)]
struct Ring {
    /// The number of the last record.
    last: u64,
    /// When a worker was asked for that has not begun; 0 for none.
    asked_at: i64,
    slots: [Slot; SLOTS],
}

thread_local! {
    // Set in the postmaster; its children inherit it.
    static RING: Cell<Option<(*mut Ring, *mut pg_sys::LWLock)>> = const { Cell::new(None) };
}

/// Whether there is a ring.
pub fn is_there() -> bool {
    RING.get().is_some()
}

/// Works on the ring alone. `work` must not raise an ERROR and must not wait.
fn changing<T>(work: impl FnOnce(&mut Ring) -> T) -> Option<T> {
    let (ring, lock) = RING.get()?;
    // SAFETY: the lock was made with the ring, which stays as long as the server runs; nobody else has it meanwhile.
    unsafe {
        pg_sys::LWLockAcquire(lock, pg_sys::LWLockMode::LW_EXCLUSIVE);
        let result = work(&mut *ring);
        pg_sys::LWLockRelease(lock);
        Some(result)
    }
}

fn database() -> u32 {
    // SAFETY: reads a variable of this backend.
    unsafe { pg_sys::MyDatabaseId }.to_u32()
}

/// Keeps a record; one that is too long loses the end of its statement.
pub fn push(entry: &Entry) {
    if !is_there() {
        return;
    }
    let mut entry = entry.clone();
    let bytes = loop {
        let bytes = serde_json::to_vec(&entry).unwrap_or_default();
        if bytes.len() <= SLOT_BYTES || entry.statement.is_empty() {
            break bytes;
        }
        let half = entry.statement.chars().count() / 2;
        entry.statement = entry.statement.chars().take(half).collect();
    };
    if bytes.len() > SLOT_BYTES {
        return;
    }
    changing(|ring| {
        ring.last += 1;
        let number = ring.last;
        let slot = &mut ring.slots[(number % SLOTS as u64) as usize];
        slot.number = number;
        slot.database = database();
        slot.length = bytes.len() as u32;
        slot.bytes[..bytes.len()].copy_from_slice(&bytes);
    });
}

/// The records of this database with their numbers, oldest first.
pub fn entries() -> Vec<(u64, Entry)> {
    let own = database();
    let copies = changing(|ring| {
        let slots = ring.slots.iter().filter(|slot| slot.number > 0 && slot.database == own);
        let mut copies: Vec<(u64, Vec<u8>)> =
            slots.map(|slot| (slot.number, slot.bytes[..slot.length as usize].to_vec())).collect();
        copies.sort_by_key(|(number, _)| *number);
        copies
    });
    let read = |(number, bytes): (u64, Vec<u8>)| Some((number, serde_json::from_slice(&bytes).ok()?));
    copies.unwrap_or_default().into_iter().filter_map(read).collect()
}

/// Gives the place of these records free.
pub fn forget(numbers: &[u64]) {
    changing(|ring| {
        for slot in ring.slots.iter_mut().filter(|slot| numbers.contains(&slot.number)) {
            slot.number = 0;
        }
    });
}

/// Whether a worker is to be started: none is on its way.
pub fn may_ask() -> bool {
    let now = moment::now();
    changing(|ring| {
        let may = now - ring.asked_at > PATIENCE;
        if may {
            ring.asked_at = now;
        }
        may
    })
    .unwrap_or(false)
}

/// A worker has begun, or could not be started: the next one may be asked for.
pub fn asked_no_more() {
    changing(|ring| ring.asked_at = 0);
}

/// Asks for the ring's memory.
pub fn install() {
    shared_memory::share(Part { name: NAME, bytes: || size_of::<Ring>(), taken });
}

/// All bytes zero are an empty ring.
fn taken(part: &Taken) {
    RING.set(Some((part.memory.cast::<Ring>(), part.lock)));
}
