//! The range table and FROM.

use super::{Expression, Query, RelationIndex};
use crate::catalog::{ColumnNumber, Oid};

/// One column that a relation of the range table has.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RelationColumn {
    /// Its number, counted from 1; those that were dropped keep theirs and are absent.
    pub number: ColumnNumber,
    /// Its name, as the query may call it.
    pub name: String,
    /// Its type.
    pub type_oid: Oid,
    /// Its type's name with its modifier, as a cast would write it; empty for what is no table.
    pub type_name: String,
    /// Whether the table itself can hold no NULL there, now and in all its children.
    pub is_not_null: bool,
    /// Whether the query calls it otherwise than the table does: `FROM t AS a(b, c)`.
    pub is_renamed: bool,
    /// How many different values the statistics tell of; negative, the share of the rows; `None` where they do not.
    pub distinct: Option<f64>,
}

/// Columns of which the table holds each combination once, as far as none of them is NULL.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UniqueKey {
    /// Its columns.
    pub columns: Vec<ColumnNumber>,
    /// NULLS NOT DISTINCT: once, NULL or not.
    pub nulls_not_distinct: bool,
    /// Whether it is the primary key.
    pub is_primary: bool,
}

/// A column among the keys of an index.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IndexedColumn {
    /// Which.
    pub column: ColumnNumber,
    /// The index's access method.
    pub method: String,
    /// The operator family, not qualified: named after its operator class where it has one alone.
    pub operator_family: String,
}

/// What the catalogs say of a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RelationFacts {
    /// Its OID.
    pub oid: Oid,
    /// `pg_class.relkind`: `r` table, `p` partitioned table, `v` view, `m` materialized view, `f` foreign table.
    pub kind: char,
    /// `schema.table`, quoted.
    pub name: String,
    /// Rows that the statistics tell of; `None` where it was never analysed.
    pub rows: Option<f64>,
    /// Unique keys that hold at every moment and for every row the query may see.
    pub unique_keys: Vec<UniqueKey>,
    /// The leading columns of its valid B-tree indexes without predicate, one entry an index, up to the first
    /// expression; empty where that comes first.
    pub index_columns: Vec<Vec<ColumnNumber>>,
    /// Columns among the keys of its valid indexes of any method, those with a predicate left out.
    pub indexed_columns: Vec<IndexedColumn>,
    /// Whether a valid index has an expression among its keys.
    pub has_expression_index: bool,
    /// Whether it belongs to the server's own catalogs.
    pub is_system: bool,
}

/// Where the rows of a range table entry come from.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum RelationSource {
    /// A table, a view, a foreign table.
    Table(RelationFacts),
    /// A subquery in FROM, or a branch of a set operation.
    Subquery(Box<Query>),
    /// A WITH query of this query or of one around it.
    CommonTable {
        /// Its name.
        name: String,
        /// 0 for this query's own, 1 for that of the query around it …
        levels_up: u32,
    },
    /// A join, whose columns are those of its sides.
    Join,
    /// Functions in FROM.
    Function(Vec<Expression>),
    /// VALUES
    Values(Vec<Vec<Expression>>),
    /// XMLTABLE, JSON_TABLE, a transition table, and what else there is.
    #[default]
    Other,
}

/// One entry of the range table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RangeTableEntry {
    /// Where its rows come from.
    pub source: RelationSource,
    /// By what name the query calls it, not quoted; printed SQL may call it otherwise, see
    /// [`super::edit::Texts::column`].
    pub alias: String,
    /// Its columns.
    pub columns: Vec<RelationColumn>,
    /// LATERAL
    pub is_lateral: bool,
    /// ONLY
    pub is_only: bool,
    /// TABLESAMPLE
    pub is_sampled: bool,
    /// Whether FROM names it, or the statement changes it.
    pub is_used: bool,
}

impl RangeTableEntry {
    /// The table, where it is one.
    pub fn table(&self) -> Option<&RelationFacts> {
        match &self.source {
            RelationSource::Table(facts) => Some(facts),
            _ => None,
        }
    }

    /// The subquery, where it is one.
    pub fn subquery(&self) -> Option<&Query> {
        match &self.source {
            RelationSource::Subquery(query) => Some(query),
            _ => None,
        }
    }

    /// A column.
    pub fn column(&self, number: ColumnNumber) -> Option<&RelationColumn> {
        self.columns.iter().find(|column| column.number == number)
    }

    /// Whether some B-tree index of the table begins with that column.
    pub fn has_index_on(&self, number: ColumnNumber) -> bool {
        self.table()
            .is_some_and(|facts| facts.index_columns.iter().any(|columns| columns.first() == Some(&number)))
    }
}

/// How two sides are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinKind {
    /// INNER or CROSS
    Inner,
    /// LEFT
    Left,
    /// RIGHT
    Right,
    /// FULL
    Full,
}

/// One join.
#[derive(Clone, Debug, PartialEq)]
pub struct Join {
    /// Its place in the range table.
    pub relation: RelationIndex,
    /// How.
    pub kind: JoinKind,
    /// The left side.
    pub left: FromItem,
    /// The right side.
    pub right: FromItem,
    /// ON, or what USING and NATURAL stand for; absent for CROSS.
    pub condition: Option<Expression>,
    /// USING or NATURAL, or the join has an alias: its columns have names of their own.
    pub merges_columns: bool,
}

/// One element of FROM.
#[derive(Clone, Debug, PartialEq)]
pub enum FromItem {
    /// A relation.
    Relation(RelationIndex),
    /// A join.
    Join(Box<Join>),
}

impl FromItem {
    /// The relations in it, joins themselves left out.
    pub fn relations(&self) -> Vec<RelationIndex> {
        match self {
            Self::Relation(index) => vec![*index],
            Self::Join(join) => {
                let mut found = join.left.relations();
                found.extend(join.right.relations());
                found
            }
        }
    }

    /// The relations in it for which an outer join may put NULLs.
    pub fn nullable(&self) -> Vec<RelationIndex> {
        match self {
            Self::Relation(_) => Vec::new(),
            Self::Join(join) => {
                let side = |item: &FromItem, may_be_null: bool| {
                    if may_be_null { item.relations() } else { item.nullable() }
                };
                let mut found = side(&join.left, matches!(join.kind, JoinKind::Right | JoinKind::Full));
                found.extend(side(&join.right, matches!(join.kind, JoinKind::Left | JoinKind::Full)));
                found
            }
        }
    }
}
