//! `row_number() OVER (PARTITION BY a ORDER BY b) = 1`: numbers all rows to keep one of each; DISTINCT ON keeps it.
//!
//! The same one only where the order leaves no ties.

use crate::catalog::query::edit::Edit;
use crate::catalog::query::{
    Comparison, Distinct, Expression, ExpressionKind, Query, Scope, SortKey, Target, Window, WindowCall,
};
use crate::finding::Severity;
use crate::text::identifier::quote_identifier;

use super::filter::{literal, references_to};
use super::{Condition, Context, Proposal, Rule};

/// The rule.
pub const RULE: Rule = Rule { id: "query.first_row_by_window", check };

fn check(scope: &Scope<'_>, context: &Context<'_>, proposals: &mut Vec<Proposal>) {
    let query = scope.query;
    for condition in query.conditions() {
        let Some((relation, number)) = first(condition) else { continue };
        let Some(inner) = query.relation(relation).and_then(|entry| entry.subquery()) else { continue };
        let output: Vec<&Target> = inner.output().collect();
        let position = usize::try_from(number - 1).unwrap_or(usize::MAX);
        let Some(ExpressionKind::Window(call)) = output.get(position).map(|target| &target.expression.kind)
        else {
            continue;
        };
        let Some(window) = inner.windows.get(call.window) else { continue };
        let is_used_elsewhere = {
            let mut found = 0;
            query.each_expression(&mut |part, depth| {
                if let ExpressionKind::Column(column) = &part.kind {
                    found += usize::from(
                        column.levels_up == depth
                            && column.relation == relation
                            && (column.column == number || column.column == 0),
                    );
                }
            });
            found != 1
        };
        if !numbers_rows(inner, call) || is_used_elsewhere || references_to(query, relation) == 0 {
            continue;
        }
        let scope = scope.inner(inner, crate::catalog::query::Place::From(relation));
        let keys: Vec<&Expression> = [&window.partition_by, &window.order_by]
            .into_iter()
            .flatten()
            .filter_map(|key| inner.targets.get(key.target))
            .map(|target| &target.expression)
            .collect();
        if !scope.rows_are_unique(&keys) {
            // Whichever of the ties comes first is as good, but need not be the same one.
            continue;
        }
        let Some(edits) = edits(context, inner, window, &output, position) else { continue };
        let edits = [edits, vec![Edit::RemoveCondition { expression: condition.id }]].concat();
        let message = if window.partition_by.is_empty() {
            "every row is numbered to keep the first; LIMIT keeps it without numbers"
        } else {
            "every row is numbered to keep the first of each group; DISTINCT ON keeps it without numbers"
        };
        proposals.push(Proposal::advice(RULE.id, Severity::Info, message).edits(edits, Condition::Proven));
    }
}

/// The column of a relation of which a condition asks that it is 1.
fn first(condition: &Expression) -> Option<(usize, i16)> {
    let (comparison, left, right) = condition.as_comparison()?;
    let (comparison, column, value) = match left.as_own_column() {
        Some(column) => (comparison, column, right),
        None => (comparison.commuted(), right.as_own_column()?, left),
    };
    let is_first = matches!(
        (comparison, literal(value)?),
        (Comparison::Equal | Comparison::LessOrEqual, "1") | (Comparison::Less, "2")
    );
    is_first.then_some((column.relation, column.column))
}

/// Whether the query does nothing but number its rows by that call.
fn numbers_rows(inner: &Query, call: &WindowCall) -> bool {
    let mut windows = 0;
    for target in &inner.targets {
        target
            .expression
            .each(&mut |part| windows += usize::from(matches!(part.kind, ExpressionKind::Window(_))));
    }
    call.function.is_builtin("row_number")
        && call.filter.is_none()
        && windows == 1
        && inner.set_operation.is_none()
        && !inner.groups()
        && !inner.returns_sets
        && inner.distinct == Distinct::No
        && inner.order_by.is_empty()
        && inner.limit.is_none()
        && inner.offset.is_none()
        && inner.row_locks.is_empty()
        && inner.common_tables.is_empty()
        && !inner.is_volatile()
}

fn edits(
    context: &Context<'_>,
    inner: &Query,
    window: &Window,
    output: &[&Target],
    numbered: usize,
) -> Option<Vec<Edit>> {
    let text =
        |key: &SortKey| inner.targets.get(key.target).map(|target| context.texts.text(target.expression.id));
    if !window.partition_by.iter().chain(&window.order_by).all(|key| key.is_default) {
        return None;
    }
    // A literal in ORDER BY would be taken for a position.
    let is_constant =
        |key: &SortKey| inner.targets.get(key.target).is_none_or(|target| target.expression.is_fixed());
    if window.partition_by.iter().chain(&window.order_by).any(is_constant) {
        return None;
    }
    let groups: Vec<String> = window.partition_by.iter().map(text).collect::<Option<_>>()?;
    let mut sorts: Vec<String> = groups.clone();
    for key in &window.order_by {
        let direction = if key.descending { " DESC" } else { "" };
        let nulls = if key.nulls_first == key.descending {
            ""
        } else if key.nulls_first {
            " NULLS FIRST"
        } else {
            " NULLS LAST"
        };
        sorts.push(format!("{}{direction}{nulls}", text(key)?));
    }
    let columns: Vec<String> = output
        .iter()
        .enumerate()
        .filter(|(position, _)| *position != numbered)
        .map(|(_, target)| {
            format!("{} AS {}", context.texts.text(target.expression.id), quote_identifier(&target.name))
        })
        .collect();
    let list = columns.join(", ");
    let mut edits = vec![Edit::ReplaceSort { query: inner.id, sql: sorts.join(", ") }];
    if groups.is_empty() {
        edits.push(Edit::ReplaceLimit { query: inner.id, sql: "1".to_owned() });
        edits.push(Edit::ReplaceTargets { query: inner.id, sql: list });
    } else {
        let sql = format!("DISTINCT ON ({}) {list}", groups.join(", "));
        edits.push(Edit::ReplaceTargets { query: inner.id, sql });
    }
    Some(edits)
}

#[cfg(test)]
mod tests {
    use super::super::testing::propose_for;
    use super::RULE;
    use crate::catalog::query::edit::Edit;
    use crate::catalog::query::sample::{column, compare, expression, function, integer, select, table};
    use crate::catalog::query::{
        Comparison, ExpressionKind, Query, RangeTableEntry, RelationSource, SortKey, Window, WindowCall,
    };
    use crate::catalog::types::builtin;

    /// `SELECT s.c1 FROM (SELECT c1, row_number() OVER (PARTITION BY c2 ORDER BY <order>) FROM t) s WHERE n <comparison> <limit>`
    fn query(name: &str, order: i16, comparison: Comparison, limit: i64) -> Query {
        let call = WindowCall { function: function(name), ..WindowCall::default() };
        let numbered = expression(11, builtin::INT8, ExpressionKind::Window(call));
        let targets = vec![column(10, 0, 0, 1), numbered, column(12, 0, 0, 2), column(13, 0, 0, order)];
        let mut inner = select(1, targets, vec![table("t", &[true, true, false], &[&[1]])]);
        inner.targets[2].is_hidden = true;
        inner.targets[3].is_hidden = true;
        inner.has_window_functions = true;
        let key =
            |target| vec![SortKey { target, is_default: true, descending: target == 3, nulls_first: false }];
        inner.windows = vec![Window { partition_by: key(2), order_by: key(3), has_default_frame: true }];
        let entry = RangeTableEntry {
            source: RelationSource::Subquery(Box::new(inner)),
            ..RangeTableEntry::default()
        };
        let mut query = select(0, vec![column(1, 0, 0, 1)], vec![entry]);
        query.condition = Some(compare(2, comparison, column(3, 0, 0, 2), integer(4, limit)));
        query
    }

    #[test]
    fn the_first_of_each_group_is_distinct_on() {
        let [proposal] = &propose_for(&RULE, query("row_number", 1, Comparison::Equal, 1))[..] else {
            panic!()
        };
        assert_eq!(
            proposal.edits,
            [
                Edit::ReplaceSort { query: 1, sql: "<12>, <13> DESC NULLS LAST".to_owned() },
                Edit::ReplaceTargets { query: 1, sql: "DISTINCT ON (<12>) <10> AS t1".to_owned() },
                Edit::RemoveCondition { expression: 2 },
            ]
        );
        assert_eq!(propose_for(&RULE, query("row_number", 1, Comparison::Less, 2)).len(), 1);
    }

    #[test]
    fn not_with_ties_nor_more_than_the_first() {
        assert!(propose_for(&RULE, query("row_number", 3, Comparison::Equal, 1)).is_empty());
        assert!(propose_for(&RULE, query("rank", 1, Comparison::Equal, 1)).is_empty());
        assert!(propose_for(&RULE, query("row_number", 1, Comparison::LessOrEqual, 2)).is_empty());
        let mut shown = query("row_number", 1, Comparison::Equal, 1);
        shown.targets.push(crate::catalog::query::sample::target(2, column(9, 0, 0, 2)));
        assert!(propose_for(&RULE, shown).is_empty());
    }
}
