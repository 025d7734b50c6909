//! The door of row versions.

use pgrx::prelude::*;

use super::live;
use crate::pg::value::{RegClass, Text};

/// `dbm.row_versioning_plan()`: columns and a trigger by which lost updates are noticed, as a plan; returns its number.
#[pg_extern(volatile, parallel_unsafe)]
fn row_versioning_plan(
    target: RegClass,
    version_column: default!(Option<Text>, "'row_version'"),
    updated_at_column: default!(Option<Text>, "'updated_at'"),
) -> i64 {
    live::row_versioning(
        target.oid().to_u32(),
        version_column.map(Text::into_string),
        updated_at_column.map(Text::into_string),
    )
}
