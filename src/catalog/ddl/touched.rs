//! A relation that a change touches, looked up without a lock.

use crate::catalog::{LockMode, Oid, Persistence};
use crate::text::identifier::quote_qualified;

/// What a touched relation is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TouchedKind {
    /// An ordinary table.
    #[default]
    Table,
    /// A partitioned table.
    PartitionedTable,
    /// An index.
    Index,
    /// A partitioned index.
    PartitionedIndex,
    /// A view.
    View,
    /// A materialised view.
    MaterializedView,
    /// A sequence.
    Sequence,
    /// A foreign table.
    ForeignTable,
    /// A composite type.
    CompositeType,
}

/// A relation that was there before the statement, with what is known of its size and use.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Touched {
    /// Its OID.
    pub oid: Oid,
    /// The schema in which it lies.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: TouchedKind,
    /// How long its contents live.
    pub persistence: Persistence,
    /// Estimated rows over all partitions: the greatest of what VACUUM noted, what the statistics counted and what the
    /// file's size allows. `None` where nobody could say, or the caller may not know.
    pub rows: Option<f64>,
    /// Bytes of the heap and its TOAST table over all partitions, from the files. For an index, its own.
    pub bytes: u64,
    /// Bytes of all its indexes over all partitions.
    pub index_bytes: u64,
    /// How many indexes it has.
    pub indexes: u32,
    /// How many leaf partitions stand below it, 0 for what is not partitioned.
    pub partitions: u32,
    /// Its parent, if it is a partition or inherits.
    pub parent: Option<(String, String)>,
    /// Whether it is a partition of that: to drop it locks the parent, too, which it does not where it only inherits.
    pub is_partition: bool,
    /// Whether it was created by this transaction, so that nobody else can see it. In a script: earlier in the script
    /// and in the same transaction, or empty since.
    pub is_created_here: bool,
    /// Whether an extension owns it.
    pub is_extension_member: bool,
    /// Whether no block of it, nor of any partition, was ever written.
    pub is_empty: bool,
    /// Reads and writes counted by the statistics since their reset: scans, and rows inserted, updated and deleted.
    pub uses: Option<i64>,
    /// Whether the caller may not be told its size: he neither owns it nor may read all statistics. Its bytes are here
    /// for judging only.
    pub hides_size: bool,
}

impl Touched {
    /// The table of which it is a partition, quoted.
    pub fn partitioned_parent(&self) -> Option<String> {
        let (schema, name) = self.parent.as_ref().filter(|_| self.is_partition)?;
        Some(quote_qualified(schema, name))
    }

    /// Schema and name, quoted.
    pub fn qualified(&self) -> String {
        quote_qualified(&self.schema, &self.name)
    }

    /// Heap, TOAST and indexes together.
    pub fn total_bytes(&self) -> u64 {
        self.bytes.saturating_add(self.index_bytes)
    }

    /// Whether nobody else can wait for it: temporary, or made by this transaction.
    pub fn is_private(&self) -> bool {
        self.is_created_here || self.persistence == Persistence::Temporary
    }
}

/// So many relations that go along with an action, by CASCADE or as partitions, are named among its locks; whoever finds as
/// many knows that there may be more.
pub const MOST_LOCKS_NAMED: usize = 32;

/// A relation and how a statement locks it.
#[derive(Clone, Debug, PartialEq)]
pub struct LockTaken {
    /// Which.
    pub relation: Touched,
    /// How; the server's own word for it wherever it has one.
    pub mode: LockMode,
}
