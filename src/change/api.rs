//! The door of plans: the SQL functions that show and run them.

use pgrx::datum::TimestampWithTimeZone;
use pgrx::prelude::*;

use crate::change::plan::Runs;
use crate::change::run::{Direction, next_to_apply};
use crate::pg::error::raise;
use crate::pg::procedure::{Call, may_commit};
use crate::pg::run;
use crate::pg::value::Text;

/// Statements as a person reads them.
fn joined(statements: &[String]) -> Option<Text> {
    let lines: Vec<String> =
        statements.iter().map(|statement| format!("{};", statement.trim_end_matches(';'))).collect();
    (!lines.is_empty()).then(|| lines.join("\n").into())
}

/// `dbm.plan_steps()`: the steps of a plan and what each is at, in their order.
#[pg_extern(stable, parallel_unsafe)]
fn plan_steps(
    plan: i64,
) -> TableIterator<
    'static,
    (
        name!(step, i32),
        name!(phase, &'static str),
        name!(runs, &'static str),
        name!(sql, Option<Text>),
        name!(lock_mode, Option<&'static str>),
        name!(transactional, bool),
        name!(undo, Option<Text>),
        name!(verify, Option<Text>),
        name!(note, Text),
        name!(status, &'static str),
        name!(attempts, i32),
        name!(started_at, Option<TimestampWithTimeZone>),
        name!(finished_at, Option<TimestampWithTimeZone>),
        name!(error, Option<Text>),
    ),
> {
    let steps = run::seen(plan).steps;
    TableIterator::new(steps.into_iter().map(|stored| {
        let step = stored.step;
        (
            stored.number,
            step.phase.name(),
            step.runs.name(),
            joined(&step.sql),
            step.lock.map(|lock| lock.name()),
            step.runs == Runs::InTransaction,
            joined(&step.undo),
            step.verify.map(Text::from),
            step.note.into(),
            stored.status.name(),
            stored.attempts,
            stored.started,
            stored.finished,
            stored.error.map(Text::from),
        )
    }))
}

/// `dbm.plan_status()`: how far a plan is, and who runs it.
#[pg_extern(stable, parallel_unsafe)]
fn plan_status(
    plan: i64,
) -> TableIterator<
    'static,
    (
        name!(title, Text),
        name!(status, &'static str),
        name!(steps, i32),
        name!(steps_over, i32),
        name!(step, Option<i32>),
        name!(phase, Option<&'static str>),
        name!(step_status, Option<&'static str>),
        name!(attempts, Option<i32>),
        name!(pid, Option<i32>),
        name!(started_at, Option<TimestampWithTimeZone>),
        name!(finished_at, Option<TimestampWithTimeZone>),
        name!(note, Option<Text>),
        name!(error, Option<Text>),
    ),
> {
    let stored = run::seen(plan);
    let pid = run::runner_of(plan);
    let status =
        if stored.status.is_under_way() && pid.is_none() { "interrupted" } else { stored.status.name() };
    let count = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
    let over = stored.steps.iter().filter(|step| step.status.is_over()).count();
    let next = || next_to_apply(&stored.statuses()).and_then(|place| stored.steps.get(place));
    let current = stored.current().or_else(next);
    let row = (
        Text::from(&*stored.plan.title),
        status,
        count(stored.steps.len()),
        count(over),
        current.map(|step| step.number),
        current.map(|step| step.step.phase.name()),
        current.map(|step| step.status.name()),
        current.map(|step| step.attempts),
        pid,
        stored.started,
        stored.finished,
        current.map(|step| Text::from(&*step.step.note)),
        current.and_then(|step| step.error.as_deref()).or(stored.error.as_deref()).map(Text::from),
    );
    TableIterator::once(row)
}

/// `dbm.confirm_step()`: says that people have done a step that is theirs, or taken it back.
#[pg_extern(volatile, parallel_unsafe)]
fn confirm_step(plan: i64, step: i32) {
    run::confirm(plan, step);
}

/// `dbm.apply_in_background()`: applies a plan once this transaction has ended, and returns the process that does it; null
/// where there is nothing to do.
#[pg_extern(volatile, parallel_unsafe)]
fn apply_in_background(plan: i64) -> Option<i32> {
    run::apply_in_background(plan)
}

/// `CALL dbm.apply()`: applies a plan in a background worker and waits for it.
#[pg_extern(
    sql = "CREATE PROCEDURE dbm.apply(plan bigint) LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';"
)]
fn apply(plan: Option<i64>, frame: Call) {
    call(plan, frame, Direction::Apply);
}

/// `CALL dbm.undo()`: takes a plan back in a background worker and waits for it.
#[pg_extern(
    sql = "CREATE PROCEDURE dbm.undo(plan bigint) LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';"
)]
fn undo(plan: Option<i64>, frame: Call) {
    call(plan, frame, Direction::Undo);
}

fn call(plan: Option<i64>, frame: Call, direction: Direction) {
    let name = direction.name();
    let Some(plan) = plan else {
        raise(
            PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED,
            "a plan must not be null",
            "",
            &format!("For example: CALL dbm.{name}(1)."),
        );
    };
    if !may_commit(frame) {
        raise(
            PgSqlErrorCode::ERRCODE_ACTIVE_SQL_TRANSACTION,
            &format!("CALL dbm.{name}({plan}) cannot run inside a transaction block or a function"),
            "Each step of a plan commits by itself.",
            "",
        );
    }
    run::run_and_wait(plan, direction);
}
