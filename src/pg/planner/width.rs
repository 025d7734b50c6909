//! The mean width of a column's values, finer than pg_statistic has it: whole bytes, the rest cut off. Whether index
//! tuples fit into eight bytes less hangs on that rest.

use pgrx::pg_sys;

/// `STATISTIC_KIND_MCV` and `STATISTIC_KIND_HISTOGRAM` of pg_statistic.h.
const MOST_COMMON: i32 = 1;
const HISTOGRAM: i32 = 2;
/// `typlen` of a type whose values tell their length themselves.
const VARIABLE: i16 = -1;
/// A value's header, and the longest value with its header that has the short one.
const SHORT_HEADER: usize = 1;
const LONG_HEADER: usize = 4;
const LONGEST_SHORT_VALUE: usize = 127;

/// Values whose widths are known.
#[derive(Default)]
struct Known {
    /// Their share of all rows.
    share: f64,
    /// Mean bytes.
    width: f64,
}

/// The mean width of values that are not NULL, from those that pg_statistic shows: the most common ones, and the ends
/// of the histogram's steps for all others.
///
/// # Safety
/// `row` must be a row of pg_statistic.
pub unsafe fn mean_width(row: pg_sys::HeapTuple) -> f64 {
    // SAFETY: as the caller vouches; these fields come before the first that may be NULL.
    let (whole, null_fraction) = unsafe {
        let form = &*pg_sys::GETSTRUCT(row).cast::<pg_sys::FormData_pg_statistic>();
        (f64::from(form.stawidth), f64::from(form.stanullfrac))
    };
    // SAFETY: as the caller vouches.
    let (common, others) = unsafe { (known(row, MOST_COMMON), known(row, HISTOGRAM)) };
    let share = (1.0 - null_fraction - common.share).max(0.0);
    let others = if others.width > 0.0 { Known { share, ..others } } else { Known::default() };
    let all = common.share + others.share;
    if all <= 0.0 {
        return whole;
    }
    ((common.share * common.width + others.share * others.width) / all).clamp(whole, whole + 1.0)
}

/// What one slot shows; nothing for a type of fixed length.
///
/// # Safety
/// `row` must be a row of pg_statistic.
unsafe fn known(row: pg_sys::HeapTuple, kind: i32) -> Known {
    let mut slot = pg_sys::AttStatsSlot::default();
    // A histogram has no shares: its steps hold equally many rows.
    let shares = if kind == MOST_COMMON { pg_sys::ATTSTATSSLOT_NUMBERS } else { 0 };
    let parts = (pg_sys::ATTSTATSSLOT_VALUES | shares) as i32;
    // SAFETY: as the caller vouches; the slot is freed after its values are measured.
    unsafe {
        if !pg_sys::get_attstatsslot(&raw mut slot, row, kind, pg_sys::InvalidOid, parts) {
            return Known::default();
        }
        let (mut share, mut sum) = (0.0, 0.0);
        if pg_sys::get_typlen(slot.valuetype) == VARIABLE {
            for number in 0..usize::try_from(slot.nvalues).unwrap_or(0) {
                let is_weighed = number < usize::try_from(slot.nnumbers).unwrap_or(0);
                let weight = if is_weighed { f64::from(*slot.numbers.add(number)) } else { 1.0 };
                share += weight;
                sum += weight * width(*slot.values.add(number));
            }
        }
        pg_sys::free_attstatsslot(&raw mut slot);
        Known { share, width: if share > 0.0 { sum / share } else { 0.0 } }
    }
}

/// Bytes of a value in a tuple; arrays, from which this one comes, have none with the short header.
///
/// # Safety
/// `value` must be of a type of variable length, and neither compressed nor stored elsewhere.
unsafe fn width(value: pg_sys::Datum) -> f64 {
    // SAFETY: as the caller vouches.
    let data = unsafe { pgrx::varsize_any_exhdr(value.cast_mut_ptr::<pg_sys::varlena>()) };
    let is_short = data + SHORT_HEADER <= LONGEST_SHORT_VALUE;
    (data + if is_short { SHORT_HEADER } else { LONG_HEADER }) as f64
}
