//! The door of copies: a procedure that carries one on, and a function to watch them.

use std::time::Duration;

use pgrx::datum::{Interval, TimestampWithTimeZone};
use pgrx::prelude::*;

use super::job::Phase;
use crate::partition::live::copy::{self, Limits};
use crate::pg::error::raise;
use crate::pg::procedure::{Call, may_commit};
use crate::pg::value::Text;

/// `CALL dbm.partition_copy(job, upto)`: carries a copy on to a phase, `aborted` takes everything back before the swap.
#[pg_extern(sql = r#"
CREATE PROCEDURE dbm."partition_copy"(
    "job" bigint,
    "upto" TEXT DEFAULT 'cleaned',
    "lock_timeout" interval DEFAULT '200 ms',
    "give_up_after" interval DEFAULT '10 min'
)
LANGUAGE c
AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';
"#)]
fn partition_copy(
    job: Option<i64>,
    upto: Option<Text>,
    lock_timeout: Option<Interval>,
    give_up_after: Option<Interval>,
    call: Call,
) {
    if !may_commit(call) {
        raise(
            PgSqlErrorCode::ERRCODE_ACTIVE_SQL_TRANSACTION,
            "dbm.partition_copy() cannot run inside a transaction block",
            "It commits after each batch.",
            "CALL it by itself: without BEGIN, not in a function, and with the client's autocommit on.",
        );
    }
    let upto = upto.map_or_else(|| "cleaned".to_owned(), Text::into_string);
    let phase = Phase::parse(&upto).filter(|phase| *phase > Phase::Planned);
    let (Some(job), Some(phase)) = (job, phase) else {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            &format!("a copy cannot be carried on to \"{upto}\""),
            "Possible are prepared, copying, catching_up, ready, swapped, verified, cleaned and aborted.",
            "CALL dbm.partition_copy(1, 'ready')",
        )
    };
    let limits = Limits {
        lock_timeout: duration("lock_timeout", lock_timeout, 200),
        give_up_after: duration("give_up_after", give_up_after, 600_000),
    };
    copy::call(job, phase, limits);
}

fn duration(name: &str, interval: Option<Interval>, default: u64) -> Duration {
    let Some(interval) = interval else { return Duration::from_millis(default) };
    match u64::try_from(interval.as_micros()) {
        Ok(micros) if micros > 0 && micros <= 7 * 86_400_000_000 => Duration::from_micros(micros),
        _ => raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            &format!("{name} of {} s is not possible", interval.as_micros() as f64 / 1e6),
            "Possible is a time up to a week.",
            "",
        ),
    }
}

/// `dbm.partition_copy_status()`: all copies, those under way first.
#[pg_extern(stable, parallel_unsafe)]
fn partition_copy_status() -> TableIterator<
    'static,
    (
        name!(job, i64),
        name!(kind, Text),
        name!(source, Text),
        name!(target, Text),
        name!(phase, Text),
        name!(pid, Option<i32>),
        name!(rows_copied, i64),
        name!(rows_replayed, i64),
        name!(rows_verified, Option<i64>),
        name!(lock_held, Option<Interval>),
        name!(waits_for, Option<Text>),
        name!(error, Option<Text>),
        name!(created_at, TimestampWithTimeZone),
        name!(updated_at, TimestampWithTimeZone),
    ),
> {
    TableIterator::new(copy::status().into_iter().map(|row| {
        (
            row.job,
            row.kind,
            row.source,
            row.target,
            row.phase,
            row.pid,
            row.rows_copied,
            row.rows_replayed,
            row.rows_verified,
            row.lock_held,
            row.waits_for,
            row.error,
            row.created_at,
            row.updated_at,
        )
    }))
}
