//! A correlated subquery that looks up or aggregates what belongs to the outer row: taken apart, so that it can be done
//! once for all rows.

use super::Context;
use crate::catalog::query::edit::Edit;
use crate::catalog::query::{
    Aggregate, ColumnReference, Command, Comparison, Distinct, Expression, ExpressionKind, FIRST_NORMAL_OID,
    FromItem, Query, Scope,
};
use crate::catalog::types::builtin;
use crate::syntax::operand::operand;

/// A subquery of the form `SELECT value FROM ... WHERE key = outer AND ...`.
pub struct Correlated<'a> {
    /// The subquery.
    pub query: &'a Query,
    /// What it puts out.
    pub value: &'a Expression,
    /// The aggregate that the value is, if it is one.
    pub aggregate: Option<&'a Aggregate>,
    /// Conditions `key = outer`: the condition, its inner side, its outer side.
    pub keys: Vec<(&'a Expression, &'a Expression, &'a Expression)>,
    /// The other conditions, none of them correlated.
    pub rest: Vec<&'a Expression>,
}

impl<'a> Correlated<'a> {
    /// Takes a subquery apart; `None` where it is of another form.
    pub fn of(query: &'a Query) -> Option<Self> {
        let mut output = query.output();
        let (target, None) = (output.next()?, output.next()) else { return None };
        let is_simple = query.command == Command::Select
            && query.set_operation.is_none()
            && query.group_by.is_empty()
            && !query.has_grouping_sets
            && query.having.is_none()
            && query.distinct == Distinct::No
            && query.limit.is_none()
            && query.offset.is_none()
            && query.order_by.is_empty()
            && query.common_tables.is_empty()
            && query.row_locks.is_empty()
            && !query.has_window_functions
            && !query.returns_sets
            && query.relations.iter().all(|entry| !entry.is_lateral)
            && !query.is_volatile();
        if !is_simple {
            return None;
        }
        let value = &target.expression;
        let aggregate = match &value.kind {
            ExpressionKind::Aggregate(aggregate) if is_known(aggregate) => Some(aggregate),
            _ if query.has_aggregates => return None,
            _ => None,
        };
        let (mut keys, mut rest) = (Vec::new(), Vec::new());
        for condition in query.conditions() {
            if !condition.refers_up() {
                rest.push(condition);
            } else {
                keys.push(key(condition)?);
            }
        }
        // Correlated in the conditions of WHERE only, and there is something to take apart.
        let elsewhere = query.expressions().into_iter().any(|expression| {
            query.condition.as_ref().is_none_or(|condition| condition.id != expression.id)
                && expression.refers_up()
        }) || query.relations.iter().any(|entry| entry.subquery().is_some_and(goes_beyond));
        (!keys.is_empty() && !elsewhere).then_some(Self { query, value, aggregate, keys, rest })
    }

    /// Whether no row is met twice for one outer row: the keys, and what WHERE fixes, are unique.
    pub fn is_unique(&self, inner: &Scope<'_>) -> bool {
        let keys: Vec<&Expression> = self.keys.iter().map(|(_, key, _)| *key).collect();
        inner.rows_are_unique(&keys)
    }

    /// Whether computing it for keys that no outer row has can raise no error: it is columns and literals alone.
    pub fn is_harmless(&self) -> bool {
        let plain = |expression: &Expression| {
            !expression.has(|part| {
                !matches!(
                    &part.kind,
                    ExpressionKind::Column(_)
                        | ExpressionKind::Constant(_)
                        | ExpressionKind::Parameter(_)
                        | ExpressionKind::And(_)
                        | ExpressionKind::Or(_)
                        | ExpressionKind::Not(_)
                        | ExpressionKind::NullTest { .. }
                        | ExpressionKind::Aggregate(_)
                        | ExpressionKind::SqlValue
                ) && !is_plain_comparison(part)
                    && part.without_relabels().id == part.id
            })
        };
        plain(self.value) && self.rest.iter().all(|condition| plain(condition))
    }

    /// The relations of the outer query that the keys are compared with.
    pub fn outer_columns(&self) -> Vec<ColumnReference> {
        self.keys
            .iter()
            .filter_map(|(_, _, outer)| outer.without_relabels().as_column().cloned())
            .map(|column| ColumnReference { levels_up: 0, ..column })
            .collect()
    }

    /// `(SELECT key AS key_1, value AS value FROM ... GROUP BY key) AS alias`
    pub fn derived(&self, context: &Context<'_>, alias: &str) -> String {
        let keys: Vec<String> = self.keys.iter().map(|(_, key, _)| context.texts.text(key.id)).collect();
        let mut targets: Vec<String> =
            (1..).zip(&keys).map(|(number, key)| format!("{key} AS key_{number}")).collect();
        targets.push(format!("{} AS value", context.texts.text(self.value.id)));
        let mut edits: Vec<Edit> = self
            .keys
            .iter()
            .map(|(condition, ..)| Edit::RemoveCondition { expression: condition.id })
            .collect();
        edits.push(Edit::ReplaceTargets { query: self.query.id, sql: targets.join(", ") });
        let mut sql = context.texts.query(self.query.id, &edits);
        if self.aggregate.is_some() {
            sql.push_str("\nGROUP BY ");
            sql.push_str(&keys.join(", "));
        }
        format!("({sql}) AS {alias}")
    }

    /// `alias.key_1 = outer AND ...`
    pub fn matches(&self, context: &Context<'_>, alias: &str) -> String {
        let all: Vec<String> = (1..)
            .zip(&self.keys)
            .map(|(number, (_, _, outer))| {
                format!("{alias}.key_{number} = {}", operand(&context.texts.text(outer.id)))
            })
            .collect();
        all.join(" AND ")
    }
}

/// Whether columns of the query may be joined at the end of its FROM: they are all of its last element.
pub fn is_last_in_from(query: &Query, columns: &[ColumnReference]) -> bool {
    let last = query.from.last().map(FromItem::relations).unwrap_or_default();
    !columns.is_empty() && columns.iter().all(|column| last.contains(&column.relation))
}

/// An aggregate that is NULL, or 0, where there are no rows, and minds no order.
fn is_known(aggregate: &Aggregate) -> bool {
    ["count", "sum", "avg", "min", "max"].iter().any(|name| aggregate.function.is_builtin(name))
        && aggregate.levels_up == 0
}

/// `inner = outer`, where at most one value of the inner side equals one of the outer.
fn key(condition: &Expression) -> Option<(&Expression, &Expression, &Expression)> {
    let (Comparison::Equal, left, right) = condition.as_comparison()? else { return None };
    let ExpressionKind::Operator(call) = &condition.kind else { return None };
    if !call.is_builtin("=") || !call.is_deterministic {
        return None;
    }
    let is_integer = |expression: &Expression| {
        matches!(expression.type_oid, builtin::INT2 | builtin::INT4 | builtin::INT8)
    };
    if left.type_oid != right.type_oid && !(is_integer(left) && is_integer(right)) {
        return None;
    }
    [(left, right), (right, left)].into_iter().find_map(|(inner, outer)| {
        let (own, other) = (inner.without_relabels().as_column()?, outer.without_relabels().as_column()?);
        (own.levels_up == 0 && own.column > 0 && other.levels_up == 1).then_some((condition, inner, outer))
    })
}

/// Whether something in a subquery of FROM is of a query around the one that it is in.
fn goes_beyond(query: &Query) -> bool {
    query.is_correlated()
}

/// A comparison of the server's own between values of one type, which raises no error.
fn is_plain_comparison(expression: &Expression) -> bool {
    match &expression.kind {
        ExpressionKind::Operator(call) => call.comparison.is_some() && call.oid < FIRST_NORMAL_OID,
        ExpressionKind::ArrayComparison(comparison) => {
            comparison.operator.comparison.is_some() && comparison.operator.oid < FIRST_NORMAL_OID
        }
        ExpressionKind::Array(_) => true,
        _ => false,
    }
}
