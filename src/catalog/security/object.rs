//! Whatever carries privileges, in one form.

use super::super::{ColumnNumber, Grant, Oid, Privileges};

/// The bits of `AclMode`, which are the same in every version.
pub mod privilege {
    use super::Privileges;

    /// INSERT.
    pub const INSERT: Privileges = 1;
    /// SELECT.
    pub const SELECT: Privileges = 1 << 1;
    /// UPDATE.
    pub const UPDATE: Privileges = 1 << 2;
    /// DELETE.
    pub const DELETE: Privileges = 1 << 3;
    /// TRUNCATE.
    pub const TRUNCATE: Privileges = 1 << 4;
    /// REFERENCES.
    pub const REFERENCES: Privileges = 1 << 5;
    /// TRIGGER.
    pub const TRIGGER: Privileges = 1 << 6;
    /// EXECUTE.
    pub const EXECUTE: Privileges = 1 << 7;
    /// USAGE.
    pub const USAGE: Privileges = 1 << 8;
    /// CREATE.
    pub const CREATE: Privileges = 1 << 9;
    /// TEMPORARY.
    pub const TEMPORARY: Privileges = 1 << 10;
    /// CONNECT.
    pub const CONNECT: Privileges = 1 << 11;
    /// SET.
    pub const SET: Privileges = 1 << 12;
    /// ALTER SYSTEM.
    pub const ALTER_SYSTEM: Privileges = 1 << 13;
    /// MAINTAIN, from 17 on.
    pub const MAINTAIN: Privileges = 1 << 14;

    /// All with their names in SQL.
    pub const NAMES: [(Privileges, &str); 15] = [
        (SELECT, "SELECT"),
        (INSERT, "INSERT"),
        (UPDATE, "UPDATE"),
        (DELETE, "DELETE"),
        (TRUNCATE, "TRUNCATE"),
        (REFERENCES, "REFERENCES"),
        (TRIGGER, "TRIGGER"),
        (MAINTAIN, "MAINTAIN"),
        (EXECUTE, "EXECUTE"),
        (USAGE, "USAGE"),
        (CREATE, "CREATE"),
        (CONNECT, "CONNECT"),
        (TEMPORARY, "TEMPORARY"),
        (SET, "SET"),
        (ALTER_SYSTEM, "ALTER SYSTEM"),
    ];

    /// The names of those in a set, joined by commas.
    pub fn names(set: Privileges) -> String {
        let names: Vec<&str> =
            NAMES.iter().filter(|(bit, _)| set & bit != 0).map(|(_, name)| *name).collect();
        names.join(", ")
    }
}

/// What kind of object carries privileges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    /// A table, view, materialised view or foreign table.
    #[default]
    Table,
    /// A column.
    Column,
    /// A sequence.
    Sequence,
    /// A schema.
    Schema,
    /// A function or procedure.
    Function,
    /// A type or domain.
    Type,
    /// A language.
    Language,
    /// A database.
    Database,
    /// A foreign-data wrapper.
    ForeignDataWrapper,
    /// A foreign server.
    ForeignServer,
    /// A tablespace.
    Tablespace,
    /// A setting.
    Parameter,
    /// A large object.
    LargeObject,
}

impl ObjectKind {
    /// All.
    pub const ALL: [Self; 13] = [
        Self::Table,
        Self::Column,
        Self::Sequence,
        Self::Schema,
        Self::Function,
        Self::Type,
        Self::Language,
        Self::Database,
        Self::ForeignDataWrapper,
        Self::ForeignServer,
        Self::Tablespace,
        Self::Parameter,
        Self::LargeObject,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Column => "column",
            Self::Sequence => "sequence",
            Self::Schema => "schema",
            Self::Function => "function",
            Self::Type => "type",
            Self::Language => "language",
            Self::Database => "database",
            Self::ForeignDataWrapper => "foreign data wrapper",
            Self::ForeignServer => "foreign server",
            Self::Tablespace => "tablespace",
            Self::Parameter => "parameter",
            Self::LargeObject => "large object",
        }
    }

    /// What can be granted on it; MAINTAIN where `version` has it.
    pub fn privileges(self, version: i32) -> Privileges {
        use privilege::*;
        match self {
            Self::Table => {
                let maintain = if version >= 170_000 { MAINTAIN } else { 0 };
                SELECT | INSERT | UPDATE | DELETE | TRUNCATE | REFERENCES | TRIGGER | maintain
            }
            Self::Column => SELECT | INSERT | UPDATE | REFERENCES,
            Self::Sequence => SELECT | UPDATE | USAGE,
            Self::Schema => USAGE | CREATE,
            Self::Function => EXECUTE,
            Self::Database => CREATE | TEMPORARY | CONNECT,
            Self::Tablespace => CREATE,
            Self::Parameter => SET | ALTER_SYSTEM,
            Self::LargeObject => SELECT | UPDATE,
            Self::Type | Self::Language | Self::ForeignDataWrapper | Self::ForeignServer => USAGE,
        }
    }

    /// What PUBLIC has where nothing was granted or revoked.
    pub fn public_default(self) -> Privileges {
        use privilege::*;
        match self {
            Self::Database => TEMPORARY | CONNECT,
            Self::Function => EXECUTE,
            Self::Type | Self::Language => USAGE,
            _ => 0,
        }
    }
}

/// An object with its owner and privileges.
#[derive(Clone, Debug, Default)]
pub struct Protected {
    /// Its OID.
    pub oid: Oid,
    /// What it is.
    pub kind: ObjectKind,
    /// Its name, qualified and quoted.
    pub name: Box<str>,
    /// The schema in which it is; 0 for what is in none.
    pub schema: Oid,
    /// The owning role.
    pub owner: Oid,
    /// Its privileges; `None` for those that it is born with.
    pub acl: Option<Box<[Grant]>>,
    /// Of a table, columns with privileges of their own.
    pub columns: Vec<ProtectedColumn>,
    /// Whether it is a catalog, which nobody but a superuser may write.
    pub is_catalog: bool,
    /// Whether it is the server's own.
    pub is_system: bool,
}

/// A column with privileges of its own.
#[derive(Clone, Debug, Default)]
pub struct ProtectedColumn {
    /// Its number.
    pub number: ColumnNumber,
    /// Its name, quoted.
    pub name: Box<str>,
    /// Its privileges.
    pub acl: Box<[Grant]>,
}
