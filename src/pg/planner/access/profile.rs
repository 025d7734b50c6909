//! The columns that a query reads of a relation, and what statistics say of them.

use std::ffi::CStr;

use pgrx::pg_sys;

use super::Place;
use crate::catalog::ColumnNumber;
use crate::catalog::access::ColumnProfile;
use crate::pg::planner::list;
use crate::pg::planner::measure::facts;
use crate::pg::scan::text_of;
use crate::text::identifier::quote_identifier;

/// `STATISTIC_KIND_CORRELATION` of pg_statistic.h.
const CORRELATION: i32 = 3;

/// The numbers of the columns that the query reads; 0 stands for the whole row.
///
/// # Safety
/// As for [`super::note`].
unsafe fn attributes(place: &Place) -> Vec<i32> {
    const OFFSET: i32 = pg_sys::FirstLowInvalidHeapAttributeNumber;
    // SAFETY: as the caller vouches.
    unsafe {
        let mut set = std::ptr::null_mut();
        let variable = (*place.relation).relid;
        let target = (*(*place.relation).reltarget).exprs;
        pg_sys::pull_varattnos(target.cast(), variable, &raw mut set);
        for condition in list::pointers::<pg_sys::RestrictInfo>((*place.relation).baserestrictinfo) {
            pg_sys::pull_varattnos((*condition).clause.cast(), variable, &raw mut set);
        }
        let mut numbers = Vec::new();
        let mut member = -1;
        loop {
            member = pg_sys::bms_next_member(set, member);
            if member < 0 {
                return numbers;
            }
            numbers.push(member + OFFSET);
        }
    }
}

/// Whether the query needs more than the values of columns, so that no index can answer alone.
///
/// # Safety
/// As for [`super::note`].
pub unsafe fn reads_whole_row(place: &Place) -> bool {
    // SAFETY: as the caller vouches.
    unsafe { attributes(place) }.into_iter().any(|number| number <= 0)
}

/// # Safety
/// As for [`super::note`].
pub unsafe fn columns(place: &Place) -> Vec<ColumnProfile> {
    // SAFETY: as the caller vouches.
    unsafe {
        attributes(place)
            .into_iter()
            .filter_map(|number| ColumnNumber::try_from(number).ok().filter(|&number| number > 0))
            .map(|number| column(place, number))
            .collect()
    }
}

/// What is known of one column.
///
/// # Safety
/// As for [`super::note`]; the column must exist.
pub unsafe fn column(place: &Place, number: ColumnNumber) -> ColumnProfile {
    // SAFETY: as the caller vouches.
    unsafe { profile_of(place.oid, number, place.tuples, place.is_partitioned) }
}

/// What is known of a column of a table of so many rows.
///
/// # Safety
/// The table must be locked, and the column exist.
pub unsafe fn profile_of(
    table: pg_sys::Oid,
    number: ColumnNumber,
    rows: f64,
    is_partitioned: bool,
) -> ColumnProfile {
    // SAFETY: look-ups in the catalogs; rows are pinned while their fields are copied out.
    unsafe {
        let name = pg_sys::get_attname(table, number, true);
        let (mut type_oid, mut modifier, mut collation) = (pg_sys::InvalidOid, -1, pg_sys::InvalidOid);
        pg_sys::get_atttypetypmodcoll(
            table,
            number,
            &raw mut type_oid,
            &raw mut modifier,
            &raw mut collation,
        );
        let mut profile = ColumnProfile {
            number,
            name: if name.is_null() {
                number.to_string()
            } else {
                quote_identifier(&text_of(CStr::from_ptr(name).to_bytes()))
            },
            type_oid: type_oid.to_u32(),
            width: f64::from(pg_sys::get_typavgwidth(type_oid, modifier)),
            is_not_null: is_not_null(table, number),
            ..ColumnProfile::default()
        };
        let row = pg_sys::SearchSysCache3(
            pg_sys::SysCacheIdentifier::STATRELATTINH as i32,
            pg_sys::Datum::from(table),
            pg_sys::Datum::from(number),
            pg_sys::Datum::from(is_partitioned),
        );
        if !row.is_null() {
            let facts = facts(row);
            profile.width = facts.width;
            profile.null_fraction = facts.null_fraction;
            let distinct = if facts.distinct < 0.0 { -facts.distinct * rows } else { facts.distinct };
            profile.distinct = (facts.distinct != 0.0).then(|| distinct.max(1.0));
            profile.correlation = correlation(row);
            pg_sys::ReleaseSysCache(row);
        }
        profile
    }
}

/// # Safety
/// `row` must be a row of pg_statistic.
unsafe fn correlation(row: pg_sys::HeapTuple) -> Option<f64> {
    let mut slot = pg_sys::AttStatsSlot::default();
    // SAFETY: as the caller vouches; the slot is freed after its number is copied out.
    unsafe {
        let numbers = pg_sys::ATTSTATSSLOT_NUMBERS as i32;
        if !pg_sys::get_attstatsslot(&raw mut slot, row, CORRELATION, pg_sys::InvalidOid, numbers) {
            return None;
        }
        let value = (slot.nnumbers > 0).then(|| f64::from(*slot.numbers));
        pg_sys::free_attstatsslot(&raw mut slot);
        value
    }
}

/// # Safety
/// The column must exist.
unsafe fn is_not_null(table: pg_sys::Oid, number: ColumnNumber) -> bool {
    // SAFETY: the row is pinned while its field is copied out.
    unsafe {
        let row = pg_sys::SearchSysCache2(
            pg_sys::SysCacheIdentifier::ATTNUM as i32,
            pg_sys::Datum::from(table),
            pg_sys::Datum::from(number),
        );
        if row.is_null() {
            return false;
        }
        let answer = (*pg_sys::GETSTRUCT(row).cast::<pg_sys::FormData_pg_attribute>()).attnotnull;
        pg_sys::ReleaseSysCache(row);
        answer
    }
}
