//! An index that does not exist, as far as its size is concerned: what statistics and types say of its entries.

/// The access methods whose indexes we can size and put before the planner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// B-tree.
    Btree,
    /// Hash.
    Hash,
    /// Block range index.
    Brin,
    /// Inverted index.
    Gin,
    /// Generalized search tree.
    Gist,
}

impl Method {
    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Btree => "btree",
            Self::Hash => "hash",
            Self::Brin => "brin",
            Self::Gin => "gin",
            Self::Gist => "gist",
        }
    }
}

/// One key or INCLUDE column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StoredColumn {
    /// `typlen` of what the index stores: the bytes of a fixed-width type, negative for others.
    pub length: i16,
    /// Bytes that a value is aligned to: 1, 2, 4 or 8.
    pub alignment: u8,
    /// Mean bytes of a value that is not NULL, its header included.
    pub width: f64,
    /// Share of NULLs, 0..1.
    pub null_fraction: f64,
}

/// Keys of an inverted index that stand in about equally many rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Elements {
    /// Different keys.
    pub keys: f64,
    /// Rows that have such a key.
    pub rows_of_key: f64,
    /// Mean bytes of a key.
    pub key_width: f64,
}

/// All that the size of an index depends on.
#[derive(Clone, Debug, PartialEq)]
pub struct HypotheticalIndex {
    /// The access method.
    pub method: Method,
    /// Rows that it has entries for.
    pub tuples: f64,
    /// Rows of the table, of which a partial index has only some.
    pub table_tuples: f64,
    /// Pages of the table.
    pub table_pages: f64,
    /// Key columns, then INCLUDE columns.
    pub columns: Vec<StoredColumn>,
    /// How many of the columns are keys.
    pub key_count: usize,
    /// Mean bytes of a leaf tuple in a sample of rows, aligned, where somebody looked: statistics know the mean width of
    /// a column only, as a whole number.
    pub measured_tuple: Option<f64>,
    /// Different combinations of key values among `tuples`, NULL counting as a value.
    pub distinct_keys: f64,
    /// Whether equal B-tree entries share one tuple.
    pub deduplicates: bool,
    /// How a GiST index is built, by which its pages are more or less full.
    pub gist_build: GistBuild,
    /// Percent to which leaf pages are filled.
    pub fillfactor: u8,
    /// The keys of an inverted index, the rare and the frequent apart; empty for others.
    pub elements: Vec<Elements>,
}

/// How a GiST index is built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GistBuild {
    /// Entry by entry.
    #[default]
    Inserting,
    /// From sorted entries.
    Sorted,
    /// From sorted ranges, as 18 began to.
    SortedRanges,
}

/// How large an index is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexSize {
    /// Pages of 8 kB, inner pages and metapage included.
    pub pages: u32,
    /// Levels above the leaves; -1 for an access method that is no tree for the planner.
    pub tree_height: i32,
}
