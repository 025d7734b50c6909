//! Nodes of a plan.

use super::clause::{Clause, ColumnReference};
use crate::catalog::Oid;

/// What a node does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are the server's own names")]
pub enum NodeKind {
    Result,
    ProjectSet,
    ModifyTable,
    Append,
    MergeAppend,
    RecursiveUnion,
    BitmapAnd,
    BitmapOr,
    SeqScan,
    SampleScan,
    IndexScan,
    IndexOnlyScan,
    BitmapIndexScan,
    BitmapHeapScan,
    TidScan,
    SubqueryScan,
    FunctionScan,
    ValuesScan,
    CteScan,
    WorkTableScan,
    ForeignScan,
    CustomScan,
    NestLoop,
    MergeJoin,
    HashJoin,
    Material,
    Memoize,
    Sort,
    IncrementalSort,
    Group,
    Aggregate,
    WindowAgg,
    Unique,
    Gather,
    GatherMerge,
    Hash,
    SetOp,
    LockRows,
    Limit,
    #[default]
    Other,
}

impl NodeKind {
    /// Whether it is one of the three joins.
    pub fn is_join(self) -> bool {
        matches!(self, Self::NestLoop | Self::MergeJoin | Self::HashJoin)
    }

    /// Whether it hands the rows of its only child on as they are.
    pub fn hands_on(self) -> bool {
        matches!(self, Self::Material | Self::Memoize | Self::Gather | Self::GatherMerge | Self::LockRows)
    }
}

/// What a node is to the node that it belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Its only input, or the outer side of a join.
    #[default]
    Outer,
    /// The inner side of a join.
    Inner,
    /// One of several: of an Append, of a BitmapAnd.
    Member,
    /// A subquery in FROM.
    Subquery,
    /// Run once, before: WITH queries too.
    InitPlan,
    /// Run for each row.
    SubPlan,
}

/// A child with what it is; for building a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Child {
    /// Position in [`super::Plan::nodes`].
    pub position: usize,
    /// What it is.
    pub role: Role,
}

/// How a join treats rows without a partner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are SQL's own names")]
pub enum JoinKind {
    #[default]
    Inner,
    Left,
    Full,
    Right,
    Semi,
    Anti,
}

/// How an aggregate finds its groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AggregateStrategy {
    /// There is one group.
    #[default]
    Plain,
    /// From sorted input.
    Sorted,
    /// In a hash table.
    Hashed,
    /// Both, for grouping sets.
    Mixed,
}

/// The number of a LIMIT or an OFFSET.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// It is written in the query.
    Constant(f64),
    /// It is known when the query runs.
    Unknown,
}

/// The index that a node reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexUse {
    /// The index.
    pub oid: Oid,
    /// `schema.index`, quoted.
    pub name: String,
}

/// One column that rows are sorted or grouped by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SortKey {
    /// As EXPLAIN prints it, without ASC, DESC and NULLS.
    pub text: String,
    /// The column of a table, if it is one.
    pub column: Option<ColumnReference>,
    /// Downwards.
    pub descending: bool,
    /// NULLs first.
    pub nulls_first: bool,
}

/// A subquery in an expression of a node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SubplanUse {
    /// What EXPLAIN calls it.
    pub name: String,
    /// Position of its top node.
    pub node: Option<usize>,
    /// Whether it depends on the row that it is computed for.
    pub is_correlated: bool,
    /// Whether its rows are kept in a hash table.
    pub is_hashed: bool,
    /// Whether it is the IN of a NOT IN (or `<> ALL`).
    pub is_not_in: bool,
    /// Whether it stands in a condition, and not in what is computed from the rows that remain.
    pub is_in_condition: bool,
}

/// A WITH query.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cte {
    /// Its name, quoted where needed.
    pub name: String,
    /// Position of its top node.
    pub node: usize,
    /// Whether the query says MATERIALIZED.
    pub says_materialized: bool,
    /// Whether it refers to itself.
    pub is_recursive: bool,
    /// Whether it writes.
    pub writes: bool,
    /// Positions of the nodes that read it.
    pub scans: Vec<usize>,
}

/// One node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    /// Its own position.
    pub position: usize,
    /// The node that it belongs to.
    pub parent: Option<usize>,
    /// What it is to that node.
    pub role: Role,
    /// The nodes that belong to it.
    pub children: Vec<usize>,
    /// What it does.
    pub kind: NodeKind,
    /// Cost until the first row.
    pub startup_cost: f64,
    /// Cost of all rows, once.
    pub total_cost: f64,
    /// Rows that it returns, once; in a parallel part of the plan, in one process.
    pub rows: f64,
    /// Mean bytes of a row.
    pub width: f64,
    /// Processes that share the rows of this part of the plan, as the planner counts them; 1 outside of parallel parts.
    pub processes: f64,
    /// The table that it scans, a position in [`super::Plan::tables`].
    pub table: Option<usize>,
    /// The index that it reads.
    pub index: Option<IndexUse>,
    /// Rows that the index conditions alone let through, once; `None` where that is not known.
    pub index_rows: Option<f64>,
    /// Conditions that the index is searched by.
    pub index_conditions: Vec<Clause>,
    /// Conditions on the rows that it has.
    pub filters: Vec<Clause>,
    /// Conditions on pairs of rows that are looked at one by one.
    pub join_filters: Vec<Clause>,
    /// Conditions that a hash or merge join finds its pairs by.
    pub join_conditions: Vec<Clause>,
    /// How it joins.
    pub join: JoinKind,
    /// How many values of the outer side the inner side is searched by.
    pub nested_parameters: usize,
    /// Columns sorted, grouped or made unique by.
    pub keys: Vec<SortKey>,
    /// How many of the keys the input is sorted by already.
    pub presorted: usize,
    /// How it groups.
    pub strategy: AggregateStrategy,
    /// Whether it computes an aggregate, as sum().
    pub has_aggregates: bool,
    /// LIMIT
    pub limit: Option<Bound>,
    /// OFFSET
    pub offset: Option<Bound>,
    /// Subqueries in its expressions.
    pub subplans: Vec<SubplanUse>,
    /// The WITH query that it reads, a position in [`super::Plan::ctes`].
    pub cte: Option<usize>,
    /// Whether partitions can still be left out when the query runs.
    pub prunes: bool,
    /// The foreign server that it asks.
    pub server: Option<String>,
    /// Whether it is a kind of node that a setting forbids, taken because there is no other.
    pub is_disabled: bool,
}

impl Node {
    /// Rows of all processes together.
    pub fn all_rows(&self) -> f64 {
        self.rows * self.processes.max(1.0)
    }
}
