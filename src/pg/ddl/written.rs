//! How many rows this transaction wrote, as the server itself counts them for its statistics: nothing is counted twice, and
//! nothing costs those who only write rows.

use std::ffi::c_int;

use pgrx::pg_sys;
use pgrx::pg_sys::ffi::pg_guard_ffi_boundary;

use super::cache::row;
use super::created::is_created_here;

/// `PgStat_SubXactStatus` of pgstat_internal.h, one a subtransaction that changed anything.
#[repr(C)]
struct Level {
    nest_level: c_int,
    around: *mut Level,
    pending_drops: pg_sys::dlist_head,
    pending_drops_count: u32,
    first: *mut pg_sys::PgStat_TableXactStatus,
}

mod raw {
    unsafe extern "C-unwind" {
        /// The innermost level; makes one where this subtransaction has none yet, which its end takes away.
        pub fn pgstat_get_xact_stack_level(nest_level: super::c_int) -> *mut super::Level;
    }
}

/// Rows that were inserted, updated and deleted in this transaction and not rolled back with a savepoint, in tables that
/// others can see and that no extension brought. 0 where `track_counts` is off.
pub fn rows() -> u64 {
    let mut rows = 0_u64;
    // SAFETY: lists of this backend that live as long as the transaction; nothing in between changes them but the
    // relation cache, which leaves counters with changes alone.
    unsafe {
        let depth = pg_sys::GetCurrentTransactionNestLevel();
        let mut level = pg_guard_ffi_boundary(|| raw::pgstat_get_xact_stack_level(depth));
        while !level.is_null() {
            let mut table = (*level).first;
            while !table.is_null() {
                rows = rows.saturating_add(counted(&*table));
                table = (*table).next;
            }
            level = (*level).around;
        }
    }
    rows
}

/// # Safety
/// The counters must be of this transaction.
unsafe fn counted(table: &pg_sys::PgStat_TableXactStatus) -> u64 {
    let rows = table.tuples_inserted + table.tuples_updated + table.tuples_deleted;
    if rows <= 0 {
        return 0;
    }
    // SAFETY: the counters of the table outlive those of the transaction.
    #[cfg(feature = "pg15")]
    let relation = unsafe { (*table.parent).t_id };
    // SAFETY: as above.
    #[cfg(not(feature = "pg15"))]
    let relation = unsafe { (*table.parent).id };
    if is_of_others(relation) { rows.unsigned_abs() } else { 0 }
}

fn is_of_others(relation: pg_sys::Oid) -> bool {
    if relation.to_u32() < pg_sys::FirstNormalObjectId {
        return false;
    }
    let is_of_others = row(pg_sys::SysCacheIdentifier::RELOID, &[pg_sys::Datum::from(relation)], |tuple| {
        // SAFETY: the row of pg_class.
        unsafe {
            let form = &*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_class>();
            matches!(form.relkind as u8, b'r' | b'p' | b'm')
                && form.relpersistence as u8 != b't'
                && !is_created_here(relation, tuple)
        }
    });
    // SAFETY: a look-up in pg_depend.
    is_of_others == Some(true)
        && unsafe { pg_sys::getExtensionOfObject(pg_sys::RelationRelationId, relation) } == pg_sys::InvalidOid
}
