//! What a statement is about to do, read off the server's parse tree and the catalogs without a lock on any user's
//! relation: the facts of `catalog::ddl`.

mod alter;
mod attempt;
pub mod blockers;
pub mod cache;
mod column;
mod constraint;
mod created;
mod dependents;
mod held;
mod other;
mod session;
pub mod shape;
mod size;
mod text;
mod touched;
pub mod tracker;
pub mod trial;
mod written;

use pgrx::pg_sys;

pub use other::{is_concurrent, runs_what_it_explains};
pub use text::only_statement;

use crate::catalog::ddl::{Session, Statement, Touched};

/// What a parse tree asks for, looked up now. `text` is the statement's own text, without what stands before or
/// behind it; empty where nobody knows it.
///
/// Takes no lock that outlives the call and waits for nobody. Resolves names as the server would, with the caller's
/// rights; raises nothing for what is not there.
///
/// # Safety
/// `node` must be a raw parse tree that lives through the call. It is not changed.
pub unsafe fn statement(node: *mut pg_sys::Node, text: &str) -> Statement {
    // SAFETY: as the caller vouches.
    let actions = unsafe {
        match (*node).type_ {
            pg_sys::NodeTag::T_AlterTableStmt => alter::actions(node.cast(), text),
            _ => other::actions(node, text),
        }
    };
    Statement { text: text.to_owned(), actions, ..Statement::default() }
}

/// The session as it is now.
pub fn session() -> Session {
    session::now()
}

/// A relation by its OID; `None` where it is gone.
pub fn touched(relation: pg_sys::Oid) -> Option<Touched> {
    touched::of(relation)
}

/// The same without what is below it.
pub fn touched_alone(relation: pg_sys::Oid) -> Option<Touched> {
    touched::alone(relation)
}

/// Whether it is a table, or a partition, that is not temporary.
pub fn is_lasting_table(relation: pg_sys::Oid) -> bool {
    let is_one =
        cache::class(relation, |form| form.relkind as u8 == b'r' && form.relpersistence as u8 != b't');
    is_one == Some(true)
}
