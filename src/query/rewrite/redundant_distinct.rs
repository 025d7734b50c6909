//! DISTINCT over rows that are different anyway, or where nobody counts: it sorts or hashes them for nothing.

use crate::catalog::query::edit::Edit;
use crate::catalog::query::{Distinct, Expression, Place, Query, Scope, SetTree, SubLinkKind};
use crate::finding::Severity;

use super::{Condition, Context, Proposal, Rule};

/// The rule.
pub const RULE: Rule = Rule { id: "query.redundant_distinct", check };

fn check(scope: &Scope<'_>, _: &Context<'_>, proposals: &mut Vec<Proposal>) {
    let query = scope.query;
    if query.distinct != Distinct::All || query.set_operation.is_some() || !query.row_locks.is_empty() {
        return;
    }
    let is_cut = query.limit.is_some() || query.offset.is_some();
    let why = if !is_cut && is_collected_without_counting(scope) {
        "whoever reads it does not see whether a row comes twice"
    } else if query.returns_one_row_at_most() && !is_cut {
        "there is one row at most"
    } else if rows_differ(scope) && (!is_cut || is_in_total_order(scope)) {
        if query.groups() {
            "GROUP BY returns each group once"
        } else {
            "the rows contain a unique key of every table"
        }
    } else {
        return;
    };
    proposals.push(
        Proposal::advice(RULE.id, Severity::Info, format!("DISTINCT does nothing but sort or hash: {why}"))
            .edits(vec![Edit::DropDistinct { query: query.id }], Condition::Proven),
    );
}

/// Whether no two rows are the same, DISTINCT left out.
fn rows_differ(scope: &Scope<'_>) -> bool {
    let query = scope.query;
    let output: Vec<&Expression> = query.output().map(|target| &target.expression).collect();
    if query.returns_sets {
        return false;
    }
    if query.groups() {
        return !query.has_grouping_sets
            && !query.group_by.is_empty()
            && query.group_by.iter().all(|key| {
                key.is_default
                    && query.targets.get(key.target).is_some_and(|target| {
                        output.iter().any(|expression| expression.is_same(&target.expression))
                    })
            });
    }
    scope.rows_are_unique(&output)
}

/// Whether ORDER BY leaves no ties, so that LIMIT takes the same rows whatever the plan is.
fn is_in_total_order(scope: &Scope<'_>) -> bool {
    let query = scope.query;
    let keys: Vec<&Expression> = query
        .order_by
        .iter()
        .filter_map(|key| query.targets.get(key.target))
        .map(|target| &target.expression)
        .collect();
    !query.groups() && !keys.is_empty() && scope.rows_are_unique(&keys)
}

/// Whether the query around takes duplicates away itself, or only asks whether there is a row.
fn is_collected_without_counting(scope: &Scope<'_>) -> bool {
    match scope.place {
        Place::SubLink(_, link) => {
            matches!(link.kind, SubLinkKind::Any | SubLinkKind::All | SubLinkKind::Exists)
        }
        Place::From(index) => scope.parent.is_some_and(|parent| is_branch_without_all(parent.query, index)),
        Place::Top | Place::CommonTable(_) => false,
    }
}

/// Whether the relation is a branch of a set operation, and the nearest one is without ALL.
fn is_branch_without_all(query: &Query, relation: usize) -> bool {
    fn find(tree: &SetTree, relation: usize) -> Option<bool> {
        match tree {
            SetTree::Branch(_) => None,
            SetTree::Operation { all, left, right, .. } => {
                let is_here = [left, right].into_iter().any(|side| **side == SetTree::Branch(relation));
                if is_here { Some(!all) } else { find(left, relation).or_else(|| find(right, relation)) }
            }
        }
    }
    query.set_operation.as_ref().and_then(|tree| find(tree, relation)).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::super::testing::count;
    use super::RULE;
    use crate::catalog::query::sample::{column, expression, integer, select, sublink, table};
    use crate::catalog::query::{
        Distinct, Expression, ExpressionKind, Query, RangeTableEntry, RelationSource, SetOperator, SetTree,
        SortKey, SubLinkKind,
    };

    fn distinct(targets: Vec<Expression>) -> Query {
        let mut query = select(0, targets, vec![table("t", &[true, false], &[&[1], &[2]])]);
        query.distinct = Distinct::All;
        query
    }

    #[test]
    fn a_key_that_is_never_null_tells_rows_apart() {
        assert_eq!(count(&RULE, &distinct(vec![column(1, 0, 0, 1)])), 1);
        assert_eq!(count(&RULE, &distinct(vec![column(1, 0, 0, 2)])), 0);
        let mut none = distinct(vec![column(1, 0, 0, 1)]);
        none.distinct = Distinct::No;
        assert_eq!(count(&RULE, &none), 0);
        let mut many = distinct(vec![column(1, 0, 0, 1)]);
        many.returns_sets = true;
        assert_eq!(count(&RULE, &many), 0);
    }

    #[test]
    fn a_limit_wants_a_total_order() {
        let mut query = distinct(vec![column(1, 0, 0, 1), column(2, 0, 0, 2)]);
        query.limit = Some(integer(3, 5));
        assert_eq!(count(&RULE, &query), 0);
        query.order_by = vec![SortKey { target: 1, is_default: true, ..SortKey::default() }];
        assert_eq!(count(&RULE, &query), 0);
        query.order_by = vec![SortKey { target: 0, is_default: true, ..SortKey::default() }];
        assert_eq!(count(&RULE, &query), 1);
    }

    #[test]
    fn groups_differ_unless_there_are_grouping_sets() {
        let mut query = distinct(vec![column(1, 0, 0, 2)]);
        query.group_by = vec![SortKey { target: 0, is_default: true, ..SortKey::default() }];
        assert_eq!(count(&RULE, &query), 1);
        query.has_grouping_sets = true;
        assert_eq!(count(&RULE, &query), 0);
        let mut half = distinct(vec![column(1, 0, 0, 2), column(2, 0, 0, 1)]);
        half.targets[1].is_hidden = true;
        half.group_by =
            (0..2).map(|target| SortKey { target, is_default: true, ..SortKey::default() }).collect();
        assert_eq!(count(&RULE, &half), 0);
    }

    #[test]
    fn in_does_not_count() {
        for (kind, expected) in [
            (SubLinkKind::Any, 1),
            (SubLinkKind::Exists, 1),
            (SubLinkKind::Array, 0),
            (SubLinkKind::Scalar, 0),
        ] {
            let mut inner = distinct(vec![column(1, 0, 0, 2)]);
            inner.id = 1;
            let mut query = select(0, vec![column(5, 0, 0, 1)], vec![table("u", &[true], &[])]);
            query.condition = Some(sublink(6, kind, None, inner));
            assert_eq!(count(&RULE, &query), expected, "{kind:?}");
        }
    }

    #[test]
    fn union_takes_duplicates_away_itself() {
        for (operator, all, expected) in [
            (SetOperator::Union, false, 1),
            (SetOperator::Except, false, 1),
            (SetOperator::Union, true, 0),
            (SetOperator::Except, true, 0),
        ] {
            let branch = |mut query: Query, id| {
                query.id = id;
                RangeTableEntry {
                    source: RelationSource::Subquery(Box::new(query)),
                    ..RangeTableEntry::default()
                }
            };
            let mut other = distinct(vec![column(2, 0, 0, 2)]);
            other.distinct = Distinct::No;
            let mut query = Query {
                relations: vec![branch(distinct(vec![column(1, 0, 0, 2)]), 1), branch(other, 2)],
                ..Query::default()
            };
            query.set_operation = Some(SetTree::Operation {
                number: 0,
                operator,
                all,
                left: Box::new(SetTree::Branch(0)),
                right: Box::new(SetTree::Branch(1)),
            });
            assert_eq!(count(&RULE, &query), expected);
        }
    }

    #[test]
    fn an_expression_of_a_key_is_no_key() {
        let half = expression(1, 23, ExpressionKind::Coalesce(vec![column(2, 0, 0, 1), integer(3, 0)]));
        assert_eq!(count(&RULE, &distinct(vec![half])), 0);
    }
}
