//! Whether rows can occur twice, as far as the catalogs and the query prove it.

use super::{
    Comparison, Distinct, Expression, ExpressionKind, FromItem, JoinKind, Place, Query, RangeTableEntry,
    RelationIndex, RelationSource, Scope, SetOperator, SetTree, UniqueKey,
};
use crate::catalog::ColumnNumber;
use crate::catalog::types::builtin;

impl Scope<'_> {
    /// Whether a relation's rows differ in these columns: they contain a unique key none of whose columns is NULL.
    pub fn is_unique(&self, relation: RelationIndex, columns: &[ColumnNumber]) -> bool {
        self.unique_key(relation, columns).is_some()
            || self
                .query
                .relation(relation)
                .is_some_and(|entry| self.derived_is_unique(relation, entry, columns))
    }

    /// The unique key of a table within these columns, none of whose columns is NULL.
    pub fn unique_key(&self, relation: RelationIndex, columns: &[ColumnNumber]) -> Option<&UniqueKey> {
        let entry = self.query.relation(relation)?;
        let facts = entry.table()?;
        facts.unique_keys.iter().find(|key| {
            key.columns.iter().all(|number| {
                columns.contains(number)
                    && (key.nulls_not_distinct
                        || entry.column(*number).is_some_and(|column| column.is_not_null))
            })
        })
    }

    fn derived_is_unique(
        &self,
        index: RelationIndex,
        entry: &RangeTableEntry,
        columns: &[ColumnNumber],
    ) -> bool {
        match &entry.source {
            RelationSource::Subquery(query) => {
                self.inner(query, Place::From(index)).output_is_unique(columns)
            }
            RelationSource::CommonTable { name, levels_up } => {
                self.common_table(name, *levels_up).is_some_and(|(table, scope)| {
                    !table.is_recursive
                        && scope.inner(&table.query, Place::CommonTable(table)).output_is_unique(columns)
                })
            }
            _ => false,
        }
    }

    /// Whether no two rows of the result agree in these output columns, counted from 1.
    pub fn output_is_unique(&self, columns: &[ColumnNumber]) -> bool {
        let query = self.query;
        if query.command != super::Command::Select || query.returns_sets {
            return false;
        }
        let all = query.output().count();
        let has_all =
            (1..=all).all(|number| columns.iter().any(|&column| usize::try_from(column) == Ok(number)));
        if let Some(SetTree::Operation { operator, all, .. }) = &query.set_operation {
            // What is left of duplicate-free rows is duplicate-free; only UNION ALL adds.
            return has_all
                && !all
                && matches!(operator, SetOperator::Union | SetOperator::Intersect | SetOperator::Except);
        }
        if query.distinct == Distinct::All && has_all {
            return true;
        }
        let chosen: Vec<&Expression> = query
            .output()
            .enumerate()
            .filter(|(position, _)| columns.iter().any(|&column| usize::try_from(column) == Ok(position + 1)))
            .map(|(_, target)| &target.expression)
            .collect();
        if query.groups() {
            if query.has_grouping_sets {
                return false;
            }
            return query.group_by.iter().all(|key| {
                key.is_default
                    && query.targets.get(key.target).is_some_and(|target| {
                        chosen.iter().any(|expression| expression.is_same(&target.expression))
                    })
            });
        }
        if let Distinct::On(keys) = &query.distinct
            && keys.iter().all(|key| {
                key.is_default
                    && query.targets.get(key.target).is_some_and(|target| {
                        chosen.iter().any(|expression| expression.is_same(&target.expression))
                    })
            })
        {
            return true;
        }
        self.rows_are_unique(&chosen)
    }

    /// Whether no two rows that come out of FROM and WHERE agree in all of these expressions.
    ///
    /// Every relation must be pinned: a unique key of it is among the expressions, or equated to fixed values or to
    /// columns of relations that are pinned.
    pub fn rows_are_unique(&self, expressions: &[&Expression]) -> bool {
        let query = self.query;
        let relations: Vec<RelationIndex> = query.from.iter().flat_map(FromItem::relations).collect();
        let mut known: Vec<(RelationIndex, ColumnNumber)> = expressions
            .iter()
            .filter_map(|expression| expression.as_own_column())
            .map(|column| (column.relation, column.column))
            .collect();
        let equalities = self.equalities();
        let mut pinned: Vec<RelationIndex> = Vec::new();
        loop {
            let mut grew = false;
            for (column, other) in &equalities {
                let is_known = match other {
                    None => true,
                    Some(other) => known.contains(other) || pinned.contains(&other.0),
                };
                if is_known && !known.contains(column) {
                    known.push(*column);
                    grew = true;
                }
            }
            for &relation in &relations {
                let columns: Vec<ColumnNumber> =
                    known.iter().filter(|column| column.0 == relation).map(|column| column.1).collect();
                if !pinned.contains(&relation) && self.is_unique(relation, &columns) {
                    pinned.push(relation);
                    grew = true;
                }
            }
            if !grew {
                break;
            }
        }
        relations.iter().all(|relation| pinned.contains(relation)) && !relations.is_empty()
    }

    /// Columns that equal a fixed value (`None`) or another column in every row that comes through.
    ///
    /// An outer join's ON counts for its nullable side: one row of the kept side meets at most the rows that it pins.
    fn equalities(&self) -> Vec<((RelationIndex, ColumnNumber), Option<(RelationIndex, ColumnNumber)>)> {
        fn outer<'a>(item: &'a FromItem, found: &mut Vec<(&'a Expression, Vec<RelationIndex>)>) {
            if let FromItem::Join(join) = item {
                outer(&join.left, found);
                outer(&join.right, found);
                let nullable = match join.kind {
                    JoinKind::Left => &join.right,
                    JoinKind::Right => &join.left,
                    JoinKind::Inner | JoinKind::Full => return,
                };
                // Within a nullable side that is itself a join, a half-filled row is not ruled out.
                if let (FromItem::Relation(index), Some(condition)) = (nullable, &join.condition) {
                    found.extend(condition.conjuncts().into_iter().map(|part| (part, vec![*index])));
                }
            }
        }
        let mut conditions: Vec<(&Expression, Vec<RelationIndex>)> =
            self.query.inner_conditions().into_iter().map(|condition| (condition, Vec::new())).collect();
        for item in &self.query.from {
            outer(item, &mut conditions);
        }
        let mut found = Vec::new();
        for (condition, only) in conditions {
            let Some((Comparison::Equal, left, right)) = condition.as_comparison() else { continue };
            let ExpressionKind::Operator(call) = &condition.kind else { continue };
            // Equality that takes different values for equal pins nothing.
            if !call.is_deterministic
                || call.oid >= super::FIRST_NORMAL_OID
                || !compares_one_to_one(left, right)
            {
                continue;
            }
            for (one, another) in [(left, right), (right, left)] {
                let Some(column) = one.without_relabels().as_own_column() else { continue };
                if !only.is_empty() && !only.contains(&column.relation) {
                    continue;
                }
                let column = (column.relation, column.column);
                if let Some(other) = another.without_relabels().as_own_column() {
                    found.push((column, Some((other.relation, other.column))));
                } else if another.is_fixed() || is_outer(another) {
                    found.push((column, None));
                }
            }
        }
        found
    }
}

/// Whether a value of one side's type equals one value of the other's at most: two moments of local time can be the
/// same moment, as the clocks go.
fn compares_one_to_one(left: &Expression, right: &Expression) -> bool {
    let is_integer = |expression: &Expression| {
        matches!(expression.type_oid, builtin::INT2 | builtin::INT4 | builtin::INT8)
    };
    left.type_oid == right.type_oid || (is_integer(left) && is_integer(right))
}

/// Whether it is a column of a query around: fixed while this query runs once.
fn is_outer(expression: &Expression) -> bool {
    expression.without_relabels().as_column().is_some_and(|column| column.levels_up > 0)
}

impl Query {
    /// Whether it returns one row at most, whatever the data are.
    pub fn returns_one_row_at_most(&self) -> bool {
        let plain_aggregate =
            self.has_aggregates && self.group_by.is_empty() && !self.has_grouping_sets && !self.returns_sets;
        let limited =
            self.limit.as_ref().and_then(Expression::as_constant).and_then(super::Constant::integer);
        plain_aggregate || (limited.is_some_and(|limit| limit <= 1) && !self.has_ties)
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{column, equal, integer, select, table};
    use super::super::{FromItem, Join, JoinKind, Query, Scope};

    fn unique(query: &Query) -> bool {
        Scope::top(query).output_is_unique(&[1])
    }

    #[test]
    fn a_unique_key_counts_unless_it_may_hold_nulls() {
        assert!(unique(&select(0, vec![column(1, 0, 0, 1)], vec![table("a", &[true], &[&[1]])])));
        assert!(!unique(&select(0, vec![column(1, 0, 0, 1)], vec![table("a", &[false], &[&[1]])])));
        assert!(!unique(&select(0, vec![column(1, 0, 0, 1)], vec![table("a", &[true, true], &[&[1, 2]])])));
    }

    #[test]
    fn a_join_multiplies_unless_the_other_side_is_pinned() {
        let relations = || vec![table("a", &[true, false], &[&[1]]), table("b", &[true, false], &[&[1]])];
        let mut query = select(0, vec![column(1, 0, 0, 1)], relations());
        assert!(!unique(&query));
        query.condition = Some(equal(2, column(3, 0, 1, 2), column(4, 0, 0, 2)));
        assert!(!unique(&query));
        query.condition = Some(equal(2, column(3, 0, 1, 1), column(4, 0, 0, 2)));
        assert!(unique(&query));
        query.condition = Some(equal(2, column(3, 0, 1, 1), integer(4, 7)));
        assert!(unique(&query));
    }

    #[test]
    fn a_left_join_is_pinned_by_its_own_condition() {
        let relations = vec![table("a", &[true, false], &[&[1]]), table("b", &[true, false], &[&[1]])];
        let mut query = select(0, vec![column(1, 0, 0, 1)], relations);
        let join = |kind, condition| {
            vec![FromItem::Join(Box::new(Join {
                relation: 2,
                kind,
                left: FromItem::Relation(0),
                right: FromItem::Relation(1),
                condition: Some(condition),
                merges_columns: false,
            }))]
        };
        let by_key = || equal(2, column(3, 0, 1, 1), column(4, 0, 0, 2));
        query.from = join(JoinKind::Left, by_key());
        assert!(unique(&query));
        query.from = join(JoinKind::Full, by_key());
        assert!(!unique(&query));
        query.from = join(JoinKind::Left, equal(2, column(3, 0, 1, 2), column(4, 0, 0, 2)));
        assert!(!unique(&query));
    }
}
