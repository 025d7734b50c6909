//! The door of the grid: where a table would be cut.

use pgrx::datum::TimestampWithTimeZone;
use pgrx::prelude::*;

use super::{Grid, MONDAY, default_origin};
use crate::partition::every;
use crate::partition::key::{Edge, KeyKind, Range};
use crate::partition::line;
use crate::partition::name::name;
use crate::partition::refusal::Refusal;
use crate::partition::set::NameStyle;
use crate::pg::argument::given_or;
use crate::pg::error::raise;
use crate::pg::value::Text;
use crate::pg::zone::ServerZone;

/// More ranges than a set should ever have partitions.
const MOST: usize = 100_000;

fn refuse(refusal: &Refusal) -> ! {
    raise(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, &refusal.message, &refusal.detail, &refusal.hint)
}

/// The kind of a key that tells the time.
fn time_kind(key_type: &str) -> KeyKind {
    match KeyKind::of_name(key_type) {
        Some(kind) if kind.is_time() => kind,
        Some(kind) => raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            &format!("a key of type {} counts numbers and has no first and last moment", kind.name()),
            "",
            "If it tells the time since 1970 say in which unit, for example 'bigint milliseconds'.",
        ),
        None => raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            &format!("\"{key_type}\" is no type of a partition key that tells the time"),
            "",
            "One of date, timestamp, timestamptz, uuid (version 7), ulid, and integer or bigint followed by seconds, \
             milliseconds, microseconds or nanoseconds.",
        ),
    }
}

/// An edge as its value is written.
fn edge_text(kind: KeyKind, edge: &Edge) -> Option<Text> {
    match edge {
        Edge::At(position) => Some(line::text(kind, *position).into()),
        Edge::MinValue => Some("MINVALUE".into()),
        Edge::MaxValue => Some("MAXVALUE".into()),
        Edge::Other(_) => None,
    }
}

/// `dbm.partition_boundaries()`: the partitions into which a table would be cut, and what would be put behind its name.
#[pg_extern(stable, parallel_safe)]
fn partition_boundaries(
    every: Option<Text>,
    key_type: Option<Text>,
    first: Option<TimestampWithTimeZone>,
    last: Option<TimestampWithTimeZone>,
    time_zone: default!(Option<Text>, "NULL"),
) -> TableIterator<'static, (name!(low, Option<Text>), name!(high, Option<Text>), name!(name, Text))> {
    let (every, key_type) = (given(every, "every"), given(key_type, "key_type"));
    let (first, last) = (given(first, "first"), given(last, "last"));
    let kind = time_kind(key_type.as_str());
    let every = every::parse(every.as_str(), kind).unwrap_or_else(|refusal| refuse(&refusal));
    let zone = ServerZone::named(time_zone.as_ref().map_or("UTC", Text::as_str));
    let place = |moment| line::position_of_moment(kind, i64::from(moment), &zone).unwrap_or_default();
    let (first, last) = (place(first), place(last));
    let grid = Grid::new(kind, every, default_origin(kind, every, MONDAY, &zone), &zone);
    let ranges: Vec<Range> = grid.ranges(first, last).take(MOST + 1).collect();
    if ranges.len() > MOST {
        raise(
            PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
            &format!("that would be more than {MOST} partitions"),
            "",
            "Name a wider every, or a shorter time between first and last.",
        );
    }
    let rows: Vec<_> = ranges
        .into_iter()
        .map(|range| {
            let suffix = name("", &range, &grid, NameStyle::House, &|_| false);
            (edge_text(kind, &range.low), edge_text(kind, &range.high), Text::from(suffix))
        })
        .collect();
    TableIterator::new(rows)
}

/// An argument that must not be null.
fn given<T>(argument: Option<T>, name: &str) -> T {
    given_or(
        argument,
        name,
        "For example: SELECT * FROM dbm.partition_boundaries('month', 'timestamptz', now(), now() + interval '1 year');",
    )
}
