//! Settings on which the text of a value depends, put in force while values are written.

use std::ffi::CStr;

use pgrx::pg_sys;

use crate::pg::local_settings::with_settings;

const PINNED: [(&CStr, &CStr); 8] = [
    (c"DateStyle", c"ISO, YMD"),
    (c"IntervalStyle", c"postgres"),
    (c"TimeZone", c"UTC"),
    (c"extra_float_digits", c"1"),
    (c"bytea_output", c"hex"),
    (c"lc_monetary", c"C"),
    (c"search_path", c""),
    // Names: regclass and its like.
    (c"quote_all_identifiers", c"off"),
];

/// Types whose text depends on no setting, beside those that are written without their output function.
const INDEPENDENT: [u32; 19] = [
    142,  // xml
    650,  // cidr
    829,  // macaddr
    774,  // macaddr8
    869,  // inet
    1560, // bit
    1562, // varbit
    3220, // pg_lsn
    3614, // tsvector
    3615, // tsquery
    3904, // int4range
    3926, // int8range
    1005, // int2[]
    1007, // int4[]
    1016, // int8[]
    1009, // text[]
    1015, // varchar[]
    2951, // uuid[]
    1231, // numeric[]
];

/// Whether the text of a value of this type may depend on a setting.
pub fn depends_on_settings(type_oid: pg_sys::Oid) -> bool {
    let number = type_oid.to_u32();
    // SAFETY: a look-up in the catalogs.
    let kind = unsafe { pg_sys::get_typtype(type_oid) } as u8;
    kind != b'e' && !INDEPENDENT.contains(&number)
}

/// Whether a setting has a value by which texts come out as under ours.
fn is_as_good(name: &CStr, ours: &CStr) -> bool {
    // SAFETY: returns a C string that lives as long as the setting stays, or null.
    let current = unsafe {
        let value = pg_sys::GetConfigOption(name.as_ptr(), true, false);
        if value.is_null() {
            return false;
        }
        CStr::from_ptr(value).to_bytes()
    };
    match name.to_bytes() {
        // How dates are read is no matter.
        b"DateStyle" => current.starts_with(b"ISO"),
        b"extra_float_digits" => matches!(current, b"1" | b"2" | b"3"),
        _ => current == ours.to_bytes(),
    }
}

/// Runs `work` with them in force.
pub fn pinned<T>(is_needed: bool, work: impl FnOnce() -> T) -> T {
    if !is_needed {
        return work();
    }
    let others: Vec<(&CStr, &CStr)> =
        PINNED.iter().copied().filter(|(name, ours)| !is_as_good(name, ours)).collect();
    if others.is_empty() { work() } else { with_settings(&others, work) }
}
