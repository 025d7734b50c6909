//! One column of a watched table: whether a value changed, and how it is written.

use std::ffi::CStr;

use pgrx::pg_sys::ffi::pg_guard_ffi_boundary;
use pgrx::{PgSqlErrorCode, pg_sys};

use super::redaction;
use crate::catalog::trail::calendar;
use crate::catalog::trail::jsonb::Object;
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

/// A value, or NULL.
pub type Value = Option<pg_sys::Datum>;

/// How values of a column are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Boolean,
    SmallInteger,
    Integer,
    BigInteger,
    Oid,
    Single,
    Double,
    Numeric,
    Text,
    Name,
    Bytea,
    Uuid,
    Date,
    Time,
    TimeWithZone,
    Timestamp,
    TimestampWithZone,
    Jsonb,
    /// By its output function.
    Other(pg_sys::Oid),
}

impl Form {
    /// How values of a type are written; of a domain, those of its base.
    pub fn of(type_oid: pg_sys::Oid) -> Self {
        // SAFETY: a look-up in the catalogs.
        let base = unsafe { pg_sys::getBaseType(type_oid) };
        match base {
            pg_sys::BOOLOID => Self::Boolean,
            pg_sys::INT2OID => Self::SmallInteger,
            pg_sys::INT4OID => Self::Integer,
            pg_sys::INT8OID => Self::BigInteger,
            pg_sys::OIDOID => Self::Oid,
            pg_sys::FLOAT4OID => Self::Single,
            pg_sys::FLOAT8OID => Self::Double,
            pg_sys::NUMERICOID => Self::Numeric,
            // json is kept as it is stored, which is text.
            pg_sys::TEXTOID | pg_sys::VARCHAROID | pg_sys::BPCHAROID | pg_sys::JSONOID => Self::Text,
            pg_sys::NAMEOID => Self::Name,
            pg_sys::BYTEAOID => Self::Bytea,
            pg_sys::UUIDOID => Self::Uuid,
            pg_sys::DATEOID => Self::Date,
            pg_sys::TIMEOID => Self::Time,
            pg_sys::TIMETZOID => Self::TimeWithZone,
            pg_sys::TIMESTAMPOID => Self::Timestamp,
            pg_sys::TIMESTAMPTZOID => Self::TimestampWithZone,
            pg_sys::JSONBOID => Self::Jsonb,
            _ => Self::Other(base),
        }
    }
}

/// A column that is logged.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its place in a row, from 0.
    pub place: usize,
    /// Its name as the database stores it.
    pub name: Box<[u8]>,
    /// How its values are written.
    pub form: Form,
    /// Whether only a hash of its values is written.
    pub is_redacted: bool,
    /// How its values are stored.
    pub is_by_value: bool,
    /// How long they are; -1: they say it themselves.
    pub length: i16,
}

/// The bytes of a varlena that is neither compressed nor elsewhere; `None` for one that is.
///
/// # Safety
/// A varlena.
unsafe fn inline_bytes<'a>(datum: pg_sys::Datum) -> Option<&'a [u8]> {
    // SAFETY: as the caller vouches; the first byte says how the length is stored.
    unsafe {
        let pointer = datum.cast_mut_ptr::<pg_sys::varlena>();
        if pgrx::varatt_is_1b_e(pointer) || pgrx::varatt_is_4b_c(pointer) {
            return None;
        }
        Some(pgrx::varlena_to_byte_slice(pointer))
    }
}

/// A varlena as it lies there, header and all, where it is compressed or elsewhere.
///
/// # Safety
/// A varlena.
unsafe fn stored_bytes<'a>(datum: pg_sys::Datum) -> &'a [u8] {
    // SAFETY: as the caller vouches.
    unsafe {
        let pointer = datum.cast_mut_ptr::<pg_sys::varlena>();
        std::slice::from_raw_parts(pointer.cast::<u8>(), pgrx::varsize_any(pointer))
    }
}

impl Column {
    /// Whether two values are the same bytes. A value that is stored elsewhere is not fetched if both are in the same
    /// place.
    ///
    /// # Safety
    /// Values of this column.
    pub unsafe fn is_same(&self, one: Value, other: Value) -> bool {
        let (one, other) = match (one, other) {
            (Some(one), Some(other)) => (one, other),
            (one, other) => return one.is_none() && other.is_none(),
        };
        if self.is_by_value {
            return one.value() == other.value();
        }
        // SAFETY: as the caller vouches; of fixed length, or a varlena, or a C string.
        unsafe {
            match self.length {
                -1 => match (inline_bytes(one), inline_bytes(other)) {
                    (Some(one), Some(other)) => one == other,
                    (None, None) if stored_bytes(one) == stored_bytes(other) => true,
                    _ => pg_guard_ffi_boundary(|| raw::datum_image_eq(one, other, false, -1)),
                },
                -2 => {
                    CStr::from_ptr(one.cast_mut_ptr::<std::ffi::c_char>())
                        == CStr::from_ptr(other.cast_mut_ptr::<std::ffi::c_char>())
                }
                length => {
                    let length = usize::try_from(length).unwrap_or(0);
                    std::slice::from_raw_parts(one.cast_mut_ptr::<u8>(), length)
                        == std::slice::from_raw_parts(other.cast_mut_ptr::<u8>(), length)
                }
            }
        }
    }

    /// Writes a value as that of the next key.
    ///
    /// # Safety
    /// A value of this column.
    pub unsafe fn write(&self, object: &mut Object<'_>, value: Value, outputs: &mut Outputs) {
        let Some(datum) = value else { return object.null() };
        // SAFETY: as the caller vouches.
        unsafe {
            if self.is_redacted {
                redacted(self, object, datum, outputs);
            } else {
                write(self.form, object, datum, outputs);
            }
        }
    }
}

/// # Safety
/// A value of the column.
unsafe fn redacted(column: &Column, object: &mut Object<'_>, datum: pg_sys::Datum, outputs: &mut Outputs) {
    let mut bytes = Vec::new();
    let mut scratch = Object::begin(&mut bytes, [&b""[..]].into_iter());
    // SAFETY: as the caller vouches.
    unsafe { write(column.form, &mut scratch, datum, outputs) };
    scratch.finish();
    object.string(redaction::redacted(&bytes).as_bytes());
}

/// # Safety
/// A value of that form.
unsafe fn write(form: Form, object: &mut Object<'_>, datum: pg_sys::Datum, outputs: &mut Outputs) {
    let word = datum.value();
    // SAFETY: as the caller vouches; what points somewhere points to a value of the type.
    unsafe {
        match form {
            Form::Boolean => object.boolean(word as u8 != 0),
            Form::SmallInteger => object.integer(i64::from(word as i16)),
            Form::Integer => object.integer(i64::from(word as i32)),
            Form::BigInteger => object.integer(word as i64),
            Form::Oid => object.integer(i64::from(word as u32)),
            Form::Single => object.single(f32::from_bits(word as u32)),
            Form::Double => object.double(f64::from_bits(word as u64)),
            Form::Numeric => with_bytes(datum, |bytes| object.numeric(bytes)),
            Form::Text => with_bytes(datum, |bytes| object.string(bytes)),
            Form::Jsonb => with_bytes(datum, |bytes| object.document(bytes)),
            Form::Bytea => with_bytes(datum, |bytes| object.string_of(|out| hexadecimal(out, bytes))),
            Form::Name => {
                object.string(CStr::from_ptr(datum.cast_mut_ptr::<std::ffi::c_char>()).to_bytes());
            }
            Form::Uuid => {
                let bytes = std::slice::from_raw_parts(datum.cast_mut_ptr::<u8>(), 16);
                object.string_of(|out| uuid(out, bytes));
            }
            Form::Date => object.string_of(|out| calendar::write_date(out, word as i32)),
            Form::Time => object.string_of(|out| calendar::write_time(out, word as i64)),
            Form::TimeWithZone => {
                let time = &*datum.cast_mut_ptr::<pg_sys::TimeTzADT>();
                object.string_of(|out| calendar::write_time_with_zone(out, time.time, time.zone));
            }
            Form::Timestamp => object.string_of(|out| calendar::write_timestamp(out, word as i64, false)),
            Form::TimestampWithZone => {
                object.string_of(|out| calendar::write_timestamp(out, word as i64, true));
            }
            Form::Other(type_oid) => {
                let text = outputs.text(type_oid, datum);
                object.string(CStr::from_ptr(text).to_bytes());
            }
        }
    }
}

/// # Safety
/// A varlena.
unsafe fn with_bytes(datum: pg_sys::Datum, use_bytes: impl FnOnce(&[u8])) {
    // SAFETY: as the caller vouches; what is fetched or decompressed lies in the current context, which is reset soon.
    unsafe {
        match inline_bytes(datum) {
            Some(bytes) => use_bytes(bytes),
            None => {
                let whole = pg_sys::pg_detoast_datum_packed(datum.cast_mut_ptr());
                use_bytes(pgrx::varlena_to_byte_slice(whole));
            }
        }
    }
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

fn hexadecimal(out: &mut Vec<u8>, bytes: &[u8]) {
    out.reserve(2 + 2 * bytes.len());
    out.extend_from_slice(b"\\x");
    for &byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
}

fn uuid(out: &mut Vec<u8>, bytes: &[u8]) {
    for (place, &byte) in bytes.iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
}

/// The output functions that one call of the trigger looked up.
#[derive(Default)]
pub struct Outputs {
    found: Vec<(pg_sys::Oid, Box<pg_sys::FmgrInfo>)>,
    /// Where what they remember lives: as long as the call.
    context: Option<pg_sys::MemoryContext>,
}

impl Outputs {
    /// `context`: what outlives this.
    pub fn new(context: pg_sys::MemoryContext) -> Self {
        Self { found: Vec::new(), context: Some(context) }
    }

    /// # Safety
    /// A value of that type.
    unsafe fn text(&mut self, type_oid: pg_sys::Oid, datum: pg_sys::Datum) -> *const std::ffi::c_char {
        // SAFETY: as the caller vouches; look-ups in the catalogs.
        unsafe {
            if !self.found.iter().any(|(found, _)| *found == type_oid) {
                let (mut function, mut is_varlena) = (pg_sys::InvalidOid, false);
                pg_sys::getTypeOutputInfo(type_oid, &raw mut function, &raw mut is_varlena);
                let mut information = Box::new(pg_sys::FmgrInfo::default());
                let context = self.context.unwrap_or(pg_sys::CurrentMemoryContext);
                pg_sys::fmgr_info_cxt(function, &raw mut *information, context);
                self.found.push((type_oid, information));
            }
            let information = self.found.iter_mut().find(|(found, _)| *found == type_oid);
            match information {
                Some((_, information)) => pg_sys::OutputFunctionCall(&raw mut **information, datum),
                None => raise(PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, "an output function is lost", "", ""),
            }
        }
    }
}
