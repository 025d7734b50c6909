//! Queries whose values come as the texts that they have whatever the session's settings are.
//!
//! They see what the statement sees that calls us: the log and the table that it is of fit together. All names that
//! they name must be qualified, since nothing is in search_path.

use std::ffi::{CStr, c_char};

use pgrx::{IntoDatum, PgSqlErrorCode, pg_sys};

use crate::catalog::Oid;
use crate::pg::encoding;
use crate::pg::error::raise;
use crate::pg::planner::server_text;
use crate::pg::trail::pinned::pinned as settled;
use crate::pg::upkeep::as_role;
use crate::pg::value::Text;

/// A parameter, of type text.
pub type Argument = Option<String>;

/// Rows: each value as text, `None` for NULL.
pub type Rows = Vec<Vec<Option<String>>>;

/// Runs `work` as that role, or as the caller, with those settings.
pub fn pinned<T>(role: Option<Oid>, work: impl FnOnce() -> T) -> T {
    match role {
        Some(role) => as_role(role, || settled(true, work)),
        None => settled(true, work),
    }
}

/// Parameters as SPI takes them.
pub struct Parameters {
    /// Their types.
    pub types: Vec<pg_sys::Oid>,
    /// Their values.
    pub values: Vec<pg_sys::Datum>,
    /// A blank, or `n` for NULL, each.
    pub nulls: Vec<c_char>,
}

impl Parameters {
    /// Made in the memory that is current.
    pub fn new(arguments: &[Argument]) -> Self {
        let datums: Vec<Option<pg_sys::Datum>> = arguments
            .iter()
            .map(|argument| argument.as_deref().and_then(|text| Text::from(text).into_datum()))
            .collect();
        Self {
            types: vec![pg_sys::TEXTOID; arguments.len()],
            nulls: datums
                .iter()
                .map(|datum| if datum.is_some() { b' ' as c_char } else { b'n' as c_char })
                .collect(),
            values: datums.into_iter().map(|datum| datum.unwrap_or(pg_sys::Datum::null())).collect(),
        }
    }

    /// How many there are.
    pub fn count(&self) -> i32 {
        self.types.len() as i32
    }
}

/// Copies what SPI has fetched.
///
/// # Safety
/// SPI is connected, and its table of tuples is that of the query.
pub unsafe fn fetched() -> Rows {
    // SAFETY: as the caller vouches; each value is a C string or null.
    unsafe {
        let table = pg_sys::SPI_tuptable;
        if table.is_null() {
            return Vec::new();
        }
        let descriptor = (*table).tupdesc;
        let columns = (*descriptor).natts;
        let count = usize::try_from((*table).numvals).unwrap_or(0);
        let mut rows = Vec::with_capacity(count);
        for place in 0..count {
            let tuple = *(*table).vals.add(place);
            rows.push(
                (1..=columns)
                    .map(|column| {
                        let value = pg_sys::SPI_getvalue(tuple, descriptor, column);
                        if value.is_null() {
                            return None;
                        }
                        let text = encoding::from_server(CStr::from_ptr(value).to_bytes()).into_owned();
                        pg_sys::pfree(value.cast());
                        Some(text)
                    })
                    .collect(),
            );
        }
        rows
    }
}

fn run(role: Option<Oid>, sql: &str, arguments: &[Argument], reads_only: bool) -> Rows {
    let text = server_text(sql);
    pinned(role, || {
        // SAFETY: the server's own way to run a query; on ERROR the end of the (sub)transaction clears up.
        unsafe {
            pg_sys::SPI_connect();
            let mut parameters = Parameters::new(arguments);
            let code = pg_sys::SPI_execute_with_args(
                text.as_ptr(),
                parameters.count(),
                parameters.types.as_mut_ptr(),
                parameters.values.as_mut_ptr(),
                parameters.nulls.as_ptr(),
                reads_only,
                0,
            );
            if code < 0 {
                raise(
                    PgSqlErrorCode::ERRCODE_INTERNAL_ERROR,
                    "a query of the audit trail cannot be run",
                    sql,
                    "",
                );
            }
            let rows = fetched();
            pg_sys::SPI_finish();
            rows
        }
    })
}

/// The rows of a query, by the snapshot that is active.
pub fn rows(role: Option<Oid>, sql: &str, arguments: &[Argument]) -> Rows {
    run(role, sql, arguments, true)
}

/// Runs a statement that writes; the rows that it returns.
pub fn write(role: Option<Oid>, sql: &str, arguments: &[Argument]) -> Rows {
    run(role, sql, arguments, false)
}
