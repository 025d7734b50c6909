//! What a query asks of one table, as the planner understood it: views expanded, subqueries pulled up, conditions
//! pushed down to the tables that they are about, and equalities carried over from one side of a join to the other.
//!
//! One [`Access`] for each time that a table is scanned. Filled by `pg::planner`, or by hand in a test.

use super::hypothetical::Method;
use super::{ColumnNumber, Oid};

/// What an index could begin with: a column, or an expression as CREATE INDEX takes it (with its parentheses).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// A column of the table.
    Column(ColumnNumber),
    /// An immutable expression over columns of the table; names are not qualified.
    Expression(String),
}

/// What is known of a column that the query reads.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ColumnProfile {
    /// Its number.
    pub number: ColumnNumber,
    /// Its name, quoted where needed.
    pub name: String,
    /// Its type.
    pub type_oid: Oid,
    /// Mean bytes of a value.
    pub width: f64,
    /// Different values, at least 1; `None` where it was never analysed.
    pub distinct: Option<f64>,
    /// Share of NULLs, 0..1.
    pub null_fraction: f64,
    /// How far the order of rows on disk follows the order of values, -1..1; `None` where unknown.
    pub correlation: Option<f64>,
    /// Whether the table declares it NOT NULL.
    pub is_not_null: bool,
}

/// How a condition compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClauseKind {
    /// `key = value`
    Equality,
    /// `key = ANY (values)`, `key IN (...)`
    AnyOf,
    /// `key < value` and the like, and the ends of a BETWEEN
    Range,
    /// `key LIKE 'abc%'`: a range for an operator class that compares bytes
    Prefix,
    /// `key IS NULL`
    IsNull,
    /// `key IS NOT NULL`
    IsNotNull,
    /// A boolean column alone, or its negation
    Boolean,
    /// Some other operator that an access method knows: containment, overlap, a pattern, full text
    Other,
}

/// An access method that can search by a condition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Support {
    /// The access method.
    pub method: Method,
    /// The operator class to name, qualified and quoted; `None` where it is the default one of the key's type.
    pub operator_class: Option<String>,
    /// The collation to name; `None` where it is the key's own.
    pub collation: Option<String>,
}

/// One condition on the table alone, or one side of a join condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Clause {
    /// What is compared; `None` where the condition is about no single key, as an OR over two columns.
    pub key: Option<Key>,
    /// How.
    pub kind: ClauseKind,
    /// The share of the rows that meet it, 0..1; for a join, for one value of the other side.
    pub selectivity: f64,
    /// The condition as SQL, names not qualified, fit for the WHERE of a CREATE INDEX on the table where
    /// [`Clause::is_fixed`]; empty for a join.
    pub text: String,
    /// Whether it is immutable and compares with literals only, so that it could be the predicate of an index.
    pub is_fixed: bool,
    /// Access methods that can search by it.
    pub supports: Vec<Support>,
}

/// One column of a wanted order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderKey {
    /// What is sorted by.
    pub key: Key,
    /// Downwards.
    pub descending: bool,
    /// NULLs first.
    pub nulls_first: bool,
}

/// What one scan of a table in a query is asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Access {
    /// The table, for a partition the topmost table that the query names.
    pub relation: Oid,
    /// `schema.table`, quoted.
    pub name: String,
    /// The name by which the query calls it.
    pub alias: String,
    /// Rows of the table.
    pub rows: f64,
    /// Pages of the table.
    pub pages: f64,
    /// Rows that meet all of `clauses`, as the planner estimates.
    pub rows_after: f64,
    /// The columns that the query reads, by number; all columns where it reads whole rows.
    pub columns: Vec<ColumnProfile>,
    /// Whether it reads whole rows, system columns included, so that no index can answer alone.
    pub reads_whole_row: bool,
    /// Conditions on this table alone, all of which must hold.
    pub clauses: Vec<Clause>,
    /// Conditions that compare a key of this table with something of another: an index serves the inner side of a
    /// nested loop.
    pub joins: Vec<Clause>,
    /// Orders that would save a sort: ORDER BY, GROUP BY, DISTINCT, windows, merge joins. Each names keys of this
    /// table only and is a leading part of what is wanted.
    pub orders: Vec<Vec<OrderKey>>,
}

impl Access {
    /// What is known of a column that the query reads.
    pub fn column(&self, number: ColumnNumber) -> Option<&ColumnProfile> {
        self.columns.iter().find(|column| column.number == number)
    }
}
