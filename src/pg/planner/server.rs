//! Functions that the server exports and the bindings leave out.

use std::ffi::c_char;

use pgrx::pg_sys;
use pgrx::pg_sys::ffi::pg_guard_ffi_boundary;

/// `MVNDistinct` of statistics.h, whose items follow.
#[repr(C)]
pub struct MultivariateDistinct {
    magic: u32,
    kind: u32,
    /// How many items follow.
    pub count: u32,
}

/// `MVNDistinctItem` of statistics.h.
#[repr(C)]
pub struct MultivariateDistinctItem {
    /// Different combinations; negative as in pg_statistic.
    pub distinct: f64,
    /// How many attributes.
    pub attribute_count: i32,
    /// Their numbers.
    pub attributes: *mut pg_sys::AttrNumber,
}

mod raw {
    use std::ffi::c_char;

    use pgrx::pg_sys;

    /// The beginning of `pg_locale_struct` of pg_locale.h.
    #[cfg(feature = "pg18")]
    #[repr(C)]
    pub struct Locale {
        provider: u8,
        deterministic: bool,
        pub collate_is_c: bool,
    }

    unsafe extern "C-unwind" {
        #[cfg(not(feature = "pg18"))]
        pub fn lc_collate_is_c(collation: pg_sys::Oid) -> bool;
        #[cfg(feature = "pg18")]
        pub fn pg_newlocale_from_collation(collation: pg_sys::Oid) -> *const Locale;
        pub fn transformIndexStmt(
            relation: pg_sys::Oid,
            statement: *mut pg_sys::IndexStmt,
            text: *const c_char,
        ) -> *mut pg_sys::IndexStmt;
        pub fn transformPartitionBound(
            state: *mut pg_sys::ParseState,
            parent: pg_sys::Relation,
            bound: *mut pg_sys::PartitionBoundSpec,
        ) -> *mut pg_sys::PartitionBoundSpec;
        pub fn find_all_inheritors(
            parent: pg_sys::Oid,
            lock: pg_sys::LOCKMODE,
            parent_counts: *mut *mut pg_sys::List,
        ) -> *mut pg_sys::List;
        pub fn statext_ndistinct_load(object: pg_sys::Oid, inherit: bool)
        -> *mut super::MultivariateDistinct;
    }
}

/// Whether a collation compares byte by byte.
///
/// # Safety
/// The collation must exist.
#[cfg(not(feature = "pg18"))]
pub unsafe fn compares_bytes(collation: pg_sys::Oid) -> bool {
    // SAFETY: as below.
    unsafe { pg_guard_ffi_boundary(|| raw::lc_collate_is_c(collation)) }
}

/// Whether a collation compares byte by byte.
///
/// # Safety
/// The collation must exist.
#[cfg(feature = "pg18")]
pub unsafe fn compares_bytes(collation: pg_sys::Oid) -> bool {
    // SAFETY: as below; the answer lives as long as the backend.
    unsafe { pg_guard_ffi_boundary(|| (*raw::pg_newlocale_from_collation(collation)).collate_is_c) }
}

/// Analyses the expressions and the predicate of a CREATE INDEX.
///
/// # Safety
/// The relation must be locked; the statement must come from the parser, which read `text`.
pub unsafe fn transform_index_statement(
    relation: pg_sys::Oid,
    statement: *mut pg_sys::IndexStmt,
    text: *const c_char,
) -> *mut pg_sys::IndexStmt {
    // SAFETY: one C call inside the boundary that turns an ERROR into a panic.
    unsafe { pg_guard_ffi_boundary(|| raw::transformIndexStmt(relation, statement, text)) }
}

/// Analyses the bounds of a partition.
///
/// # Safety
/// The relation must be a partitioned table; the bounds must come from the parser.
pub unsafe fn transform_partition_bound(
    state: *mut pg_sys::ParseState,
    parent: pg_sys::Relation,
    bound: *mut pg_sys::PartitionBoundSpec,
) -> *mut pg_sys::PartitionBoundSpec {
    // SAFETY: as above.
    unsafe { pg_guard_ffi_boundary(|| raw::transformPartitionBound(state, parent, bound)) }
}

/// A relation and all that inherit from it, locked.
///
/// # Safety
/// The relation must be locked in this mode.
pub unsafe fn find_all_inheritors(parent: pg_sys::Oid, lock: pg_sys::LOCKMODE) -> *mut pg_sys::List {
    // SAFETY: as above.
    unsafe { pg_guard_ffi_boundary(|| raw::find_all_inheritors(parent, lock, std::ptr::null_mut())) }
}

/// The multivariate distinct counts of a statistics object.
///
/// # Safety
/// The object must exist and have such counts.
pub unsafe fn statext_ndistinct_load(object: pg_sys::Oid, inherit: bool) -> *mut MultivariateDistinct {
    // SAFETY: as above.
    unsafe { pg_guard_ffi_boundary(|| raw::statext_ndistinct_load(object, inherit)) }
}
