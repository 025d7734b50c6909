//! Between the database's encoding and Rust's UTF-8.
//!
//! In a UTF-8 database nothing is converted. In an SQL_ASCII one nobody knows what the bytes mean: what is not UTF-8
//! is replaced. In any other one the server converts both ways, and a name comes out as it went in.

use std::borrow::Cow;

use pgrx::pg_sys;

/// The database's encoding if the server has to convert from and to it.
fn foreign_encoding() -> Option<i32> {
    // SAFETY: reads a constant of this backend.
    let encoding = unsafe { pg_sys::GetDatabaseEncoding() };
    let is_foreign =
        encoding != pg_sys::pg_enc::PG_UTF8 as i32 && encoding != pg_sys::pg_enc::PG_SQL_ASCII as i32;
    is_foreign.then_some(encoding)
}

/// Text from another database, where this one may have no place for its characters: then a question mark for each.
pub fn from_elsewhere(text: String) -> String {
    let is_written_as_it_is = foreign_encoding().is_none() || text.is_ascii();
    if is_written_as_it_is { text } else { text.replace(|character: char| !character.is_ascii(), "?") }
}

/// Converts between two encodings of the server.
fn convert(bytes: &[u8], from: i32, to: i32) -> Vec<u8> {
    let Ok(length) = i32::try_from(bytes.len()) else {
        return bytes.to_vec();
    };
    // SAFETY: the server reads `length` bytes and returns them or a zero-terminated copy in the current context.
    unsafe {
        let source = bytes.as_ptr().cast_mut();
        let converted = pg_sys::pg_do_encoding_conversion(source, length, from, to);
        if converted == source {
            return bytes.to_vec();
        }
        let copy = std::ffi::CStr::from_ptr(converted.cast()).to_bytes().to_vec();
        pg_sys::pfree(converted.cast());
        copy
    }
}

/// Text of the database as UTF-8.
pub fn from_server(bytes: &[u8]) -> Cow<'_, str> {
    match foreign_encoding() {
        Some(encoding) if !bytes.is_ascii() => {
            let utf8 = convert(bytes, encoding, pg_sys::pg_enc::PG_UTF8 as i32);
            Cow::Owned(String::from_utf8_lossy(&utf8).into_owned())
        }
        _ => String::from_utf8_lossy(bytes),
    }
}

/// UTF-8 as text of the database. What we say ourselves is ASCII, and names came from the database, so that every
/// character has a place there; the one exception, the mark of a replaced byte, becomes a question mark.
pub fn to_server(text: &str) -> Cow<'_, [u8]> {
    match foreign_encoding() {
        Some(encoding) if !text.is_ascii() => {
            let representable = text.replace(char::REPLACEMENT_CHARACTER, "?");
            Cow::Owned(convert(representable.as_bytes(), pg_sys::pg_enc::PG_UTF8 as i32, encoding))
        }
        _ => Cow::Borrowed(text.as_bytes()),
    }
}

/// JSON as the database can read it: where UTF-8 is foreign, every other character than ASCII as its escape.
pub fn json_to_server(json: String) -> String {
    if foreign_encoding().is_none() || json.is_ascii() {
        return json;
    }
    let mut escaped = String::with_capacity(json.len() + 16);
    for character in json.chars() {
        if character.is_ascii() {
            escaped.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    escaped
}

/// A message for an error in a database whose encoding is not UTF-8: pgrx carries errors as UTF-8 and PostgreSQL would
/// take the bytes for its own, so every other character than ASCII is written as its escape.
pub fn message_to_server(message: &str) -> Cow<'_, str> {
    if foreign_encoding().is_none() || message.is_ascii() {
        return Cow::Borrowed(message);
    }
    let escape = |character: char| match u32::from(character) {
        0..=0x7f => character.to_string(),
        code @ 0..=0xffff => format!("\\u{code:04x}"),
        code => format!("\\U{code:08x}"),
    };
    Cow::Owned(message.chars().map(escape).collect())
}
