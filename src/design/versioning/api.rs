//! The door of row versions.

use pgrx::prelude::*;

use super::live;
use crate::pg::argument::{given, identifier};
use crate::pg::value::{RegClass, Text};

/// `dbm.row_versioning_plan()`: columns and a trigger by which lost updates are noticed, as a plan; returns its number.
#[pg_extern(volatile, parallel_unsafe)]
fn row_versioning_plan(
    target: Option<RegClass>,
    version_column: default!(Option<Text>, "'row_version'"),
    updated_at_column: default!(Option<Text>, "'updated_at'"),
) -> i64 {
    let wanted = |column: Option<Text>, name: &str| {
        column.filter(|column| !column.as_str().is_empty()).map(|column| identifier(Some(column), name))
    };
    live::row_versioning(
        given(target, "target").oid().to_u32(),
        wanted(version_column, "version_column"),
        wanted(updated_at_column, "updated_at_column"),
    )
}
