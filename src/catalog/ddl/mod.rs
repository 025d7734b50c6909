//! Facts about a statement that is about to change the database: what it asks for, what it would do to which relation,
//! and the session in which it stands. Filled by `pg::ddl` from the server's parse tree; no judgement.
//!
//! A [`Statement`] has one [`Action`] a sub-command: `ALTER TABLE t ADD a int, DROP b` has two, with the same target.

mod action;
mod alter;
mod create;
mod measured;
mod remove;
mod session;
mod shape;
mod touched;
mod view;

pub use action::{Action, DomainChange, Kind, ReindexScope, Renamed, SeenAct, WrittenTable};
pub use alter::{
    AddColumn, AddConstraint, Alteration, AttachPartition, ColumnDefault, ConstraintType, DropConstraint,
    ForeignKeyFacts, Generated, SetNotNull, TriggerScope, TypeChange, UsingIndex, ValidateConstraint,
};
pub use create::{ColumnDefinition, CreateIndex, CreateTable, SameName};
pub use measured::{Measured, WorkKind};
pub use remove::{Dependent, DropColumn, DropObject, DroppedKind, RecentUse};
pub use session::{Blocker, HeldLock, Rates, Session, Timeouts};
pub use shape::{
    ColumnSequence, ColumnShape, ConstraintShape, DomainShape, EnumShape, IndexShape, PartShape,
    PartitionShape, Surroundings, TableShape,
};
pub use touched::{LockTaken, MOST_LOCKS_NAMED, Touched, TouchedKind};
pub use view::{VIEW_RIGHTS, ViewColumn, ViewShape};

use super::Moment;

/// One statement as somebody sent it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Statement {
    /// The server's command tag, e.g. `ALTER TABLE`.
    pub tag: String,
    /// Its text without the semicolon; empty where the server does not hand it over.
    pub text: String,
    /// What it does, in the order in which it is written. Empty for what is of no interest here.
    pub actions: Vec<Action>,
    /// Whether a function, a procedure or a DO block runs it.
    pub is_nested: bool,
    /// When it was sent.
    pub at: Moment,
}

impl Statement {
    /// Whether nothing may be written before it in its transaction: the server then refuses DROP INDEX CONCURRENTLY.
    pub fn writes_first(&self) -> bool {
        self.actions.iter().any(|action| matches!(&action.kind, Kind::Drop(object) if object.is_concurrent))
    }
}
