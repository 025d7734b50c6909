//! Rows on their way into a table of the log.

use std::ptr::null_mut;

use pgrx::pg_sys;
use pgrx::pg_sys::ffi::pg_guard_ffi_boundary;

use super::bare;
use super::column::Value;
use super::descriptor::count;
use super::indexes::{Indexes, MOST_COLUMNS};
use super::log::{Open, refuse};
use super::place;
use crate::catalog::trail::layout::Table;

/// So many rows are written at once, as COPY does.
const MOST_ROWS: usize = 1_000;
/// And no more than about so many bytes.
const MOST_BYTES: usize = 65_535;

/// What writes rows into a table of the log.
pub struct Writer {
    open: Open,
    indexes: Indexes,
    /// A row that may remain the only one; it needs no more than the call has.
    first: pg_sys::HeapTuple,
    slots: Vec<*mut pg_sys::TupleTableSlot>,
    filled: usize,
    bytes: usize,
    /// What lives until the rows are written; null as long as there is one row at most.
    batch: pg_sys::MemoryContext,
    /// What lives as long as this.
    around: pg_sys::MemoryContext,
}

impl Writer {
    /// Begins to write rows of the moment `at`, the server's.
    pub fn open(table: &'static Table, at: i64) -> Self {
        let open = place::open(table, at);
        // SAFETY: the table is open and locked.
        unsafe {
            if count((*open.relation).rd_att) > MOST_COLUMNS {
                refuse(table.name, "It has too many columns.");
            }
            Self {
                indexes: Indexes::open(open.relation),
                open,
                first: null_mut(),
                slots: Vec::new(),
                filled: 0,
                bytes: 0,
                batch: null_mut(),
                around: pg_sys::CurrentMemoryContext,
            }
        }
    }

    /// Runs `work`, whose allocations live until the rows are written.
    pub fn in_batch<T>(&self, work: impl FnOnce() -> T) -> T {
        let context = if self.batch.is_null() { self.around } else { self.batch };
        // SAFETY: a context of ours; an ERROR puts the right one back.
        let before = unsafe { pg_sys::MemoryContextSwitchTo(context) };
        let result = work();
        // SAFETY: as it was.
        unsafe { pg_sys::MemoryContextSwitchTo(before) };
        result
    }

    /// Adds a row: a value for each column that the table was made with.
    ///
    /// # Safety
    /// Values of the types of the columns.
    pub unsafe fn add(&mut self, row: &[Value]) {
        let mut values = [pg_sys::Datum::null(); MOST_COLUMNS];
        let mut nulls = [true; MOST_COLUMNS];
        for ((value, is_null), given) in values.iter_mut().zip(&mut nulls).zip(row) {
            if let Some(given) = *given {
                *value = given;
                *is_null = false;
            }
        }
        // SAFETY: as the caller vouches; the table was verified, and further columns may be null.
        unsafe {
            let descriptor = (*self.open.relation).rd_att;
            let tuple = self
                .in_batch(|| pg_sys::heap_form_tuple(descriptor, values.as_mut_ptr(), nulls.as_mut_ptr()));
            self.bytes += (*tuple).t_len as usize;
            if self.batch.is_null() && self.first.is_null() {
                self.first = tuple;
            } else {
                self.begin_batch();
                self.put(tuple);
            }
        }
        if self.filled >= MOST_ROWS || self.bytes >= MOST_BYTES {
            self.flush();
        }
    }

    /// There is more than one row.
    fn begin_batch(&mut self) {
        if !self.batch.is_null() {
            return;
        }
        // SAFETY: a child of what lives as long as this.
        self.batch = unsafe {
            pg_sys::AllocSetContextCreateInternal(
                self.around,
                c"dbmastery audit trail".as_ptr(),
                pg_sys::ALLOCSET_DEFAULT_MINSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_INITSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
            )
        };
        let first = std::mem::replace(&mut self.first, null_mut());
        if !first.is_null() {
            // SAFETY: a row of the table, which nobody else has.
            unsafe { self.put(first) };
        }
    }

    /// # Safety
    /// A row of the table, which becomes ours.
    unsafe fn put(&mut self, tuple: pg_sys::HeapTuple) {
        // SAFETY: as the caller vouches.
        unsafe {
            if self.filled == self.slots.len() {
                let descriptor = (*self.open.relation).rd_att;
                let before = pg_sys::MemoryContextSwitchTo(self.around);
                self.slots
                    .push(pg_sys::MakeSingleTupleTableSlot(descriptor, &raw const pg_sys::TTSOpsHeapTuple));
                pg_sys::MemoryContextSwitchTo(before);
            }
            // The slot owns it, so that it is not copied once more.
            pg_sys::ExecStoreHeapTuple(tuple, self.slots[self.filled], true);
            self.filled += 1;
        }
    }

    /// Writes what is on its way.
    pub fn flush(&mut self) {
        let relation = self.open.relation;
        // SAFETY: the table and its indexes are open and locked; the slots hold rows of it.
        unsafe {
            if !self.first.is_null() {
                let first = std::mem::replace(&mut self.first, null_mut());
                pg_guard_ffi_boundary(|| {
                    bare::heap_insert(relation, first, bare::GetCurrentCommandId(true), 0, null_mut());
                });
                self.indexes.add(relation, std::iter::once((first, (*first).t_self)));
            } else if self.filled > 0 {
                // What is stored or compressed elsewhere on the way is gone with the batch.
                let before = pg_sys::MemoryContextSwitchTo(self.batch);
                pg_sys::heap_multi_insert(
                    relation,
                    self.slots.as_mut_ptr(),
                    self.filled as i32,
                    pg_sys::GetCurrentCommandId(true),
                    0,
                    null_mut(),
                );
                let rows = self.slots[..self.filled].iter().map(|&slot| {
                    // The place is that of the row as it was stored, which may be a copy with long values elsewhere.
                    ((*slot.cast::<pg_sys::HeapTupleTableSlot>()).tuple, (*slot).tts_tid)
                });
                self.indexes.add(relation, rows);
                pg_sys::MemoryContextSwitchTo(before);
                for &slot in &self.slots[..self.filled] {
                    if let Some(clear) = (*(*slot).tts_ops).clear {
                        clear(slot);
                    }
                }
                pg_sys::MemoryContextReset(self.batch);
            }
        }
        self.filled = 0;
        self.bytes = 0;
    }

    /// Writes what is on its way and ends.
    pub fn close(mut self) {
        self.flush();
        // SAFETY: made by us, given back once.
        unsafe {
            for &slot in &self.slots {
                bare::drop_slot(slot);
            }
            self.indexes.close();
            if !self.batch.is_null() {
                pg_sys::MemoryContextDelete(self.batch);
            }
        }
    }
}

/// Writes one row.
///
/// # Safety
/// Values of the types of the columns.
pub unsafe fn write_one(table: &'static Table, at: i64, row: &[Value]) {
    let mut writer = Writer::open(table, at);
    // SAFETY: as the caller vouches.
    unsafe { writer.add(row) };
    writer.close();
}
