//! ALTER TABLE.

use pgrx::pg_sys;

use crate::catalog::ddl::Action;

/// One action a sub-command.
///
/// # Safety
/// The statement must live through the call.
pub unsafe fn actions(_statement: *mut pg_sys::AlterTableStmt, _text: &str) -> Vec<Action> {
    Vec::new()
}
