//! `SELECT DISTINCT a FROM big`, where a has few values and an index: reads every row; looking up the next value in the
//! index reads one row for each.

use crate::catalog::query::edit::Edit;
use crate::catalog::query::{Command, Distinct, Scope};
use crate::finding::Severity;
use crate::text::identifier::quote_identifier;

use super::filter::{TableColumn, has_rows, is_branch, is_exact};
use super::{Condition, Context, Proposal, Rule};

/// The rule.
pub const RULE: Rule = Rule { id: "query.distinct_of_few", check };

/// Fewer rows are read in no time.
const MANY_ROWS: f64 = 10_000.0;
/// So many rows for each value make looking up worth its while.
const ROWS_FOR_EACH: f64 = 100.0;

fn check(scope: &Scope<'_>, context: &Context<'_>, proposals: &mut Vec<Proposal>) {
    let query = scope.query;
    let [target] = query.targets.as_slice() else { return };
    let is_whole = query.command == Command::Select
        && query.distinct == Distinct::All
        && query.only_relation().is_some()
        && query.condition.is_none()
        && query.order_by.is_empty()
        && query.limit.is_none()
        && query.offset.is_none()
        && query.row_locks.is_empty()
        && query.common_tables.is_empty()
        && !query.groups()
        && !query.has_window_functions
        && !is_branch(scope);
    let Some(column) = TableColumn::of(scope, &target.expression).filter(|_| is_whole) else { return };
    let (Some(rows), Some(distinct)) = (column.table.rows, column.column.distinct) else { return };
    let values = if distinct < 0.0 { -distinct * rows } else { distinct };
    let pays = has_rows(column.table, MANY_ROWS) && values * ROWS_FOR_EACH <= rows;
    // Equal values must be the same, for it is by chance which of them comes first.
    if !pays || !column.has_index() || column.entry.is_sampled || !is_exact(&target.expression) {
        return;
    }
    let name = quote_identifier(&column.column.name);
    let (each, row) = (context.texts.new_alias(1), context.texts.new_alias(2));
    let only = if column.entry.is_only { "ONLY " } else { "" };
    let from = format!("FROM {only}{} AS {row}", column.table.name);
    let not_null =
        if column.column.is_not_null { String::new() } else { format!(" WHERE {row}.{name} IS NOT NULL") };
    let null = if column.column.is_not_null {
        String::new()
    } else {
        format!(
            " UNION ALL SELECT NULL::{} WHERE EXISTS (SELECT {from} WHERE {row}.{name} IS NULL)",
            target.expression.type_name
        )
    };
    let sql = format!(
        "WITH RECURSIVE {each} AS (\
         (SELECT {row}.{name} {from}{not_null} ORDER BY {row}.{name} LIMIT 1) \
         UNION ALL \
         SELECT (SELECT {row}.{name} {from} WHERE {row}.{name} > {each}.{name} ORDER BY {row}.{name} LIMIT 1) \
         FROM {each} WHERE {each}.{name} IS NOT NULL\
         ) SELECT {each}.{name} AS {} FROM {each} WHERE {each}.{name} IS NOT NULL{null}",
        quote_identifier(&target.name)
    );
    proposals.push(
        Proposal::advice(
            RULE.id,
            Severity::Info,
            format!(
                "all {rows:.0} rows of {} are read for about {values:.0} values of {name}; its index finds the next value each time",
                column.table.name
            ),
        )
        .evidence("rows", rows)
        .evidence("values", values)
        .edits(vec![Edit::ReplaceQuery { query: query.id, sql }], Condition::Proven),
    );
}

#[cfg(test)]
mod tests {
    use super::super::testing::{queries_of, with_rows};
    use super::RULE;
    use crate::catalog::query::sample::{column, select, table};
    use crate::catalog::query::{Distinct, Query, RelationSource};

    fn query(number: i16, distinct: f64, is_indexed: bool) -> Query {
        let mut entry = with_rows(table("t", &[true, false], &[]), 1e6);
        entry.columns.iter_mut().for_each(|column| column.distinct = Some(distinct));
        if let (RelationSource::Table(facts), true) = (&mut entry.source, is_indexed) {
            facts.index_columns = vec![vec![number]];
        }
        let mut query = select(0, vec![column(1, 0, 0, number)], vec![entry]);
        query.distinct = Distinct::All;
        query
    }

    #[test]
    fn null_is_a_value_of_its_own_where_it_may_be() {
        let [filled] = &queries_of(&RULE, query(1, 5.0, true))[..] else { panic!() };
        assert!(filled.starts_with("WITH RECURSIVE") && !filled.contains("IS NULL)"), "{filled}");
        let [nullable] = &queries_of(&RULE, query(2, 5.0, true))[..] else { panic!() };
        assert!(
            nullable.contains("UNION ALL SELECT NULL::") && nullable.ends_with("c2 IS NULL)"),
            "{nullable}"
        );
    }

    #[test]
    fn not_of_many_values_nor_without_an_index() {
        assert!(queries_of(&RULE, query(1, -0.5, true)).is_empty());
        assert!(queries_of(&RULE, query(1, 20_000.0, true)).is_empty());
        assert!(queries_of(&RULE, query(1, 5.0, false)).is_empty());
        let mut all = query(1, 5.0, true);
        all.distinct = Distinct::No;
        assert!(queries_of(&RULE, all).is_empty());
    }
}
