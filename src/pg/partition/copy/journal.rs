//! The trigger that writes down which rows of a table change: their keys, before and after.
//!
//! It runs with the rights of whoever writes, and writes to tables that nobody has rights on: not by a statement but as
//! the server writes to its own tables. A journal that is gone, or that is not what it should be, is passed by, since
//! whoever writes has nothing to do with it; the copy notices when it looks.
//!
//! Two journals take turns. A writer takes the first unless the copy has locked it, or waits for that: then the second.
//! So the copy can wait until nobody writes to a journal any more, while writers never wait for the copy.

use std::ffi::{CStr, CString};

use pgrx::pg_sys::ffi::pg_guard_ffi_boundary;
use pgrx::{PgSqlErrorCode, pg_guard, pg_sys};

use crate::pg::error::raise;

mod raw {
    use pgrx::pg_sys;

    unsafe extern "C-unwind" {
        pub fn datum_image_eq(
            one: pg_sys::Datum,
            other: pg_sys::Datum,
            is_by_value: bool,
            length: i32,
        ) -> bool;
    }
}

/// What `PG_FUNCTION_INFO_V1` writes.
static VERSION_1: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };

/// What the server asks for the calling convention of the function below.
#[unsafe(no_mangle)]
pub extern "C" fn pg_finfo_dbmastery_partition_journal() -> &'static pg_sys::Pg_finfo_record {
    &VERSION_1
}

/// `dbm.partition_journal('job', 'column', …)`, an AFTER trigger: for each row of INSERT, UPDATE and DELETE, and for the
/// statement of a TRUNCATE.
///
/// # Safety
/// Called by the server alone.
#[unsafe(no_mangle)]
#[pg_guard]
pub unsafe extern "C-unwind" fn dbmastery_partition_journal(call: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    // SAFETY: the server's own frame; what a trigger is called with lives until it returns.
    unsafe {
        let context = (*call).context;
        let is_trigger = !context.is_null() && (*context).type_ == pg_sys::NodeTag::T_TriggerData;
        if !is_trigger {
            raise(
                PgSqlErrorCode::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
                "function dbm.partition_journal() was not called as a trigger",
                "",
                "",
            );
        }
        write(&*context.cast::<pg_sys::TriggerData>());
    }
    pg_sys::Datum::null()
}

/// # Safety
/// The server's description of an event.
unsafe fn write(event: &pg_sys::TriggerData) {
    // SAFETY: as the caller vouches; the arguments are C strings.
    unsafe {
        let trigger = &*event.tg_trigger;
        if trigger.tgnargs <= 0 {
            return;
        }
        let arguments = std::slice::from_raw_parts(trigger.tgargs, usize::from(trigger.tgnargs as u16));
        let Some((&job, columns)) = arguments.split_first() else { return };
        let Some(journal) = Journal::open(CStr::from_ptr(job)) else { return };
        match event.tg_event & pg_sys::TRIGGER_EVENT_OPMASK {
            pg_sys::TRIGGER_EVENT_TRUNCATE => journal.write_gap(),
            pg_sys::TRIGGER_EVENT_UPDATE => {
                let before = journal.key(event, event.tg_trigtuple, columns);
                let after = journal.key(event, event.tg_newtuple, columns);
                match (before, after) {
                    (Some(before), Some(after)) => {
                        if !journal.is_same(&before, &after) {
                            journal.write(&before);
                        }
                        journal.write(&after);
                    }
                    _ => journal.write_gap(),
                }
            }
            _ => match journal.key(event, event.tg_trigtuple, columns) {
                Some(key) => journal.write(&key),
                // A column has another name or type for now: whoever renames it back does not tell which rows changed meanwhile.
                None => journal.write_gap(),
            },
        }
        journal.close();
    }
}

/// The values of a key, and which are null.
struct Key {
    values: Vec<pg_sys::Datum>,
    nulls: Vec<bool>,
}

/// The journal that is written to now.
struct Journal {
    relation: pg_sys::Relation,
}

impl Journal {
    /// Opens the one of the two that the copy does not want; `None` where there is none.
    ///
    /// # Safety
    /// Within a transaction.
    unsafe fn open(job: &CStr) -> Option<Self> {
        // SAFETY: look-ups in the catalogs. The lock is kept until the transaction ends: by it the copy knows who may
        // still write.
        unsafe {
            let schema = pg_sys::get_namespace_oid(c"dbm".as_ptr(), true);
            let find = |which: &str| {
                let name = format!("partition_journal_{}_{which}", job.to_str().ok()?);
                let name = CString::new(name).ok()?;
                let found = pg_sys::get_relname_relid(name.as_ptr(), schema);
                (found != pg_sys::InvalidOid).then_some(found)
            };
            let lock = pg_sys::RowExclusiveLock as pg_sys::LOCKMODE;
            let first = find("a")?;
            let journal = if pg_sys::ConditionalLockRelationOid(first, lock) {
                first
            } else {
                let second = find("b")?;
                pg_sys::LockRelationOid(second, lock);
                second
            };
            let relation = pg_sys::try_relation_open(journal, pg_sys::NoLock as pg_sys::LOCKMODE);
            (!relation.is_null()).then_some(Self { relation })
        }
    }

    /// # Safety
    /// The relation is open.
    unsafe fn descriptor(&self) -> pg_sys::TupleDesc {
        // SAFETY: as the caller vouches.
        unsafe { (*self.relation).rd_att }
    }

    /// The columns of a row that the journal holds; `None` where they are not of its types.
    ///
    /// # Safety
    /// A row of the event's table; the columns are C strings.
    unsafe fn key(
        &self,
        event: &pg_sys::TriggerData,
        row: pg_sys::HeapTuple,
        columns: &[*mut std::ffi::c_char],
    ) -> Option<Key> {
        // SAFETY: as the caller vouches. A value is copied only into a column of the same type.
        unsafe {
            let (from, to) = ((*event.tg_relation).rd_att, self.descriptor());
            if usize::try_from((*to).natts) != Ok(columns.len()) {
                return None;
            }
            let mut key = Key { values: Vec::with_capacity(columns.len()), nulls: Vec::new() };
            for (position, &column) in columns.iter().enumerate() {
                let number = pg_sys::SPI_fnumber(from, column);
                let target = position as i32 + 1;
                if number <= 0 || pg_sys::SPI_gettypeid(from, number) != pg_sys::SPI_gettypeid(to, target) {
                    return None;
                }
                let mut is_null = true;
                key.values.push(pg_sys::heap_getattr(row, number, from, &mut is_null));
                key.nulls.push(is_null);
            }
            Some(key)
        }
    }

    /// Whether two keys are the same byte for byte.
    ///
    /// # Safety
    /// Keys of this journal.
    unsafe fn is_same(&self, one: &Key, other: &Key) -> bool {
        // SAFETY: as the caller vouches; the descriptor has as many columns as the keys.
        unsafe {
            let descriptor = self.descriptor();
            (0..one.values.len()).all(|position| {
                if one.nulls[position] || other.nulls[position] {
                    return one.nulls[position] == other.nulls[position];
                }
                let of = pg_sys::SPI_gettypeid(descriptor, position as i32 + 1);
                let (mut length, mut is_by_value) = (0, false);
                pg_sys::get_typlenbyval(of, &raw mut length, &raw mut is_by_value);
                let (one, other) = (one.values[position], other.values[position]);
                pg_guard_ffi_boundary(|| raw::datum_image_eq(one, other, is_by_value, i32::from(length)))
            })
        }
    }

    /// # Safety
    /// A key of this journal.
    unsafe fn write(&self, key: &Key) {
        // SAFETY: values of the types of the columns, as many as there are.
        unsafe {
            let row = pg_sys::heap_form_tuple(
                self.descriptor(),
                key.values.as_ptr().cast_mut(),
                key.nulls.as_ptr().cast_mut(),
            );
            pg_sys::simple_heap_insert(self.relation, row);
            pg_sys::heap_freetuple(row);
        }
    }

    /// Writes down that rows went which nobody counted.
    ///
    /// # Safety
    /// The relation is open.
    unsafe fn write_gap(&self) {
        // SAFETY: as the caller vouches.
        let columns = unsafe { usize::try_from((*self.descriptor()).natts).unwrap_or(0) };
        let key = Key { values: vec![pg_sys::Datum::null(); columns], nulls: vec![true; columns] };
        // SAFETY: nulls fit every type.
        unsafe { self.write(&key) };
    }

    /// # Safety
    /// Once.
    unsafe fn close(self) {
        // SAFETY: opened by us; the lock stays.
        unsafe { pg_sys::relation_close(self.relation, pg_sys::NoLock as pg_sys::LOCKMODE) };
    }
}
