//! Columns, looked up without a lock.

use std::ffi::CStr;

use pgrx::pg_sys;

use super::cache::{c_name, row};
use super::constraint;
use crate::pg::scan::{CatalogScan, in_scratch_memory, text_of_c_string, text_of_name};

const ATTRIBUTE_DEFAULT: u32 = 2604;

/// A column that is not dropped.
#[derive(Clone, Debug)]
pub struct Column {
    pub number: i16,
    pub name: String,
    pub type_oid: pg_sys::Oid,
    pub modifier: i32,
    pub collation: pg_sys::Oid,
    /// NOT NULL, and known to hold for every row.
    pub is_not_null: bool,
    /// A default or a generation expression.
    pub has_default: bool,
    /// `s` for STORED, `v` for VIRTUAL, NUL for what is not generated.
    pub generated: u8,
}

impl Column {
    /// # Safety
    /// The tuple must be a row of `pg_attribute`.
    unsafe fn of(relation: pg_sys::Oid, tuple: pg_sys::HeapTuple) -> Option<Self> {
        // SAFETY: as the caller vouches.
        let form = unsafe { &*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_attribute>() };
        (!form.attisdropped).then(|| Self {
            number: form.attnum,
            name: text_of_name(&form.attname).into(),
            type_oid: form.atttypid,
            modifier: form.atttypmod,
            collation: form.attcollation,
            is_not_null: form.attnotnull && is_checked(relation, form.attnum),
            has_default: form.atthasdef,
            generated: form.attgenerated as u8,
        })
    }

    /// Its type as SQL.
    pub fn type_name(&self) -> String {
        type_name(self.type_oid, self.modifier)
    }
}

/// From 18 on, a NOT NULL may be one that nobody has checked for the rows that were there.
fn is_checked(relation: pg_sys::Oid, number: i16) -> bool {
    if cfg!(not(feature = "pg18")) {
        return true;
    }
    !constraint::of_table(relation)
        .iter()
        .any(|known| known.letter == 'n' && known.columns == [number] && !known.is_validated)
}

/// A type as SQL.
pub fn type_name(type_oid: pg_sys::Oid, modifier: i32) -> String {
    // SAFETY: an unknown type comes back as "???"; nothing is opened.
    in_scratch_memory(|| unsafe { text_of_c_string(pg_sys::format_type_with_typemod(type_oid, modifier)) })
        .map(String::from)
        .unwrap_or_default()
}

/// A column by its name as the parser has it.
///
/// # Safety
/// The name must be null or a C string.
pub unsafe fn named(relation: pg_sys::Oid, name: *const std::ffi::c_char) -> Option<Column> {
    if name.is_null() {
        return None;
    }
    // SAFETY: as the caller vouches.
    of_c_name(relation, unsafe { CStr::from_ptr(name) })
}

/// A column by its name.
pub fn by_name(relation: pg_sys::Oid, name: &str) -> Option<Column> {
    of_c_name(relation, &c_name(name)?)
}

fn of_c_name(relation: pg_sys::Oid, name: &CStr) -> Option<Column> {
    let keys = [pg_sys::Datum::from(relation), pg_sys::Datum::from(name.as_ptr())];
    // SAFETY: the row of pg_attribute.
    row(pg_sys::SysCacheIdentifier::ATTNAME, &keys, |tuple| unsafe { Column::of(relation, tuple) }).flatten()
}

/// A column by its number.
pub fn numbered(relation: pg_sys::Oid, number: i16) -> Option<Column> {
    let keys = [pg_sys::Datum::from(relation), pg_sys::Datum::from(number)];
    // SAFETY: the row of pg_attribute.
    row(pg_sys::SysCacheIdentifier::ATTNUM, &keys, |tuple| unsafe { Column::of(relation, tuple) }).flatten()
}

/// All columns that are not dropped.
pub fn all(relation: pg_sys::Oid) -> Vec<Column> {
    let count = super::cache::class(relation, |form| form.relnatts).unwrap_or(0);
    (1..=count).filter_map(|number| numbered(relation, number)).collect()
}

/// The column to which a default or generation expression belongs.
pub fn of_default(default: u32) -> Option<(pg_sys::Oid, i16)> {
    /// `pg_attrdef_oid_index`.
    const BY_OID: u32 = 2657;
    let mut scan = CatalogScan::keyed(ATTRIBUTE_DEFAULT, BY_OID, &[(1, default)]);
    let (relation, number) = (scan.attribute(c"adrelid"), scan.attribute(c"adnum"));
    scan.next_row().map(|row| (pg_sys::Oid::from(row.oid(relation)), row.int2(number)))
}
