//! The door of the backfill: a procedure, and functions to watch and to stop it.

use std::time::Duration;

use pgrx::datum::{Interval, TimestampWithTimeZone};
use pgrx::prelude::*;

use super::live::{Wanted, backfill as run};
use super::watch::live::{ask, status};
use crate::pg::error::raise;
use crate::pg::procedure::Call;
use crate::pg::value::{RegClass, Text};

/// `CALL dbm.backfill(target, assignment, predicate)`: changes all rows of a table in batches, each its own transaction.
#[allow(clippy::too_many_arguments)]
#[pg_extern(sql = r#"
CREATE PROCEDURE dbm."backfill"(
    "target" regclass,
    "assignment" TEXT,
    "predicate" TEXT DEFAULT NULL,
    "batch_time" interval DEFAULT '500 ms',
    "duty" double precision DEFAULT 0.5,
    "max_lag" interval DEFAULT '5 s',
    "max_wal_per_second" bigint DEFAULT NULL,
    "wait_for_autovacuum" bool DEFAULT true,
    "lock_timeout" interval DEFAULT '200 ms',
    "give_up_after" interval DEFAULT '10 min',
    "batch_rows" INT DEFAULT 1000
)
LANGUAGE c
AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';
"#)]
fn backfill(
    target: Option<RegClass>,
    assignment: Option<Text>,
    predicate: Option<Text>,
    batch_time: Option<Interval>,
    duty: Option<f64>,
    max_lag: Option<Interval>,
    max_wal_per_second: Option<i64>,
    wait_for_autovacuum: Option<bool>,
    lock_timeout: Option<Interval>,
    give_up_after: Option<Interval>,
    batch_rows: Option<i32>,
    call: Call,
) {
    let (Some(target), Some(assignment)) = (target, assignment) else {
        raise(
            PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED,
            "target and assignment of dbm.backfill() must not be null",
            "",
            "CALL dbm.backfill('orders', 'total = price * quantity', 'total IS NULL')",
        )
    };
    let duty = duty.unwrap_or(0.5);
    if !(0.001..=1.0).contains(&duty) {
        invalid("duty", &duty.to_string(), "the share of the time that is work, 0.001 to 1");
    }
    let batch_rows = batch_rows.unwrap_or(1_000);
    if !(1..=50_000).contains(&batch_rows) {
        invalid("batch_rows", &batch_rows.to_string(), "1 to 50000");
    }
    if let Some(most) = max_wal_per_second.filter(|&most| most < 1) {
        invalid("max_wal_per_second", &most.to_string(), "bytes, at least 1; null for any");
    }
    run(
        call,
        &Wanted {
            target: target.oid().to_u32(),
            assignment: assignment.into_string(),
            predicate: predicate.map(Text::into_string),
            batch_time: duration("batch_time", batch_time, 500),
            batch_rows: u64::from(batch_rows.unsigned_abs()),
            duty,
            max_lag: max_lag.map(|lag| duration("max_lag", Some(lag), 0)),
            max_wal_per_second: max_wal_per_second.map(i64::unsigned_abs),
            waits_for_autovacuum: wait_for_autovacuum.unwrap_or(true),
            lock_timeout: duration("lock_timeout", lock_timeout, 200),
            give_up_after: duration("give_up_after", give_up_after, 600_000),
        },
    );
}

fn invalid(name: &str, value: &str, valid: &str) -> ! {
    raise(
        PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
        &format!("{name} {value} is not possible"),
        &format!("Possible is {valid}."),
        "",
    )
}

fn duration(name: &str, interval: Option<Interval>, default: u64) -> Duration {
    let Some(interval) = interval else { return Duration::from_millis(default) };
    let micros = interval.as_micros();
    match u64::try_from(micros) {
        Ok(micros) if micros > 0 && micros <= 7 * 86_400_000_000 => Duration::from_micros(micros),
        _ => invalid(name, &format!("of {} s", micros as f64 / 1e6), "a time up to a week"),
    }
}

/// `dbm.backfill_status()`: all backfills, those at work first.
#[pg_extern(stable, parallel_unsafe)]
fn backfill_status() -> TableIterator<
    'static,
    (
        name!(job, i64),
        name!(target, Text),
        name!(assignment, Text),
        name!(predicate, Option<Text>),
        name!(creator, Text),
        name!(state, Text),
        name!(pid, Option<i32>),
        name!(pass, i32),
        name!(share, Option<f64>),
        name!(rows_changed, i64),
        name!(rows_seen, Option<i64>),
        name!(estimated_rows, Option<i64>),
        name!(rows_per_second, Option<f64>),
        name!(eta, Option<Interval>),
        name!(batch_rows, Option<i64>),
        name!(part, Option<Text>),
        name!(last_key, Option<Text>),
        name!(waits_for, Option<Text>),
        name!(error, Option<Text>),
        name!(created_at, TimestampWithTimeZone),
        name!(updated_at, TimestampWithTimeZone),
    ),
> {
    TableIterator::new(status().into_iter().map(|row| {
        (
            row.job,
            row.target,
            row.assignment,
            row.predicate,
            row.creator,
            row.state,
            row.pid,
            row.pass,
            row.share,
            row.rows_changed,
            row.rows_seen,
            row.estimated_rows,
            row.rows_per_second,
            row.eta,
            row.batch_rows,
            row.part,
            row.last_key,
            row.waits_for,
            row.error,
            row.created_at,
            row.updated_at,
        )
    }))
}

/// `dbm.backfill_pause()`: ends a backfill after its batch; called again it goes on. False where it is not at work.
#[pg_extern(volatile, parallel_unsafe)]
fn backfill_pause(job: i64) -> bool {
    ask(job, "pause")
}

/// `dbm.backfill_cancel()`: ends a backfill for good; what was changed stays. False where it is over already.
#[pg_extern(volatile, parallel_unsafe)]
fn backfill_cancel(job: i64) -> bool {
    ask(job, "cancel")
}
