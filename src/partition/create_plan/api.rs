//! The door of plans for new partitioned tables.

use pgrx::datum::Interval;
use pgrx::prelude::*;

use super::live::{Request, create};
use crate::pg::error::raise;
use crate::pg::value::Text;

/// `dbm.partition_create_plan()`: a new partitioned table with its indexes, its first partitions and their upkeep, as a plan
/// that `dbm.apply()` runs; returns its number.
#[pg_extern(volatile, parallel_unsafe)]
#[allow(clippy::too_many_arguments, reason = "the arguments of the SQL function")]
fn partition_create_plan(
    target: Option<Text>,
    key: Option<Text>,
    every: Option<Text>,
    definition: default!(Option<Text>, "NULL"),
    premake: default!(Option<i32>, "4"),
    retention: default!(Option<Interval>, "NULL"),
    time_zone: default!(Option<Text>, "NULL"),
    epoch: default!(Option<Text>, "NULL"),
) -> i64 {
    let (Some(target), Some(key), Some(every)) = (target, key, every) else {
        raise(
            PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED,
            "target, key and every must not be null",
            "",
            "For example: SELECT dbm.partition_create_plan('events', 'created_at', 'month', 'LIKE old_events').",
        )
    };
    create(Request {
        target: target.into_string(),
        definition: definition.map(Text::into_string),
        key: key.into_string(),
        every: every.into_string(),
        epoch: epoch.map(Text::into_string),
        premake: premake.unwrap_or(4),
        retention,
        time_zone: time_zone.map(Text::into_string),
    })
}
