//! Sequences and the columns they feed.

use super::{ColumnNumber, FileLocation, Oid, Persistence};

/// Where a sequence stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LastValue {
    /// Never called.
    Untouched,
    /// The last value handed out (or about to be, cache included).
    At(i64),
    /// It could not be read, and why.
    #[default]
    Unread,
    /// The caller has neither USAGE nor SELECT on it.
    NoPrivilege,
    /// Another session holds it exclusively.
    Locked,
}

/// A sequence.
#[derive(Clone, Debug, Default)]
pub struct Sequence {
    /// Its OID.
    pub oid: Oid,
    /// Its name.
    pub name: Box<str>,
    /// Its schema.
    pub schema: Oid,
    /// The owning role.
    pub owner: Oid,
    /// How long its contents live.
    pub persistence: Persistence,
    /// Where its one page lies.
    pub file: FileLocation,
    /// Its own type (`AS integer`), which bounds it by default.
    pub type_oid: Oid,
    /// First value.
    pub start: i64,
    /// Step; negative counts down.
    pub increment: i64,
    /// Upper bound.
    pub maximum: i64,
    /// Lower bound.
    pub minimum: i64,
    /// Whether it starts again at the other end.
    pub cycles: bool,
    /// The column it belongs to (OWNED BY or identity).
    pub owned_by: Option<(Oid, ColumnNumber)>,
    /// Whether that column is an identity column.
    pub is_identity: bool,
    /// The columns whose default calls `nextval` on it, owned or not.
    pub used_by: Vec<(Oid, ColumnNumber)>,
    /// Where it stands.
    pub last_value: LastValue,
    /// Its privileges; `None` means the built-in default.
    pub acl: Option<Box<[super::Grant]>>,
}

impl Sequence {
    /// Every column it feeds, each once.
    pub fn fed_columns(&self) -> Vec<(Oid, ColumnNumber)> {
        let mut columns = self.used_by.clone();
        columns.extend(self.owned_by);
        columns.sort_unstable();
        columns.dedup();
        columns
    }
}
