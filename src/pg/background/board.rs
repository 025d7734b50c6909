//! What the launcher, its workers and sessions tell each other, in memory that they share: a seat for each database.
//!
//! Preloaded, it is memory of the server's; otherwise a segment of the launcher's own, whose handle is the key of the
//! claim by which the launcher is known.

use std::cell::Cell;
use std::sync::atomic::{AtomicI32, AtomicI64, AtomicU32, Ordering::SeqCst};

use pgrx::{PgXactCallbackEvent, pg_sys, register_xact_callback};

use crate::catalog::Moment;
use crate::pg::claim::{Claim, Class, holders};
use crate::pg::moment;
use crate::pg::shared_memory::{self, Part, Taken};

/// How many databases there is place for.
const SEATS: usize = 1024;

/// One database.
#[repr(C)]
pub struct Seat {
    /// Its number; 0 where the seat is free.
    database: AtomicU32,
    /// What the last worker found.
    found: AtomicU32,
    /// The worker that is there.
    process: AtomicI32,
    /// How often somebody called for a worker.
    calls: AtomicU32,
    /// How often a worker came to an answer.
    reports: AtomicU32,
    /// When the next job is due.
    due: AtomicI64,
    /// When the last worker came to its answer.
    looked: AtomicI64,
}

/// All of it. All zero is how it begins.
#[repr(C)]
pub struct Board {
    /// The launcher's process; 0 where there is none.
    launcher: AtomicI32,
    /// Whether it is to end.
    is_over: AtomicU32,
    /// How often somebody called for it.
    calls: AtomicU32,
    seats: [Seat; SEATS],
}

/// What a seat says.
#[derive(Clone, Copy, Debug)]
pub struct Word {
    /// The database.
    pub database: u32,
    /// What was found there, as a number.
    pub found: u32,
    /// The worker that is there.
    pub process: Option<i32>,
    /// How often somebody called for a worker.
    pub calls: u32,
    /// How often a worker came to an answer.
    pub reports: u32,
    /// When the next job is due.
    pub due: Moment,
    /// When the last worker came to its answer; `None` before the first.
    pub looked: Option<Moment>,
}

thread_local! {
    // Set in the postmaster; its children inherit it.
    static SHARED: Cell<Option<&'static Board>> = const { Cell::new(None) };
    // A segment that this process has attached, for the rest of its life.
    static ATTACHED: Cell<Option<(u32, &'static Board)>> = const { Cell::new(None) };
    // Who is called when the transaction commits.
    static CALLING: Cell<Option<&'static Board>> = const { Cell::new(None) };
}

/// Asks for the memory. To be called while the server preloads the library.
pub fn share() {
    let taken = |part: &Taken| {
        // SAFETY: the memory is as large as the board, zero at first, stays as long as the server runs and is only ever
        // used as atomic words.
        SHARED.set(Some(unsafe { &*part.memory.cast::<Board>() }));
    };
    shared_memory::share(Part { name: c"dbmastery_worker", bytes: || size_of::<Board>(), taken });
}

/// The board of a preloaded library.
pub fn shared() -> Option<&'static Board> {
    SHARED.get()
}

/// Makes the launcher's board and says where workers find it; 0: in the server's own memory.
pub fn make() -> (u32, &'static Board) {
    if let Some(board) = shared() {
        return (0, board);
    }
    // SAFETY: the segment stays mapped as long as the process lives, and is made zero before anybody can attach it.
    unsafe {
        let segment = pg_sys::dsm_create(size_of::<Board>(), 0);
        pg_sys::dsm_pin_mapping(segment);
        let memory = pg_sys::dsm_segment_address(segment).cast::<u8>();
        memory.write_bytes(0, size_of::<Board>());
        (pg_sys::dsm_segment_handle(segment), &*memory.cast::<Board>())
    }
}

/// The board that is found there; `None` where its launcher is gone.
pub fn at(handle: u32) -> Option<&'static Board> {
    if handle == 0 {
        return shared();
    }
    if let Some((attached, board)) = ATTACHED.get()
        && attached == handle
    {
        return Some(board);
    }
    // SAFETY: a handle that is no more gives null; the segment stays mapped as long as this process lives.
    let board = unsafe {
        let segment = pg_sys::dsm_attach(handle);
        if segment.is_null() {
            return None;
        }
        pg_sys::dsm_pin_mapping(segment);
        &*pg_sys::dsm_segment_address(segment).cast::<Board>()
    };
    ATTACHED.set(Some((handle, board)));
    Some(board)
}

/// The board of the launcher that looks after this database, if there is one.
pub fn here() -> Option<&'static Board> {
    shared().or_else(|| {
        let handles = holders(Class::Launcher).into_iter().map(|(handle, _)| handle);
        at(handles.filter_map(|handle| u32::try_from(handle).ok()).find(|&handle| handle != 0)?)
    })
}

/// Says that this process is the launcher of that database, for sessions of it to find the board; false where there is
/// another one.
pub fn claim_launcher(database: u32, handle: u32) -> bool {
    // No board is at 0: that is the one of a preloaded library.
    let claim = |key: u32| Claim::elsewhere(Class::Launcher, database, i64::from(key)).take();
    claim(0) && claim(handle)
}

/// The database of this process.
fn own_database() -> u32 {
    // SAFETY: a number that does not change while the process lives.
    unsafe { pg_sys::MyDatabaseId }.to_u32()
}

fn own_process() -> i32 {
    // SAFETY: a number that does not change while the process lives.
    unsafe { pg_sys::MyProcPid }
}

/// Wakes a process; one that is gone is none of ours.
fn wake(process: i32) {
    // SAFETY: looks among the server's processes; the entry of one that ends meanwhile has a latch still.
    unsafe {
        let entry = pg_sys::BackendPidGetProc(process);
        if !entry.is_null() {
            pg_sys::SetLatch(&raw mut (*entry).procLatch);
        }
    }
}

impl Board {
    /// This process is the launcher from now on; what another left is forgotten.
    pub fn enter(&self) {
        for seat in &self.seats {
            seat.leave();
        }
        self.is_over.store(0, SeqCst);
        self.launcher.store(own_process(), SeqCst);
    }

    /// It ends.
    pub fn leave(&self) {
        self.launcher.store(0, SeqCst);
    }

    /// The launcher's process, if it lives.
    pub fn launcher(&self) -> Option<i32> {
        let process = self.launcher.load(SeqCst);
        // SAFETY: looks among the server's processes.
        (process != 0 && unsafe { !pg_sys::BackendPidGetProc(process).is_null() }).then_some(process)
    }

    /// Tells the launcher to end.
    pub fn end(&self) {
        self.is_over.store(1, SeqCst);
        wake(self.launcher.load(SeqCst));
    }

    /// Whether it was told so.
    pub fn is_over(&self) -> bool {
        self.is_over.load(SeqCst) != 0
    }

    /// How often somebody called for it.
    pub fn calls(&self) -> u32 {
        self.calls.load(SeqCst)
    }

    /// Calls for a worker in that database.
    fn call(&self, database: u32) {
        for seat in self.seats.iter().filter(|seat| seat.database.load(SeqCst) == database) {
            seat.calls.fetch_add(1, SeqCst);
        }
        self.calls.fetch_add(1, SeqCst);
        wake(self.launcher.load(SeqCst));
    }

    /// A place for a database, at which it stays; `None` when all are taken.
    pub fn seat(&self, database: u32) -> Option<usize> {
        let place = |wanted| self.seats.iter().position(|seat| seat.database.load(SeqCst) == wanted);
        place(database).or_else(|| {
            let free = place(0)?;
            self.seats[free].database.store(database, SeqCst);
            Some(free)
        })
    }

    /// Gives up a seat.
    pub fn free(&self, place: usize) {
        self.seats[place].leave();
    }

    /// What a seat says; `None` where there is no such seat.
    pub fn word(&self, place: usize) -> Option<Word> {
        let seat = self.seats.get(place)?;
        let looked = seat.looked.load(SeqCst);
        Some(Word {
            database: seat.database.load(SeqCst),
            found: seat.found.load(SeqCst),
            process: Some(seat.process.load(SeqCst)).filter(|&process| process != 0),
            calls: seat.calls.load(SeqCst),
            reports: seat.reports.load(SeqCst),
            due: seat.due.load(SeqCst),
            looked: (looked != 0).then_some(looked),
        })
    }

    /// What all the taken ones say.
    pub fn words(&self) -> Vec<Word> {
        (0..SEATS).filter_map(|place| self.word(place)).filter(|word| word.database != 0).collect()
    }

    /// The seat of this process's database, which another has by now if the launcher that sent this worker is gone.
    fn own(&self, place: usize) -> Option<&Seat> {
        self.seats.get(place).filter(|seat| seat.database.load(SeqCst) == own_database())
    }

    /// A worker is there: this process.
    pub fn come(&self, place: usize) {
        if let Some(seat) = self.own(place) {
            seat.process.store(own_process(), SeqCst);
        }
    }

    /// It is gone.
    pub fn go(&self, place: usize) {
        if let Some(seat) = self.seats.get(place) {
            seat.process.store(0, SeqCst);
        }
    }

    /// It came to none, the launcher finds.
    pub fn note(&self, place: usize, found: u32, due: Moment) {
        if let Some(seat) = self.seats.get(place) {
            seat.note(found, due);
        }
    }

    /// It has come to its answer: this process, a worker.
    pub fn report(&self, place: usize, found: u32, due: Moment) {
        if let Some(seat) = self.own(place) {
            seat.note(found, due);
            seat.looked.store(moment::now(), SeqCst);
            seat.reports.fetch_add(1, SeqCst);
        }
    }
}

impl Seat {
    fn note(&self, found: u32, due: Moment) {
        self.found.store(found, SeqCst);
        self.due.store(due, SeqCst);
    }

    fn leave(&self) {
        self.database.store(0, SeqCst);
        self.found.store(0, SeqCst);
        self.process.store(0, SeqCst);
        self.due.store(0, SeqCst);
        self.looked.store(0, SeqCst);
    }
}

/// Calls for a worker in this database once the transaction that is open has committed; false where there is no launcher.
pub fn call_at_commit() -> bool {
    let board = here().filter(|board| board.launcher().is_some());
    let Some(board) = board else { return false };
    if CALLING.replace(Some(board)).is_none() {
        register_xact_callback(PgXactCallbackEvent::Commit, || {
            if let Some(board) = CALLING.take() {
                board.call(own_database());
            }
        });
        // One that is prepared is committed by whoever comes, and found when the worker looks.
        for event in [PgXactCallbackEvent::Abort, PgXactCallbackEvent::Prepare] {
            register_xact_callback(event, || CALLING.set(None));
        }
    }
    true
}
