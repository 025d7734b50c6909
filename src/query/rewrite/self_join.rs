//! A table joined to itself on a unique key: both rows are the same one. PostgreSQL 18 sees it by itself.

use crate::catalog::query::edit::Edit;
use crate::catalog::query::{
    ColumnReference, Comparison, Expression, ExpressionKind, FromItem, JoinKind, Query, Scope,
};
use crate::catalog::{ColumnNumber, Oid};
use crate::finding::Severity;

use super::{Condition, Context, Proposal, Rule};

/// The rule.
pub const RULE: Rule = Rule { id: "query.self_join", check };

/// The first version whose planner removes such a join.
const SEEN_BY_PLANNER: u32 = 18;

fn check(scope: &Scope<'_>, context: &Context<'_>, proposals: &mut Vec<Proposal>) {
    let query = scope.query;
    // A LATERAL item sees what stands before it alone.
    let is_simple = query.set_operation.is_none()
        && query.row_locks.is_empty()
        && query.changed.is_none()
        && !query.relations.iter().any(|relation| relation.is_lateral);
    let Some(relations) = is_simple.then(|| in_sight_order(query)).flatten() else { return };
    if context.statement.server >= SEEN_BY_PLANNER {
        return;
    }
    for (position, &kept) in relations.iter().enumerate() {
        for &dropped in relations.iter().skip(position + 1) {
            let Some(oid) = same_table(query, kept, dropped) else { continue };
            if let Some(edits) = merge(scope, context, kept, dropped) {
                let name = |index: usize| query.relation(index).map_or("", |entry| &entry.alias);
                let table =
                    query.relation(kept).and_then(|entry| entry.table()).map_or("", |table| &table.name);
                proposals.push(
                    Proposal::advice(
                        RULE.id,
                        Severity::Info,
                        format!(
                            "{} and {} are the same row of {table}, which is read twice to join it to itself on a unique key",
                            name(kept),
                            name(dropped)
                        ),
                    )
                    .evidence("table", oid)
                    .edits(edits, Condition::Proven),
                );
                return;
            }
        }
    }
}

/// The relations of FROM, where each can be named by whatever stands behind it: commas between relations and
/// left-deep inner joins, at most one of the latter.
fn in_sight_order(query: &Query) -> Option<Vec<usize>> {
    fn chain(item: &FromItem, found: &mut Vec<usize>) -> bool {
        match item {
            FromItem::Relation(index) => {
                found.push(*index);
                true
            }
            FromItem::Join(join) => {
                join.kind == JoinKind::Inner
                    && !join.merges_columns
                    && chain(&join.left, found)
                    && matches!(join.right, FromItem::Relation(_))
                    && chain(&join.right, found)
            }
        }
    }
    let is_join = |item: &&FromItem| matches!(item, FromItem::Join(_));
    if query.from.iter().filter(is_join).count() > 1
        || (query.from.len() > 1 && query.from.iter().any(|item| is_join(&item)))
    {
        return None;
    }
    let mut found = Vec::new();
    query.from.iter().all(|item| chain(item, &mut found)).then_some(found)
}

/// The table that both relations are, read in the same way.
fn same_table(query: &Query, one: usize, another: usize) -> Option<Oid> {
    let (one, another) = (query.relation(one)?, query.relation(another)?);
    let (table, other) = (one.table()?, another.table()?);
    let is_same = table.oid == other.oid
        && matches!(table.kind, 'r' | 'p' | 'm')
        && one.is_only == another.is_only
        && !one.is_sampled
        && !another.is_sampled;
    is_same.then_some(table.oid)
}

/// What makes one relation of two that are joined on a unique key.
fn merge(scope: &Scope<'_>, context: &Context<'_>, kept: usize, dropped: usize) -> Option<Vec<Edit>> {
    let query = scope.query;
    let mut equated: Vec<(ColumnNumber, &Expression)> = Vec::new();
    for condition in query.inner_conditions() {
        let Some((Comparison::Equal, left, right)) = condition.as_comparison() else { continue };
        let ExpressionKind::Operator(call) = &condition.kind else { continue };
        let (Some(left), Some(right)) = (left.as_own_column(), right.as_own_column()) else { continue };
        let is_pair = (left.relation == kept && right.relation == dropped)
            || (left.relation == dropped && right.relation == kept);
        // Equality that takes different bytes for equal is still the key's own.
        if is_pair
            && left.column == right.column
            && left.column > 0
            && call.is_builtin("=")
            && call.is_deterministic
        {
            equated.push((left.column, condition));
        }
    }
    let entry = query.relation(kept)?;
    let columns: Vec<ColumnNumber> = equated.iter().map(|(column, _)| *column).collect();
    // The equality leaves no NULL, so that a nullable key does as well.
    let has_key = entry
        .table()?
        .unique_keys
        .iter()
        .any(|key| key.columns.iter().all(|column| columns.contains(column)));
    if !has_key {
        return None;
    }
    let mut edits = vec![Edit::RemoveRelation { query: query.id, relation: dropped }];
    let mut removed: Vec<u32> = Vec::new();
    for (column, condition) in &equated {
        edits.push(Edit::RemoveCondition { expression: condition.id });
        condition.each(&mut |part| removed.push(part.id));
        if !entry.column(*column)?.is_not_null {
            let sql = format!("{} IS NOT NULL", context.texts.column(query.id, kept, *column));
            edits.push(Edit::AddCondition { query: query.id, sql });
        }
    }
    let mut is_plain = true;
    query.each_expression(&mut |part, depth| {
        if let ExpressionKind::Column(ColumnReference { levels_up, relation, column, .. }) = &part.kind
            && *levels_up == depth
            && *relation == dropped
            && !removed.contains(&part.id)
        {
            // A whole row may be put out as such, and a system column tells of the scan.
            is_plain &= *column > 0;
            edits.push(Edit::ReplaceExpression {
                expression: part.id,
                sql: context.texts.column(query.id, kept, *column),
            });
        }
    });
    is_plain.then_some(edits)
}

#[cfg(test)]
mod tests {
    use super::super::testing::propose;
    use super::RULE;
    use crate::catalog::query::edit::Edit;
    use crate::catalog::query::sample::{column, equal, select, table};
    use crate::catalog::query::{Query, Statement};

    /// `SELECT a.c1, b.c2 FROM t a, t b WHERE a.<number> = b.<other>`: c1 is the key, c2 a unique column that may be NULL.
    fn query(number: i16, other: i16) -> Query {
        let tables = vec![
            table("a", &[true, false, false], &[&[1], &[2]]),
            table("b", &[true, false, false], &[&[1], &[2]]),
        ];
        let mut query = select(0, vec![column(1, 0, 0, 1), column(2, 0, 1, 2)], tables);
        query.condition = Some(equal(3, column(4, 0, 0, number), column(5, 0, 1, other)));
        query
    }

    fn edits(query: Query, server: u32) -> Vec<Edit> {
        let statement = Statement { query, server, ..Statement::default() };
        propose(&RULE, &statement).into_iter().flat_map(|proposal| proposal.edits).collect()
    }

    #[test]
    fn a_row_joined_to_itself_is_one_row() {
        assert_eq!(
            edits(query(1, 1), 15),
            [
                Edit::RemoveRelation { query: 0, relation: 1 },
                Edit::RemoveCondition { expression: 3 },
                Edit::ReplaceExpression { expression: 2, sql: "<0.0.2>".to_owned() },
            ]
        );
        assert!(edits(query(1, 1), 18).is_empty());
    }

    #[test]
    fn a_key_that_may_be_null_leaves_nulls_out() {
        let said = edits(query(2, 2), 15);
        assert!(said.contains(&Edit::AddCondition { query: 0, sql: "<0.0.2> IS NOT NULL".to_owned() }));
    }

    #[test]
    fn other_columns_find_other_rows() {
        assert!(edits(query(3, 3), 15).is_empty());
        assert!(edits(query(2, 1), 15).is_empty());
        let mut whole = query(1, 1);
        whole.targets[1].expression = column(2, 0, 1, 0);
        assert!(edits(whole, 15).is_empty());
    }
}
