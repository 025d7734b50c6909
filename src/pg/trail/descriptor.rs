//! The columns of an open relation.

use pgrx::pg_sys;

/// A column of a row type, by its place from 0.
///
/// # Safety
/// The descriptor has that many columns.
pub unsafe fn attribute<'a>(
    descriptor: pg_sys::TupleDesc,
    place: usize,
) -> &'a pg_sys::FormData_pg_attribute {
    // SAFETY: as the caller vouches.
    unsafe {
        #[cfg(feature = "pg18")]
        return &*pg_sys::TupleDescAttr(descriptor, place as i32);
        #[cfg(not(feature = "pg18"))]
        return &*(*descriptor).attrs.as_ptr().add(place);
    }
}

/// How many columns a row type has, dropped ones too.
///
/// # Safety
/// A descriptor that is open.
pub unsafe fn count(descriptor: pg_sys::TupleDesc) -> usize {
    // SAFETY: as the caller vouches.
    usize::try_from(unsafe { (*descriptor).natts }).unwrap_or(0)
}

/// The bytes of a name.
pub fn name_bytes(name: &pg_sys::NameData) -> &[u8] {
    // SAFETY: a name ends with a zero within its 64 bytes.
    unsafe { std::ffi::CStr::from_ptr(name.data.as_ptr()) }.to_bytes()
}
