//! Errors as PostgreSQL users know them: SQLSTATE, message, DETAIL, HINT.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgLogLevel, PgSqlErrorCode};

use super::encoding::message_to_server;

/// A message as the server sends it; an empty detail or hint is left out.
fn report(code: PgSqlErrorCode, message: &str, detail: &str, hint: &str) -> ErrorReport {
    let mut report = ErrorReport::new(code, message_to_server(message).into_owned(), "dbmastery");
    if !detail.is_empty() {
        report = report.set_detail(message_to_server(detail).into_owned());
    }
    if !hint.is_empty() {
        report = report.set_hint(message_to_server(hint).into_owned());
    }
    report
}

/// Raises an ERROR; an empty detail or hint is left out.
///
/// Unwinds as a Rust panic first, so destructors on the way run.
pub fn raise(code: PgSqlErrorCode, message: &str, detail: &str, hint: &str) -> ! {
    report(code, message, detail, hint).report(PgLogLevel::ERROR);
    unreachable!("an ERROR does not return")
}

/// Says a WARNING; an empty detail or hint is left out.
pub fn warn(message: &str, detail: &str, hint: &str) {
    report(PgSqlErrorCode::ERRCODE_WARNING, message, detail, hint).report(PgLogLevel::WARNING);
}

/// The five characters of an SQLSTATE, which the server packs into six bits each.
pub fn sqlstate_of(code: PgSqlErrorCode) -> String {
    let packed = code as i32 as u32;
    (0..5).map(|place| char::from(b'0' + ((packed >> (6 * place)) & 0x3f) as u8)).collect()
}

/// The same packed again.
pub fn code_of(sqlstate: &str) -> PgSqlErrorCode {
    let packed = sqlstate
        .bytes()
        .enumerate()
        .fold(0, |packed, (place, byte)| packed | (i32::from(byte.wrapping_sub(b'0') & 0x3f) << (6 * place)));
    PgSqlErrorCode::from(packed)
}
