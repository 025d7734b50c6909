//! The trigger function: one for every table, for rows and for statements.

use std::ptr::null_mut;

use pgrx::pg_sys::ffi::pg_guard_ffi_boundary;
use pgrx::{PgSqlErrorCode, pg_guard, pg_sys};
use smallvec::{SmallVec, smallvec};

use super::bare;
use super::pinned::pinned;
use super::rows::{Row, Run};
use super::watched::watched;
use crate::catalog::trail::layout::FLAG_UNPAIRED;
use crate::pg::error::raise;
use crate::pg::silence;

/// What `PG_FUNCTION_INFO_V1` writes.
static VERSION_1: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };

/// What the server asks for the calling convention of the function below.
#[unsafe(no_mangle)]
pub extern "C" fn pg_finfo_dbmastery_write_audit_trail() -> &'static pg_sys::Pg_finfo_record {
    &VERSION_1
}

/// `dbm.write_audit_trail()`, an AFTER trigger.
///
/// # Safety
/// Called by the server alone.
#[unsafe(no_mangle)]
#[pg_guard]
pub unsafe extern "C-unwind" fn dbmastery_write_audit_trail(call: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    // SAFETY: the server's own frame; what a trigger is called with lives until it returns.
    unsafe {
        let context = (*call).context;
        if context.is_null() || (*context).type_ != pg_sys::NodeTag::T_TriggerData {
            protocol_violated("was not called as a trigger");
        }
        write(&*context.cast::<pg_sys::TriggerData>());
    }
    pg_sys::Datum::null()
}

fn protocol_violated(what: &str) -> ! {
    raise(
        PgSqlErrorCode::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
        &format!("function dbm.write_audit_trail() {what}"),
        "",
        "Its triggers are made by dbm.install_audit_trigger().",
    )
}

/// # Safety
/// The server's description of an event.
unsafe fn write(event: &pg_sys::TriggerData) {
    // SAFETY: as the caller vouches.
    unsafe {
        if event.tg_event & pg_sys::TRIGGER_EVENT_TIMINGMASK != pg_sys::TRIGGER_EVENT_AFTER {
            protocol_violated("is for AFTER triggers");
        }
        let watched = watched(event.tg_relation);
        let is_truncate = event.tg_event & pg_sys::TRIGGER_EVENT_OPMASK == pg_sys::TRIGGER_EVENT_TRUNCATE;
        if watched.is_part && silence::is_ours(is_truncate) {
            // A copy moves rows from one part of the table to another: to the table nothing happens. The copy says so by an
            // event of its own.
            return;
        }
        let is_row = event.tg_event & pg_sys::TRIGGER_EVENT_ROW != 0;
        let operation = event.tg_event & pg_sys::TRIGGER_EVENT_OPMASK;
        pinned(watched.needs_pinning, || {
            let width = watched.width;
            let statement = if is_row { command_of_row(event, operation) } else { command_of_statement() };
            let mut run = Run::new(watched, statement);
            match (is_row, operation) {
                (_, pg_sys::TRIGGER_EVENT_TRUNCATE) => run.truncated(),
                (true, _) => row(event, operation, width, &mut run),
                (false, _) => rows(event, operation, width, &mut run),
            }
            run.finish();
        });
    }
}

/// The command that made the change: what it sees is what was there before it.
fn command_of_statement() -> u32 {
    // SAFETY: reads the snapshot in force, or the counter.
    unsafe {
        match bare::active_snapshot() {
            Some(snapshot) => (*snapshot).curcid,
            None => pg_sys::GetCurrentCommandId(false),
        }
    }
}

/// # Safety
/// An event of a row that this transaction changed.
unsafe fn command_of_row(event: &pg_sys::TriggerData, operation: u32) -> u32 {
    // SAFETY: as the caller vouches: its header holds the command.
    unsafe {
        match operation {
            pg_sys::TRIGGER_EVENT_UPDATE if !event.tg_newtuple.is_null() => {
                bare::made_by((*event.tg_newtuple).t_data)
            }
            pg_sys::TRIGGER_EVENT_INSERT => bare::made_by((*event.tg_trigtuple).t_data),
            _ => bare::deleted_by((*event.tg_trigtuple).t_data),
        }
    }
}

/// A row taken apart.
struct Parts {
    values: SmallVec<[pg_sys::Datum; FEW]>,
    nulls: SmallVec<[bool; FEW]>,
}

/// Rows of so many columns need no memory of their own.
const FEW: usize = 32;

impl Parts {
    /// # Safety
    /// A row of the relation of the event.
    unsafe fn of(event: &pg_sys::TriggerData, tuple: pg_sys::HeapTuple, width: usize) -> Self {
        let mut parts =
            Self { values: smallvec![pg_sys::Datum::null(); width], nulls: smallvec![true; width] };
        // SAFETY: as the caller vouches; as wide as the row type.
        unsafe {
            bare::deform(tuple, (*event.tg_relation).rd_att, &mut parts.values, &mut parts.nulls);
        }
        parts
    }

    fn row(&self) -> Row<'_> {
        Row { values: &self.values, nulls: &self.nulls }
    }
}

/// # Safety
/// An event of a row.
unsafe fn row(event: &pg_sys::TriggerData, operation: u32, width: usize, run: &mut Run) {
    // SAFETY: as the caller vouches.
    unsafe {
        let first = Parts::of(event, event.tg_trigtuple, width);
        match operation {
            pg_sys::TRIGGER_EVENT_INSERT => run.inserted(first.row(), 0),
            pg_sys::TRIGGER_EVENT_DELETE => run.deleted(first.row(), 0),
            _ => {
                let second = Parts::of(event, event.tg_newtuple, width);
                run.updated(first.row(), second.row());
            }
        }
    }
}

/// The rows of a transition table, one after the other.
struct Transition {
    store: *mut pg_sys::Tuplestorestate,
    slot: *mut pg_sys::TupleTableSlot,
    width: usize,
}

impl Transition {
    /// The transition tables of an event; each of them may be null.
    ///
    /// # Safety
    /// Transition tables of the event.
    unsafe fn open<const COUNT: usize>(
        event: &pg_sys::TriggerData,
        stores: [*mut pg_sys::Tuplestorestate; COUNT],
        width: usize,
    ) -> [Self; COUNT] {
        if stores.iter().any(|store| store.is_null()) {
            protocol_violated("needs transition tables for statements");
        }
        // SAFETY: as the caller vouches. Others may have read them before. Nothing to be dropped.
        unsafe {
            let descriptor = (*event.tg_relation).rd_att;
            let mut slots = [null_mut(); COUNT];
            pg_guard_ffi_boundary(|| {
                for (&store, slot) in stores.iter().zip(&mut slots) {
                    bare::tuplestore_select_read_pointer(store, 0);
                    bare::tuplestore_rescan(store);
                    *slot = bare::MakeSingleTupleTableSlot(descriptor, &raw const pg_sys::TTSOpsMinimalTuple);
                }
            });
            let mut slots = slots.into_iter();
            stores.map(|store| Self { store, slot: slots.next().unwrap_or(null_mut()), width })
        }
    }

    /// The next row of each; valid until the ones after them are asked for.
    ///
    /// # Safety
    /// The transition tables are open.
    unsafe fn next<'a, const COUNT: usize>(tables: &mut [Self; COUNT]) -> [Option<Row<'a>>; COUNT] {
        let mut is_there = [false; COUNT];
        // SAFETY: as the caller vouches; all columns are taken out, as many as the row type has. Nothing to be dropped.
        unsafe {
            pg_guard_ffi_boundary(|| {
                for (table, is_there) in tables.iter().zip(&mut is_there) {
                    *is_there = bare::tuplestore_gettupleslot(table.store, true, false, table.slot);
                    if *is_there && usize::try_from((*table.slot).tts_nvalid).unwrap_or(0) < table.width {
                        bare::slot_getsomeattrs_int(table.slot, table.width as i32);
                    }
                }
            });
        }
        let mut rows = [None; COUNT];
        for ((table, is_there), row) in tables.iter().zip(is_there).zip(&mut rows) {
            if is_there {
                // SAFETY: the slot has a row, of which all columns were taken out.
                *row = Some(unsafe {
                    Row {
                        values: std::slice::from_raw_parts((*table.slot).tts_values, table.width),
                        nulls: std::slice::from_raw_parts((*table.slot).tts_isnull, table.width),
                    }
                });
            }
        }
        rows
    }

    /// # Safety
    /// Once.
    unsafe fn close<const COUNT: usize>(tables: [Self; COUNT]) {
        for table in tables {
            // SAFETY: made by us.
            unsafe { bare::drop_slot(table.slot) };
        }
    }
}

fn check_for_interrupts() {
    pgrx::check_for_interrupts!();
}

/// # Safety
/// An event of a statement.
unsafe fn rows(event: &pg_sys::TriggerData, operation: u32, width: usize, run: &mut Run) {
    // SAFETY: as the caller vouches; the rows live until the next ones are asked for.
    unsafe {
        match operation {
            pg_sys::TRIGGER_EVENT_INSERT => {
                let mut new = Transition::open(event, [event.tg_newtable], width);
                while let [Some(row)] = Transition::next(&mut new) {
                    check_for_interrupts();
                    run.inserted(row, 0);
                }
                Transition::close(new);
            }
            pg_sys::TRIGGER_EVENT_DELETE => {
                let mut old = Transition::open(event, [event.tg_oldtable], width);
                while let [Some(row)] = Transition::next(&mut old) {
                    check_for_interrupts();
                    run.deleted(row, 0);
                }
                Transition::close(old);
            }
            _ => {
                let mut both = Transition::open(event, [event.tg_oldtable, event.tg_newtable], width);
                loop {
                    check_for_interrupts();
                    match Transition::next(&mut both) {
                        [Some(before), Some(after)] => run.updated(before, after),
                        // Where rows are suppressed on their way, the two may go out of step: better no pair than a wrong
                        // one.
                        [Some(before), None] => run.deleted(before, FLAG_UNPAIRED),
                        [None, Some(after)] => run.inserted(after, FLAG_UNPAIRED),
                        [None, None] => break,
                    }
                }
                Transition::close(both);
            }
        }
    }
}
