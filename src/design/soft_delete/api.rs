//! The door of soft delete.

use pgrx::prelude::*;

use super::live;
use crate::pg::value::{RegClass, Text};

/// `dbm.soft_delete_plan()`: deleted rows stay and say since when, a view shows the others, and keys ignore them; as a
/// plan, whose number it returns.
#[pg_extern(volatile, parallel_unsafe)]
fn soft_delete_plan(
    target: RegClass,
    deleted_at_column: default!(Text, "'deleted_at'"),
    view_name: default!(Option<Text>, "NULL"),
    accept: default!(Vec<Option<Text>>, "'{}'"),
) -> i64 {
    let accept: Vec<String> = accept.into_iter().flatten().map(Text::into_string).collect();
    live::soft_delete(
        target.oid().to_u32(),
        deleted_at_column.into_string(),
        view_name.map(Text::into_string),
        &accept,
    )
}
