//! `UPDATE t SET a = 1 WHERE ...` that does not leave out the rows where a is 1: each is written again all the same.

use crate::catalog::query::edit::Edit;
use crate::catalog::query::{Command, Expression, ExpressionKind, Query, Scope};
use crate::finding::Severity;

use super::filter::is_large;
use super::{Condition, Context, Proposal, Rule};

/// The rule.
pub const RULE: Rule = Rule { id: "query.unchanged_update", check };

fn check(scope: &Scope<'_>, context: &Context<'_>, proposals: &mut Vec<Proposal>) {
    let query = scope.query;
    let Some(changed) = query.changed.filter(|_| query.command == Command::Update) else { return };
    let Some(entry) = query.relation(changed) else { return };
    let Some(table) = entry.table().filter(|table| is_large(table)) else { return };
    // A change of more columns is rarely half done, and a sum or now() is never what is there.
    let [target] = query.targets.as_slice() else { return };
    let value = &target.expression;
    let is_literal =
        matches!(value.without_relabels().kind, ExpressionKind::Constant(_) | ExpressionKind::Parameter(_));
    let is_mentioned = query.condition.as_ref().is_some_and(|condition| {
        condition
            .own_columns()
            .iter()
            .any(|column| column.relation == changed && column.column == target.number)
    });
    if !is_literal || is_mentioned || is_one_row(query, changed, table) {
        return;
    }
    let Some(column) = entry.column(target.number) else { return };
    let sql = format!(
        "{} IS DISTINCT FROM {}",
        context.texts.column(query.id, changed, target.number),
        context.texts.text(value.id)
    );
    proposals.push(
        Proposal::advice(
            RULE.id,
            Severity::Info,
            format!(
                "rows of {} whose {} has that value already are written again, with their indexes and WAL",
                table.name, column.name
            ),
        )
        .edits(
            vec![Edit::AddCondition { query: query.id, sql }],
            Condition::Unless(
                "no trigger and nobody who counts the rows needs those that stay as they are".to_owned(),
            ),
        )
        .always(),
    );
}

/// Whether WHERE names one row by a unique key.
fn is_one_row(query: &Query, changed: usize, table: &crate::catalog::query::RelationFacts) -> bool {
    let equated: Vec<i16> = query
        .conditions()
        .into_iter()
        .filter_map(Expression::as_comparison)
        .filter(|(comparison, ..)| *comparison == crate::catalog::query::Comparison::Equal)
        .flat_map(|(_, left, right)| [left, right])
        .filter_map(|side| side.without_relabels().as_own_column())
        .filter(|column| column.relation == changed)
        .map(|column| column.column)
        .collect();
    table.unique_keys.iter().any(|key| key.columns.iter().all(|column| equated.contains(column)))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{count, with_rows};
    use super::RULE;
    use crate::catalog::query::sample::{column, equal, integer, select, table};
    use crate::catalog::query::{Command, Expression, Query};

    fn query(value: Expression, condition: Option<i16>) -> Query {
        let mut query =
            select(0, vec![value], vec![with_rows(table("t", &[true, false, false], &[&[1]]), 1e6)]);
        query.command = Command::Update;
        query.changed = Some(0);
        query.from.clear();
        query.targets[0].number = 2;
        query.condition = condition.map(|number| equal(5, column(6, 0, 0, number), integer(7, 1)));
        query
    }

    #[test]
    fn rows_that_have_the_value_are_written_again() {
        assert_eq!(count(&RULE, &query(integer(1, 5), Some(3))), 1);
        assert_eq!(count(&RULE, &query(integer(1, 5), Some(2))), 0);
        assert_eq!(count(&RULE, &query(integer(1, 5), Some(1))), 0);
        assert_eq!(count(&RULE, &query(column(1, 0, 0, 3), Some(3))), 0);
    }
}
