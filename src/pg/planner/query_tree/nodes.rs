//! Nodes of the server: where they hang, and what is in those that nobody knows.

use std::ffi::{CStr, c_void};

use pgrx::pg_sys;
use pgrx::pg_sys::ffi::pg_guard_ffi_boundary;

use crate::pg::planner::walkers;
use crate::pg::scan::text_of;

/// Where a node hangs: the field or list cell that points to it.
pub type Hook = *mut *mut pg_sys::Node;

/// The cells of a list of pointers.
///
/// # Safety
/// `list` must be a list of pointers, or null.
pub unsafe fn cells(list: *mut pg_sys::List) -> Vec<Hook> {
    // SAFETY: as the caller vouches; a cell is a union whose pointer is the node.
    unsafe {
        let count = if list.is_null() { 0 } else { usize::try_from((*list).length).unwrap_or(0) };
        (0..count).map(|position| (*list).elements.add(position).cast::<*mut pg_sys::Node>()).collect()
    }
}

/// A string of the server; empty for null.
///
/// # Safety
/// `string` must be a C string or null.
pub unsafe fn string(string: *const std::ffi::c_char) -> String {
    if string.is_null() {
        return String::new();
    }
    // SAFETY: as the caller vouches.
    text_of(unsafe { CStr::from_ptr(string) }.to_bytes()).into_string()
}

/// Called for each node directly within another.
unsafe extern "C-unwind" fn collect(node: *mut pg_sys::Node, context: *mut c_void) -> bool {
    if !node.is_null() {
        // SAFETY: the vector that `children` gave.
        unsafe { (*context.cast::<Vec<*mut pg_sys::Node>>()).push(node) };
    }
    false
}

/// The nodes directly within another, whatever it is.
///
/// # Safety
/// `node` must be an expression.
pub unsafe fn children(node: *mut pg_sys::Node) -> Vec<*mut pg_sys::Node> {
    let mut found: Vec<*mut pg_sys::Node> = Vec::new();
    let context = (&raw mut found).cast::<c_void>();
    // SAFETY: one C call inside the boundary that turns an ERROR into a panic; the walker keeps to `found`.
    unsafe { pg_guard_ffi_boundary(|| walkers::expression(node, collect, context)) };
    found
}
