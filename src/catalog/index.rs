//! Indexes.

use super::{ColumnNumber, FileLocation, Moment, Oid, Persistence};

/// One column of an index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct IndexKey {
    /// The table's column, 0 for an expression.
    pub column: ColumnNumber,
    /// Its operator class; 0 for an INCLUDE column.
    pub opclass: Oid,
    /// Its collation, 0 for types without.
    pub collation: Oid,
    /// Sorted downwards.
    pub descending: bool,
    /// NULLs sort first.
    pub nulls_first: bool,
}

/// Counters of the cumulative statistics system, since its last reset.
#[derive(Clone, Copy, Debug, Default)]
pub struct IndexStatistics {
    /// Scans begun.
    pub scans: i64,
    /// Index entries returned.
    pub entries_read: i64,
    /// When it was last scanned; counted from PostgreSQL 16 on.
    pub last_scan: Option<Moment>,
}

/// An index, or the parent of a family of partition indexes.
#[derive(Clone, Debug, Default)]
pub struct Index {
    /// Its OID.
    pub oid: Oid,
    /// Its table.
    pub table: Oid,
    /// Its name; its schema is the table's.
    pub name: Box<str>,
    /// Its access method.
    pub access_method: Oid,
    /// Whether it is the index of a partitioned table, with no storage of its own.
    pub is_partitioned: bool,
    /// Whether it is attached to a partitioned index.
    pub is_partition: bool,
    /// Its table's persistence.
    pub persistence: Persistence,
    /// Whether values are unique.
    pub is_unique: bool,
    /// Whether NULL equals NULL for uniqueness.
    pub nulls_not_distinct: bool,
    /// Whether it is the primary key's.
    pub is_primary: bool,
    /// Whether it serves an exclusion constraint.
    pub is_exclusion: bool,
    /// Whether uniqueness is checked at once.
    pub is_immediate: bool,
    /// Whether CLUSTER last used it.
    pub is_clustered: bool,
    /// Whether queries may use it.
    pub is_valid: bool,
    /// Whether writes maintain it.
    pub is_ready: bool,
    /// Whether it is not being dropped.
    pub is_live: bool,
    /// Whether it is the table's replica identity.
    pub is_replica_identity: bool,
    /// How many of `keys` are key columns; the rest are INCLUDE columns.
    pub key_count: u16,
    /// Its columns in order.
    pub keys: Box<[IndexKey]>,
    /// Its expressions in order, in the normal form of [`crate::syntax::node_tree`].
    pub expressions: Box<[Box<str>]>,
    /// Its predicate in the same normal form.
    pub predicate: Option<Box<str>>,
    /// Pages at the last VACUUM or ANALYZE.
    pub pages: u32,
    /// Entries at the last VACUUM or ANALYZE.
    pub rows: f32,
    /// Where its main fork lies.
    pub file: FileLocation,
    /// Storage options, `name=value`.
    pub options: Box<[Box<str>]>,
    /// Whether ANALYZE keeps statistics of its expressions, which the planner uses.
    pub has_expression_statistics: bool,
    /// `None` when nothing was ever counted.
    pub statistics: Option<IndexStatistics>,
}

impl Index {
    /// The key columns, without INCLUDE columns.
    pub fn key_columns(&self) -> &[IndexKey] {
        &self.keys[..usize::from(self.key_count).min(self.keys.len())]
    }

    /// The INCLUDE columns.
    pub fn included_columns(&self) -> &[IndexKey] {
        &self.keys[usize::from(self.key_count).min(self.keys.len())..]
    }

    /// Whether the planner can use it and writes keep it.
    pub fn is_usable(&self) -> bool {
        self.is_valid && self.is_ready && self.is_live
    }
}
