//! The door of the capture: its SQL functions.

use pgrx::datum::TimestampWithTimeZone;
use pgrx::prelude::*;

use crate::catalog::captured::CapturedQuery;
use crate::pg::error::raise;
use crate::pg::moment::timestamp;
use crate::pg::value::{Document, Text};
use crate::pg::{capture, roles};

/// What others may not read, in the words of `pg_stat_statements`.
const HIDDEN: &str = "<insufficient privilege>";

/// Ends with an ERROR: there is nothing to read.
fn refuse_without_preload() -> ! {
    raise(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        "dbmastery captures queries only where it is in shared_preload_libraries",
        "The server did not load it as it started, so that there is no memory to keep queries in.",
        "Add dbmastery to shared_preload_libraries and restart the server.",
    )
}

/// A count as SQL's bigint.
fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// `dbm.captured_queries()`: what clients ran since the server started, by queries that differ in constants alone.
///
/// The longest first, in milliseconds; of all databases.
#[pg_extern(volatile, parallel_restricted)]
fn captured_queries() -> TableIterator<
    'static,
    (
        name!(queryid, Option<i64>),
        name!(role_name, Option<Text>),
        name!(database, Option<Text>),
        name!(query, Text),
        name!(parameter_types, Option<Vec<Text>>),
        name!(samples, Option<Document>),
        name!(calls, i64),
        name!(total_time, f64),
        name!(search_path, Option<Text>),
        name!(is_truncated, bool),
        name!(first_seen, TimestampWithTimeZone),
        name!(last_seen, TimestampWithTimeZone),
    ),
> {
    let Some(queries) = capture::queries() else { refuse_without_preload() };
    if capture::is_without_query_ids() {
        warning!("nothing new is captured: compute_query_id is off in this session");
    }
    TableIterator::new(queries.into_iter().map(|query| {
        let may_see = roles::may_see_statistics_of(query.role.into());
        let shown = |text: String| may_see.then(|| Text::from(text));
        let CapturedQuery { query_id, role, database, is_truncated, calls, total_milliseconds, .. } = query;
        let has_types = may_see && !query.parameter_types.is_empty();
        let has_samples = may_see && !query.samples.is_empty();
        (
            may_see.then_some(query_id),
            capture::role_name(role).map(Text::from),
            capture::database_name(database).map(Text::from),
            shown(query.query).unwrap_or_else(|| HIDDEN.into()),
            has_types.then(|| query.parameter_types.into_iter().map(|of| Text::from(of.name)).collect()),
            has_samples.then(|| Document::from(serde_json::json!(query.samples))),
            signed(calls),
            total_milliseconds,
            shown(query.search_path),
            is_truncated,
            timestamp(query.first_seen),
            timestamp(query.last_seen),
        )
    }))
}

/// `dbm.capture_status()`: how full the capture is.
#[pg_extern(volatile, parallel_restricted)]
fn capture_status() -> TableIterator<
    'static,
    (name!(captured, i64), name!(max_queries, i64), name!(evicted, i64), name!(since, TimestampWithTimeZone)),
> {
    let Some(status) = capture::status() else { refuse_without_preload() };
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    TableIterator::once((
        count(status.captured),
        count(status.most),
        signed(status.evicted),
        timestamp(status.since),
    ))
}

/// `dbm.capture_reset()`: forgets all captured queries and returns how many there were.
#[pg_extern(volatile, parallel_unsafe)]
fn capture_reset() -> i64 {
    let Some(count) = capture::reset() else { refuse_without_preload() };
    i64::try_from(count).unwrap_or(i64::MAX)
}
