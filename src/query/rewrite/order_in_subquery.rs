//! ORDER BY in a subquery whose rows are read in no order: sorts them for nothing.
//!
//! Not where LIMIT, DISTINCT ON, a window or an aggregate such as array_agg() sees the order, and not where the rows
//! are passed on to the client as they come.

use crate::catalog::query::edit::Edit;
use crate::catalog::query::{Distinct, ExpressionKind, Place, Query, Scope, SubLinkKind};
use crate::catalog::types::builtin;
use crate::finding::Severity;

use super::filter::is_exact;
use super::{Condition, Context, Proposal, Rule};

/// The rule.
pub const RULE: Rule = Rule { id: "query.order_in_subquery", check };

fn check(scope: &Scope<'_>, _: &Context<'_>, proposals: &mut Vec<Proposal>) {
    let query = scope.query;
    let sees_order = query.limit.is_some()
        || query.offset.is_some()
        || matches!(query.distinct, Distinct::On(_))
        || !query.row_locks.is_empty()
        || query.has_window_functions;
    if query.order_by.is_empty() || sees_order || query.is_volatile() {
        return;
    }
    let reader = match scope.place {
        Place::SubLink(_, link)
            if matches!(link.kind, SubLinkKind::Any | SubLinkKind::All | SubLinkKind::Exists) =>
        {
            "the condition that reads it asks for no order"
        }
        Place::From(_)
            if scope
                .parent
                .is_some_and(|parent| parent.query.set_operation.is_none() && sorts(parent.query)) =>
        {
            "the query around it sorts by itself"
        }
        Place::From(_) if scope.parent.is_some_and(|parent| takes_any_order(parent.query)) => {
            "the aggregates that read it ask for no order"
        }
        _ => return,
    };
    proposals.push(
        Proposal::advice(
            RULE.id,
            Severity::Info,
            format!("ORDER BY in a subquery sorts for nothing: {reader}"),
        )
        .edits(vec![Edit::DropSort { query: query.id }], Condition::Proven),
    );
}

/// Whether it sorts its own rows, all of which come out.
fn sorts(query: &Query) -> bool {
    !query.order_by.is_empty()
        && !query.groups()
        && !query.has_window_functions
        && query.distinct == Distinct::No
        && query.limit.is_none()
        && query.offset.is_none()
        && query.row_locks.is_empty()
        && !query.is_volatile()
}

/// Whether it takes rows together in such a way that it does not matter in which order they come.
fn takes_any_order(query: &Query) -> bool {
    let has_fitting_groups = query.groups()
        && !query.has_window_functions
        && !query.returns_sets
        && query.distinct == Distinct::No
        && query.limit.is_none()
        && query.offset.is_none()
        && query.row_locks.is_empty()
        // Of values that are equal and not the same, the first one is put out.
        && query.group_by.iter().all(|key| query.targets.get(key.target).is_some_and(|target| is_exact(&target.expression)));
    let mut all_fit = true;
    for expression in query.expressions() {
        expression.each(&mut |part| {
            if let ExpressionKind::Aggregate(aggregate) = &part.kind {
                let is = |name: &&str| aggregate.function.is_builtin(name);
                let argument = aggregate.arguments.first();
                let adds_exactly = argument.is_some_and(|argument| {
                    matches!(argument.type_oid, builtin::INT2 | builtin::INT4 | builtin::INT8)
                });
                all_fit &= ["count", "bool_and", "bool_or", "every"].iter().any(is)
                    || (["min", "max"].iter().any(is) && argument.is_some_and(is_exact))
                    || (["sum", "avg"].iter().any(is) && adds_exactly);
            }
        });
    }
    has_fitting_groups && all_fit && !query.is_volatile()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{aggregate, count};
    use super::RULE;
    use crate::catalog::query::sample::{column, integer, select, sublink, table};
    use crate::catalog::query::{Query, RangeTableEntry, RelationSource, SortKey, SubLinkKind};

    fn key() -> Vec<SortKey> {
        vec![SortKey { target: 0, is_default: true, ..SortKey::default() }]
    }

    fn sorted() -> Query {
        let mut query = select(1, vec![column(1, 0, 0, 1)], vec![table("t", &[true], &[])]);
        query.order_by = key();
        query
    }

    fn around(inner: Query, change: impl FnOnce(&mut Query)) -> usize {
        let entry = RangeTableEntry {
            source: RelationSource::Subquery(Box::new(inner)),
            ..RangeTableEntry::default()
        };
        let mut query = select(0, vec![column(5, 0, 0, 1)], vec![entry]);
        change(&mut query);
        count(&RULE, &query)
    }

    #[test]
    fn rows_passed_on_keep_their_order() {
        assert_eq!(around(sorted(), |_| ()), 0);
        assert_eq!(around(sorted(), |query| query.order_by = key()), 1);
        let limited = |query: &mut Query| {
            query.order_by = key();
            query.limit = Some(integer(9, 3));
        };
        assert_eq!(around(sorted(), limited), 0);
    }

    #[test]
    fn some_aggregates_see_the_order() {
        let by = |name: &'static str| {
            move |query: &mut Query| {
                query.targets[0].expression = aggregate(6, name, vec![column(7, 0, 0, 1)]);
                query.has_aggregates = true;
            }
        };
        for (name, expected) in [("count", 1), ("max", 1), ("sum", 1), ("array_agg", 0), ("string_agg", 0)] {
            assert_eq!(around(sorted(), by(name)), expected, "{name}");
        }
        let mut limited = sorted();
        limited.limit = Some(integer(9, 3));
        assert_eq!(around(limited, by("max")), 0);
        let windowed = |query: &mut Query| {
            by("count")(query);
            query.has_window_functions = true;
        };
        assert_eq!(around(sorted(), windowed), 0);
    }

    #[test]
    fn in_asks_for_no_order_array_does() {
        for (kind, expected) in [(SubLinkKind::Any, 1), (SubLinkKind::Exists, 1), (SubLinkKind::Array, 0)] {
            let mut query = select(0, vec![column(5, 0, 0, 1)], vec![table("u", &[true], &[])]);
            query.condition = Some(sublink(6, kind, None, sorted()));
            assert_eq!(count(&RULE, &query), expected, "{kind:?}");
        }
    }
}
