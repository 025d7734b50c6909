//! What selection is given, and how far it may go.

use super::candidate::ExistingIndex;
use crate::catalog::access::Access;
use crate::catalog::hypothetical::Method;
use crate::catalog::{ColumnNumber, Oid};

/// One query of a workload.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightedQuery {
    /// What it is known by, a fingerprint or its text: queries are worked through in the order of this, so that the
    /// answer does not depend on the order in which they were collected.
    pub label: String,
    /// How often it runs in the unit of time that [`WriteRates`] uses too. Only proportions matter where no write
    /// rates are known.
    pub weight: f64,
    /// What it asks of each table.
    pub accesses: Vec<Access>,
}

/// How often a table's rows are written, in the unit of time of [`WeightedQuery::weight`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WriteRates {
    /// The table, as the accesses name it.
    pub relation: Oid,
    /// Rows inserted.
    pub inserts: f64,
    /// Rows updated that needed new entries in all indexes.
    pub updates: f64,
    /// Rows updated without new index entries (HOT), which an index on a column that they change would make impossible.
    pub hot_updates: f64,
    /// Rows updated without new index entries, by the column that was changed.
    pub hot_updates_of: Vec<(ColumnNumber, f64)>,
}

/// The queries to serve and what is there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Workload {
    /// The queries.
    pub queries: Vec<WeightedQuery>,
    /// The valid indexes of the tables that they read.
    pub existing: Vec<ExistingIndex>,
    /// Write rates, where known: a table that is not here costs nothing to write.
    pub writes: Vec<WriteRates>,
}

/// Which existing indexes may be proposed to be dropped, of those that nothing keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Drops {
    /// None.
    Never,
    /// Those that the workload used and does not need beside the new ones, and those that another index serves.
    Superseded,
    /// Also those that the workload never used. Only where the workload is known to be complete.
    Unneeded,
}

/// How far selection may go.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Bytes that the new indexes may take together. What is dropped does not count: it goes only after the new ones
    /// have proved themselves. `None` where only the gain counts.
    pub budget_bytes: Option<u64>,
    /// How many indexes may be created.
    pub max_indexes: Option<usize>,
    /// Most key columns of an index.
    pub max_columns: usize,
    /// Most INCLUDE columns of an index; 0 for no INCLUDE.
    pub max_included: usize,
    /// Whether partial indexes may be proposed.
    pub partial: bool,
    /// Access methods that may be proposed.
    pub methods: Vec<Method>,
    /// The share of the workload's cost that each index must save at least.
    pub minimal_improvement: f64,
    /// By which share a query's cost may rise before an index is not dropped for it and it is told of.
    pub tolerated_regression: f64,
    /// Which existing indexes may go.
    pub drops: Drops,
    /// The cost of making one more index entry, in the planner's units.
    pub entry_cost: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            budget_bytes: None,
            max_indexes: None,
            max_columns: 4,
            max_included: 4,
            partial: true,
            methods: vec![Method::Btree, Method::Hash, Method::Brin, Method::Gin, Method::Gist],
            minimal_improvement: 0.003,
            tolerated_regression: 0.10,
            drops: Drops::Superseded,
            entry_cost: 1.0,
        }
    }
}

impl Options {
    /// Whether indexes of these bytes together are within the budget.
    pub fn affords(&self, bytes: u64) -> bool {
        self.budget_bytes.is_none_or(|budget| bytes <= budget)
    }

    /// Whether so many indexes are allowed.
    pub fn allows(&self, indexes: usize) -> bool {
        self.max_indexes.is_none_or(|most| indexes <= most)
    }
}
