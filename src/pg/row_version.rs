//! The trigger that numbers the versions of a row and says when the last one was written. One function for all tables, in
//! the server's own calling convention: a row costs it a copy of the row and no look-up.
//!
//! By the number a lost update is noticed: whoever writes says which version he has read, and is refused where the row
//! has another by now.

use std::ffi::CStr;

use pgrx::{PgSqlErrorCode, pg_guard, pg_sys};

use crate::pg::encoding;
use crate::pg::error::raise;
use crate::pg::scan::text_of_name;

/// What `PG_FUNCTION_INFO_V1` writes.
static VERSION_1: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };

/// What the server asks for the calling convention of the function below.
#[unsafe(no_mangle)]
pub extern "C" fn pg_finfo_dbmastery_row_version() -> &'static pg_sys::Pg_finfo_record {
    &VERSION_1
}

/// `dbm.row_version('version column', 'time column')`, a BEFORE trigger for each row of INSERT and UPDATE. Either name may be
/// empty.
///
/// # Safety
/// Called by the server alone.
#[unsafe(no_mangle)]
#[pg_guard]
pub unsafe extern "C-unwind" fn dbmastery_row_version(call: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    // SAFETY: the server's own frame; what a trigger is called with lives until it returns.
    unsafe {
        let context = (*call).context;
        if context.is_null() || (*context).type_ != pg_sys::NodeTag::T_TriggerData {
            protocol("function dbm.row_version() was not called as a trigger");
        }
        pg_sys::Datum::from(versioned(&*context.cast::<pg_sys::TriggerData>()))
    }
}

fn protocol(message: &str) -> ! {
    raise(
        PgSqlErrorCode::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
        message,
        "",
        "dbm.row_versioning_plan() makes the trigger.",
    )
}

/// # Safety
/// The server's description of an event.
unsafe fn versioned(event: &pg_sys::TriggerData) -> pg_sys::HeapTuple {
    // SAFETY: as the caller vouches; the arguments are C strings, the rows are of the table.
    unsafe {
        let bits = event.tg_event;
        let is_before = bits & pg_sys::TRIGGER_EVENT_TIMINGMASK == pg_sys::TRIGGER_EVENT_BEFORE;
        if !is_before || bits & pg_sys::TRIGGER_EVENT_ROW == 0 {
            protocol("dbm.row_version() is a BEFORE trigger for each row");
        }
        let trigger = &*event.tg_trigger;
        if trigger.tgnargs != 2 {
            protocol("dbm.row_version() takes the names of two columns");
        }
        let names = std::slice::from_raw_parts(trigger.tgargs, 2);
        let version = column(event, CStr::from_ptr(names[0]), pg_sys::INT8OID);
        let time = column(event, CStr::from_ptr(names[1]), pg_sys::TIMESTAMPTZOID);
        match bits & pg_sys::TRIGGER_EVENT_OPMASK {
            pg_sys::TRIGGER_EVENT_INSERT => {
                let first = version.map_or(1, |column| first_version(event, column));
                written(event, event.tg_trigtuple, version, time, first)
            }
            pg_sys::TRIGGER_EVENT_UPDATE => updated(event, version, time),
            _ => protocol("dbm.row_version() is a trigger for INSERT and UPDATE"),
        }
    }
}

/// The version of a new row: 1, but in a partition, to which a row may come by an UPDATE, and then has its version.
///
/// # Safety
/// As [`versioned`]; of an INSERT, and a column of type bigint.
unsafe fn first_version(event: &pg_sys::TriggerData, column: i32) -> i64 {
    // SAFETY: as the caller vouches.
    unsafe {
        if !(*(*event.tg_relation).rd_rel).relispartition {
            return 1;
        }
        value(event, event.tg_trigtuple, column).filter(|&version| version >= 1).unwrap_or(1)
    }
}

/// The number of a column of that type; `None` for an empty name.
///
/// # Safety
/// As [`versioned`].
unsafe fn column(event: &pg_sys::TriggerData, name: &CStr, of: pg_sys::Oid) -> Option<i32> {
    if name.is_empty() {
        return None;
    }
    // SAFETY: as the caller vouches.
    unsafe {
        let descriptor = (*event.tg_relation).rd_att;
        let number = pg_sys::SPI_fnumber(descriptor, name.as_ptr());
        if number > 0 && pg_sys::SPI_gettypeid(descriptor, number) == of {
            return Some(number);
        }
        let name = encoding::from_server(name.to_bytes()).into_owned();
        let table = text_of_name(&(*(*event.tg_relation).rd_rel).relname);
        let wanted = if of == pg_sys::INT8OID { "bigint" } else { "timestamp with time zone" };
        raise(
            PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
            &format!("table \"{table}\" has no column \"{name}\" of type {wanted}"),
            "The trigger that numbers the versions of its rows needs it.",
            "Make the trigger anew with dbm.row_versioning_plan(), or drop it.",
        )
    }
}

/// # Safety
/// As [`versioned`]; of an UPDATE.
unsafe fn updated(event: &pg_sys::TriggerData, version: Option<i32>, time: Option<i32>) -> pg_sys::HeapTuple {
    let (before, after) = (event.tg_trigtuple, event.tg_newtuple);
    // SAFETY: as the caller vouches.
    unsafe {
        let Some(number) = version else {
            return if is_same(before, after) { after } else { written(event, after, None, time, 0) };
        };
        let has = value(event, before, number);
        let read = value(event, after, number);
        if read != has {
            let table = text_of_name(&(*(*event.tg_relation).rd_rel).relname);
            let shown = |version: Option<i64>| {
                version.map_or_else(|| "none".to_owned(), |version| version.to_string())
            };
            let (has, read) = (shown(has), shown(read));
            raise(
                PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE,
                &format!("a row of table \"{table}\" was changed since it was read"),
                &format!("It has version {has}; version {read} was read."),
                "Read the row again, and decide anew.",
            );
        }
        // What changes nothing makes no version.
        if is_same(before, after) {
            return after;
        }
        written(event, after, version, time, has.unwrap_or(0).saturating_add(1))
    }
}

/// # Safety
/// As [`versioned`]; a row of the table, and a column of type bigint.
unsafe fn value(event: &pg_sys::TriggerData, row: pg_sys::HeapTuple, number: i32) -> Option<i64> {
    let mut is_null = true;
    // SAFETY: as the caller vouches; a bigint is passed by value on every server that is built for 64 bits.
    unsafe {
        let datum = pg_sys::heap_getattr(row, number, (*event.tg_relation).rd_att, &mut is_null);
        (!is_null).then(|| datum.value() as i64)
    }
}

/// Whether two rows are the same byte for byte.
///
/// # Safety
/// Two rows.
unsafe fn is_same(before: pg_sys::HeapTuple, after: pg_sys::HeapTuple) -> bool {
    // SAFETY: as the caller vouches; what is compared lies behind the part of the header that every version has of its own.
    unsafe {
        let (one, other) = (&*before, &*after);
        let (head, tail) = (&*one.t_data, &*other.t_data);
        let start = std::mem::offset_of!(pg_sys::HeapTupleHeaderData, t_bits);
        let length = one.t_len as usize;
        one.t_len == other.t_len
            && head.t_hoff == tail.t_hoff
            && (head.t_infomask2 & NUMBER_OF_COLUMNS) == (tail.t_infomask2 & NUMBER_OF_COLUMNS)
            && (head.t_infomask & !OF_VISIBILITY) == (tail.t_infomask & !OF_VISIBILITY)
            && length >= start
            && std::slice::from_raw_parts(one.t_data.cast::<u8>().add(start), length - start)
                == std::slice::from_raw_parts(other.t_data.cast::<u8>().add(start), length - start)
    }
}

/// What of a row's flags is the number of its columns.
const NUMBER_OF_COLUMNS: u16 = pg_sys::HEAP_NATTS_MASK as u16;
/// What of a row's flags tells of transactions.
const OF_VISIBILITY: u16 = pg_sys::HEAP_XACT_MASK as u16;

/// The row with its version and the time of now.
///
/// # Safety
/// As [`versioned`]; a row of the table, and its columns.
unsafe fn written(
    event: &pg_sys::TriggerData,
    row: pg_sys::HeapTuple,
    version: Option<i32>,
    time: Option<i32>,
    number: i64,
) -> pg_sys::HeapTuple {
    let mut columns = [0_i32; 2];
    let mut values = [pg_sys::Datum::null(); 2];
    let mut count = 0;
    if let Some(column) = version {
        columns[count] = column;
        values[count] = pg_sys::Datum::from(number);
        count += 1;
    }
    if let Some(column) = time {
        columns[count] = column;
        // SAFETY: reads the clock.
        values[count] = pg_sys::Datum::from(unsafe { pg_sys::GetCurrentTimestamp() });
        count += 1;
    }
    let nulls = [false; 2];
    // SAFETY: as the caller vouches; as many columns as there are values.
    unsafe {
        pg_sys::heap_modify_tuple_by_cols(
            row,
            (*event.tg_relation).rd_att,
            count as i32,
            columns.as_ptr().cast_mut(),
            values.as_ptr().cast_mut(),
            nulls.as_ptr().cast_mut(),
        )
    }
}
