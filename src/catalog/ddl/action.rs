//! One thing that a statement does.

use super::alter::Alteration;
use super::create::{CreateIndex, CreateTable};
use super::remove::{Dependent, DropObject, RecentUse};
use super::session::Blocker;
use super::touched::{LockTaken, Touched};
use crate::catalog::{LockMode, Oid};

/// What REINDEX is asked to build anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReindexScope {
    /// One index.
    Index,
    /// All of a table.
    Table,
    /// All of a schema.
    Schema,
    /// All of the database.
    Database,
    /// The system catalogs.
    System,
}

/// What is renamed or moved to another schema.
#[derive(Clone, Debug, PartialEq)]
pub struct Renamed {
    /// `table`, `column`, `schema`, `index`, `constraint`, `view`, `sequence`, `trigger`, `type`, `enum value` …
    pub kind: &'static str,
    /// The old name, quoted; of a column or an enum value, the bare name.
    pub from: String,
    /// The new name, or the new schema, quoted; of a column or an enum value, the bare name.
    pub to: String,
    /// SET SCHEMA instead of RENAME.
    pub is_moved: bool,
    /// What uses the name as text and breaks: functions; views do not.
    pub dependents: Vec<Dependent>,
    /// Who used it lately.
    pub recent_uses: Vec<RecentUse>,
}

/// What happens to a domain.
#[derive(Clone, Debug, PartialEq)]
pub enum DomainChange {
    /// CREATE DOMAIN.
    Create {
        /// Whether it has constraints.
        has_constraints: bool,
    },
    /// ADD CONSTRAINT, ADD NOT NULL apart.
    AddConstraint {
        /// NOT VALID.
        is_not_valid: bool,
    },
    /// VALIDATE CONSTRAINT.
    ValidateConstraint {
        /// Whether it is valid already.
        is_already: bool,
    },
    /// SET NOT NULL, or ADD NOT NULL from 17 on.
    SetNotNull,
    /// Everything else: no table is looked at.
    Other,
}

/// The table of an UPDATE or DELETE.
#[derive(Clone, Debug, PartialEq)]
pub struct WrittenTable {
    /// UPDATE; otherwise DELETE.
    pub is_update: bool,
    /// Whether there is no WHERE at all.
    pub has_no_condition: bool,
    /// Whether the WHERE is true for every row: `1 = 1`, `TRUE`, `NOT FALSE`.
    pub is_always_true: bool,
}

/// What an event trigger sees a statement do, behind its lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeenAct {
    /// A table is written anew.
    Rewrite,
    /// A table was dropped.
    Drop,
}

/// What is done. The relation to which it is done is [`Action::target`].
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// ALTER TABLE, one sub-command; also of indexes, views, sequences, foreign tables, composite types.
    Alter(Alteration),
    /// ALTER TABLE ALL IN TABLESPACE … SET TABLESPACE: the target is `None`, the relations are in [`Action::locks`].
    MoveAll {
        /// The tablespace to which all go.
        tablespace: String,
    },
    /// CREATE INDEX.
    CreateIndex(CreateIndex),
    /// CREATE TABLE in all its forms.
    CreateTable(CreateTable),
    /// DROP, one object.
    Drop(DropObject),
    /// TRUNCATE, one table.
    Truncate {
        /// CASCADE.
        is_cascade: bool,
        /// Tables, quoted, that CASCADE empties, too.
        referencing: Vec<String>,
    },
    /// RENAME and SET SCHEMA.
    Rename(Renamed),
    /// REINDEX.
    Reindex {
        /// Of what.
        scope: ReindexScope,
        /// CONCURRENTLY.
        is_concurrent: bool,
    },
    /// VACUUM FULL.
    VacuumFull,
    /// CLUSTER.
    Cluster,
    /// REFRESH MATERIALIZED VIEW.
    Refresh {
        /// CONCURRENTLY.
        is_concurrent: bool,
        /// WITH NO DATA.
        is_without_data: bool,
        /// Whether it can be read now.
        is_populated: bool,
        /// Whether it has a unique index over all rows and plain columns, which CONCURRENTLY needs.
        has_unique_index: bool,
    },
    /// LOCK TABLE.
    LockTable {
        /// The mode asked for.
        mode: LockMode,
    },
    /// CREATE TRIGGER.
    CreateTrigger {
        /// Its name.
        name: String,
        /// CONSTRAINT TRIGGER.
        is_constraint: bool,
        /// OR REPLACE.
        is_replace: bool,
    },
    /// CREATE RULE or CREATE POLICY.
    CreateRuleOrPolicy,
    /// CREATE VIEW; a view that is there is replaced.
    CreateView {
        /// OR REPLACE of one that is there.
        replaces: bool,
    },
    /// CREATE TYPE … AS ENUM.
    CreateEnum {
        /// Its name, quoted.
        name: String,
    },
    /// ALTER TYPE … ADD VALUE.
    AddEnumValue {
        /// The type.
        type_oid: Option<Oid>,
        /// Its name, quoted.
        name: String,
        /// The value.
        value: String,
        /// BEFORE or AFTER.
        has_position: bool,
        /// Whether it is there already.
        is_there: bool,
    },
    /// CREATE DOMAIN and ALTER DOMAIN. The tables that use it are in [`Action::locks`].
    Domain {
        /// Its name, quoted.
        name: String,
        /// What happens to it.
        change: DomainChange,
    },
    /// UPDATE or DELETE.
    Write(WrittenTable),
    /// What the judge had not foreseen, and the server is about to do or has done: the guard's back-stop alone.
    Seen(SeenAct),
    /// What has no rule of its own: known, and found to be of no danger for running sessions.
    Other,
    /// EXECUTE of dynamic SQL, or what the parser does not know: text door only.
    Unchecked {
        /// Why.
        reason: String,
    },
}

/// One thing that a statement does, with what it needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Action {
    /// What is done.
    pub kind: Kind,
    /// The relation to which it is done. `None` where there is none or it is not there.
    pub target: Option<Touched>,
    /// The name as it is written, where the relation is not there.
    pub missing: Option<String>,
    /// Whether a schema stands before the name as it is written.
    pub is_qualified: bool,
    /// The text of this sub-command alone, as it is written: `ADD COLUMN a int`. Empty where there is no text.
    pub text: String,
    /// What is locked, the target first; only what was there before. The mode of the target is the one of the whole
    /// statement.
    pub locks: Vec<LockTaken>,
    /// Who holds or awaits a conflicting lock now. Filled only where somebody else would have to wait.
    pub blockers: Vec<Blocker>,
    /// Names that are longer than 63 bytes, as they are written.
    pub too_long_names: Vec<String>,
}

impl Action {
    /// An action of which nothing else is known.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            target: None,
            missing: None,
            is_qualified: false,
            text: String::new(),
            locks: Vec::new(),
            blockers: Vec::new(),
            too_long_names: Vec::new(),
        }
    }

    /// The mode in which the target is locked.
    pub fn lock_mode(&self) -> Option<LockMode> {
        self.locks.first().map(|lock| lock.mode)
    }
}
