//! The keys of an inverted index, extracted from a sample of rows by the operator class itself.

use std::collections::{BTreeMap, HashMap};
use std::ffi::c_void;

use pgrx::pg_sys;

use super::key::{Column, procedure};
use super::list;
use super::sampling::{self, Values, Wanted};
use crate::catalog::hypothetical::Elements;

/// What is known of one key: in how many sampled rows it occurs.
type Counts = HashMap<(usize, Vec<u8>), u32>;

/// Samples the key columns and extrapolates to the whole index.
pub fn estimate(
    relation: pg_sys::Oid,
    keys: &[Column],
    expressions: *mut pg_sys::List,
    predicate: *mut pg_sys::List,
    tuples: f64,
    fraction: f64,
) -> Vec<Elements> {
    let mut others = list::pointers::<pg_sys::Node>(expressions).into_iter();
    let nodes: Vec<*mut pg_sys::Node> = keys
        .iter()
        .map(|column| {
            if column.attribute == 0 {
                return others.next().unwrap_or(std::ptr::null_mut());
            }
            column.variable()
        })
        .collect();
    let wanted = Wanted { tuples, fraction, rows: sampling::ROWS_FOR_ELEMENTS };
    sampling::with_sample(relation, &nodes, predicate, &wanted, |sample| {
        let mut counts = Counts::new();
        let mut rows = 0;
        for (number, column) in keys.iter().enumerate() {
            let values = sample.column(number);
            rows = values.count;
            count_keys(number, column, values, &mut counts);
        }
        extrapolate(&counts, rows, tuples * fraction)
    })
}

fn count_keys(number: usize, column: &Column, values: Values, counts: &mut Counts) {
    let function = procedure(column, pg_sys::GIN_EXTRACTVALUE_PROC as i16);
    let key_type =
        if column.stored_type == pg_sys::InvalidOid { column.type_oid } else { column.stored_type };
    let (mut length, mut by_value, mut alignment) = (0_i16, false, 0);
    // SAFETY: a look-up in the catalogs.
    unsafe { pg_sys::get_typlenbyvalalign(key_type, &raw mut length, &raw mut by_value, &raw mut alignment) };
    for row in 0..values.count {
        pgrx::check_for_interrupts!();
        // SAFETY: the arrays are as long as the sample. The function has three arguments as GIN calls it: the value,
        // and where to put the number of keys and which of them are null.
        unsafe {
            if *values.nulls.add(row) {
                *counts.entry((number, Vec::new())).or_insert(0) += 1;
                continue;
            }
            let (mut count, mut null_flags): (i32, *mut bool) = (0, std::ptr::null_mut());
            let keys = pg_sys::OidFunctionCall3Coll(
                function,
                column.collation,
                *values.datums.add(row),
                pg_sys::Datum::from((&raw mut count).cast::<c_void>()),
                pg_sys::Datum::from((&raw mut null_flags).cast::<c_void>()),
            );
            let keys = keys.cast_mut_ptr::<pg_sys::Datum>();
            let count = if keys.is_null() { 0 } else { usize::try_from(count).unwrap_or(0) };
            let mut own: Vec<Vec<u8>> = (0..count)
                .filter(|&key| null_flags.is_null() || !*null_flags.add(key))
                .map(|key| bytes(*keys.add(key), length, by_value))
                .collect();
            own.sort_unstable();
            own.dedup();
            for key in own {
                *counts.entry((number, key)).or_insert(0) += 1;
            }
        }
    }
}

/// The bytes of a datum: equal keys of the operator classes there are look alike.
///
/// # Safety
/// `datum` must be of a type of that length and passing.
unsafe fn bytes(datum: pg_sys::Datum, length: i16, by_value: bool) -> Vec<u8> {
    if by_value {
        let width = usize::try_from(length).unwrap_or(8).min(8);
        return datum.value().to_ne_bytes()[..width].to_vec();
    }
    // SAFETY: as the caller vouches.
    unsafe {
        match usize::try_from(length) {
            Ok(length) => std::slice::from_raw_parts(datum.cast_mut_ptr::<u8>(), length).to_vec(),
            Err(_) if length == -2 => std::ffi::CStr::from_ptr(datum.cast_mut_ptr()).to_bytes().to_vec(),
            Err(_) => {
                let value = pg_sys::pg_detoast_datum_packed(datum.cast_mut_ptr());
                // The header of a short value is one byte.
                let mut bytes = vec![0];
                bytes.extend(pgrx::varlena_to_byte_slice(value));
                bytes
            }
        }
    }
}

/// Keys that were met once grow in number with the rows, by the estimator that ANALYZE uses for different values; the
/// others are taken to have all been met, and their rows grow.
fn extrapolate(counts: &Counts, sampled: usize, tuples: f64) -> Vec<Elements> {
    let scale = (tuples / (sampled as f64).max(1.0)).max(1.0);
    let postings: f64 = counts.values().map(|&count| f64::from(count)).sum();
    let mut classes: BTreeMap<u32, (f64, f64, f64)> = BTreeMap::new();
    for ((_, key), &count) in counts {
        let class = classes.entry(count.ilog2()).or_insert((0.0, 0.0, 0.0));
        *class = (class.0 + 1.0, class.1 + f64::from(count), class.2 + key.len() as f64);
    }
    let once = classes.get(&0).map_or(0.0, |class| class.0);
    let seen = counts.len() as f64;
    let all = if seen > 0.0 { postings * seen / (postings - once + once / scale) } else { 0.0 };
    classes
        .into_iter()
        .map(|(class, (keys, rows, bytes))| {
            let grown = if class == 0 { keys + (all - seen).max(0.0) } else { keys };
            Elements { keys: grown, rows_of_key: rows * scale / grown, key_width: bytes / keys }
        })
        .collect()
}
