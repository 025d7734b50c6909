//! Whether a query that is analysed now is only to be explained. EXPLAIN ANALYZE runs it.

use std::cell::Cell;

use pgrx::{pg_guard, pg_sys};

use super::local_transaction;
use crate::pg::ddl;

thread_local! {
    /// The transaction and the subtransaction in which EXPLAIN runs: after an ERROR the next statement has others.
    static EXPLAINED_IN: Cell<Option<(u32, pg_sys::SubTransactionId)>> = const { Cell::new(None) };
}

/// Notes which utility statement runs now.
///
/// # Safety
/// The node must be a parse tree. May be called from a frame that a longjmp crosses.
pub unsafe fn note(node: *mut pg_sys::Node) {
    // SAFETY: as the caller vouches; the tag says what the node is.
    unsafe {
        if (*node).type_ == pg_sys::NodeTag::T_ExplainStmt {
            note_explain(node.cast());
        } else {
            EXPLAINED_IN.set(None);
        }
    }
}

/// EXPLAIN is over.
pub fn forget() {
    EXPLAINED_IN.set(None);
}

#[pg_guard]
unsafe extern "C-unwind" fn note_explain(statement: *mut pg_sys::ExplainStmt) {
    // SAFETY: as `note` vouches.
    let runs = unsafe { ddl::runs_what_it_explains(statement) };
    EXPLAINED_IN.set((!runs).then(here));
}

/// Whether EXPLAIN without ANALYZE runs.
pub fn is_only_explained() -> bool {
    EXPLAINED_IN.get().is_some_and(|place| place == here())
}

fn here() -> (u32, pg_sys::SubTransactionId) {
    // SAFETY: reads the state of the transaction.
    (local_transaction(), unsafe { pg_sys::GetCurrentSubTransactionId() })
}
