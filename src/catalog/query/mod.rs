//! A query as the server's analysis understood it: names resolved, types known, views still views, nothing rewritten
//! yet. What rules about anti-patterns read.
//!
//! Filled by `pg::planner::query_tree`, or by hand in a test. Every expression and every query has a number of its own
//! by which an [`edit::Edit`] names it and [`edit::Texts`] prints it.

pub mod edit;
mod expression;
mod nullability;
mod relation;
#[cfg(test)]
pub mod sample;
mod uniqueness;
mod walk;

use super::Oid;

pub use expression::{
    Aggregate, ArrayComparison, BooleanTest, Case, Cast, CastForm, CastKind, ColumnReference, Comparison,
    Constant, Expression, ExpressionId, ExpressionKind, FunctionCall, FunctionFacts, FunctionForm,
    OperatorCall, RowComparison, SubLink, SubLinkKind, When, WindowCall,
};
pub use nullability::rejects_null;
pub use relation::{
    FromItem, IndexedColumn, Join, JoinKind, RangeTableEntry, RelationColumn, RelationFacts, RelationSource,
    UniqueKey,
};
pub use walk::{Place, Scope};

/// The number of a query within its statement; the statement itself is 0.
pub type QueryId = u32;

/// The place of a relation in [`Query::relations`], counted from 0.
pub type RelationIndex = usize;

/// What a query does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Command {
    /// SELECT, VALUES, or a set operation
    #[default]
    Select,
    /// INSERT
    Insert,
    /// UPDATE
    Update,
    /// DELETE
    Delete,
    /// MERGE
    Merge,
}

/// One output column, or one assigned column of an INSERT or UPDATE.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Target {
    /// What is computed.
    pub expression: Expression,
    /// Its name; empty where it has none.
    pub name: String,
    /// Whether it is there for ORDER BY, GROUP BY and the like only, and not put out.
    pub is_hidden: bool,
    /// For INSERT and UPDATE, the number of the assigned column; otherwise its place, from 1.
    pub number: i16,
}

/// One element of ORDER BY, GROUP BY, DISTINCT or PARTITION BY.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SortKey {
    /// Which of [`Query::targets`], counted from 0.
    pub target: usize,
    /// Downwards.
    pub descending: bool,
    /// NULLs first.
    pub nulls_first: bool,
    /// Whether the order, and the equality, are the default ones of the type, and the collation that of the target.
    pub is_default: bool,
}

/// DISTINCT.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Distinct {
    /// No DISTINCT.
    #[default]
    No,
    /// SELECT DISTINCT
    All,
    /// SELECT DISTINCT ON (...)
    On(Vec<SortKey>),
}

/// UNION, INTERSECT, EXCEPT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetOperator {
    /// UNION
    Union,
    /// INTERSECT
    Intersect,
    /// EXCEPT
    Except,
}

/// The tree of a set operation.
#[derive(Clone, Debug, PartialEq)]
pub enum SetTree {
    /// One branch: a relation whose source is a subquery.
    Branch(RelationIndex),
    /// Two sides.
    Operation {
        /// Its number within the query, counted from 0 in the order in which they are met: itself, left, right.
        number: usize,
        /// Which.
        operator: SetOperator,
        /// ALL
        all: bool,
        /// The left side.
        left: Box<SetTree>,
        /// The right side.
        right: Box<SetTree>,
    },
}

/// One WITH query.
#[derive(Clone, Debug, PartialEq)]
pub struct CommonTable {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub query: Query,
    /// WITH RECURSIVE, and it does refer to itself.
    pub is_recursive: bool,
    /// How often the query refers to it.
    pub references: usize,
    /// AS MATERIALIZED; `Some(false)` for AS NOT MATERIALIZED.
    pub materialized: Option<bool>,
}

/// FOR UPDATE and the like.
#[derive(Clone, Debug, PartialEq)]
pub struct RowLock {
    /// Which relation's rows are locked.
    pub relation: RelationIndex,
    /// SKIP LOCKED
    pub skips_locked: bool,
    /// NOWAIT
    pub is_nowait: bool,
    /// FOR UPDATE or FOR NO KEY UPDATE; otherwise a share lock.
    pub is_update: bool,
}

/// One window definition.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Window {
    /// PARTITION BY
    pub partition_by: Vec<SortKey>,
    /// ORDER BY
    pub order_by: Vec<SortKey>,
    /// Whether its frame is the default one.
    pub has_default_frame: bool,
}

/// One query: the statement, or a part of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    /// Its number within the statement.
    pub id: QueryId,
    /// What it does.
    pub command: Command,
    /// The range table; [`ColumnReference::relation`] counts in it.
    pub relations: Vec<RangeTableEntry>,
    /// The FROM list; for UPDATE and DELETE, what stands beside the changed relation.
    pub from: Vec<FromItem>,
    /// The relation that is changed.
    pub changed: Option<RelationIndex>,
    /// WHERE
    pub condition: Option<Expression>,
    /// The select list, or the assigned columns.
    pub targets: Vec<Target>,
    /// Whether the select list was written with a `*`.
    pub has_star: bool,
    /// RETURNING
    pub returning: Vec<Target>,
    /// DISTINCT
    pub distinct: Distinct,
    /// GROUP BY; empty where there are grouping sets.
    pub group_by: Vec<SortKey>,
    /// GROUPING SETS, CUBE, ROLLUP
    pub has_grouping_sets: bool,
    /// HAVING
    pub having: Option<Expression>,
    /// ORDER BY
    pub order_by: Vec<SortKey>,
    /// LIMIT
    pub limit: Option<Expression>,
    /// FETCH FIRST ... WITH TIES
    pub has_ties: bool,
    /// OFFSET
    pub offset: Option<Expression>,
    /// UNION and the like; the branches are among `relations`.
    pub set_operation: Option<SetTree>,
    /// WITH
    pub common_tables: Vec<CommonTable>,
    /// FOR UPDATE and the like.
    pub row_locks: Vec<RowLock>,
    /// Windows.
    pub windows: Vec<Window>,
    /// Whether it has aggregate functions.
    pub has_aggregates: bool,
    /// Whether it has window functions.
    pub has_window_functions: bool,
    /// Whether its select list has functions that return sets.
    pub returns_sets: bool,
    /// INSERT ... ON CONFLICT
    pub has_conflict_clause: bool,
}

impl Query {
    /// A relation of the range table.
    pub fn relation(&self, index: RelationIndex) -> Option<&RangeTableEntry> {
        self.relations.get(index)
    }

    /// What is put out.
    pub fn output(&self) -> impl Iterator<Item = &Target> {
        self.targets.iter().filter(|target| !target.is_hidden)
    }

    /// Whether it takes rows together, so that a row of the result is no row of FROM.
    pub fn groups(&self) -> bool {
        self.has_aggregates || !self.group_by.is_empty() || self.has_grouping_sets || self.having.is_some()
    }

    /// Whether it is a plain SELECT from relations: no set operation, grouping, window, DISTINCT, LIMIT or lock.
    pub fn is_plain(&self) -> bool {
        self.command == Command::Select
            && self.set_operation.is_none()
            && !self.groups()
            && !self.has_window_functions
            && !self.returns_sets
            && self.distinct == Distinct::No
            && self.limit.is_none()
            && self.offset.is_none()
            && self.row_locks.is_empty()
    }

    /// The conditions of WHERE, each of which must hold.
    pub fn conditions(&self) -> Vec<&Expression> {
        self.condition.as_ref().map(Expression::conjuncts).unwrap_or_default()
    }

    /// The conditions of WHERE and of inner joins, each of which must hold for a row to come through.
    pub fn inner_conditions(&self) -> Vec<&Expression> {
        fn add<'a>(item: &'a FromItem, found: &mut Vec<&'a Expression>) {
            if let FromItem::Join(join) = item {
                // Below the kept side of an outer join the conditions hold as well; below the other they do not.
                if matches!(join.kind, JoinKind::Inner | JoinKind::Left) {
                    add(&join.left, found);
                }
                if matches!(join.kind, JoinKind::Inner | JoinKind::Right) {
                    add(&join.right, found);
                }
                if let (JoinKind::Inner, Some(condition)) = (join.kind, &join.condition) {
                    found.extend(condition.conjuncts());
                }
            }
        }
        let mut found = self.conditions();
        for item in &self.from {
            add(item, &mut found);
        }
        found
    }

    /// The relation, if FROM is that one alone.
    pub fn only_relation(&self) -> Option<RelationIndex> {
        match self.from.as_slice() {
            [FromItem::Relation(index)] => Some(*index),
            _ => None,
        }
    }
}

/// Whether an extension can be used.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Extension {
    /// The schema that it is installed in; `None` where it is not.
    pub schema: Option<String>,
    /// Whether the server has its files.
    pub is_available: bool,
}

/// What a statement is, as rules see it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Statement {
    /// The outermost query.
    pub query: Query,
    /// The server's major version, such as 15.
    pub server: u32,
    /// The extension pg_trgm.
    pub trigrams: Extension,
}

/// The least OID that is not given by initdb.
pub const FIRST_NORMAL_OID: Oid = 16_384;
