//! What a rewrite changes, and how it gets the text of what it keeps.

use super::{ExpressionId, JoinKind, QueryId, RelationIndex};
use crate::catalog::ColumnNumber;

/// One change of a statement. Several make a rewrite; they do not depend on their order.
///
/// Every `sql` is put where it belongs as it is. It is in parentheses where it replaces an expression that stands
/// inside another; as a condition of WHERE, ON or HAVING, or one of several that AND joins, it stands bare, so that
/// what has a top-level OR brings its own parentheses.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// Another expression in its place.
    ReplaceExpression {
        /// In whose.
        expression: ExpressionId,
        /// Which.
        sql: String,
    },
    /// A condition that WHERE, ON or HAVING need not hold any more: the whole of it, or one of those that AND joins.
    RemoveCondition {
        /// Which.
        expression: ExpressionId,
    },
    /// One more condition in WHERE.
    AddCondition {
        /// Of which query.
        query: QueryId,
        /// The condition.
        sql: String,
    },
    /// Another select list; what GROUP BY and ORDER BY refer to stays.
    ReplaceTargets {
        /// Of which query.
        query: QueryId,
        /// The list, as it stands behind SELECT; it may begin with DISTINCT ON (...).
        sql: String,
    },
    /// No DISTINCT.
    DropDistinct {
        /// Of which query.
        query: QueryId,
    },
    /// No GROUP BY.
    DropGrouping {
        /// Of which query.
        query: QueryId,
    },
    /// No ORDER BY.
    DropSort {
        /// Of which query.
        query: QueryId,
    },
    /// Another ORDER BY.
    ReplaceSort {
        /// Of which query.
        query: QueryId,
        /// What stands behind ORDER BY.
        sql: String,
    },
    /// No OFFSET.
    DropOffset {
        /// Of which query.
        query: QueryId,
    },
    /// Another LIMIT.
    ReplaceLimit {
        /// Of which query.
        query: QueryId,
        /// What stands behind LIMIT.
        sql: String,
    },
    /// UNION ALL instead of UNION, and so on.
    KeepDuplicates {
        /// Of which query.
        query: QueryId,
        /// Which of its set operations.
        operation: usize,
    },
    /// `EXISTS (...)` instead of what the sublink asked; its test goes.
    ToExists {
        /// Which sublink.
        expression: ExpressionId,
    },
    /// A relation leaves FROM. The ON of an inner join that it was in goes into WHERE; with the right side of a LEFT
    /// JOIN goes its ON. Nothing else may refer to it.
    RemoveRelation {
        /// From which query.
        query: QueryId,
        /// Which.
        relation: RelationIndex,
    },
    /// INNER, LEFT … JOIN becomes one of another kind.
    ReplaceJoin {
        /// In which query.
        query: QueryId,
        /// The join's own place in the range table.
        relation: RelationIndex,
        /// Its new kind.
        kind: JoinKind,
    },
    /// One more element at the end of FROM, behind a comma.
    AddRelation {
        /// In which query.
        query: QueryId,
        /// A relation with its alias.
        sql: String,
    },
    /// A join at the end of FROM: its left side is the last element of the list.
    AddJoin {
        /// In which query.
        query: QueryId,
        /// All of it: `LEFT JOIN ... AS ... ON ...`.
        sql: String,
    },
    /// WITH one more query at the front of the statement.
    AddCommonTable {
        /// Its name, not quoted.
        name: String,
        /// The query, without parentheses.
        sql: String,
    },
    /// Another query altogether: the statement, or one that is no branch of a set operation.
    ReplaceQuery {
        /// Which.
        query: QueryId,
        /// What stands there instead, without parentheses.
        sql: String,
    },
}

/// Prints parts of a statement as its rewritten text would hold them. Every column has its relation in front.
pub trait Texts {
    /// An expression. Where it is a parameter, its type is cast to.
    fn text(&self, expression: ExpressionId) -> String;
    /// A column of a relation of the query: `alias.column`. 0 for the whole row: `alias.*`.
    fn column(&self, query: QueryId, relation: RelationIndex, column: ColumnNumber) -> String;
    /// A whole query after these edits, without parentheses; to be used where the query stands, or deeper.
    fn query(&self, query: QueryId, edits: &[Edit]) -> String;
    /// A name for a relation that the statement does not use yet; the n-th one of this rewrite.
    fn new_alias(&self, number: usize) -> String {
        format!("rewritten_{number}")
    }
}
