//! What is written instead of a value that nobody shall read: a hash under the log's secret, so that equal values are seen
//! to be equal and nothing more.

use std::cell::RefCell;

use pgrx::{FromDatum, PgSqlErrorCode, pg_sys};
use sha2::{Digest, Sha256};

use super::log::Open;
use crate::pg::error::raise;
use crate::text::hex::hex;

thread_local! {
    static SECRET: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Another log may have another secret.
pub fn forget() {
    SECRET.with_borrow_mut(|secret| *secret = None);
}

/// What stands for a value of which these are the bytes.
pub fn redacted(bytes: &[u8]) -> String {
    if SECRET.with_borrow(Option::is_none) {
        let secret = read();
        SECRET.set(Some(secret));
    }
    let code = SECRET.with_borrow(|secret| mac(secret.as_deref().unwrap_or_default(), bytes));
    format!("redacted:{}", hex(&code[..16]))
}

/// HMAC-SHA256; the secret has 32 bytes.
fn mac(secret: &[u8], message: &[u8]) -> [u8; 32] {
    let padded = |with: u8| -> [u8; 64] {
        std::array::from_fn(|place| secret.get(place).copied().unwrap_or(0) ^ with)
    };
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize().into()
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
