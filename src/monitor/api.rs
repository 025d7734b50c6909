//! The door of the monitor room: its SQL functions.

use pgrx::prelude::*;

use pgrx::datum::TimestampWithTimeZone;

use super::table_sizes;
use crate::pg::moment::timestamp;
use crate::pg::value::Text;
use crate::pg::{facts, progress as acts};

/// `dbm.table_sizes()`: the largest tables by the disk they take, partition trees as one; sizes in bytes.
///
/// Looks at files only: it waits for no lock. Rows are the statistics system's estimates.
#[pg_extern(stable, parallel_restricted)]
fn table_sizes(
    max_rows: default!(Option<i32>, 20),
) -> TableIterator<
    'static,
    (
        name!(table_name, Text),
        name!(total_bytes, i64),
        name!(table_bytes, i64),
        name!(toast_bytes, i64),
        name!(index_bytes, i64),
        name!(rows, Option<i64>),
        name!(dead_rows, Option<i64>),
        name!(partitions, i64),
    ),
> {
    let most = usize::try_from(max_rows.unwrap_or(20)).unwrap_or(0);
    let signed = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    let sizes = facts::with(|facts| table_sizes::table_sizes(facts, most));
    TableIterator::new(sizes.into_iter().map(move |size| {
        (
            size.table_name.into(),
            signed(size.total_bytes),
            signed(size.table_bytes),
            signed(size.toast_bytes),
            signed(size.index_bytes),
            size.rows,
            size.dead_rows,
            signed(size.partitions),
        )
    }))
}

/// `dbm.progress()`: the long acts of dbmastery that sessions are at; the view `dbm.progress` shows the same.
///
/// `share` is done out of total of the current step, 0 to 1; null where nobody knows the total.
#[pg_extern(volatile, parallel_restricted)]
fn progress() -> TableIterator<
    'static,
    (
        name!(pid, i32),
        name!(datname, Option<Text>),
        name!(usename, Option<Text>),
        name!(act, Text),
        name!(step, Text),
        name!(done, i64),
        name!(total, i64),
        name!(share, Option<f64>),
        name!(started, TimestampWithTimeZone),
    ),
> {
    TableIterator::new(acts::rows().into_iter().map(|row| {
        (
            row.pid,
            row.database.map(Text::from),
            row.user.map(Text::from),
            row.act.into(),
            row.step.into(),
            row.done,
            row.total,
            (row.total > 0).then(|| row.done as f64 / row.total as f64),
            timestamp(row.started),
        )
    }))
}
