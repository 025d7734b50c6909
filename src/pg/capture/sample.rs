//! Values of constants and parameters as text, of a few runs of each query.

use std::ffi::{CStr, c_char};

use pgrx::pg_sys;

use super::memory::Shared;
use crate::catalog::captured::record::{MOST_SAMPLES, Record};
use crate::catalog::captured::table::Key;
use crate::pg::encoding;
use crate::pg::local_settings::with_settings;
use crate::pg::settings::{self, Constants};

/// A query with a longer value is not sampled: it would take the room of its text.
const LONGEST_VALUE: usize = 500;

/// Whether it is this run's turn, after so many others: each has the same chance to stay.
pub fn is_due(sightings: u64, moment: i64) -> bool {
    sightings < MOST_SAMPLES as u64 || random(sightings, moment) % (sightings + 1) < MOST_SAMPLES as u64
}

/// Not to be guessed from the count alone; nothing depends on how good it is.
fn random(sightings: u64, moment: i64) -> u64 {
    let mixed = (sightings ^ moment.cast_unsigned()).wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ mixed >> 31
}

/// Adds one vector of values to what is kept of a query, in the place of another once there are enough.
pub fn keep(shared: &Shared, key: Key, values: Option<Vec<Option<String>>>) {
    let Some(values) = values.filter(|values| !values.is_empty()) else { return };
    let before =
        shared.reading(|table| table.find(key).map(|entry| (table.bytes(entry), table.counts(entry))));
    let Some((bytes, counts)) = before else { return };
    let Some(mut record) = Record::decoded(&bytes) else { return };
    if record.is_truncated || record.parameter_types.len() != values.len() || record.samples.contains(&values)
    {
        return;
    }
    if record.samples.len() < MOST_SAMPLES {
        record.samples.push(values);
    } else {
        let place = random(counts.calls, counts.last_seen) as usize % MOST_SAMPLES;
        record.samples[place] = values;
    }
    let encoded = record.encoded(shared.table.room());
    shared.changing(|table| {
        if let Some(entry) = table.find(key) {
            table.keep(entry, &encoded);
        }
    });
}

/// The values of constants as text; `None` if one of them cannot be told.
///
/// # Safety
/// Constants of an analysed query.
pub unsafe fn values(constants: &[*mut pg_sys::Const]) -> Option<Vec<Option<String>>> {
    in_plain_style(|| {
        let value = |&constant: &*mut pg_sys::Const| {
            // SAFETY: as the caller vouches.
            unsafe { text((*constant).consttype, (*constant).constvalue, (*constant).constisnull) }
        };
        constants.iter().map(value).collect()
    })
}

/// Whether the values with which a query was run are to be looked at.
pub fn wants_bound(parameters: pg_sys::ParamListInfo) -> bool {
    !parameters.is_null() && settings::capture_constants() == Constants::Sample
}

/// The values with which a query was run; `None` if one of them cannot be told.
///
/// # Safety
/// The parameters of a query that was run.
pub unsafe fn bound(parameters: pg_sys::ParamListInfo) -> Option<Vec<Option<String>>> {
    // SAFETY: as the caller vouches; without a function that fetches them, all are there.
    unsafe {
        if (*parameters).paramFetch.is_some() {
            return None;
        }
        let count = usize::try_from((*parameters).numParams).ok()?;
        let all = (*parameters).params.as_slice(count);
        in_plain_style(|| all.iter().map(|one| text(one.ptype, one.value, one.isnull)).collect())
    }
}

/// A value as text. `None` for a type whose text is made by code that is not the server's, or that holds such a type,
/// and for a value that is too long.
///
/// # Safety
/// The value must be of that type.
unsafe fn text(of: pg_sys::Oid, value: pg_sys::Datum, is_null: bool) -> Option<Option<String>> {
    if is_null {
        return Some(None);
    }
    // SAFETY: as the caller vouches; the server's own function makes a C string of it.
    unsafe {
        let (mut output, mut is_varlena) = (pg_sys::InvalidOid, false);
        pg_sys::getTypeOutputInfo(of, &raw mut output, &raw mut is_varlena);
        let users = pg_sys::FirstNormalObjectId;
        let kind = u8::try_from(pg_sys::get_typtype(of)).unwrap_or(0);
        let is_plain = of.to_u32() < users || kind == pg_sys::TYPTYPE_ENUM;
        if output.to_u32() >= users || !is_plain {
            return None;
        }
        if is_varlena && pg_sys::toast_raw_datum_size(value) > LONGEST_VALUE * 2 {
            return None;
        }
        let text: *mut c_char = pg_sys::OidOutputFunctionCall(output, value);
        let bytes = CStr::from_ptr(text).to_bytes();
        (bytes.len() <= LONGEST_VALUE).then(|| Some(encoding::from_server(bytes).into_owned()))
    }
}

/// Runs `work` with the settings by which every session reads values alike.
fn in_plain_style<T>(work: impl FnOnce() -> T) -> T {
    with_settings(
        &[(c"datestyle", c"ISO"), (c"intervalstyle", c"postgres"), (c"extra_float_digits", c"3")],
        work,
    )
}
