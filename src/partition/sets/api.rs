//! The door of partition sets: the SQL functions by which they are kept and looked at.

use pgrx::datum::{Interval, TimestampWithTimeZone};
use pgrx::prelude::*;

use super::live::{Refused, timestamp};
use crate::partition::manage::Asked;
use crate::partition::manage::live::{Words, manage, unmanage};
use crate::partition::{adopt, status};
use crate::pg::error::raise;
use crate::pg::moment;
use crate::pg::value::{RegClass, Text};

fn parts(span: &Interval) -> (i32, i32, i64) {
    (span.months(), span.days(), span.micros())
}

fn or_raise<T>(result: Result<T, Refused>) -> T {
    result.unwrap_or_else(|refused| refused.raise())
}

/// `dbm.partition_manage()`: has a partitioned table kept from now on, or changes how.
#[allow(clippy::too_many_arguments)]
#[pg_extern(parallel_unsafe)]
fn partition_manage(
    parent: Option<RegClass>,
    every: Option<Text>,
    premake: default!(Option<i32>, 4),
    retention: default!(Option<Interval>, "NULL"),
    retention_action: default!(Option<Text>, "'drop'"),
    retention_number: default!(Option<i64>, "NULL"),
    time_zone: default!(Option<Text>, "NULL"),
    origin: default!(Option<Text>, "NULL"),
    epoch: default!(Option<Text>, "NULL"),
    on_missing: default!(Option<Text>, "NULL"),
    archive_schema: default!(Option<Text>, "NULL"),
    drop_delay: default!(Option<Interval>, "'0'"),
    max_create: default!(Option<i32>, 100),
    max_retire: default!(Option<f64>, 0.5),
    template: default!(Option<RegClass>, "NULL"),
    copy_privileges: default!(Option<bool>, false),
    name_style: default!(Option<Text>, "NULL"),
) -> Text {
    let (Some(parent), Some(every)) = (parent, every) else {
        raise(
            PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED,
            "parent and every of dbm.partition_manage() must not be null",
            "",
            "SELECT dbm.partition_manage('events', 'month');",
        )
    };
    let asked = Asked {
        every: every.into_string(),
        premake: premake.unwrap_or(4),
        retention: retention.as_ref().map(parts),
        retention_number,
        retention_action: retention_action.map_or_else(|| "drop".to_owned(), Text::into_string),
        archive_schema: archive_schema.map(Text::into_string),
        drop_delay: drop_delay.as_ref().map(parts).unwrap_or_default(),
        on_missing: on_missing.map(Text::into_string),
        max_create: max_create.unwrap_or(100),
        max_retire: max_retire.unwrap_or(0.5),
        template: template.map(|template| template.oid().to_u32()),
        copy_privileges: copy_privileges.unwrap_or(false),
        name_style: name_style.map(Text::into_string),
        epoch: epoch.map(Text::into_string),
    };
    let words = Words { time_zone: time_zone.map(Text::into_string), origin: origin.map(Text::into_string) };
    or_raise(manage(parent.oid().to_u32(), &asked, &words)).into()
}

/// `dbm.partition_unmanage()`: gives a set up; its partitions stay as they are.
#[pg_extern(parallel_unsafe)]
fn partition_unmanage(parent: Option<RegClass>) -> Option<bool> {
    parent.map(|parent| or_raise(unmanage(parent.oid().to_u32())))
}

/// `dbm.partition_status()`: how the sets that are kept stand, the most urgent first.
#[pg_extern(stable, parallel_unsafe)]
fn partition_status(
    parent: default!(Option<RegClass>, "NULL"),
) -> TableIterator<
    'static,
    (
        name!(parent, Text),
        name!(partitions, i32),
        name!(first_bound, Option<Text>),
        name!(last_bound, Option<Text>),
        name!(ahead, Option<Interval>),
        name!(default_rows, Option<i64>),
        name!(oldest, Option<Text>),
        name!(next_due, Option<TimestampWithTimeZone>),
        name!(last_run, Option<TimestampWithTimeZone>),
        name!(last_result, Option<Text>),
        name!(problem, Option<Text>),
        name!(ahead_partitions, Option<i32>),
        name!(gaps, i32),
        name!(overdue, i32),
        name!(failures, i32),
    ),
> {
    let count = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
    let statuses = or_raise(status::live::statuses(parent.map(|parent| parent.oid().to_u32())));
    TableIterator::new(statuses.into_iter().map(move |status| {
        (
            Text::from(status.parent),
            count(status.partitions),
            status.first_bound.map(Text::from),
            status.last_bound.map(Text::from),
            status.ahead.and_then(moment::interval),
            status.default_rows,
            status.oldest.map(Text::from),
            status.next_due.map(timestamp),
            status.last_run.map(moment::timestamp),
            status.last_result.map(Text::from),
            status.problem.map(Text::from),
            status.partitions_ahead.map(count),
            count(status.gaps),
            count(status.overdue),
            status.failures,
        )
    }))
}

/// `dbm.partition_adopt()`: keeps from now on what pg_partman keeps, under the same names.
#[pg_extern(parallel_unsafe)]
fn partition_adopt(
    source: default!(Option<Text>, "'partman'"),
    parent: default!(Option<RegClass>, "NULL"),
) -> TableIterator<'static, (name!(parent, Text), name!(every, Text), name!(result, Text))> {
    let source = source.map_or_else(|| "partman".to_owned(), Text::into_string);
    let adopted = or_raise(adopt::live::adopt(&source, parent.map(|parent| parent.oid().to_u32())));
    TableIterator::new(
        adopted.into_iter().map(|row| (row.parent.into(), row.every.into(), row.result.into())),
    )
}
