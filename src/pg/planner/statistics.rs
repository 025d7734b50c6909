//! What ANALYZE would write into pg_statistic, computed by the server's own functions from a sample.

use std::ptr;

use pgrx::pg_sys;

use super::list::new_array;
use super::sampling::Values;

/// Slots of a row of pg_statistic.
const SLOTS: usize = pg_sys::STATISTIC_NUM_SLOTS as usize;

/// Hands the server the value of one sampled row.
unsafe extern "C-unwind" fn fetch(
    stats: *mut pg_sys::VacAttrStats,
    row: i32,
    is_null: *mut bool,
) -> pg_sys::Datum {
    // SAFETY: the server asks for rows of the sample only, and the arrays are as long as the sample.
    unsafe {
        let row = usize::try_from(row).unwrap_or(0);
        *is_null = *(*stats).exprnulls.add(row);
        *(*stats).exprvals.add(row)
    }
}

/// A row of pg_statistic for an expression; null where its type has no statistics or there is no row.
pub fn gather(
    expression: *mut pg_sys::Node,
    collation: pg_sys::Oid,
    values: Values,
    total_rows: f64,
) -> pg_sys::HeapTuple {
    if values.count == 0 {
        return ptr::null_mut();
    }
    // SAFETY: filled as examine_expression() of the server does, which computes the same for CREATE STATISTICS.
    unsafe {
        let type_oid = pg_sys::exprType(expression);
        let type_row = pg_sys::SearchSysCacheCopy(
            pg_sys::SysCacheIdentifier::TYPEOID as i32,
            pg_sys::Datum::from(type_oid),
            pg_sys::Datum::null(),
            pg_sys::Datum::null(),
            pg_sys::Datum::null(),
        );
        if type_row.is_null() {
            return ptr::null_mut();
        }
        let form = pg_sys::GETSTRUCT(type_row).cast::<pg_sys::FormData_pg_type>();
        let stats: *mut pg_sys::VacAttrStats = new_array(1);
        #[cfg(any(feature = "pg15", feature = "pg16"))]
        {
            (*stats).attr = new_array(1);
            (*(*stats).attr).attstattarget = -1;
        }
        #[cfg(not(any(feature = "pg15", feature = "pg16")))]
        {
            (*stats).attstattarget = -1;
        }
        (*stats).attrtypid = type_oid;
        (*stats).attrtypmod = pg_sys::exprTypmod(expression);
        (*stats).attrtype = form;
        (*stats).attrcollid =
            if collation == pg_sys::InvalidOid { pg_sys::exprCollation(expression) } else { collation };
        (*stats).anl_context = pg_sys::CurrentMemoryContext;
        (*stats).tupattnum = 1;
        for slot in 0..SLOTS {
            (*stats).statypid[slot] = type_oid;
            (*stats).statyplen[slot] = (*form).typlen;
            (*stats).statypbyval[slot] = (*form).typbyval;
            (*stats).statypalign[slot] = (*form).typalign;
        }
        (*stats).exprvals = values.datums;
        (*stats).exprnulls = values.nulls;
        (*stats).rowstride = 1;
        if !typanalyze(stats, (*form).typanalyze) {
            return ptr::null_mut();
        }
        let Some(compute) = (*stats).compute_stats else {
            return ptr::null_mut();
        };
        let count = i32::try_from(values.count).unwrap_or(i32::MAX);
        // A C function is called here without the bindings between, so the guard against longjmp is our own.
        pg_sys::ffi::pg_guard_ffi_boundary(|| compute(stats, Some(fetch), count, total_rows));
        if (*stats).stats_valid { row(&*stats) } else { ptr::null_mut() }
    }
}

/// # Safety
/// `stats` must be filled but for what the type decides.
unsafe fn typanalyze(stats: *mut pg_sys::VacAttrStats, function: pg_sys::Oid) -> bool {
    // SAFETY: as the caller vouches.
    unsafe {
        if function == pg_sys::InvalidOid {
            pg_sys::std_typanalyze(stats)
        } else {
            let answer = pg_sys::OidFunctionCall1Coll(
                function,
                pg_sys::InvalidOid,
                pg_sys::Datum::from(stats.cast::<std::ffi::c_void>()),
            );
            answer.value() as u8 != 0
        }
    }
}

/// As update_attstats() forms it.
///
/// # Safety
/// `stats` must hold valid statistics.
unsafe fn row(stats: &pg_sys::VacAttrStats) -> pg_sys::HeapTuple {
    // SAFETY: as the caller vouches; the catalog's descriptor says how many columns there are, and they stand as
    // below in every supported major.
    unsafe {
        let catalog = pg_sys::table_open(pg_sys::StatisticRelationId, pg_sys::AccessShareLock as _);
        let mut values: Vec<pg_sys::Datum> = vec![
            pg_sys::Datum::from(0_u32),
            pg_sys::Datum::from(0_i16),
            pg_sys::Datum::from(false),
            float(stats.stanullfrac),
            pg_sys::Datum::from(stats.stawidth),
            float(stats.stadistinct),
        ];
        values.extend(stats.stakind.iter().map(|&kind| pg_sys::Datum::from(kind)));
        values.extend(stats.staop.iter().map(|&operator| pg_sys::Datum::from(operator)));
        values.extend(stats.stacoll.iter().map(|&collation| pg_sys::Datum::from(collation)));
        let mut nulls = vec![false; values.len()];
        for slot in 0..SLOTS {
            let array = numbers(stats, slot);
            nulls.push(array.is_null());
            values.push(pg_sys::Datum::from(array.cast::<std::ffi::c_void>()));
        }
        for slot in 0..SLOTS {
            let array = most_common(stats, slot);
            nulls.push(array.is_null());
            values.push(pg_sys::Datum::from(array.cast::<std::ffi::c_void>()));
        }
        let row = pg_sys::heap_form_tuple((*catalog).rd_att, values.as_mut_ptr(), nulls.as_mut_ptr());
        pg_sys::table_close(catalog, pg_sys::AccessShareLock as _);
        row
    }
}

fn float(value: f32) -> pg_sys::Datum {
    pg_sys::Datum::from(value.to_bits())
}

/// # Safety
/// As for [`row`].
unsafe fn numbers(stats: &pg_sys::VacAttrStats, slot: usize) -> *mut pg_sys::ArrayType {
    let count = usize::try_from(stats.numnumbers[slot]).unwrap_or(0);
    if count == 0 {
        return ptr::null_mut();
    }
    // SAFETY: the server filled that many numbers.
    unsafe {
        let mut datums: Vec<pg_sys::Datum> =
            (0..count).map(|number| float(*stats.stanumbers[slot].add(number))).collect();
        pg_sys::construct_array(
            datums.as_mut_ptr(),
            stats.numnumbers[slot],
            pg_sys::FLOAT4OID,
            4,
            true,
            b'i' as _,
        )
    }
}

/// # Safety
/// As for [`row`].
unsafe fn most_common(stats: &pg_sys::VacAttrStats, slot: usize) -> *mut pg_sys::ArrayType {
    if stats.numvalues[slot] <= 0 {
        return ptr::null_mut();
    }
    // SAFETY: the server filled that many values of the slot's type.
    unsafe {
        pg_sys::construct_array(
            stats.stavalues[slot],
            stats.numvalues[slot],
            stats.statypid[slot],
            i32::from(stats.statyplen[slot]),
            stats.statypbyval[slot],
            stats.statypalign[slot],
        )
    }
}
