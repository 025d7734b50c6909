//! `LEFT JOIN b ON b.x = a.x WHERE b.y IS NULL`: means the rows of a without one in b, and says so only if y is never
//! NULL in b; and the planner sees it only where the tested column is one that ON compares.

use crate::catalog::query::edit::Edit;
use crate::catalog::query::{ColumnReference, ExpressionKind, Scope, rejects_null};
use crate::finding::Severity;

use super::filter::{TableColumn, nullable_sides};
use super::{Condition, Context, Proposal, Rule};

/// The rule.
pub const RULE: Rule = Rule { id: "query.anti_join_by_column", check };

fn check(scope: &Scope<'_>, context: &Context<'_>, proposals: &mut Vec<Proposal>) {
    let query = scope.query;
    for (join, nullable) in nullable_sides(query) {
        let Some(on) = &join.condition else { continue };
        let compared: Vec<ColumnReference> = on
            .own_columns()
            .into_iter()
            .filter(|column| column.relation == nullable && column.column > 0)
            .filter(|column| on.conjuncts().iter().any(|condition| rejects_null(condition, column)))
            .collect();
        let Some(replacement) = compared.first() else { continue };
        for condition in query.conditions() {
            let ExpressionKind::NullTest { argument, is_null: true, is_row: false } = &condition.kind else {
                continue;
            };
            let Some(tested) = TableColumn::of(scope, argument) else { continue };
            if tested.reference.relation != nullable || compared.contains(tested.reference) {
                continue;
            }
            let table = &tested.table.name;
            let column = &tested.column.name;
            let edits = vec![Edit::ReplaceExpression {
                expression: condition.id,
                sql: format!("{} IS NULL", context.texts.column(query.id, nullable, replacement.column)),
            }];
            let text = context.texts.text(condition.id);
            proposals.push(if tested.column.is_not_null {
                Proposal::advice(
                    RULE.id,
                    Severity::Info,
                    format!(
                        "{text} finds the rows without one in {table}, which the planner sees only by a column that the join compares, such as {}",
                        replacement.name
                    ),
                )
                .edits(edits, Condition::Proven)
            } else {
                Proposal::advice(
                    RULE.id,
                    Severity::Warning,
                    format!("{text} finds the rows without one in {table}, and those with one whose {column} is NULL"),
                )
                .edits(edits, Condition::Unless(format!("{column} is never NULL in a row of {table} that is joined")))
                .always()
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{left_join, propose_for};
    use super::{Condition, RULE};
    use crate::catalog::query::edit::Edit;
    use crate::catalog::query::sample::{column, expression};
    use crate::catalog::query::{ExpressionKind, Query};

    /// `a LEFT JOIN b ON a.c1 = b.c2 WHERE b.<number> IS NULL`; c1 is NOT NULL in b.
    fn query(number: i16, is_null: bool) -> Query {
        let mut query = left_join();
        let kind =
            ExpressionKind::NullTest { argument: Box::new(column(21, 0, 1, number)), is_null, is_row: false };
        query.condition = Some(expression(20, 16, kind));
        query
    }

    #[test]
    fn the_planner_looks_at_what_is_compared() {
        let [proposal] = &propose_for(&RULE, query(1, true))[..] else { panic!() };
        assert_eq!(proposal.condition, Condition::Proven);
        let sql = "<0.1.2> IS NULL".to_owned();
        assert_eq!(proposal.edits, [Edit::ReplaceExpression { expression: 20, sql }]);
        assert!(propose_for(&RULE, query(2, true)).is_empty());
        assert!(propose_for(&RULE, query(1, false)).is_empty());
    }

    #[test]
    fn a_column_that_may_be_null_finds_too_many() {
        let [proposal] = &propose_for(&RULE, query(3, true))[..] else { panic!() };
        assert!(matches!(proposal.condition, Condition::Unless(_)));
    }
}
