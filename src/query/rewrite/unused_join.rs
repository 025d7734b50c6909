//! A LEFT JOIN of which nothing is used: at best it does nothing, at worst it repeats rows.
//!
//! Where it can match one row at most, the planner leaves it out by itself.

use crate::catalog::query::edit::Edit;
use crate::catalog::query::{
    ColumnReference, Comparison, Distinct, JoinKind, Place, Query, Scope, SubLinkKind,
};
use crate::finding::Severity;

use super::filter::{nullable_sides, references_in, references_to};
use super::{Condition, Context, Proposal, Rule};

/// The rule.
pub const RULE: Rule = Rule { id: "query.unused_join", check };

fn check(scope: &Scope<'_>, _: &Context<'_>, proposals: &mut Vec<Proposal>) {
    let query = scope.query;
    if query.is_volatile() || query.changed.is_some() || !query.row_locks.is_empty() {
        return;
    }
    for (join, nullable) in nullable_sides(query).into_iter().filter(|(join, _)| join.kind == JoinKind::Left)
    {
        let Some(on) = &join.condition else { continue };
        let Some(entry) = query.relation(nullable) else { continue };
        let is_used = join.merges_columns || references_to(query, nullable) > references_in(on, nullable);
        if is_used || entry.is_lateral || matches_one_row(scope, nullable, on) {
            continue;
        }
        let name = &entry.alias;
        let edits = vec![Edit::RemoveRelation { query: query.id, relation: nullable }];
        if does_not_count(scope) {
            proposals.push(
                Proposal::advice(
                    RULE.id,
                    Severity::Warning,
                    format!("nothing of {name} is used: the join repeats rows, which are then thrown away as duplicates"),
                )
                .edits(edits, Condition::Proven),
            );
        } else if !query.groups() {
            proposals.push(
                Proposal::advice(
                    RULE.id,
                    Severity::Warning,
                    format!("nothing of {name} is used, but each row comes as often as there are rows of {name} for it"),
                )
                .edits(edits, Condition::Unless(format!("no row has more than one of {name}")))
                .always(),
            );
        }
    }
}

/// Whether it does not matter how often a row comes.
fn does_not_count(scope: &Scope<'_>) -> bool {
    let query = scope.query;
    let is_whole = !query.groups() && !query.has_window_functions && !query.returns_sets;
    let is_cut = query.limit.is_some() || query.offset.is_some();
    let is_asked_for_existence = matches!(
        scope.place,
        Place::SubLink(_, link) if matches!(link.kind, SubLinkKind::Any | SubLinkKind::All | SubLinkKind::Exists)
    );
    is_whole && !is_cut && (query.distinct == Distinct::All || is_asked_for_existence)
}

/// Whether ON equates a unique key of the relation, so that there is one row for each at most.
fn matches_one_row(scope: &Scope<'_>, relation: usize, on: &crate::catalog::query::Expression) -> bool {
    let of_relation = |column: &ColumnReference| column.relation == relation;
    let mut columns = Vec::new();
    for condition in on.conjuncts() {
        let Some((Comparison::Equal, left, right)) = condition.as_comparison() else { continue };
        for (one, another) in [(left, right), (right, left)] {
            if let Some(column) = one.without_relabels().as_own_column().filter(|column| of_relation(column))
                && !another.own_columns().iter().any(of_relation)
            {
                columns.push(column.column);
            }
        }
    }
    // NULLs equal nothing, so that a nullable unique key does as well.
    let has_key = |query: &Query| {
        query.relation(relation).and_then(|entry| entry.table()).is_some_and(|table| {
            table.unique_keys.iter().any(|key| key.columns.iter().all(|column| columns.contains(column)))
        })
    };
    has_key(scope.query) || scope.is_unique(relation, &columns)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{left_join, propose_for};
    use super::{Condition, RULE};
    use crate::catalog::query::sample::{column, target};
    use crate::catalog::query::{Distinct, FromItem, JoinKind, RelationSource};

    #[test]
    fn a_join_that_only_repeats_is_dropped_where_nobody_counts() {
        let mut query = left_join();
        let [proposal] = &propose_for(&RULE, query.clone())[..] else { panic!() };
        assert!(matches!(proposal.condition, Condition::Unless(_)));
        query.distinct = Distinct::All;
        let [proposal] = &propose_for(&RULE, query)[..] else { panic!() };
        assert_eq!(proposal.condition, Condition::Proven);
    }

    #[test]
    fn what_is_used_or_matches_once_stays() {
        let mut used = left_join();
        used.targets.push(target(2, column(9, 0, 1, 3)));
        assert!(propose_for(&RULE, used).is_empty());
        let mut once = left_join();
        if let RelationSource::Table(table) = &mut once.relations[1].source {
            table
                .unique_keys
                .push(crate::catalog::query::UniqueKey { columns: vec![2], ..Default::default() });
        }
        assert!(propose_for(&RULE, once).is_empty());
        let mut inner = left_join();
        if let FromItem::Join(join) = &mut inner.from[0] {
            join.kind = JoinKind::Inner;
        }
        assert!(propose_for(&RULE, inner).is_empty());
    }
}
