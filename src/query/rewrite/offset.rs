//! OFFSET: all rows before the page are read and thrown away, and with ties or without ORDER BY a row may come twice.

use super::wording::{column_name, listed, relation_name};
use super::{Condition, Context, Proposal, Rule};
use crate::catalog::query::edit::Edit;
use crate::catalog::query::{
    ColumnReference, Command, Distinct, Expression, ExpressionKind, Query, Scope, SortKey,
};
use crate::finding::Severity;
use crate::syntax::operand::operand;
use crate::text::size::grouped;

/// The rule.
pub const RULE: Rule = Rule { id: "query.offset_pagination", check };

/// A page further behind costs more than its own rows.
const FAR: i64 = 1_000;

fn check(scope: &Scope<'_>, context: &Context<'_>, found: &mut Vec<Proposal>) {
    let query = scope.query;
    let Some(offset) = &query.offset else { return };
    let skipped = match offset.as_whole_number() {
        Some(number) if number < FAR => return,
        number => number,
    };
    if query.command != Command::Select || offset.as_constant().is_some_and(|constant| constant.is_null()) {
        return;
    }
    let rows = skipped.map_or_else(
        || format!("{} rows", context.texts.text(offset.id)),
        |number| format!("{} rows", grouped(number)),
    );
    if query.order_by.is_empty() {
        found.push(Proposal::advice(
            RULE.id,
            Severity::Warning,
            format!(
                "OFFSET skips {rows} in no order at all: without ORDER BY two pages may hold the same row"
            ),
        ));
        return;
    }
    let severity = if skipped.is_some() { Severity::Warning } else { Severity::Info };
    let reads = format!("OFFSET reads {rows} to throw them away");
    match page(scope, context) {
        Ok((edits, condition)) => found.push(
            Proposal::advice(
                RULE.id,
                severity,
                format!("{reads}; a condition on the last row seen begins there"),
            )
            .edits(edits, Condition::Unless(condition))
            .always(),
        ),
        Err(reason) => found.push(Proposal::advice(RULE.id, severity, format!("{reads}; {reason}"))),
    }
}

/// The page by the values of the last row before it; or why that is not possible as it is.
fn page(scope: &Scope<'_>, context: &Context<'_>) -> Result<(Vec<Edit>, String), String> {
    let query = scope.query;
    let unfit = || "page by a condition on the last row seen instead".to_owned();
    let is_simple = query.set_operation.is_none()
        && !query.groups()
        && query.distinct == Distinct::No
        && !query.has_window_functions
        && !query.returns_sets
        && !query.has_ties;
    let relation = query.only_relation().filter(|_| is_simple).ok_or_else(unfit)?;
    let entry = query.relation(relation).ok_or_else(unfit)?;
    let mut keys: Vec<(Key, bool)> = Vec::new();
    for sort in &query.order_by {
        let column = sorted_column(query, sort).ok_or_else(unfit)?;
        if !scope.is_never_null(&query.targets[sort.target].expression) {
            return Err(format!(
                "to page by the last row seen, {} must be NOT NULL",
                column_name(scope, column)
            ));
        }
        let type_name = query.targets[sort.target].expression.type_name.clone();
        keys.push((Key { column: column.clone(), type_name }, sort.descending));
    }
    let numbers: Vec<_> = keys.iter().map(|(key, _)| key.column.column).collect();
    let mut edits = vec![Edit::DropOffset { query: query.id }];
    let name = |key: &Key| context.texts.column(query.id, key.column.relation, key.column.column);
    if !scope.is_unique(relation, &numbers) {
        let primary = entry
            .table()
            .and_then(|facts| facts.unique_keys.iter().find(|key| key.is_primary))
            .ok_or_else(|| {
                format!(
                    "to page by the last row seen, ORDER BY must end with a unique key of {}",
                    relation_name(entry)
                )
            })?;
        let descending = keys.last().is_some_and(|(_, descending)| *descending);
        for &number in primary.columns.iter().filter(|number| !numbers.contains(number)) {
            let column = entry.column(number).ok_or_else(unfit)?;
            let type_name = column.type_name.clone();
            let reference =
                ColumnReference { levels_up: 0, relation, column: number, name: column.name.clone() };
            keys.push((Key { column: reference, type_name }, descending));
        }
        let order: Vec<String> = keys
            .iter()
            .map(|(key, descending)| format!("{}{}", name(key), if *descending { " DESC" } else { "" }))
            .collect();
        edits.push(Edit::ReplaceSort { query: query.id, sql: order.join(", ") });
    }
    let first = greatest_parameter(context) + 1;
    let values: Vec<String> =
        (first..).zip(&keys).map(|(number, (key, _))| format!("${number}::{}", key.type_name)).collect();
    let columns: Vec<String> = keys.iter().map(|(key, _)| operand(&name(key))).collect();
    let directions: Vec<bool> = keys.iter().map(|(_, descending)| *descending).collect();
    edits.push(Edit::AddCondition { query: query.id, sql: beyond(&columns, &values, &directions) });
    let names: Vec<String> = keys.iter().map(|(key, _)| column_name(scope, &key.column)).collect();
    let parameters: Vec<String> = (first..).take(values.len()).map(|number| format!("${number}")).collect();
    let (verb, ending) = if names.len() == 1 { ("is", "") } else { ("are", "s") };
    let condition = format!(
        "{} {verb} the value{ending} of {} in the last row of the page before, and nobody changes rows in between",
        listed(&parameters, "and"),
        listed(&names, "and"),
    );
    Ok((edits, condition))
}

/// One column of the order.
struct Key {
    column: ColumnReference,
    type_name: String,
}

/// The column that is sorted by, in its type's own order.
fn sorted_column<'a>(query: &'a Query, sort: &SortKey) -> Option<&'a ColumnReference> {
    let expression: &Expression = &query.targets.get(sort.target)?.expression;
    expression.as_own_column().filter(|column| column.column > 0 && sort.is_default)
}

fn greatest_parameter(context: &Context<'_>) -> i32 {
    let mut greatest = 0;
    context.statement.query.each_expression(&mut |expression, _| {
        if let ExpressionKind::Parameter(number) = expression.kind {
            greatest = greatest.max(number);
        }
    });
    greatest
}

/// The rows behind the given one.
fn beyond(columns: &[String], values: &[String], descending: &[bool]) -> String {
    let sign = |descending: bool| if descending { '<' } else { '>' };
    if let ([column], [value], [direction]) = (columns, values, descending) {
        return format!("{column} {} {value}", sign(*direction));
    }
    if descending.windows(2).all(|pair| pair[0] == pair[1]) {
        let direction = descending.first().copied().unwrap_or(false);
        return format!("({}) {} ({})", columns.join(", "), sign(direction), values.join(", "));
    }
    // In both directions there is no comparison of rows; the first condition is for an index.
    let alternatives: Vec<String> = (0..columns.len())
        .map(|position| {
            let mut parts: Vec<String> =
                (0..position).map(|equal| format!("{} = {}", columns[equal], values[equal])).collect();
            parts.push(format!("{} {} {}", columns[position], sign(descending[position]), values[position]));
            if parts.len() == 1 { parts.remove(0) } else { format!("({})", parts.join(" AND ")) }
        })
        .collect();
    format!("{} {}= {} AND ({})", columns[0], sign(descending[0]), values[0], alternatives.join(" OR "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::query::Statement;
    use crate::catalog::query::sample::{Numbers, column, integer, select, table};
    use crate::query::rewrite::propose_by;

    fn names(all: &[&str]) -> Vec<String> {
        all.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn rows_behind() {
        let (two, values) = (names(&["b", "a"]), names(&["$1", "$2"]));
        assert_eq!(beyond(&two[..1], &values[..1], &[true]), "b < $1");
        assert_eq!(beyond(&two, &values, &[false, false]), "(b, a) > ($1, $2)");
        assert_eq!(beyond(&two, &values, &[true, true]), "(b, a) < ($1, $2)");
        assert_eq!(beyond(&two, &values, &[true, false]), "b <= $1 AND (b < $1 OR (b = $1 AND a > $2))");
    }

    fn proposed(not_null: bool, keys: &[&[i16]], offset: i64) -> Vec<Proposal> {
        let mut query = select(0, vec![column(1, 0, 0, 1)], vec![table("a", &[not_null, true], keys)]);
        query.offset = Some(integer(9, offset));
        query.order_by = vec![SortKey { target: 0, descending: false, nulls_first: false, is_default: true }];
        propose_by(&RULE, &Statement { query, server: 15, ..Statement::default() }, &Numbers)
    }

    #[test]
    fn a_unique_order_that_is_never_null_has_a_next_page() {
        let found = proposed(true, &[&[1]], 5000);
        assert_eq!(
            found[0].edits,
            [
                Edit::DropOffset { query: 0 },
                Edit::AddCondition { query: 0, sql: "(<0.0.1>) > $1::".to_owned() }
            ]
        );
        assert!(matches!(found[0].condition, Condition::Unless(_)));
    }

    #[test]
    fn otherwise_it_says_what_is_missing() {
        assert!(proposed(false, &[&[1]], 5000)[0].message.ends_with("public.a.c1 must be NOT NULL"));
        assert!(proposed(true, &[], 5000)[0].message.ends_with("unique key of public.a"));
        assert_eq!(proposed(true, &[&[1]], 10), []);
    }
}
