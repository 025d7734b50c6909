//! `SELECT max(b) FROM t WHERE a = 1`: one look at an index on (a, b), all rows of a = 1 without it.

use crate::catalog::ColumnNumber;
use crate::catalog::query::{Aggregate, Comparison, ExpressionKind, Scope};
use crate::finding::Severity;
use crate::text::identifier::quote_identifier;

use super::filter::{TableColumn, has_rows};
use super::{Context, Proposal, Rule};

/// The rule.
pub const RULE: Rule = Rule { id: "query.extreme_with_filter", check };

/// Fewer rows are looked through in no time.
const MANY_ROWS: f64 = 10_000.0;

fn check(scope: &Scope<'_>, context: &Context<'_>, proposals: &mut Vec<Proposal>) {
    let query = scope.query;
    let Some(entry) = query.only_relation().and_then(|index| query.relation(index)) else { return };
    let Some(table) = entry.table() else { return };
    let [target] = query.targets.as_slice() else { return };
    let ExpressionKind::Aggregate(Aggregate { function, arguments, filter: None, levels_up: 0, .. }) =
        &target.expression.kind
    else {
        return;
    };
    let is_extreme = function.is_builtin("max") || function.is_builtin("min");
    let [argument] = arguments.as_slice() else { return };
    let Some(extreme) = TableColumn::of(scope, argument) else { return };
    if !is_extreme || !query.group_by.is_empty() || query.has_grouping_sets || !has_rows(table, MANY_ROWS) {
        return;
    }
    let mut equated: Vec<ColumnNumber> = Vec::new();
    for condition in query.conditions() {
        let Some((Comparison::Equal, left, right)) = condition.as_comparison() else { return };
        let column = [(left, right), (right, left)].into_iter().find_map(|(one, another)| {
            let column = one.without_relabels().as_own_column()?;
            another.own_columns().is_empty().then_some(column.column)
        });
        let Some(column) = column.filter(|&column| column > 0) else { return };
        equated.push(column);
    }
    // An index that begins with what is equated, in any order, and goes on with the extreme one finds it at once; a
    // unique key leaves one row to look at.
    let serves = |columns: &Vec<ColumnNumber>| {
        let begins = columns.iter().take_while(|column| equated.contains(column)).count();
        begins == equated.len() && columns.get(begins) == Some(&extreme.reference.column)
    };
    let is_pinned =
        table.unique_keys.iter().any(|key| key.columns.iter().all(|column| equated.contains(column)));
    if equated.is_empty()
        || is_pinned
        || equated.contains(&extreme.reference.column)
        || table.index_columns.iter().any(serves)
    {
        return;
    }
    let names: Option<Vec<String>> = equated
        .iter()
        .chain([&extreme.reference.column])
        .map(|&number| {
            entry
                .column(number)
                .filter(|column| !column.is_renamed)
                .map(|column| quote_identifier(&column.name))
        })
        .collect();
    let Some(names) = names else { return };
    let columns = names.join(", ");
    proposals.push(
        Proposal::advice(
            RULE.id,
            Severity::Info,
            format!(
                "{} looks at every row that meets the condition; an index on {} ({columns}) ends with the row that is asked for",
                context.texts.text(target.expression.id),
                table.name
            ),
        )
        .statement(format!("CREATE INDEX CONCURRENTLY ON {} ({columns})", table.name)),
    );
}

#[cfg(test)]
mod tests {
    use super::super::testing::{aggregate, count, with_rows};
    use super::RULE;
    use crate::catalog::query::sample::{column, compare, integer, select, table};
    use crate::catalog::query::{Comparison, Query, RelationSource};

    fn query(name: &str, comparison: Comparison, indexes: &[&[i16]]) -> Query {
        let mut entry = with_rows(table("t", &[true, false, false], &[&[1]]), 1e6);
        if let RelationSource::Table(facts) = &mut entry.source {
            facts.index_columns = indexes.iter().map(|columns| columns.to_vec()).collect();
        }
        let mut query = select(0, vec![aggregate(1, name, vec![column(2, 0, 0, 3)])], vec![entry]);
        query.has_aggregates = true;
        query.condition = Some(compare(3, comparison, column(4, 0, 0, 2), integer(5, 1)));
        query
    }

    #[test]
    fn the_filter_and_then_the_extreme() {
        assert_eq!(count(&RULE, &query("max", Comparison::Equal, &[&[2]])), 1);
        assert_eq!(count(&RULE, &query("max", Comparison::Equal, &[&[2, 3]])), 0);
        assert_eq!(count(&RULE, &query("max", Comparison::Less, &[])), 0);
        assert_eq!(count(&RULE, &query("sum", Comparison::Equal, &[])), 0);
    }
}
