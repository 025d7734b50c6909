//! The server's lists, read and built.

use pgrx::{PgList, pg_sys};

/// The pointers of a list, copied out.
pub fn pointers<T>(list: *mut pg_sys::List) -> Vec<*mut T> {
    // SAFETY: a list of the server; only its cells are copied.
    unsafe { PgList::<T>::from_pg(list) }.iter_ptr().collect()
}

/// How many cells a list has; an empty one is null.
pub fn length(list: *mut pg_sys::List) -> usize {
    if list.is_null() {
        return 0;
    }
    // SAFETY: a list of the server.
    usize::try_from(unsafe { (*list).length }).unwrap_or(0)
}

/// An object identifier of a list, by its place from 0.
///
/// # Safety
/// A list of object identifiers that is so long.
pub unsafe fn oid_at(list: *mut pg_sys::List, position: usize) -> pg_sys::Oid {
    // SAFETY: as the caller vouches.
    unsafe { (*(*list).elements.add(position)).oid_value }
}

/// The object identifiers of a list, copied out.
pub fn oids(list: *mut pg_sys::List) -> Vec<pg_sys::Oid> {
    // SAFETY: a list of object identifiers, which the server keeps in its cells.
    (0..length(list)).map(|position| unsafe { oid_at(list, position) }).collect()
}

/// The integers of a list, copied out.
pub fn integers(list: *mut pg_sys::List) -> Vec<i32> {
    // SAFETY: a list of integers, which the server keeps in its cells.
    (0..length(list)).map(|position| unsafe { (*(*list).elements.add(position)).int_value }).collect()
}

/// A list of these integers.
pub fn list_of_integers(integers: &[i32]) -> *mut pg_sys::List {
    integers.iter().fold(std::ptr::null_mut(), |list, &integer| {
        // SAFETY: appends to a list made here, in the current memory context.
        unsafe { pg_sys::lappend_int(list, integer) }
    })
}

/// A list of these pointers.
pub fn list_of<T>(pointers: &[*mut T]) -> *mut pg_sys::List {
    pointers.iter().fold(std::ptr::null_mut(), |list, &pointer| {
        // SAFETY: appends to a list made here, in the current memory context.
        unsafe { pg_sys::lappend(list, pointer.cast()) }
    })
}

/// A zeroed node.
pub fn new_node<T>(tag: pg_sys::NodeTag) -> *mut T {
    // SAFETY: every node begins with its tag, and zeroes are what makeNode() leaves in the rest.
    unsafe {
        let node = pg_sys::palloc0(size_of::<T>()).cast::<pg_sys::Node>();
        (*node).type_ = tag;
        node.cast()
    }
}

/// The tag of a node.
pub fn tag<T>(node: *const T) -> pg_sys::NodeTag {
    // SAFETY: every node begins with its tag.
    unsafe { (*node.cast::<pg_sys::Node>()).type_ }
}

/// A deep copy in the current memory context.
pub fn copy<T>(node: *const T) -> *mut T {
    // SAFETY: a node, or null, which stays null.
    unsafe { pg_sys::copyObjectImpl(node.cast()).cast() }
}

/// Room for an array that the server reads, zeroed; at least one element, so that it has an address.
pub fn new_array<T>(length: usize) -> *mut T {
    // SAFETY: zeroed memory of the current memory context.
    unsafe { pg_sys::palloc0(size_of::<T>() * length.max(1)).cast() }
}
