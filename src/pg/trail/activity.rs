//! Who changes something, and from where: one row for a transaction, and another when that changes within it.

use std::cell::Cell;

use pgrx::{IntoDatum, direct_function_call_as_datum, pg_sys};

use super::column::Value;
use super::context;
use super::log::{self, write_one};
use crate::catalog::trail::layout::ACTIVITY;
use crate::pg::roles;
use crate::pg::value::Text;

/// The row that holds for what is changed now.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Header {
    transaction: u64,
    session: pg_sys::Oid,
    outer: pg_sys::Oid,
    current: pg_sys::Oid,
    context: u64,
    /// Of the text of the query; 0 where it was not kept.
    query: u64,
    number: i64,
}

thread_local! {
    static HEADER: Cell<Option<Header>> = const { Cell::new(None) };
}

/// What was written may not be there any more.
pub fn forget() {
    HEADER.set(None);
}

/// Who changes something.
#[derive(Clone, Copy)]
pub struct Activity {
    /// The number of its row.
    pub number: i64,
    /// The transaction.
    pub transaction: u64,
}

/// FNV-1a, which is the same in every version.
pub fn hash(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn query_text<'a>() -> Option<&'a [u8]> {
    // SAFETY: null or a C string that lives as long as the client's statement.
    unsafe {
        let text = pg_sys::debug_query_string;
        (!text.is_null()).then(|| std::ffi::CStr::from_ptr(text).to_bytes())
    }
}

/// Who changes something at the moment `at`, the server's; written if it is not yet.
pub fn current(at: i64, keeps_query: bool) -> Activity {
    // SAFETY: reads what this process knows of itself, and takes a transaction number, as a writing transaction has one.
    let (transaction, session, outer, current) = unsafe {
        (
            pg_sys::GetTopFullTransactionId().value,
            pg_sys::GetSessionUserId(),
            pg_sys::GetOuterUserId(),
            pg_sys::GetUserId(),
        )
    };
    let query = if keeps_query { query_text() } else { None };
    let query_hash = query.map_or(0, hash);
    let wanted = Header {
        transaction,
        session,
        outer,
        current,
        context: context::version(),
        query: query_hash,
        number: 0,
    };
    if let Some(header) = HEADER.get() {
        let is_same = Header { number: 0, query: wanted.query, ..header } == wanted
            && (query_hash == 0 || query_hash == header.query);
        if is_same {
            return Activity { number: header.number, transaction };
        }
    }
    let number = log::next("activity_id");
    write(number, &wanted, at, query);
    HEADER.set(Some(Header { number, ..wanted }));
    Activity { number, transaction }
}

fn write(number: i64, header: &Header, at: i64, query: Option<&[u8]>) {
    let role = |oid: pg_sys::Oid| -> Value {
        let name = roles::name(oid).unwrap_or_else(|| oid.to_u32().to_string());
        Text::from(name).into_datum()
    };
    // SAFETY: functions that read what this process knows of its client; null for none. The rest are values of the
    // columns' types.
    unsafe {
        let address = direct_function_call_as_datum(pg_sys::inet_client_addr, &[]);
        let port = direct_function_call_as_datum(pg_sys::inet_client_port, &[]);
        let application = pg_sys::application_name;
        let application: &[u8] =
            if application.is_null() { b"" } else { std::ffi::CStr::from_ptr(application).to_bytes() };
        let row: [Value; 13] = [
            number.into_datum(),
            Some(pg_sys::Datum::from(at)),
            Some(pg_sys::Datum::from(header.transaction)),
            Some(pg_sys::Datum::from(pg_sys::GetCurrentTransactionStartTimestamp())),
            role(header.session),
            role(header.outer),
            role(header.current),
            pg_sys::MyProcPid.into_datum(),
            address,
            port,
            // Bytes of the database as they are; a text is a varlena of its bytes, as a bytea is.
            application.into_datum(),
            context_as_jsonb(),
            query.and_then(IntoDatum::into_datum),
        ];
        write_one(&ACTIVITY, at, &row);
    }
}

fn context_as_jsonb() -> Value {
    crate::pg::value::Document::from(context::context()).into_datum()
}

/// A moment of the log's own, when a row of it is written.
pub fn now() -> i64 {
    // SAFETY: reads the clock.
    unsafe { pg_sys::GetCurrentTimestamp() }
}
