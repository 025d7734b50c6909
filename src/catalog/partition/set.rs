//! A partitioned table, its partitions and what is stored of how it is to be kept.

use super::key::{Edge, KeyKind, Position, Range};
use crate::catalog::{Moment, Oid};
use crate::text::quote_qualified;

/// What the constraint is called that proves a default partition empty of a range, before the name of the partition. Where
/// one is found, somebody was stopped in the middle.
pub const FENCE: &str = "dbm_not_in_";

/// How a table is split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// By ranges.
    Range,
    /// By lists of values: watched only.
    List,
    /// By hash: watched only.
    Hash,
}

/// A partitioned table and its partitions, as the catalogs have them.
#[derive(Clone, Debug, PartialEq)]
pub struct Set {
    /// The partitioned table.
    pub parent: Oid,
    /// Its schema, as it is.
    pub schema: String,
    /// Its name, as it is.
    pub name: String,
    /// Who owns it.
    pub owner: Oid,
    /// How it is split.
    pub strategy: Strategy,
    /// The columns of the key, in order; an expression is `None`.
    pub key_columns: Vec<Option<String>>,
    /// The type of the first column of the key, as `format_type` writes it.
    pub key_type: String,
    /// What the values are; `None` for a type that we do not cut.
    pub key: Option<KeyKind>,
    /// Its partitions, by their lower edge; the default last.
    pub partitions: Vec<Partition>,
    /// Qualified and quoted names of tables to which it has foreign keys: an ATTACH locks them SHARE ROW EXCLUSIVE.
    pub references: Vec<String>,
    /// Qualified and quoted names of tables that have foreign keys to it.
    pub referenced_by: Vec<String>,
    /// What stands behind the moment in a bound that is a uuid or a ULID, as the newest upper bound writes it; empty for
    /// other keys. A new bound has to end in the same way, or it would overlap with the one before.
    pub bound_rest: String,
    /// Constraints of the default partition that begin with [`FENCE`]: as long as one stands, rows are refused.
    pub fences: Vec<String>,
}

/// How a partition is itself partitioned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// What stands behind PARTITION BY, as the server writes it: `LIST (region)`.
    pub by: String,
    /// The partitions below, if they can be made alike: those by ranges of the same column have other bounds each time.
    pub parts: Vec<ShapePart>,
}

/// One partition below a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShapePart {
    /// Its name, as it is.
    pub name: String,
    /// `FOR VALUES …` or `DEFAULT`, as the server writes it.
    pub bound: String,
    /// How it is itself partitioned.
    pub shape: Option<Shape>,
}

impl Set {
    /// Its name, qualified and quoted.
    pub fn qualified(&self) -> String {
        quote_qualified(&self.schema, &self.name)
    }

    /// The default partition.
    pub fn default_partition(&self) -> Option<&Partition> {
        self.partitions.iter().find(|partition| partition.is_default)
    }

    /// The partitions that have a range, by their lower edge; those half detached are not among them.
    pub fn ranges(&self) -> impl DoubleEndedIterator<Item = (&Partition, &Range)> {
        self.partitions
            .iter()
            .filter(|partition| !partition.is_detach_pending)
            .filter_map(|partition| Some((partition, partition.range.as_ref()?)))
    }

    /// The greatest value of a new row that a partition other than the default takes; `None` if there is none or one
    /// reaches up to MAXVALUE.
    pub fn newest_high(&self) -> Option<Position> {
        match self.ranges().next_back()?.1.high {
            Edge::At(high) => Some(high),
            _ => None,
        }
    }
}

/// One partition.
#[derive(Clone, Debug, PartialEq)]
pub struct Partition {
    /// The table.
    pub relation: Oid,
    /// Its schema, as it is.
    pub schema: String,
    /// Its name, as it is.
    pub name: String,
    /// Who owns it.
    pub owner: Oid,
    /// `None` for the default partition, and for those of list and hash.
    pub range: Option<Range>,
    /// Whether it takes what no other takes.
    pub is_default: bool,
    /// Whether a DETACH CONCURRENTLY was left half done.
    pub is_detach_pending: bool,
    /// Whether it is itself partitioned.
    pub is_partitioned: bool,
    /// Whether it is a foreign table.
    pub is_foreign: bool,
    /// Rows as of the last VACUUM or ANALYZE; negative when nobody counted.
    pub rows: f64,
    /// Blocks that its file has now; 0 where it is itself partitioned, and where nobody asks: of the partitions of a key that
    /// tells the time the clock says which is the newest.
    pub blocks: u64,
}

impl Partition {
    /// Whether it may hold a row: by its file, or where it has none by what ANALYZE counted.
    pub fn may_hold_rows(&self) -> bool {
        if self.is_partitioned || self.is_foreign { self.rows > 0.0 } else { self.blocks > 0 }
    }

    /// Its name, qualified and quoted.
    pub fn qualified(&self) -> String {
        quote_qualified(&self.schema, &self.name)
    }
}

/// A row of `dbm.partition_set` as it stands there, before anybody checked it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoredPolicy {
    /// The partitioned table.
    pub parent: Oid,
    /// What the values are.
    pub key_kind: String,
    /// How wide a partition is.
    pub every: String,
    /// The zone in which calendar units are cut.
    pub time_zone: String,
    /// A boundary from which all others are counted.
    pub origin: String,
    /// How many partitions have to be there after the one of now.
    pub premake: i32,
    /// Months, days and microseconds after which a partition goes.
    pub retention: Option<(i32, i32, i64)>,
    /// The same for numbers.
    pub retention_number: Option<i64>,
    /// How it goes.
    pub retention_action: String,
    /// Where to.
    pub archive_schema: Option<String>,
    /// Months, days and microseconds that a detached partition is kept.
    pub drop_delay: (i32, i32, i64),
    /// What becomes of rows that no partition takes.
    pub on_missing: String,
    /// How many partitions one pass may create.
    pub max_create: i32,
    /// Which share of the partitions one pass may retire, 0..1.
    pub max_retire: f64,
    /// A table from which a new partition takes what it does not inherit.
    pub template: Option<Oid>,
    /// Whether grants of the parent are repeated on partitions.
    pub copy_privileges: bool,
    /// How names of partitions are made.
    pub name_style: String,
    /// Whether it is kept at all.
    pub is_enabled: bool,
    /// The greatest moment that upkeep has seen.
    pub last_now: Option<Moment>,
    /// When upkeep was last at it.
    pub last_run: Option<Moment>,
    /// What came out of it.
    pub last_result: Option<String>,
    /// How often it failed since it last went well.
    pub failures: i32,
    /// Before when it is not tried again.
    pub not_before: Option<Moment>,
    /// Whether the transaction that made or changed the row is still open, and ours.
    pub is_uncommitted: bool,
}
