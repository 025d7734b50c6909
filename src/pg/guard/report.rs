//! Errors with an SQLSTATE of our own, which pgrx cannot carry: the server's own functions, without its barrier.

use std::ffi::{CStr, c_char, c_int};
use std::ptr;

use pgrx::PgLogLevel;
use pgrx::pg_sys;
use pgrx::pg_sys::ffi::pg_guard_ffi_boundary;

use super::Told;
use crate::pg::encoding;

mod raw {
    use std::ffi::{c_char, c_int};

    unsafe extern "C-unwind" {
        pub fn errstart(level: c_int, domain: *const c_char) -> bool;
        pub fn errfinish(file: *const c_char, line: c_int, function: *const c_char);
        pub fn errcode(code: c_int) -> c_int;
        pub fn errmsg_internal(format: *const c_char, ...) -> c_int;
        pub fn errdetail_internal(format: *const c_char, ...) -> c_int;
        pub fn errhint(format: *const c_char, ...) -> c_int;
        pub fn err_generic_string(field: c_int, text: *const c_char) -> c_int;
    }
}

/// Unsafe DDL that is refused. Class U is nobody's by the standard, which leaves classes from I on to implementations.
const REFUSED: &[u8; 5] = b"UD001";
/// Unsafe DDL that is let pass: a subclass of warning.
const WARNED: &[u8; 5] = b"01U01";

/// `PG_DIAG_SCHEMA_NAME` and `PG_DIAG_TABLE_NAME` of postgres_ext.h.
const SCHEMA_NAME: c_int = b's' as c_int;
const TABLE_NAME: c_int = b't' as c_int;

/// An SQLSTATE as the server packs it: six bits a character.
fn packed(state: &[u8; 5]) -> c_int {
    state.iter().enumerate().fold(0, |packed, (place, byte)| {
        packed | (c_int::from(byte.wrapping_sub(b'0') & 0x3f) << (6 * place))
    })
}

/// What is to be said, in memory of the server: may stand in a frame that a longjmp crosses.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Message {
    text: *const c_char,
    detail: *const c_char,
    hint: *const c_char,
    schema: *const c_char,
    table: *const c_char,
}

impl Default for Message {
    fn default() -> Self {
        let nothing = ptr::null();
        Self { text: nothing, detail: nothing, hint: nothing, schema: nothing, table: nothing }
    }
}

impl Message {
    /// Whether there is anything to be said.
    pub fn is_there(&self) -> bool {
        !self.text.is_null()
    }

    /// Copies it into the current memory context.
    pub fn new(told: &Told) -> Self {
        let optional = |text: &str| if text.is_empty() { ptr::null() } else { copy(text) };
        let (schema, table) = match &told.table {
            Some((schema, table)) => (optional(schema), optional(table)),
            None => (ptr::null(), ptr::null()),
        };
        Self {
            text: copy(&told.message),
            detail: optional(&told.detail),
            hint: optional(&told.hint),
            schema,
            table,
        }
    }
}

/// A C string in the database's encoding, in the current memory context.
fn copy(text: &str) -> *const c_char {
    let mut bytes = encoding::to_server(text).into_owned();
    bytes.retain(|&byte| byte != 0);
    bytes.push(0);
    // SAFETY: the new memory is as long as what is copied into it.
    unsafe {
        let memory = pg_sys::palloc(bytes.len()).cast::<u8>();
        ptr::copy_nonoverlapping(bytes.as_ptr(), memory, bytes.len());
        memory.cast_const().cast()
    }
}

/// # Safety
/// The message must live. An ERROR leaves this and its callers by longjmp: none may own anything.
unsafe fn report(level: c_int, state: &[u8; 5], message: Message) {
    const FORMAT: *const c_char = c"%s".as_ptr();
    // SAFETY: the order of calls that ereport() makes; all texts are C strings.
    unsafe {
        if !raw::errstart(level, ptr::null()) {
            return;
        }
        raw::errcode(packed(state));
        raw::errmsg_internal(FORMAT, message.text);
        if !message.detail.is_null() {
            raw::errdetail_internal(FORMAT, message.detail);
        }
        if !message.hint.is_null() {
            raw::errhint(FORMAT, message.hint);
        }
        for (field, text) in [(SCHEMA_NAME, message.schema), (TABLE_NAME, message.table)] {
            if !text.is_null() {
                raw::err_generic_string(field, text);
            }
        }
        let file: &CStr = c"guard";
        raw::errfinish(file.as_ptr(), 0, file.as_ptr());
    }
}

/// Ends the statement with an ERROR.
///
/// # Safety
/// Between here and the server there must be only frames that own nothing, unguarded ones.
pub unsafe fn refuse(message: Message) {
    // SAFETY: as the caller vouches.
    unsafe { report(PgLogLevel::ERROR as c_int, REFUSED, message) };
}

/// Says it as a WARNING.
pub fn warn(told: &Told) {
    let message = Message::new(told);
    // SAFETY: one C-like call inside the boundary, should the report itself fail.
    unsafe { pg_guard_ffi_boundary(|| report(PgLogLevel::WARNING as c_int, WARNED, message)) };
}

#[cfg(test)]
mod tests {
    #[test]
    fn states_are_packed_as_the_server_does() {
        assert_eq!(super::packed(b"00000"), 0);
        // ERRCODE_SYNTAX_ERROR
        assert_eq!(super::packed(b"42601"), pgrx::PgSqlErrorCode::ERRCODE_SYNTAX_ERROR as i32);
    }
}
