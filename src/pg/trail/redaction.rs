//! What is written instead of a value that nobody shall read: a hash under the log's secret, so that equal values are seen
//! to be equal and nothing more.

use std::cell::RefCell;

use pgrx::{FromDatum, PgSqlErrorCode, direct_function_call_as_datum, pg_sys};

use super::log::Open;
use crate::pg::error::raise;

thread_local! {
    static SECRET: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Another log may have another secret.
pub fn forget() {
    SECRET.with_borrow_mut(|secret| *secret = None);
}

/// What stands for a value of which these are the bytes.
pub fn redacted(bytes: &[u8]) -> String {
    let secret = SECRET.with_borrow(Clone::clone).unwrap_or_else(|| {
        let read = read();
        SECRET.with_borrow_mut(|secret| *secret = Some(read.clone()));
        read
    });
    let mut text = String::from("redacted:");
    for byte in &mac(&secret, bytes)[..16] {
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

/// HMAC-SHA256; the secret has 32 bytes.
fn mac(secret: &[u8], message: &[u8]) -> Vec<u8> {
    let padded = |with: u8| -> Vec<u8> {
        (0..64).map(|place| secret.get(place).copied().unwrap_or(0) ^ with).collect()
    };
    let mut inner = padded(0x36);
    inner.extend_from_slice(message);
    let mut outer = padded(0x5c);
    outer.extend_from_slice(&sha256(&inner));
    sha256(&outer)
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    use pgrx::IntoDatum;
    // SAFETY: a bytea goes in and one of 32 bytes comes out.
    unsafe {
        let result = direct_function_call_as_datum(pg_sys::sha256_bytea, &[bytes.into_datum()]);
        let hash = result.and_then(|datum| Vec::<u8>::from_datum(datum, false));
        hash.unwrap_or_else(|| vec![0; 32])
    }
}

fn read() -> Vec<u8> {
    let mut secret = None;
    let open = Open::by_name("redaction", pg_sys::AccessShareLock as pg_sys::LOCKMODE);
    // SAFETY: the log's own table, of one column, as its owner made it.
    unsafe {
        open.scan(None, |values| {
            secret = values.first().copied().flatten().and_then(|datum| Vec::<u8>::from_datum(datum, false));
        });
    }
    match secret {
        Some(secret) if secret.len() == 32 => secret,
        _ => raise(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "the log of the audit trail has no secret to redact with",
            "Table dbm_trail.redaction holds none, or none of 32 bytes.",
            "Without it nothing can be redacted: put it back from a backup, or install the trigger without redact.",
        ),
    }
}
