//! The tables that a plan scans.

use crate::catalog::{ColumnNumber, Oid};

/// A column that some condition or order of the plan names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ColumnFacts {
    /// Its number.
    pub number: ColumnNumber,
    /// Its name, quoted where needed.
    pub name: String,
    /// Its type, as SQL writes it.
    pub type_name: String,
    /// Whether there are statistics of it.
    pub is_analysed: bool,
    /// Different values; `None` where unknown.
    pub distinct: Option<f64>,
    /// The share of the rows that hold the most common value; `None` where no value is known to be common.
    pub most_common: Option<f64>,
    /// Whether the table declares it NOT NULL.
    pub is_not_null: bool,
}

/// Columns whose values go together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Correlation {
    /// The columns.
    pub columns: Vec<ColumnNumber>,
    /// Rows of the sample that meet all conditions, as a share.
    pub measured: f64,
    /// What the shares of the single conditions make of it, as the planner multiplies them.
    pub assumed: f64,
    /// Rows of the sample.
    pub sampled: f64,
}

/// One key column of an index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexKeyFacts {
    /// The column; 0 for an expression.
    pub column: ColumnNumber,
    /// The column's name or the expression.
    pub text: String,
    /// Sorted downwards.
    pub descending: bool,
    /// NULLs sort first.
    pub nulls_first: bool,
}

/// An index of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexFacts {
    /// The index.
    pub oid: Oid,
    /// `schema.index`, quoted.
    pub name: String,
    /// Its access method.
    pub method: String,
    /// Its key columns.
    pub keys: Vec<IndexKeyFacts>,
    /// Whether it is UNIQUE.
    pub is_unique: bool,
    /// Whether queries may use it.
    pub is_valid: bool,
    /// Its predicate.
    pub predicate: Option<String>,
    /// Whether the conditions of the scan imply its predicate; true where it has none.
    pub is_implied: bool,
}

/// A table as one scan of the query sees it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TableFacts {
    /// The table.
    pub oid: Oid,
    /// `schema.table`, quoted.
    pub name: String,
    /// What EXPLAIN calls it.
    pub alias: String,
    /// Pages on disk.
    pub pages: f64,
    /// Rows, as the planner counts them.
    pub tuples: f64,
    /// Share of the pages of which all rows are visible to everybody, 0..1.
    pub visible_share: f64,
    /// Whether other sessions see it, so that workers can read it.
    pub is_temporary: bool,
    /// Whether it is a system catalog.
    pub is_system: bool,
    /// The partitioned table that the query names, where this is a partition: its OID and its name.
    pub root: Option<(Oid, String)>,
    /// The names of the columns that the partitioned table is divided by.
    pub partition_keys: Vec<String>,
    /// Columns that the plan names.
    pub columns: Vec<ColumnFacts>,
    /// Its indexes.
    pub indexes: Vec<IndexFacts>,
    /// Whether it was ever analysed.
    pub is_analysed: bool,
    /// Rows written since the last ANALYZE; `None` where nobody counted.
    pub changed_since_analyze: Option<f64>,
    /// Columns whose values go together in the rows that the conditions ask for, as a sample shows.
    pub correlations: Vec<Correlation>,
    /// The column sets of its extended statistics, those of expressions left out.
    pub extended_statistics: Vec<Vec<ColumnNumber>>,
}

impl TableFacts {
    /// A column that the plan names.
    pub fn column(&self, number: ColumnNumber) -> Option<&ColumnFacts> {
        self.columns.iter().find(|column| column.number == number)
    }

    /// An index of it.
    pub fn index(&self, oid: Oid) -> Option<&IndexFacts> {
        self.indexes.iter().find(|index| index.oid == oid)
    }

    /// The table that a person knows: the partitioned one, if this is a partition.
    pub fn known_as(&self) -> &str {
        self.root.as_ref().map_or(self.name.as_str(), |(_, name)| name)
    }
}
