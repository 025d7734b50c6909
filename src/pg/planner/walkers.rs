//! The server's own walkers over analysed queries, as symbols: for frames that an ERROR may cross.

use std::ffi::c_void;

use pgrx::pg_sys;

/// Called for each node of a tree; true ends the walk.
pub type Walker = unsafe extern "C-unwind" fn(*mut pg_sys::Node, *mut c_void) -> bool;

/// Called for each function; true ends the walk.
pub type Checker = unsafe extern "C-unwind" fn(pg_sys::Oid, *mut c_void) -> bool;

/// `QTW_EXAMINE_RTES_BEFORE`: entries of the range table are nodes too.
const WITH_RANGE_TABLE: i32 = 0x10;

mod raw {
    use std::ffi::c_void;

    use pgrx::pg_sys;

    unsafe extern "C-unwind" {
        #[cfg_attr(not(feature = "pg15"), link_name = "query_tree_walker_impl")]
        pub fn query_tree_walker(
            query: *mut pg_sys::Query,
            walker: super::Walker,
            context: *mut c_void,
            flags: i32,
        ) -> bool;
        #[cfg_attr(not(feature = "pg15"), link_name = "expression_tree_walker_impl")]
        pub fn expression_tree_walker(
            node: *mut pg_sys::Node,
            walker: super::Walker,
            context: *mut c_void,
        ) -> bool;
        pub fn check_functions_in_node(
            node: *mut pg_sys::Node,
            checker: super::Checker,
            context: *mut c_void,
        ) -> bool;
    }
}

/// Walks a query and all below it.
///
/// # Safety
/// The query must be an analysed one, and no frame that an ERROR would cross may own anything.
pub unsafe fn query(query: *mut pg_sys::Query, walker: Walker, context: *mut c_void) -> bool {
    // SAFETY: as the caller vouches.
    unsafe { raw::query_tree_walker(query, walker, context, WITH_RANGE_TABLE) }
}

/// Walks what is below a node.
///
/// # Safety
/// The node must be one of an analysed query; frames as above.
pub unsafe fn expression(node: *mut pg_sys::Node, walker: Walker, context: *mut c_void) -> bool {
    // SAFETY: as the caller vouches.
    unsafe { raw::expression_tree_walker(node, walker, context) }
}

/// Calls `checker` for each function that the node itself calls.
///
/// # Safety
/// The node must be one of an analysed query; frames as above.
pub unsafe fn functions(node: *mut pg_sys::Node, checker: Checker, context: *mut c_void) -> bool {
    // SAFETY: as the caller vouches.
    unsafe { raw::check_functions_in_node(node, checker, context) }
}
