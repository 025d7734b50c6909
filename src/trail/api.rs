//! The door of the audit trail: what is watched, how, and what an application says of itself.

use pgrx::datum::TimestampWithTimeZone;
use pgrx::prelude::*;

use super::live::{install, list};
use super::watch::Asked;
use crate::pg::argument::{elements, given};
use crate::pg::local_settings::with_pinned_search_path;
use crate::pg::trail;
use crate::pg::value::{Document, RegClass, Text};

fn texts(list: Option<Vec<Option<Text>>>, argument: &str) -> Option<Vec<String>> {
    // A null that passed for no name would take back what was left out or redacted before.
    list.map(|list| elements(list, argument).into_iter().map(Text::into_string).collect())
}

fn array(list: Vec<String>) -> Vec<Option<Text>> {
    list.into_iter().map(|text| Some(Text::from(text))).collect()
}

/// `dbm.install_audit_trigger()`: has every change of a table written to the log from now on.
#[pg_extern(volatile, parallel_unsafe)]
#[allow(clippy::too_many_arguments, reason = "the arguments of the SQL function")]
fn install_audit_trigger(
    target: Option<RegClass>,
    columns: default!(Option<Vec<Option<Text>>>, "NULL"),
    exclude: default!(Option<Vec<Option<Text>>>, "NULL"),
    mode: default!(Option<Text>, "'auto'"),
    store: default!(Option<Text>, "'diff'"),
    redact: default!(Option<Vec<Option<Text>>>, "NULL"),
    query: default!(Option<bool>, false),
) -> Text {
    let target = given(target, "target");
    let asked = Asked {
        columns: texts(columns, "columns"),
        exclude: texts(exclude, "exclude"),
        redact: texts(redact, "redact"),
        mode: mode.map_or_else(|| "auto".to_owned(), Text::into_string),
        store: store.map_or_else(|| "diff".to_owned(), Text::into_string),
        query: query.unwrap_or(false),
    };
    with_pinned_search_path(|| install::install(target.oid().to_u32(), &asked)).into()
}

/// `dbm.remove_audit_trigger()`: the table is watched no more; its history stays. False where it was not watched.
#[pg_extern(volatile, parallel_unsafe)]
fn remove_audit_trigger(target: Option<RegClass>) -> bool {
    let target = given(target, "target");
    with_pinned_search_path(|| install::remove(target.oid().to_u32()))
}

/// `dbm.install_audit_triggers()`: puts the tables of whole schemas under the audit trail, and those to come.
#[pg_extern(volatile, parallel_unsafe)]
fn install_audit_triggers(
    schemas: Option<Vec<Option<Text>>>,
    include_new: default!(Option<bool>, true),
) -> TableIterator<'static, (name!(table_name, Text), name!(result, Text))> {
    let schemas = texts(Some(given(schemas, "schemas")), "schemas").unwrap_or_default();
    let include_new = given(include_new, "include_new");
    let results = with_pinned_search_path(|| list::install_all(&schemas, include_new));
    TableIterator::new(results.into_iter().map(|(table, result)| (table.into(), result.into())))
}

/// `dbm.audit_triggers()`: what is watched, how, and what is wrong with it.
#[pg_extern(stable, parallel_unsafe)]
fn audit_triggers() -> TableIterator<
    'static,
    (
        name!(table_name, Text),
        name!(mode, Text),
        name!(level, Text),
        name!(store, Text),
        name!(columns, Option<Vec<Option<Text>>>),
        name!(excluded, Vec<Option<Text>>),
        name!(redacted, Vec<Option<Text>>),
        name!(keeps_query, bool),
        name!(since, Option<TimestampWithTimeZone>),
        name!(problem, Option<Text>),
    ),
> {
    TableIterator::new(with_pinned_search_path(list::listed).into_iter().map(|row| {
        (
            row.table.into(),
            row.mode.into(),
            row.level.into(),
            row.store.into(),
            row.columns.map(array),
            array(row.excluded),
            array(row.redacted),
            row.keeps_query,
            row.since,
            row.problem.map(Text::from),
        )
    }))
}

/// `dbm.set_context()`: says something of who acts, for the rest of the transaction; null takes it back.
#[pg_extern(volatile, parallel_unsafe)]
fn set_context(key: Option<Text>, value: Option<Text>) {
    let key = given(key, "key");
    trail::set_context(key.as_str(), value.as_ref().map(Text::as_str));
}

/// `dbm.context()`: what was said of who acts in this transaction.
#[pg_extern(stable, parallel_restricted)]
fn context() -> Document {
    trail::context().into()
}
