//! The door of the worker: the SQL functions that schedule jobs, and that say who works.

use pgrx::datum::{Interval, TimestampWithTimeZone};
use pgrx::prelude::*;

use super::job::{Job, NAMES};
use super::live::{status, store};
use crate::catalog::Moment;
use crate::pg;
use crate::pg::background::{self, board};
use crate::pg::error::raise;
use crate::pg::value::Text;
use crate::pg::{moment, query, run};

/// The job of that name, or an ERROR.
fn job_of(name: Option<Text>) -> Job {
    let Some(name) = name else {
        raise(
            PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED,
            "a job must not be null",
            "",
            "For example: SELECT dbm.schedule('audit', '1 day').",
        );
    };
    Job::parse(name.as_str()).unwrap_or_else(|| {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            &format!("there is no job \"{}\"", name.as_str()),
            "",
            &format!("The jobs are {NAMES}."),
        )
    })
}

/// Whoever asks, by name.
fn caller() -> Text {
    query::rows("SELECT current_user::pg_catalog.text", &[], |row| row.get::<Text>(1))
        .into_iter()
        .flatten()
        .next()
        .unwrap_or_else(|| Text::from(""))
}

/// Refuses to go on where nothing can be written.
fn demand_primary(what: &str) {
    if pg::is_standby() {
        raise(
            PgSqlErrorCode::ERRCODE_READ_ONLY_SQL_TRANSACTION,
            &format!("{what} on a standby"),
            "",
            "Do it on the primary. Preloaded, the worker begins here by itself when this server is promoted.",
        );
    }
}

/// `dbm.schedule()`: has a job run every so often, or once; returns when it runs first.
#[pg_extern(volatile, parallel_unsafe)]
fn schedule(job: Option<Text>, every: default!(Option<Interval>, "NULL")) -> Option<TimestampWithTimeZone> {
    let job = job_of(job);
    demand_primary("no job can be scheduled");
    if let Some(interval) = &every {
        let micros = interval.as_micros();
        let most: i128 = 100 * 366 * 86_400_000_000;
        if micros < i128::from(super::schedule::SHORTEST) || micros > most {
            raise(
                PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
                &format!("job \"{}\" cannot be run at that interval", job.name()),
                "It has to be between one second and a hundred years.",
                &format!("For example: SELECT dbm.schedule('{}', '1 hour').", job.name()),
            );
        }
    }
    if let Job::Plan(number) = job {
        run::may_schedule(number);
    }
    store::schedule(job, every, &caller());
    if !board::call_at_commit() {
        pgrx::notice!("nobody runs it yet: no worker is running, as dbm.worker_status() explains");
    }
    let is_it = |scheduled: &store::Scheduled| scheduled.job == job;
    all().into_iter().find(is_it).and_then(|scheduled| scheduled.next_run).map(moment::timestamp)
}

/// All jobs.
fn all() -> Vec<store::Scheduled> {
    run::owner::as_owner(store::scheduled)
}

/// `dbm.unschedule()`: has a job run no more; false where it was not scheduled.
#[pg_extern(volatile, parallel_unsafe)]
fn unschedule(job: Option<Text>) -> bool {
    let job = job_of(job);
    demand_primary("no job can be taken off the schedule");
    if let Job::Plan(number) = job
        && run::owner::as_owner(|| store::is_plan(number))
    {
        run::may_schedule(number);
    }
    let was = store::unschedule(job, &caller());
    board::call_at_commit();
    was
}

/// `dbm.jobs()`: every job, when it runs next and how it ran last.
#[pg_extern(stable, parallel_unsafe)]
fn jobs() -> TableIterator<
    'static,
    (
        name!(job, Text),
        name!(every, Option<Interval>),
        name!(is_enabled, bool),
        name!(next_run, Option<TimestampWithTimeZone>),
        name!(last_run, Option<TimestampWithTimeZone>),
        name!(last_outcome, Option<&'static str>),
        name!(failures, i32),
        name!(message, Option<Text>),
    ),
> {
    let now = moment::now();
    TableIterator::new(all().into_iter().map(move |each| {
        let last = each.history.map(|history| history.last);
        // What never ran is due, and has been since nobody knows when.
        let earliest = if last.is_some() { Moment::MIN } else { now };
        (
            Text::from(each.job.name()),
            each.schedule.every.and_then(moment::interval),
            each.is_enabled,
            each.next_run.map(|next| moment::timestamp(next.max(earliest))),
            last.map(|run| moment::timestamp(run.start)),
            last.map(|run| run.outcome.name()),
            each.history.map_or(0, |history| i32::try_from(history.failures).unwrap_or(i32::MAX)),
            each.message.map(Text::from),
        )
    }))
}

/// `dbm.worker_start()`: where the library is not preloaded, starts a worker for this database that stays until the server
/// ends; where it is, has the worker look into this database now. Returns the launcher's process.
#[pg_extern(volatile, parallel_unsafe)]
fn worker_start() -> Option<i32> {
    demand_primary("no worker can be started");
    if let Some(process) = board::here().and_then(|board| board.launcher()) {
        board::call_at_commit();
        return Some(process);
    }
    if board::shared().is_some() {
        raise(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "the worker is not running",
            "The server starts it by itself within five seconds; its log says why it ends.",
            "",
        );
    }
    match background::start_launcher() {
        Ok(handle) => handle.wait_for_start(),
        Err(none) => none.raise("the worker"),
    }
}

/// `dbm.worker_stop()`: ends the worker that `dbm.worker_start()` started; false where there is none.
#[pg_extern(volatile, parallel_unsafe)]
fn worker_stop() -> bool {
    if board::shared().is_some() {
        raise(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "the worker cannot be stopped: it belongs to the server, which preloads dbmastery",
            "",
            "ALTER SYSTEM SET dbm.max_workers = 0; SELECT pg_reload_conf(); has no more jobs run, and dbm.databases says in which databases they are.",
        );
    }
    let board = board::here().filter(|board| board.launcher().is_some());
    if let Some(board) = board {
        board.end();
    }
    board.is_some()
}

/// `dbm.worker_status()`: who runs jobs and where, and what keeps them from it.
#[pg_extern(stable, parallel_unsafe)]
fn worker_status() -> TableIterator<
    'static,
    (
        name!(worker, &'static str),
        name!(database, Option<Text>),
        name!(pid, Option<i32>),
        name!(state, &'static str),
        name!(activity, Option<Text>),
        name!(last_run, Option<TimestampWithTimeZone>),
        name!(next_due, Option<TimestampWithTimeZone>),
        name!(problem, Option<Text>),
    ),
> {
    TableIterator::new(status::rows().into_iter().map(|row| {
        (
            row.worker,
            row.database,
            row.pid,
            row.state,
            row.activity,
            row.last_run.map(moment::timestamp),
            row.next_due.map(moment::timestamp),
            row.problem,
        )
    }))
}
