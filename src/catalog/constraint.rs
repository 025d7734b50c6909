//! Constraints.

use super::{ColumnNumber, Oid};

/// What `pg_constraint.contype` says it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConstraintKind {
    /// CHECK.
    #[default]
    Check,
    /// FOREIGN KEY.
    ForeignKey,
    /// NOT NULL (a row of its own from PostgreSQL 18 on).
    NotNull,
    /// PRIMARY KEY.
    PrimaryKey,
    /// UNIQUE.
    Unique,
    /// CONSTRAINT TRIGGER.
    Trigger,
    /// EXCLUDE.
    Exclusion,
}

/// What happens to the referencing row when the referenced one changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReferentialAction {
    /// NO ACTION.
    #[default]
    NoAction,
    /// RESTRICT.
    Restrict,
    /// CASCADE.
    Cascade,
    /// SET NULL.
    SetNull,
    /// SET DEFAULT.
    SetDefault,
}

/// How NULLs in a composite foreign key count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MatchType {
    /// One NULL satisfies it.
    #[default]
    Simple,
    /// All or none.
    Full,
    /// Not implemented by the server.
    Partial,
}

/// The referenced side of a foreign key.
#[derive(Clone, Debug, Default)]
pub struct ForeignKey {
    /// The referenced table.
    pub table: Oid,
    /// Its columns, in the order of the constraint's own.
    pub columns: Box<[ColumnNumber]>,
    /// The operators that compare referenced = referencing (`conpfeqop`).
    pub equality: Box<[Oid]>,
    /// ON DELETE.
    pub on_delete: ReferentialAction,
    /// ON UPDATE.
    pub on_update: ReferentialAction,
    /// MATCH.
    pub match_type: MatchType,
}

/// A constraint of a table (those of domains are not kept).
#[derive(Clone, Debug, Default)]
pub struct Constraint {
    /// Its OID.
    pub oid: Oid,
    /// Its name.
    pub name: Box<str>,
    /// Its table.
    pub table: Oid,
    /// What it is.
    pub kind: ConstraintKind,
    /// Whether existing rows are known to satisfy it.
    pub is_validated: bool,
    /// Whether it is enforced at all (false only from PostgreSQL 18 on).
    pub is_enforced: bool,
    /// Whether its check can wait for COMMIT.
    pub is_deferrable: bool,
    /// The parent's constraint that this one implements on a partition, 0 if none.
    pub parent: Oid,
    /// Whether it only comes from a parent.
    pub is_inherited: bool,
    /// The index behind it; for a foreign key the referenced side's.
    pub index: Oid,
    /// The columns it speaks of, in its own order.
    pub columns: Box<[ColumnNumber]>,
    /// Set for a foreign key.
    pub foreign_key: Option<Box<ForeignKey>>,
}
