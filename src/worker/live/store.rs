//! The tables of jobs, and what is read from them.

use pgrx::datum::Interval;
use pgrx::spi::SpiHeapTupleData;

use crate::catalog::Moment;
use crate::pg::run::Failure;
use crate::pg::run::owner::as_owner;
use crate::pg::value::Text;
use crate::pg::{moment, query, settings};
use crate::worker::job::Job;
use crate::worker::schedule::{History, Outcome, Run, Schedule, next_run};

/// How many of a job's last runs are looked at: more failures in a row than these are as many.
const RUNS: i32 = 10;

/// The interval of upkeep where nobody said another: partitions are made days ahead, so that many of these may fail before
/// anybody notices.
const EVERY_HOUR: Moment = 3_600_000_000;

/// A job, what was asked of it, and what became of it.
pub struct Scheduled {
    /// The job.
    pub job: Job,
    /// What was asked.
    pub schedule: Schedule,
    /// Whether it is to be run at all.
    pub is_enabled: bool,
    /// Its last runs.
    pub history: Option<History>,
    /// What the last of them said.
    pub message: Option<String>,
    /// When it is to run next; `None` if never.
    pub next_run: Option<Moment>,
}

/// One row of dbm.job.
struct Row {
    job: Option<Job>,
    every: Option<Moment>,
    is_enabled: bool,
    since: Moment,
}

fn job_row(row: &SpiHeapTupleData<'_>) -> Result<Row, pgrx::spi::SpiError> {
    Ok(Row {
        job: row.get::<Text>(1)?.and_then(|name| Job::parse(name.as_str())),
        every: row.get::<i64>(2)?,
        is_enabled: row.get::<bool>(3)?.unwrap_or(false),
        since: row.get::<i64>(4)?.unwrap_or(0),
    })
}

/// All jobs, upkeep also where nobody scheduled it; by name. Names that are no jobs are left out. To be called with a
/// search_path in which nobody but the system has names.
pub fn scheduled() -> Vec<Scheduled> {
    let mut rows = query::rows(
        "SELECT job, (extract(epoch FROM every) * 1000000)::int8, is_enabled,
                (extract(epoch FROM scheduled_at) * 1000000)::int8
         FROM dbm.job ORDER BY job",
        &[],
        job_row,
    );
    if !rows.iter().any(|row| row.job == Some(Job::Upkeep)) {
        rows.push(Row { job: Some(Job::Upkeep), every: Some(EVERY_HOUR), is_enabled: true, since: 0 });
    }
    let now = moment::now();
    let retry = upkeep_retry();
    rows.into_iter().filter_map(|row| Some(with_history(row.job?, &row, now, retry))).collect()
}

fn with_history(job: Job, row: &Row, now: Moment, retry: Option<Moment>) -> Scheduled {
    let runs = query::rows(
        "SELECT (extract(epoch FROM started_at) * 1000000)::int8, (extract(epoch FROM finished_at) * 1000000)::int8,
                outcome, message
         FROM dbm.job_run WHERE job = $1 AND started_at <= clock_timestamp() ORDER BY started_at DESC LIMIT $2",
        &[Text::from(job.name()).into(), RUNS.into()],
        |row| {
            let run = Run {
                start: row.get::<i64>(1)?.unwrap_or(0),
                end: row.get::<i64>(2)?,
                outcome: row.get::<&str>(3)?.and_then(Outcome::parse).unwrap_or(Outcome::Done),
            };
            Ok((run, row.get::<Text>(4)?.map(Text::into_string)))
        },
    );
    let message = runs.first().and_then(|(_, message)| message.clone());
    let runs: Vec<Run> = runs.into_iter().map(|(run, _)| run).collect();
    let schedule = Schedule { every: row.every, since: row.since };
    let history = History::of(&runs, now);
    let mut next = next_run(schedule, history, now, job.key() as u64).filter(|_| row.is_enabled);
    if job == Job::Upkeep
        && let (Some(own), Some(retry)) = (next, retry)
    {
        next = Some(own.min(retry));
    }
    Scheduled { job, schedule, is_enabled: row.is_enabled, history, message, next_run: next }
}

/// When upkeep wants to come back for a set that it could not do before the next whole run.
fn upkeep_retry() -> Option<Moment> {
    query::rows(
        "SELECT (extract(epoch FROM greatest(min(s.not_before),
                    (SELECT max(r.finished_at) FROM dbm.job_run r
                     WHERE r.job = 'upkeep' AND r.started_at <= clock_timestamp()) + interval '30 seconds'))
                 * 1000000)::int8
         FROM dbm.partition_set s
         WHERE s.is_enabled AND s.failures > 0 AND isfinite(s.not_before)
           AND s.not_before < clock_timestamp() + interval '2 hours'
         HAVING min(s.not_before) IS NOT NULL",
        &[],
        |row| row.get::<i64>(1),
    )
    .into_iter()
    .flatten()
    .next()
}

/// Writes down that the runs of a job which are said to be at work are not: nobody has its claim.
pub fn close_crashed(job: Job) {
    as_owner(|| {
        query::write(
            "UPDATE dbm.job_run SET outcome = 'crashed', finished_at = clock_timestamp(),
                message = 'the worker was ended before its work was'
             WHERE job = $1 AND outcome = 'running'",
            &[Text::from(job.name()).into()],
        );
    });
}

/// Whether a run of the job is said to be at work.
pub fn is_open(job: Job) -> bool {
    !query::rows(
        "SELECT 1 FROM dbm.job_run WHERE job = $1 AND outcome = 'running' LIMIT 1",
        &[Text::from(job.name()).into()],
        |row| row.get::<i32>(1),
    )
    .is_empty()
}

/// Writes down that a job begins; returns the moment by which it is known, as text.
pub fn begin(job: Job) -> String {
    as_owner(|| {
        query::rows_mutable(
            "INSERT INTO dbm.job_run (job, started_at, pid) VALUES ($1, clock_timestamp(), pg_backend_pid())
             RETURNING started_at::text",
            &[Text::from(job.name()).into()],
            |row| row.get::<String>(1),
        )
        .into_iter()
        .flatten()
        .next()
        .unwrap_or_default()
    })
}

/// Writes down how it ended, and forgets runs that are old.
pub fn end(job: Job, start: &str, elapsed: Option<Interval>, result: &Result<String, Failure>) {
    let (outcome, sqlstate, message) = match result {
        Ok(message) => (Outcome::Done, None, message.clone()),
        Err(failure) => (Outcome::Failed, Some(failure.sqlstate.clone()), failure.text()),
    };
    let message = Some(message).filter(|message| !message.is_empty()).map(Text::from);
    as_owner(|| {
        query::write(
            "UPDATE dbm.job_run SET finished_at = clock_timestamp(), outcome = $3, elapsed = $4, sqlstate = $5, message = $6
             WHERE job = $1 AND started_at = $2::timestamptz",
            &[
                Text::from(job.name()).into(),
                start.into(),
                outcome.name().into(),
                elapsed.into(),
                sqlstate.into(),
                message.into(),
            ],
        );
        let Some(history) = settings::job_history() else { return };
        query::write(
            "DELETE FROM dbm.job_run WHERE job = $1 AND started_at < $2::timestamptz
                AND started_at < clock_timestamp() - $3 * interval '1 second'",
            &[Text::from(job.name()).into(), start.into(), history.as_secs_f64().into()],
        );
    });
}

/// Writes down a schedule, in the place of the one that there was.
pub fn schedule(job: Job, every: Option<Interval>, who: &Text) {
    as_owner(|| {
        query::write(
            "INSERT INTO dbm.job AS j (job, every, scheduled_by) VALUES ($1, $2, $3)
             ON CONFLICT (job) DO UPDATE SET every = excluded.every, is_enabled = true,
                scheduled_at = excluded.scheduled_at, scheduled_by = excluded.scheduled_by",
            &[Text::from(job.name()).into(), every.into(), Text::from(who.as_str()).into()],
        );
    });
}

/// Whether there is a plan of that number.
pub fn is_plan(number: i64) -> bool {
    !query::rows("SELECT 1 FROM dbm.plan WHERE plan = $1", &[number.into()], |row| row.get::<i32>(1))
        .is_empty()
}

/// Takes a job off the schedule; false where it was not on it.
pub fn unschedule(job: Job, who: &Text) -> bool {
    as_owner(|| {
        if job == Job::Upkeep {
            // Without a row it would be run.
            return query::rows_writing(
                "INSERT INTO dbm.job AS j (job, every, is_enabled, scheduled_by) VALUES ($1, $2, false, $3)
                 ON CONFLICT (job) DO UPDATE SET is_enabled = false, scheduled_at = excluded.scheduled_at,
                    scheduled_by = excluded.scheduled_by WHERE j.is_enabled
                 RETURNING 1",
                &[
                    Text::from(job.name()).into(),
                    moment::interval(EVERY_HOUR).into(),
                    Text::from(who.as_str()).into(),
                ],
            ) > 0;
        }
        query::rows_writing(
            "DELETE FROM dbm.job WHERE job = $1 RETURNING 1",
            &[Text::from(job.name()).into()],
        ) > 0
    })
}

/// Stores the score of the database as it is now.
pub fn keep_score() {
    as_owner(|| {
        query::write(
            "INSERT INTO dbm.score_history (run_at, dimension, score, coverage, findings)
             SELECT statement_timestamp(), dimension, score, coverage, findings FROM dbm.score()",
            &[],
        );
    });
}

/// Whether somebody restores a dump here: what a worker did meanwhile would be in its way.
pub fn is_being_restored() -> bool {
    !query::rows(
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'pg_restore' LIMIT 1",
        &[],
        |row| row.get::<i32>(1),
    )
    .is_empty()
}
