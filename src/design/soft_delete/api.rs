//! The door of soft delete.

use pgrx::prelude::*;

use super::live;
use crate::pg::argument::{elements, given, identifier};
use crate::pg::value::{RegClass, Text};

/// `dbm.soft_delete_plan()`: deleted rows stay and say since when, a view shows the others, and keys ignore them; as a
/// plan, whose number it returns.
#[pg_extern(volatile, parallel_unsafe)]
fn soft_delete_plan(
    target: Option<RegClass>,
    deleted_at_column: default!(Option<Text>, "'deleted_at'"),
    view_name: default!(Option<Text>, "NULL"),
    accept: default!(Option<Vec<Option<Text>>>, "'{}'"),
) -> i64 {
    let accept: Vec<String> =
        elements(given(accept, "accept"), "accept").into_iter().map(Text::into_string).collect();
    let view = view_name.map(|name| identifier(Some(name), "view_name"));
    live::soft_delete(
        given(target, "target").oid().to_u32(),
        identifier(deleted_at_column, "deleted_at_column"),
        view.as_deref(),
        &accept,
    )
}
