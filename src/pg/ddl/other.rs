//! Everything but ALTER TABLE.

use pgrx::pg_sys;

use crate::catalog::ddl::Action;

/// What it does; nothing for what is no change of the database.
///
/// # Safety
/// The node must live through the call.
pub unsafe fn actions(_node: *mut pg_sys::Node, _text: &str) -> Vec<Action> {
    Vec::new()
}
