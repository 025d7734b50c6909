//! Relations that a statement touches, looked up without a lock.

use pgrx::pg_sys;

use crate::catalog::ddl::Touched;

/// A relation by its name as it is written; `None` where it is not there.
///
/// # Safety
/// The name must be a node of the parser.
pub unsafe fn named(_name: *const pg_sys::RangeVar) -> Option<Touched> {
    None
}

/// A relation by its OID; `None` where it is gone.
pub fn of(_relation: pg_sys::Oid) -> Option<Touched> {
    None
}
