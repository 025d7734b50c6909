//! The door of upkeep.

use pgrx::datum::{Interval, TimestampWithTimeZone};
use pgrx::prelude::*;

use crate::partition::live;
use crate::pg::error::raise;
use crate::pg::moment;
use crate::pg::value::{RegClass, Text};

/// What was done, as both functions answer.
type Row = (Text, Text, Option<Text>, Text, Text, Option<Interval>);

fn row(told: live::Told) -> Row {
    let micros = told.elapsed.and_then(|elapsed| i64::try_from(elapsed.as_micros()).ok());
    (
        told.parent.into(),
        told.action.into(),
        told.partition.map(Text::from),
        told.status.into(),
        told.detail.into(),
        micros.and_then(moment::interval),
    )
}

/// `dbm.partition_maintain()`: creates partitions ahead, drains the default partition, retires what is too old; of one set
/// or of all, and says row by row what it did.
#[pg_extern(volatile, parallel_unsafe)]
fn partition_maintain(
    parent: default!(Option<RegClass>, "NULL"),
    at: default!(Option<TimestampWithTimeZone>, "pg_catalog.now()"),
    dry_run: default!(Option<bool>, "false"),
) -> TableIterator<
    'static,
    (
        name!(parent, Text),
        name!(action, Text),
        name!(partition, Option<Text>),
        name!(status, Text),
        name!(detail, Text),
        name!(elapsed, Option<Interval>),
    ),
> {
    let at = at.map_or(i64::MAX, i64::from);
    if at == i64::MIN || at == i64::MAX {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "the time for which partitions are kept must be finite",
            "",
            "",
        );
    }
    let rows = live::maintain(parent.map(|parent| parent.oid().to_u32()), at, dry_run.unwrap_or(false));
    TableIterator::new(rows.into_iter().map(row))
}

/// `dbm.partition_drain()`: moves the rows of a set's default partition into partitions of their own, as its policy cuts
/// them, while others read and write.
#[pg_extern(volatile, parallel_unsafe)]
fn partition_drain(
    parent: Option<RegClass>,
) -> TableIterator<
    'static,
    (
        name!(parent, Text),
        name!(action, Text),
        name!(partition, Option<Text>),
        name!(status, Text),
        name!(detail, Text),
        name!(elapsed, Option<Interval>),
    ),
> {
    let Some(parent) = parent else {
        raise(
            PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED,
            "parent of dbm.partition_drain() must not be null",
            "",
            "SELECT * FROM dbm.partition_drain('orders');",
        );
    };
    let rows = live::drain_now(parent.oid().to_u32(), moment::to_timestamp(moment::now()));
    TableIterator::new(rows.into_iter().map(row))
}
