//! The door of the query room: its SQL functions.

use std::time::Duration;

use pgrx::datum::{Interval, TryFromDatumError};
use pgrx::prelude::*;

use super::live;
use super::live::slow;
use crate::pg::argument::elements;
use crate::pg::error::raise;
use crate::pg::value::{Document, RegClass, Text};
use crate::pg::workload;

/// Bytes as SQL's bigint.
fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn definitions(indexes: Vec<Option<Text>>) -> Vec<String> {
    elements(indexes, "indexes").into_iter().map(Text::into_string).collect()
}

/// `dbm.advise()`: what would help this query: indexes, other texts of it, statistics, settings; and what is slow in its
/// plan.
///
/// Costs in the planner's units. Plans and never runs the query; holds no lock afterwards.
#[pg_extern(stable, parallel_unsafe)]
fn advise(
    query: Text,
) -> TableIterator<
    'static,
    (
        name!(kind, &'static str),
        name!(severity, &'static str),
        name!(rule, &'static str),
        name!(message, Text),
        name!(evidence, Document),
        name!(sql, Option<Text>),
        name!(cost_before, Option<f64>),
        name!(cost_after, Option<f64>),
        name!(proven, bool),
    ),
> {
    let advice = live::advise::advise(query.as_str());
    TableIterator::new(advice.into_iter().map(|advice| {
        (
            advice.kind.name(),
            advice.severity.name(),
            advice.rule,
            advice.message.into(),
            advice.evidence.into(),
            advice.sql.map(Text::from),
            advice.cost_before,
            advice.cost_after,
            advice.proven,
        )
    }))
}

/// `dbm.advise_workload()`: which indexes to create and which to drop for the queries that run here.
///
/// Sizes in bytes, costs in the planner's units, shares 0..1. Runs none of the queries; holds no lock afterwards.
#[pg_extern(stable, parallel_unsafe)]
fn advise_workload(
    budget_bytes: default!(Option<i64>, "NULL"),
    max_indexes: default!(Option<i32>, "NULL"),
    time_limit: default!(Option<Interval>, "'10 s'"),
    source: default!(Option<Text>, "'auto'"),
) -> TableIterator<
    'static,
    (
        name!(action, &'static str),
        name!(sql, Option<Text>),
        name!(undo, Option<Text>),
        name!(estimated_bytes, Option<i64>),
        name!(benefit_share, Option<f64>),
        name!(cost_before, Option<f64>),
        name!(cost_after, Option<f64>),
        name!(queries, i64),
        name!(evidence, Document),
    ),
> {
    let wanted = live::workload::Wanted {
        budget_bytes: budget_bytes.map(|bytes| amount(bytes, "budget_bytes")),
        max_indexes: max_indexes.map(|count| amount(i64::from(count), "max_indexes") as usize),
        limit: duration(time_limit),
        source: source.map_or_else(|| live::workload::AUTO.to_owned(), Text::into_string),
    };
    let rows = live::workload::advise_workload(&wanted);
    TableIterator::new(rows.into_iter().map(|row| {
        (
            row.action,
            row.sql.map(Text::from),
            row.undo.map(Text::from),
            row.bytes.map(signed),
            row.benefit_share,
            row.cost_before,
            row.cost_after,
            signed(row.queries as u64),
            row.evidence.into(),
        )
    }))
}

/// A number that is not negative.
fn amount(number: i64, name: &str) -> u64 {
    u64::try_from(number).unwrap_or_else(|_| {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            &format!("{name} must not be negative"),
            &format!("It is {number}."),
            "",
        )
    })
}

/// A span of time that is not negative; without one, as long as it takes.
fn duration(interval: Option<Interval>) -> Duration {
    /// Longer than anybody waits, and short enough to be added to a clock.
    const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);
    let Some(interval) = interval else { return FOREVER };
    let microseconds = interval.as_micros();
    match u64::try_from(microseconds) {
        Ok(microseconds) => Duration::from_micros(microseconds).min(FOREVER),
        Err(_) if microseconds > 0 => FOREVER,
        Err(_) => raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "time_limit must not be negative",
            "",
            "For example: time_limit => '30 s'.",
        ),
    }
}

/// `dbm.what_if()`: which of these indexes the query would use, how large each would be, and what the plan would cost.
///
/// Sizes in bytes, costs in the planner's units. Plans and never runs the query; holds no lock afterwards.
#[pg_extern(stable, parallel_unsafe)]
fn what_if(
    query: Text,
    indexes: Vec<Option<Text>>,
) -> TableIterator<
    'static,
    (
        name!(index_sql, Text),
        name!(used, bool),
        name!(estimated_bytes, i64),
        name!(cost_before, f64),
        name!(cost_after, f64),
    ),
> {
    let outcomes = live::what_if(query.as_str(), definitions(indexes));
    TableIterator::new(outcomes.into_iter().map(|outcome| {
        (outcome.index.into(), outcome.used, signed(outcome.bytes), outcome.cost_before, outcome.cost_after)
    }))
}

/// `dbm.what_if_explain()`: the plan with these indexes, as EXPLAIN prints it.
#[pg_extern(stable, parallel_unsafe)]
fn what_if_explain(query: Text, indexes: Vec<Option<Text>>, format: default!(Text, "'text'")) -> Text {
    live::what_if_explain(query.as_str(), &definitions(indexes), format.as_str()).into()
}

/// `dbm.what_if_drop()`: which of these existing indexes the query uses, and what its plan would cost without them.
///
/// Sizes in bytes, costs in the planner's units. Drops nothing; holds no lock afterwards.
#[pg_extern(stable, parallel_unsafe)]
fn what_if_drop(
    query: Text,
    indexes: Vec<Option<RegClass>>,
) -> TableIterator<
    'static,
    (
        name!(index_name, Text),
        name!(used, bool),
        name!(freed_bytes, i64),
        name!(cost_before, f64),
        name!(cost_after, f64),
    ),
> {
    let outcomes = live::what_if_drop(query.as_str(), elements(indexes, "indexes"));
    TableIterator::new(outcomes.into_iter().map(|outcome| {
        (outcome.index.into(), outcome.used, signed(outcome.bytes), outcome.cost_before, outcome.cost_after)
    }))
}

/// `dbm.index_type_for()`: which access method suits these columns and this purpose, and why; the best first.
///
/// Sizes in bytes, null for what cannot be sized.
#[pg_extern(stable, parallel_unsafe)]
fn index_type_for(
    target: RegClass,
    columns: Vec<Option<Text>>,
    purpose: default!(Text, "'any'"),
) -> TableIterator<
    'static,
    (
        name!(index_type, &'static str),
        name!(verdict, &'static str),
        name!(reason, Text),
        name!(estimated_bytes, Option<i64>),
        name!(create_sql, Option<Text>),
    ),
> {
    let columns: Vec<String> = elements(columns, "columns").into_iter().map(Text::into_string).collect();
    let choices = live::index_type::index_type_for(&target, &columns, purpose.as_str());
    TableIterator::new(choices.into_iter().map(|(choice, bytes)| {
        (
            choice.form.name(),
            choice.verdict.name(),
            choice.reason.into(),
            bytes.map(signed),
            choice.definition.map(Text::from),
        )
    }))
}

/// `dbm.slow_queries()`: which queries take the most time, and what could be done about each.
///
/// Times in milliseconds, shares 0..1. One row with a problem and nothing else where nobody counts queries.
#[pg_extern(stable, parallel_unsafe)]
fn slow_queries(
    max_rows: default!(i32, 20),
) -> TableIterator<
    'static,
    (
        name!(query, Option<Text>),
        name!(role_name, Option<Text>),
        name!(calls, Option<i64>),
        name!(total_time_ms, Option<f64>),
        name!(mean_time_ms, Option<f64>),
        name!(rows, Option<i64>),
        name!(spilled_blocks, Option<i64>),
        name!(share, Option<f64>),
        name!(rules, Option<Vec<Text>>),
        name!(problem, Option<Text>),
    ),
> {
    let rows = match slow::slow_queries(usize::try_from(max_rows).unwrap_or(0)) {
        Ok(rows) => rows,
        Err(problem) => {
            let nothing = (None, None, None, None, None, None, None, None, None, Some(problem.into()));
            return TableIterator::once(nothing);
        }
    };
    TableIterator::new(rows.into_iter().map(|row| {
        let query = row.query;
        (
            query.text.map(Text::from),
            Some(row.role_name.into()),
            Some(query.calls as i64),
            Some(query.total_ms),
            Some(query.mean_ms),
            Some(query.rows as i64),
            Some(query.spilled_blocks as i64),
            Some(query.share),
            Some(row.rules.into_iter().map(Text::from).collect()),
            row.problem.map(Text::from),
        )
    }))
}

/// The trigger of `dbm.workload`: nobody writes in another's name.
#[pg_trigger]
fn workload_writer<'a>(
    trigger: &'a pgrx::PgTrigger<'a>,
) -> Result<Option<PgHeapTuple<'a, impl WhoAllocated>>, TryFromDatumError> {
    let Some(row) = trigger.new() else { return Ok(None) };
    let mut row = row.into_owned();
    let given = row.get_by_name::<Text>("added_by").ok().flatten();
    row.set_by_name("added_by", workload::writer(given))?;
    Ok(Some(row))
}

/// `dbm.why_no_index()`: why the query reads a table without an index, or finds too much by one.
///
/// One row a scan, the dearest first; partitions of one table are one scan. Plans and never runs the query.
#[pg_extern(stable, parallel_unsafe)]
fn why_no_index(
    query: Text,
) -> TableIterator<
    'static,
    (
        name!(table_name, Text),
        name!(alias, Text),
        name!(condition, Text),
        name!(rows_read, f64),
        name!(rows_kept, f64),
        name!(reason, Text),
        name!(evidence, Document),
    ),
> {
    let explanations = live::why_no_index(query.as_str());
    TableIterator::new(explanations.into_iter().map(|explanation| {
        (
            explanation.table.into(),
            explanation.alias.into(),
            explanation.condition.into(),
            explanation.rows_read,
            explanation.rows_kept,
            explanation.reason.into(),
            explanation.evidence.into(),
        )
    }))
}
