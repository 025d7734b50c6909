//! Columns that are to be indexed, and what bears on the choice of an access method for them.

use super::access::ColumnProfile;

/// What kind of values a column holds, as far as the choice depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// text, varchar, char(n), name
    Text,
    /// boolean
    Boolean,
    /// An array.
    Array,
    /// jsonb
    Jsonb,
    /// json, which has no operators.
    Json,
    /// tsvector
    SearchVector,
    /// A range or multirange.
    Range,
    /// inet, cidr
    Network,
    /// point, box, circle, polygon
    Geometric,
    /// Anything that has an order and nothing else: numbers, dates, uuid …
    Ordered,
    /// A type without an order.
    Other,
}

/// Which access methods have a default operator class for a type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Methods {
    /// B-tree: order and equality.
    pub btree: bool,
    /// Hash: equality.
    pub hash: bool,
    /// GIN: values with parts.
    pub gin: bool,
    /// GiST: overlap and distance.
    pub gist: bool,
    /// SP-GiST: partitioned space.
    pub spgist: bool,
    /// BRIN: ranges of pages.
    pub brin: bool,
}

/// One column that is to be indexed.
#[derive(Clone, Debug)]
pub struct Target {
    /// What statistics say of it.
    pub profile: ColumnProfile,
    /// Its type as SQL writes it.
    pub type_name: String,
    /// What kind of values it holds.
    pub values: Values,
    /// What can index it without naming an operator class.
    pub methods: Methods,
    /// Whether its collation compares byte by byte, so that a plain B-tree finds prefixes.
    pub compares_bytes: bool,
    /// The share of rows with the most frequent value, 0 where unknown.
    pub most_common_share: f64,
}

/// The table and the columns, in the order given.
#[derive(Clone, Debug)]
pub struct Situation {
    /// `schema.table`, quoted.
    pub table: String,
    /// Rows of the table.
    pub rows: f64,
    /// Pages of the table.
    pub pages: f64,
    /// The columns.
    pub columns: Vec<Target>,
    /// The qualified operator classes `gin_trgm_ops` and `gist_trgm_ops`, where pg_trgm is installed.
    pub trigram: Option<(String, String)>,
    /// Whether pg_trgm could be installed.
    pub has_trigram_package: bool,
}
