//! The door of reading.

use pgrx::AnyElement;
use pgrx::prelude::*;

use crate::pg::argument::given;
use crate::pg::moment::{from_timestamp, timestamp};
use crate::pg::trail::reading::typed::{self, FunctionCallInfo};
use crate::pg::value::{JsonText, RegClass, Text};
use crate::trail::live::{self, Asked, Entry};

type Row = (
    TimestampWithTimeZone,
    Option<Text>,
    Text,
    Text,
    Option<JsonText>,
    Option<JsonText>,
    Option<JsonText>,
    i64,
    i32,
    Option<JsonText>,
);

fn row(entry: Entry) -> Row {
    (
        timestamp(entry.changed_at),
        entry.actor.map(Text::from),
        entry.operation.into(),
        entry.table.into(),
        entry.key.map(JsonText::from),
        entry.old.map(JsonText::from),
        entry.new.map(JsonText::from),
        entry.transaction,
        entry.statement,
        entry.context.map(JsonText::from),
    )
}

fn moment(at: TimestampWithTimeZone) -> i64 {
    from_timestamp(at.into())
}

/// `dbm.changes()`: what was changed in watched tables that the caller may see, the last change first.
#[pg_extern(stable, parallel_unsafe)]
fn changes(
    target: default!(Option<RegClass>, "NULL"),
    since: default!(Option<TimestampWithTimeZone>, "NULL"),
    until: default!(Option<TimestampWithTimeZone>, "NULL"),
    actor: default!(Option<Text>, "NULL"),
    max_rows: default!(Option<i64>, "NULL"),
) -> TableIterator<
    'static,
    (
        name!(changed_at, TimestampWithTimeZone),
        name!(actor, Option<Text>),
        name!(operation, Text),
        name!(table_name, Text),
        name!(key, Option<JsonText>),
        name!(old, Option<JsonText>),
        name!(new, Option<JsonText>),
        name!(transaction_id, i64),
        name!(statement_no, i32),
        name!(context, Option<JsonText>),
    ),
> {
    let asked = Asked {
        target: target.map(|target| target.oid().to_u32()),
        since: since.map(moment),
        until: until.map(moment),
        actor: actor.map(Text::into_string),
        max_rows,
    };
    TableIterator::new(live::changes(&asked).map(row))
}

/// `dbm.row_history()`: what became of one row, the first change first.
#[pg_extern(stable, parallel_unsafe)]
fn row_history(
    target: Option<RegClass>,
    key: Option<JsonText>,
) -> TableIterator<
    'static,
    (
        name!(changed_at, TimestampWithTimeZone),
        name!(actor, Option<Text>),
        name!(operation, Text),
        name!(table_name, Text),
        name!(key, Option<JsonText>),
        name!(old, Option<JsonText>),
        name!(new, Option<JsonText>),
        name!(transaction_id, i64),
        name!(statement_no, i32),
        name!(context, Option<JsonText>),
    ),
> {
    let (target, key) = (given(target, "target"), given(key, "key"));
    let entries = live::row_history(target.oid().to_u32(), &key.into_string());
    TableIterator::new(entries.into_iter().map(row))
}

/// `dbm.as_of()`: the rows of a table as they were at a moment, each as JSON by the names that its columns had then.
#[pg_extern(stable, parallel_unsafe)]
fn as_of(target: Option<RegClass>, at: Option<TimestampWithTimeZone>) -> SetOfIterator<'static, JsonText> {
    let (target, at) = (given(target, "target"), given(at, "at"));
    SetOfIterator::new(live::as_of(target.oid().to_u32(), moment(at)).map(JsonText::from))
}

/// `dbm.rows_as_of()`: the same as rows of the table, whose type the first argument gives: `NULL::orders`.
#[pg_extern(stable, parallel_unsafe)]
fn rows_as_of(
    row: Option<AnyElement>,
    at: Option<TimestampWithTimeZone>,
    fcinfo: FunctionCallInfo,
) -> SetOfIterator<'static, AnyElement> {
    let _ = row;
    let at = given(at, "at");
    let (row_type, table) = typed::row_type(fcinfo);
    let rows = live::as_of_typed(table, moment(at));
    SetOfIterator::new(rows.map(move |text| typed::row(row_type, table, &text)))
}
