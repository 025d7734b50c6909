//! Tables and everything else in `pg_class` that is not an index or a sequence.

use super::{ColumnNumber, Grant, Moment, Oid};

/// What kind of relation `pg_class.relkind` says it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RelationKind {
    /// An ordinary table.
    #[default]
    Table,
    /// A partitioned table.
    PartitionedTable,
    /// A view.
    View,
    /// A materialised view.
    MaterializedView,
    /// A foreign table.
    ForeignTable,
    /// A composite type.
    CompositeType,
}

impl RelationKind {
    /// Whether rows can be stored in it or below it by INSERT.
    pub fn is_table(self) -> bool {
        matches!(self, Self::Table | Self::PartitionedTable)
    }
}

/// How long the contents live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Persistence {
    /// Logged and crash-safe.
    #[default]
    Permanent,
    /// Emptied by a crash, absent on standbys.
    Unlogged,
    /// Private to a session.
    Temporary,
}

/// What identifies a row to logical replication.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplicaIdentity {
    /// The primary key, if there is one.
    #[default]
    Default,
    /// Nothing: updates and deletes cannot be published.
    Nothing,
    /// The whole row.
    Full,
    /// A chosen unique index.
    Index,
}

/// Where the main fork lies on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileLocation {
    /// The tablespace, 0 for the database's own.
    pub tablespace: Oid,
    /// The file's number, 0 where the relation has no storage.
    pub number: Oid,
}

/// Counters of the cumulative statistics system, since its last reset.
#[derive(Clone, Debug, Default)]
pub struct TableStatistics {
    /// Sequential scans begun.
    pub sequential_scans: i64,
    /// Live rows that sequential scans returned.
    pub sequential_rows: i64,
    /// Rows inserted.
    pub inserted: i64,
    /// Rows updated.
    pub updated: i64,
    /// Rows updated within their page.
    pub hot_updated: i64,
    /// Rows deleted.
    pub deleted: i64,
    /// Estimated live rows.
    pub live: i64,
    /// Estimated dead rows.
    pub dead: i64,
    /// Rows changed since the last ANALYZE.
    pub changed_since_analyze: i64,
    /// The last VACUUM, by hand or automatic.
    pub last_vacuum: Option<Moment>,
    /// The last ANALYZE, by hand or automatic.
    pub last_analyze: Option<Moment>,
}

impl TableStatistics {
    /// Rows written since the reset.
    pub fn writes(&self) -> i64 {
        self.inserted + self.updated + self.deleted
    }
}

/// How a partitioned table is split.
#[derive(Clone, Debug, Default)]
pub struct Partitioning {
    /// `r`, `l` or `h`, as `pg_partitioned_table.partstrat`.
    pub strategy: char,
    /// Key columns; 0 for an expression.
    pub columns: Box<[ColumnNumber]>,
    /// The default partition, 0 if there is none.
    pub default_partition: Oid,
}

/// A relation with columns: table, view, materialised view, foreign table or composite type.
#[derive(Clone, Debug, Default)]
pub struct Relation {
    /// Its OID.
    pub oid: Oid,
    /// Its name.
    pub name: Box<str>,
    /// Its schema.
    pub schema: Oid,
    /// The owning role.
    pub owner: Oid,
    /// What it is.
    pub kind: RelationKind,
    /// How long its contents live.
    pub persistence: Persistence,
    /// How many column numbers are used up, dropped columns included.
    pub column_numbers: ColumnNumber,
    /// Pages at the last VACUUM or ANALYZE.
    pub pages: u32,
    /// Rows at the last VACUUM or ANALYZE, negative when never measured.
    pub rows: f32,
    /// Pages of its TOAST table.
    pub toast_pages: u32,
    /// Where its main fork lies.
    pub file: FileLocation,
    /// Where its TOAST table's main fork lies.
    pub toast_file: FileLocation,
    /// Where that table's index lies.
    pub toast_index_file: FileLocation,
    /// What identifies a row to logical replication.
    pub replica_identity: ReplicaIdentity,
    /// Whether row-level security is on.
    pub row_security: bool,
    /// Whether it binds the owner too.
    pub force_row_security: bool,
    /// Whether it is a partition.
    pub is_partition: bool,
    /// The composite type of its rows.
    pub row_type: Oid,
    /// The composite type that it is a table `OF`, 0 for most.
    pub of_type: Oid,
    /// Storage options, `name=value`.
    pub options: Box<[Box<str>]>,
    /// Its privileges; `None` means the built-in default.
    pub acl: Option<Box<[Grant]>>,
    /// Set for a partitioned table.
    pub partitioning: Option<Box<Partitioning>>,
    /// `None` when nothing was ever counted.
    pub statistics: Option<Box<TableStatistics>>,
}
