//! Whether a value can be NULL, as far as the catalogs and the query prove it.

use super::{
    ColumnReference, Expression, ExpressionKind, FromItem, Query, RelationSource, Scope, SubLinkKind,
};
use crate::catalog::Volatility;

impl Query {
    /// Whether an outer join may put NULLs for a relation's rows.
    pub fn may_be_extended_by_nulls(&self, relation: usize) -> bool {
        self.from.iter().flat_map(FromItem::nullable).any(|nullable| nullable == relation)
    }
}

impl Scope<'_> {
    /// Whether the expression, computed after WHERE, is proven never to be NULL.
    pub fn is_never_null(&self, expression: &Expression) -> bool {
        use ExpressionKind as Kind;
        match &expression.kind {
            Kind::Constant(constant) => !constant.is_null(),
            Kind::Column(column) => self.column_is_never_null(column),
            Kind::NullTest { .. } | Kind::BooleanTest { .. } | Kind::DistinctFrom(_) | Kind::SqlValue => true,
            Kind::Coalesce(parts) => parts.iter().any(|part| self.is_never_null(part)),
            Kind::Extreme { arguments, .. } => arguments.iter().any(|part| self.is_never_null(part)),
            Kind::And(parts) | Kind::Or(parts) => parts.iter().all(|part| self.is_never_null(part)),
            Kind::Not(argument) => self.is_never_null(argument),
            Kind::Cast(cast) => cast.kind == super::CastKind::Relabel && self.is_never_null(&cast.argument),
            Kind::Array(_) => true,
            Kind::SubLink(link) => matches!(link.kind, SubLinkKind::Exists | SubLinkKind::Array),
            Kind::Aggregate(aggregate) => aggregate.function.is_builtin("count"),
            Kind::Case(case) => {
                case.whens.iter().all(|when| self.is_never_null(&when.result))
                    && case.otherwise.as_ref().is_some_and(|otherwise| self.is_never_null(otherwise))
            }
            // Built-in comparisons and arithmetic of numbers and texts return NULL for NULL only.
            Kind::Operator(call) => {
                call.oid < super::FIRST_NORMAL_OID
                    && (call.comparison.is_some() || matches!(&*call.name, "+" | "-" | "*" | "||"))
                    && call.function.is_strict
                    && call.function.volatility == Volatility::Immutable
                    && is_scalar(expression.type_oid)
                    && call.arguments.iter().all(|argument| self.is_never_null(argument))
            }
            _ => false,
        }
    }

    /// Whether the column is proven never to be NULL in a row that came through WHERE.
    fn column_is_never_null(&self, column: &ColumnReference) -> bool {
        let Some(scope) = self.level(column.levels_up) else { return false };
        // What a grouping set leaves out becomes NULL, whatever the table says.
        if scope.query.has_grouping_sets {
            return false;
        }
        let own = ColumnReference { levels_up: 0, ..column.clone() };
        // A sublink in a select list is computed after WHERE, one in WHERE perhaps before the other conditions; but
        // the row only counts where they all hold.
        if scope.query.inner_conditions().iter().any(|condition| rejects_null(condition, &own)) {
            return true;
        }
        scope.is_declared_not_null(&own)
    }

    /// Whether the relation itself can have no NULL in that column, and no outer join puts one.
    pub fn is_declared_not_null(&self, own: &ColumnReference) -> bool {
        if self.query.may_be_extended_by_nulls(own.relation) || own.column <= 0 {
            return false;
        }
        let Some(relation) = self.query.relation(own.relation) else { return false };
        match &relation.source {
            RelationSource::Table(_) => relation.column(own.column).is_some_and(|column| column.is_not_null),
            RelationSource::Subquery(query) => {
                self.inner(query, super::Place::From(own.relation)).output_is_never_null(own.column)
            }
            RelationSource::CommonTable { name, levels_up } => {
                self.common_table(name, *levels_up).is_some_and(|(table, scope)| {
                    !table.is_recursive
                        && scope
                            .inner(&table.query, super::Place::CommonTable(table))
                            .output_is_never_null(own.column)
                })
            }
            RelationSource::Values(rows) => {
                let position = usize::try_from(own.column - 1).unwrap_or(usize::MAX);
                rows.iter().all(|row| row.get(position).is_some_and(|value| self.is_never_null(value)))
            }
            _ => false,
        }
    }

    /// Whether an output column, counted from 1, is proven never to be NULL.
    pub fn output_is_never_null(&self, number: i16) -> bool {
        if self.query.set_operation.is_some() || self.query.command != super::Command::Select {
            return false;
        }
        let position = usize::try_from(number - 1).unwrap_or(usize::MAX);
        self.query.output().nth(position).is_some_and(|target| self.is_never_null(&target.expression))
    }
}

/// Whether the condition cannot hold where the query's own column is NULL.
pub fn rejects_null(condition: &Expression, column: &ColumnReference) -> bool {
    use ExpressionKind as Kind;
    let is_column = |expression: &Expression| expression.without_relabels().as_own_column() == Some(column);
    match &condition.kind {
        Kind::NullTest { argument, is_null: false, is_row: false } => is_column(argument),
        Kind::Operator(call) => call.function.is_strict && call.arguments.iter().any(is_column),
        Kind::ArrayComparison(comparison) => {
            // ANY of an empty array is false, ALL of one is true.
            comparison.any
                && comparison.operator.function.is_strict
                && comparison.operator.arguments.first().is_some_and(is_column)
        }
        Kind::And(parts) => parts.iter().any(|part| rejects_null(part, column)),
        Kind::Or(parts) => !parts.is_empty() && parts.iter().all(|part| rejects_null(part, column)),
        _ => false,
    }
}

/// Whether the built-in operators of that type return NULL for NULL only.
fn is_scalar(type_oid: crate::catalog::Oid) -> bool {
    use crate::catalog::types::builtin as t;
    matches!(
        type_oid,
        t::BOOL
            | t::INT2
            | t::INT4
            | t::INT8
            | t::FLOAT4
            | t::FLOAT8
            | t::NUMERIC
            | t::TEXT
            | t::DATE
            | t::TIMESTAMP
            | t::TIMESTAMPTZ
    )
}

#[cfg(test)]
mod tests {
    use super::super::sample::{column, equal, integer, select, table};
    use super::super::{FromItem, Join, JoinKind, Query, Scope};

    fn joined(kind: JoinKind) -> Query {
        let relations = vec![table("a", &[true, false], &[]), table("b", &[true, false], &[])];
        let mut query = select(0, vec![column(1, 0, 0, 1)], relations);
        query.from = vec![FromItem::Join(Box::new(Join {
            relation: 2,
            kind,
            left: FromItem::Relation(0),
            right: FromItem::Relation(1),
            condition: Some(equal(2, column(3, 0, 0, 2), column(4, 0, 1, 2))),
            merges_columns: false,
        }))];
        query
    }

    fn never_null(query: &Query, relation: usize, number: i16) -> bool {
        Scope::top(query).is_never_null(&column(9, 0, relation, number))
    }

    #[test]
    fn a_declaration_holds_where_no_outer_join_undoes_it() {
        for (kind, left, right) in [
            (JoinKind::Inner, true, true),
            (JoinKind::Left, true, false),
            (JoinKind::Right, false, true),
            (JoinKind::Full, false, false),
        ] {
            let query = joined(kind);
            assert_eq!(never_null(&query, 0, 1), left, "{kind:?}");
            assert_eq!(never_null(&query, 1, 1), right, "{kind:?}");
        }
    }

    #[test]
    fn a_strict_condition_proves_it_where_every_row_must_meet_it() {
        let mut query = joined(JoinKind::Left);
        assert!(!never_null(&query, 1, 2));
        query.condition = Some(equal(5, column(6, 0, 1, 2), integer(7, 1)));
        assert!(never_null(&query, 1, 2));
        // Of an inner join's ON as well.
        assert!(never_null(&joined(JoinKind::Inner), 1, 2));
    }

    #[test]
    fn grouping_sets_bring_nulls_of_their_own() {
        let mut query = joined(JoinKind::Inner);
        query.has_grouping_sets = true;
        assert!(!never_null(&query, 0, 1));
    }
}
