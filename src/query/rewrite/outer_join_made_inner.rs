//! A LEFT JOIN whose missing rows WHERE takes away again: an inner join, or a condition that belongs to ON.

use crate::catalog::query::edit::Edit;
use crate::catalog::query::{ColumnReference, JoinKind, Query, Scope, rejects_null};
use crate::finding::Severity;

use super::filter::nullable_sides;
use super::{Condition, Context, Proposal, Rule};

/// The rule.
pub const RULE: Rule = Rule { id: "query.outer_join_made_inner", check };

fn check(scope: &Scope<'_>, context: &Context<'_>, proposals: &mut Vec<Proposal>) {
    let query = scope.query;
    for (join, nullable) in nullable_sides(query) {
        let conditions = query.conditions();
        let Some(condition) = conditions.iter().find(|condition| {
            columns_of(query, nullable).iter().any(|column| rejects_null(condition, column))
        }) else {
            continue;
        };
        let name = query.relation(nullable).map_or("", |entry| &entry.alias);
        proposals.push(
            Proposal::advice(
                RULE.id,
                Severity::Info,
                format!(
                    "{} never holds for a row that the outer join kept without one of {name}: write an inner join, or move the condition to ON where such rows are wanted",
                    context.texts.text(condition.id)
                ),
            )
            .edits(
                vec![Edit::ReplaceJoin { query: query.id, relation: join.relation, kind: JoinKind::Inner }],
                Condition::Proven,
            )
            // The planner does it as well; what is in doubt is what was meant.
            .always(),
        );
    }
}

/// The columns of a relation that WHERE refers to.
fn columns_of(query: &Query, relation: usize) -> Vec<ColumnReference> {
    let mut columns = query.condition.as_ref().map(|condition| condition.own_columns()).unwrap_or_default();
    columns.retain(|column| column.relation == relation);
    columns
}

#[cfg(test)]
mod tests {
    use super::super::testing::{count, left_join};
    use super::RULE;
    use crate::catalog::query::sample::{column, equal, expression, integer};
    use crate::catalog::query::{ExpressionKind, JoinKind};

    #[test]
    fn a_strict_condition_takes_missing_rows_away() {
        let mut query = left_join();
        assert_eq!(count(&RULE, &query), 0);
        query.condition = Some(equal(20, column(21, 0, 1, 2), integer(22, 5)));
        assert_eq!(count(&RULE, &query), 1);
        // Of the side that is kept.
        query.condition = Some(equal(20, column(21, 0, 0, 2), integer(22, 5)));
        assert_eq!(count(&RULE, &query), 0);
    }

    #[test]
    fn what_holds_for_null_keeps_them() {
        let mut query = left_join();
        let kind = ExpressionKind::Coalesce(vec![column(21, 0, 1, 2), integer(22, 5)]);
        query.condition = Some(equal(20, expression(23, 23, kind), integer(24, 5)));
        assert_eq!(count(&RULE, &query), 0);
        let kind = ExpressionKind::NullTest {
            argument: Box::new(column(21, 0, 1, 2)),
            is_null: true,
            is_row: false,
        };
        query.condition = Some(expression(20, 16, kind));
        assert_eq!(count(&RULE, &query), 0);
    }

    #[test]
    fn a_right_join_is_a_left_join() {
        let mut query = left_join();
        if let crate::catalog::query::FromItem::Join(join) = &mut query.from[0] {
            join.kind = JoinKind::Right;
        }
        query.condition = Some(equal(20, column(21, 0, 0, 2), integer(22, 5)));
        assert_eq!(count(&RULE, &query), 1);
    }
}
