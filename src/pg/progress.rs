//! The progress of our own long acts, in the server's own slots for it.
//!
//! Each session has one slot in shared memory, which holds the number of a command and a few numbers more. Ours is a
//! command that the server does not know, so that its own views pass it by. The server empties the slot when a
//! transaction or a subtransaction is rolled back, and when a command of its own ends: each report of ours writes the
//! slot anew, and leaves it alone while a command of the server's has it.

use std::cell::Cell;
use std::ffi::{CStr, c_char};

use pgrx::pg_sys;

use super::moment::from_timestamp;
use super::{backends, encoding};
use crate::catalog::Moment;

/// Our number among the server's commands; theirs are counted from 1 and need no such number for long.
const COMMAND: pg_sys::ProgressCommandType::Type = 1000;

/// Beside [`COMMAND`], to tell us from another extension that thought of the same number: "dbm".
const MARK: i64 = 0x64_626d;

// Our numbers in the slot.
const SLOT_MARK: usize = 0;
const SLOT_ACT: usize = 1;
const SLOT_STEP: usize = 2;
const SLOT_DONE: usize = 3;
const SLOT_TOTAL: usize = 4;
const SLOT_STARTED: usize = 5;
const SLOTS: usize = 6;

/// Something that takes long.
///
/// The slot holds the number and the position of the step, and another session may run another version: numbers stay,
/// and steps are added at the end.
pub struct Act {
    number: i64,
    name: &'static str,
    steps: &'static [&'static str],
}

/// `dbm.audit()` and `dbm.score()`.
pub static AUDIT: Act =
    Act { number: 1, name: "audit", steps: &["reading the catalogs", "running the rules"] };

/// `dbm.advise_workload()`.
pub static ADVISE_WORKLOAD: Act = Act {
    number: 2,
    name: "advise_workload",
    steps: &[
        "reading the workload",
        "planning queries",
        "sizing candidates",
        "trying all candidates",
        "trying candidates",
        "choosing indexes",
        "giving up indexes",
        "exchanging indexes",
        "thinking indexes away",
        "checking the result",
    ],
};

/// The steps of [`BACKFILL`].
pub const BACKFILL_CHANGING: &str = "changing rows";
/// As above.
pub const BACKFILL_WAITING: &str = "waiting";
/// As above.
pub const BACKFILL_CHECKING: &str = "looking for rows left";

/// `CALL dbm.backfill()`; `dbm.backfill_status()` says more.
pub static BACKFILL: Act =
    Act { number: 5, name: "backfill", steps: &[BACKFILL_CHANGING, BACKFILL_WAITING, BACKFILL_CHECKING] };

/// The steps of [`COPY`].
pub const COPY_PREPARING: &str = "preparing";
/// As above.
pub const COPY_COPYING: &str = "copying rows";
/// As above.
pub const COPY_COMPLETING: &str = "building indexes";
/// As above.
pub const COPY_CATCHING_UP: &str = "catching up";
/// As above.
pub const COPY_COMPARING: &str = "comparing";
/// As above.
pub const COPY_SWAPPING: &str = "swapping";
/// As above.
pub const COPY_CLEANING: &str = "cleaning";

/// A copy of a table: `dbm.partition_drain()`, `CALL dbm.partition_copy()`.
pub static COPY: Act = Act {
    number: 8,
    name: "partition_copy",
    steps: &[
        COPY_PREPARING,
        COPY_COPYING,
        COPY_COMPLETING,
        COPY_CATCHING_UP,
        COPY_COMPARING,
        COPY_SWAPPING,
        COPY_CLEANING,
    ],
};

/// The steps of [`SEAL`], in the order of [`crate::trail::seal::record::Kind::ALL`].
pub const SEAL_ROWS: [&str; 4] =
    ["sealing shapes", "sealing activities", "sealing changes", "sealing events"];

/// `dbm.seal_audit_log()`, and the worker's job of it. What is done of a step is the numbers of the log that were passed, out of
/// those that were given out.
pub static SEAL: Act = Act { number: 9, name: "seal_audit_log", steps: &SEAL_ROWS };

/// The steps of [`VERIFY`], in the same order.
pub const VERIFY_ROWS: [&str; 4] =
    ["verifying shapes", "verifying activities", "verifying changes", "verifying events"];
/// As above.
pub const VERIFY_RELATIONS: &str = "verifying relations";

/// `dbm.verify_audit_log()`. What is done of a step is the rows that are as they were, out of those that are sealed.
pub static VERIFY: Act = Act {
    number: 10,
    name: "verify_audit_log",
    steps: &[VERIFY_ROWS[0], VERIFY_ROWS[1], VERIFY_ROWS[2], VERIFY_ROWS[3], VERIFY_RELATIONS],
};

/// The steps of [`AS_OF`] and [`REVERT`].
pub const READING_CHANGES: &str = "reading changes";
/// As above.
pub const READING_TABLE: &str = "reading the table";
/// As above.
pub const LATER_CHANGES: &str = "looking for later changes";
/// As above.
pub const WRITING_PLAN: &str = "writing the plan";

/// `dbm.as_of()` and `dbm.rows_as_of()`: what is done of a step is changes, or rows, that were read.
pub static AS_OF: Act = Act { number: 11, name: "as_of", steps: &[READING_CHANGES, READING_TABLE] };

/// `dbm.revert_plan()`: what is done of a step is changes.
pub static REVERT: Act =
    Act { number: 12, name: "revert_plan", steps: &[READING_CHANGES, LATER_CHANGES, WRITING_PLAN] };

/// The step of [`LEAK_TEST`].
pub const TESTING_TABLES: &str = "testing tables";

/// `dbm.tenant_leak_test()`.
pub static LEAK_TEST: Act = Act { number: 13, name: "tenant_leak_test", steps: &[TESTING_TABLES] };

/// `dbm.apply()`: the steps are the phases of a plan.
pub static APPLY: Act = Act { number: 3, name: "apply", steps: &PHASES };

/// `dbm.undo()`.
pub static UNDO: Act = Act { number: 4, name: "undo", steps: &PHASES };

/// In the order of [`crate::change::plan::Phase::ALL`].
const PHASES: [&str; 7] = ["prepare", "expand", "sync", "backfill", "validate", "switch", "contract"];

/// Every act, so that a reader can say what a number means.
/// So many rows lie between two reports of whoever passes them one by one.
const ROWS_BETWEEN: usize = 1_000;

static ACTS: [&Act; 11] =
    [&AUDIT, &ADVISE_WORKLOAD, &APPLY, &UNDO, &BACKFILL, &COPY, &SEAL, &VERIFY, &AS_OF, &REVERT, &LEAK_TEST];

#[derive(Clone, Copy)]
struct State {
    act: i64,
    step: i64,
    done: i64,
    total: i64,
    started: i64,
}

thread_local! {
    static CURRENT: Cell<Option<State>> = const { Cell::new(None) };
}

/// An act under way; ends when dropped, also when an ERROR unwinds.
pub struct Progress {
    act: &'static Act,
    /// Whether this is the act that is shown: one within another is not.
    is_shown: bool,
}

impl Progress {
    /// Begins an act at its first step.
    pub fn begin(act: &'static Act) -> Self {
        let is_shown = CURRENT.get().is_none();
        if is_shown {
            // SAFETY: reads the clock.
            let started = unsafe { pg_sys::GetCurrentTimestamp() };
            show(State { act: act.number, step: 0, done: 0, total: 0, started });
        }
        Self { act, is_shown }
    }

    /// Goes to a step, counted from 0 in the act's list, which has `total` things to do; 0 where nobody knows.
    pub fn step(&self, step: usize, total: usize) {
        self.change(|state| State { step: signed(step), done: 0, total: signed(total), ..state });
    }

    /// Says how many of the things are done.
    pub fn done(&self, done: usize) {
        self.change(|state| State { done: signed(done), ..state });
    }

    /// Goes to a step by its name, or on within it; a name that the act does not have changes nothing.
    pub fn report(&self, step: &str, done: usize, total: usize) {
        if let Some(step) = self.act.steps.iter().position(|name| *name == step) {
            let (step, done, total) = (signed(step), signed(done), signed(total));
            self.change(|state| State { step, done, total, ..state });
        }
    }

    /// As [`report`](Self::report), of whoever passes row after row, that being the how many-th: others are told now and then.
    pub fn report_row(&self, row: usize, step: &str, done: usize, total: usize) {
        if row.is_multiple_of(ROWS_BETWEEN) {
            self.report(step, done, total);
        }
    }

    /// Shows it again: the server empties the slot whenever a subtransaction is rolled back.
    pub fn again(&self) {
        self.change(|state| state);
    }

    fn change(&self, change: impl FnOnce(State) -> State) {
        if let Some(state) = CURRENT.get().filter(|_| self.is_shown) {
            show(change(state));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_shown {
            CURRENT.set(None);
            // SAFETY: as in `show`.
            unsafe {
                if slot().is_some_and(|slot| is_ours(&*slot)) {
                    pg_sys::pgstat_progress_end_command();
                }
            }
        }
    }
}

fn signed(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// This session's slot.
fn slot() -> Option<*mut pg_sys::PgBackendStatus> {
    // SAFETY: reads a pointer of this backend, which is null before and after its life.
    let slot = unsafe { pg_sys::MyBEEntry };
    (!slot.is_null()).then_some(slot)
}

fn is_ours(status: &pg_sys::PgBackendStatus) -> bool {
    status.st_progress_command == COMMAND && status.st_progress_param[SLOT_MARK] == MARK
}

fn show(state: State) {
    CURRENT.set(Some(state));
    let Some(slot) = slot() else { return };
    let positions: [i32; SLOTS] = std::array::from_fn(|position| i32::try_from(position).unwrap_or(0));
    let mut values = [0; SLOTS];
    values[SLOT_MARK] = MARK;
    values[SLOT_ACT] = state.act;
    values[SLOT_STEP] = state.step;
    values[SLOT_DONE] = state.done;
    values[SLOT_TOTAL] = state.total;
    values[SLOT_STARTED] = state.started;
    // SAFETY: nobody but this backend writes its slot; the server reads both arrays before it returns.
    unsafe {
        if (*slot).st_progress_command == pg_sys::ProgressCommandType::PROGRESS_COMMAND_INVALID {
            pg_sys::pgstat_progress_start_command(COMMAND, pg_sys::InvalidOid);
        } else if !is_ours(&*slot) {
            return;
        }
        pg_sys::pgstat_progress_update_multi_param(SLOTS as i32, positions.as_ptr(), values.as_ptr());
    }
}

/// The progress of one session's act.
pub struct Row {
    /// The session.
    pub pid: i32,
    /// Its database; `None` if that is gone.
    pub database: Option<String>,
    /// Its user; `None` if that is gone.
    pub user: Option<String>,
    /// What it does.
    pub act: String,
    /// Which part of it.
    pub step: String,
    /// How many things of this step are done.
    pub done: i64,
    /// Out of how many; 0 where nobody knows.
    pub total: i64,
    /// When the act began.
    pub started: Moment,
}

/// What all sessions do that the caller may know of, as it was when this transaction first looked.
pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    backends::each(|status| {
        if is_ours(status) && super::roles::may_see_statistics_of(status.st_userid) {
            rows.push(row(status));
        }
    });
    rows.sort_by_key(|row| (row.started, row.pid));
    rows
}

fn row(status: &pg_sys::PgBackendStatus) -> Row {
    let [_, act, step, done, total, started] = std::array::from_fn(|slot| status.st_progress_param[slot]);
    let known = ACTS.iter().find(|known| known.number == act);
    let step_name = known.and_then(|known| known.steps.get(usize::try_from(step).ok()?).copied());
    Row {
        pid: status.st_procpid,
        // SAFETY: both look a name up and return it, or null.
        database: unsafe { name(pg_sys::get_database_name(status.st_databaseid)) },
        // SAFETY: as above.
        user: unsafe { name(pg_sys::GetUserNameFromId(status.st_userid, true)) },
        act: known.map_or_else(|| format!("act {act} of another version"), |known| known.name.to_owned()),
        step: step_name.map_or_else(|| format!("step {}", step.saturating_add(1)), str::to_owned),
        done,
        total,
        started: from_timestamp(started),
    }
}

/// # Safety
/// A C string of the server, or null.
unsafe fn name(text: *mut c_char) -> Option<String> {
    // SAFETY: as the caller vouches.
    (!text.is_null()).then(|| encoding::from_server(unsafe { CStr::from_ptr(text) }.to_bytes()).into_owned())
}
