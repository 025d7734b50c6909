//! One call of the trigger: the rows that it brings, written to the log.

use std::cell::Cell;
use std::rc::Rc;

use pgrx::{PgSqlErrorCode, direct_function_call_as_datum, pg_sys};

use super::activity::{self, Activity};
use super::column::{Column, Outputs, Value};
use super::numbers::Numbers;
use super::watched::{Logged, Watched};
use super::writer::Writer;
use crate::catalog::trail::jsonb::{self, Object};
use crate::catalog::trail::layout::{CHANGE, FLAG_FULL, FLAG_KEY_CHANGED, FLAG_NO_KEY};
use crate::catalog::trail::length::has_text;
use crate::pg::error::raise;

mod raw {
    unsafe extern "C" {
        pub fn hash_bytes_extended(bytes: *const u8, length: i32, seed: u64) -> u64;
    }
}

/// The server's hash of bytes.
fn hash_bytes(bytes: &[u8]) -> u64 {
    // SAFETY: nothing but arithmetic over bytes that are there: it raises no error. A jsonb is shorter than 2 GB.
    unsafe { raw::hash_bytes_extended(bytes.as_ptr(), bytes.len() as i32, 0) }
}

/// A row, taken apart: the values and which of them are null.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    pub values: &'a [pg_sys::Datum],
    pub nulls: &'a [bool],
}

impl Row<'_> {
    fn value(&self, column: &Column) -> Value {
        match self.nulls.get(column.place) {
            Some(false) => self.values.get(column.place).copied(),
            _ => None,
        }
    }
}

/// What only a call that writes needs.
struct Work {
    writer: Writer,
    numbers: Numbers,
    activity: Activity,
    shape: i32,
}

/// Where rows are turned into JSON.
#[derive(Default)]
struct Images {
    key: Vec<u8>,
    old: Vec<u8>,
    new: Vec<u8>,
}

/// What is kept from one call to the next has at most so many bytes.
const MOST_KEPT: usize = 65_536;

thread_local! {
    /// Those of the last call, for the next one.
    static IMAGES: Cell<Images> = Cell::default();
}

/// One call.
pub struct Run {
    watched: Rc<Watched>,
    outputs: Outputs,
    at: i64,
    statement: i32,
    work: Option<Work>,
    changed: Vec<usize>,
    images: Images,
}

impl Run {
    /// `statement`: the command of the transaction that made the changes.
    pub fn new(watched: Rc<Watched>, statement: u32) -> Self {
        // SAFETY: the context of the call, which outlives what is made here.
        let context = unsafe { pg_sys::CurrentMemoryContext };
        Self {
            watched,
            outputs: Outputs::new(context),
            at: activity::now(),
            statement: statement.saturating_add(1).cast_signed(),
            work: None,
            changed: Vec::new(),
            images: IMAGES.take(),
        }
    }

    /// A row that came.
    ///
    /// # Safety
    /// A row of the watched table.
    pub unsafe fn inserted(&mut self, row: Row<'_>, flags: i32) {
        // SAFETY: as the caller vouches.
        unsafe { self.whole(b'I', row, flags) }
    }

    /// A row that went.
    ///
    /// # Safety
    /// A row of the watched table.
    pub unsafe fn deleted(&mut self, row: Row<'_>, flags: i32) {
        // SAFETY: as the caller vouches.
        unsafe { self.whole(b'D', row, flags) }
    }

    /// # Safety
    /// A row of the watched table.
    unsafe fn whole(&mut self, operation: u8, row: Row<'_>, flags: i32) {
        let watched = Rc::clone(&self.watched);
        let work = self.take_work();
        // SAFETY: as the caller vouches.
        unsafe {
            work.writer.in_batch(|| {
                write(&mut self.images.new, &watched.columns, row, &mut self.outputs);
                if watched.has_key {
                    write(&mut self.images.key, &watched.key, row, &mut self.outputs);
                } else {
                    self.images.key.clone_from(&self.images.new);
                }
            });
            let mut flags = flags | FLAG_FULL;
            if !watched.has_key {
                flags |= FLAG_NO_KEY;
            }
            let (old, new) = if operation == b'D' { (true, false) } else { (false, true) };
            let image = std::mem::take(&mut self.images.new);
            let shown = pg_sys::Datum::from(image.as_ptr());
            self.add(work, operation, flags, old.then_some(shown), new.then_some(shown));
            self.images.new = image;
        }
    }

    /// A row that became another; nothing is written where nothing that is logged changed.
    ///
    /// # Safety
    /// Rows of the watched table.
    pub unsafe fn updated(&mut self, old: Row<'_>, new: Row<'_>) {
        let watched = Rc::clone(&self.watched);
        self.changed.clear();
        // SAFETY: as the caller vouches.
        unsafe {
            for (place, column) in watched.columns.columns.iter().enumerate() {
                if !column.is_same(old.value(column), new.value(column)) {
                    self.changed.push(place);
                }
            }
            let is_key_changed = watched.has_key
                && watched
                    .key
                    .columns
                    .iter()
                    .any(|column| !column.is_same(old.value(column), new.value(column)));
            if self.changed.is_empty() && !is_key_changed {
                return;
            }
            let work = self.take_work();
            work.writer.in_batch(|| {
                write(&mut self.images.key, &watched.key, old, &mut self.outputs);
                if watched.is_full {
                    write(&mut self.images.old, &watched.columns, old, &mut self.outputs);
                    write(&mut self.images.new, &watched.columns, new, &mut self.outputs);
                } else {
                    let changed = self.changed.iter().map(|&place| &watched.columns.columns[place]);
                    write_some(&mut self.images.old, changed.clone(), old, &mut self.outputs);
                    write_some(&mut self.images.new, changed, new, &mut self.outputs);
                }
            });
            let mut flags = 0;
            if watched.is_full {
                flags |= FLAG_FULL;
            }
            if !watched.has_key {
                flags |= FLAG_NO_KEY;
            }
            if is_key_changed {
                flags |= FLAG_KEY_CHANGED;
            }
            let (before, after) = (self.images.old.as_ptr(), self.images.new.as_ptr());
            self.add(work, b'U', flags, Some(pg_sys::Datum::from(before)), Some(pg_sys::Datum::from(after)));
        }
    }

    /// All rows went at once.
    pub fn truncated(&mut self) {
        self.images.key.clear();
        let work = self.take_work();
        // SAFETY: nothing but nulls.
        unsafe { self.add(work, b'T', 0, None, None) };
    }

    /// # Safety
    /// `old` and `new` are jsonb, and so is the key unless it is empty.
    unsafe fn add(&mut self, mut work: Work, operation: u8, flags: i32, old: Value, new: Value) {
        let key = (!self.images.key.is_empty()).then(|| pg_sys::Datum::from(self.images.key.as_ptr()));
        // SAFETY: as the caller vouches.
        unsafe {
            let hash = key.and_then(|key| match jsonb::hash(&self.images.key, hash_bytes) {
                Some(hash) => Some(pg_sys::Datum::from(hash)),
                None => work.writer.in_batch(|| {
                    let seed = pg_sys::Datum::from(0_i64);
                    direct_function_call_as_datum(pg_sys::jsonb_hash_extended, &[Some(key), Some(seed)])
                }),
            });
            let row: [Value; 13] = [
                Some(pg_sys::Datum::from(work.numbers.next())),
                Some(pg_sys::Datum::from(self.at)),
                Some(pg_sys::Datum::from(work.activity.number)),
                Some(pg_sys::Datum::from(work.activity.transaction)),
                Some(pg_sys::Datum::from(work.activity.began)),
                Some(pg_sys::Datum::from(work.shape)),
                Some(pg_sys::Datum::from(self.statement)),
                Some(pg_sys::Datum::from(operation)),
                Some(pg_sys::Datum::from(flags)),
                key,
                hash,
                old,
                new,
            ];
            work.writer.add(&row);
        }
        self.work = Some(work);
    }

    fn take_work(&mut self) -> Work {
        self.work.take().unwrap_or_else(|| {
            let numbers = Numbers::take();
            // Before the activity is looked up: with the lock comes word of what became of the log meanwhile, and TRUNCATE
            // of both locks them in this order.
            let writer = Writer::open(&CHANGE, self.at);
            Work {
                activity: activity::current(self.at, self.watched.keeps_query, numbers.peek()),
                shape: self.watched.shape(self.at),
                numbers,
                writer,
            }
        })
    }

    /// Writes what is on its way.
    pub fn finish(self) {
        if let Some(work) = self.work {
            work.writer.close();
        }
        let images = self.images;
        if [&images.key, &images.old, &images.new].iter().all(|image| image.capacity() <= MOST_KEPT) {
            IMAGES.set(images);
        }
    }
}

fn too_long() -> ! {
    raise(
        PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
        "a row is too long for the audit trail",
        "As JSON it would have more than 268435455 bytes, and could be neither dumped nor sealed.",
        "Exclude its longest column: dbm.install_audit_trigger(target, exclude => '{column}').",
    )
}

/// # Safety
/// A row of the table that has the columns.
unsafe fn write(out: &mut Vec<u8>, logged: &Logged, row: Row<'_>, outputs: &mut Outputs) {
    let object = Object::with(out, &logged.beginning);
    // SAFETY: as the caller vouches.
    unsafe { write_values(object, logged.columns.iter(), row, outputs) };
    if !has_text(out) {
        too_long();
    }
}

/// # Safety
/// A row of the table that has the columns.
unsafe fn write_some<'a>(
    out: &mut Vec<u8>,
    columns: impl ExactSizeIterator<Item = &'a Column> + Clone,
    row: Row<'_>,
    outputs: &mut Outputs,
) {
    let object = Object::begin(out, columns.clone().map(|column| &*column.name));
    // SAFETY: as the caller vouches.
    unsafe { write_values(object, columns, row, outputs) };
    if !has_text(out) {
        too_long();
    }
}

/// # Safety
/// A row of the table that has the columns.
unsafe fn write_values<'a>(
    mut object: Object<'_>,
    columns: impl Iterator<Item = &'a Column>,
    row: Row<'_>,
    outputs: &mut Outputs,
) {
    for column in columns {
        // SAFETY: as the caller vouches.
        unsafe { column.write(&mut object, row.value(column), outputs) };
    }
    if !object.finish() {
        too_long();
    }
}
