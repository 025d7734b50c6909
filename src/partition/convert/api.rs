//! The door of online conversion.

use pgrx::datum::Interval;
use pgrx::prelude::*;

use super::live::{Request, convert};
use crate::pg::value::{RegClass, Text};

/// `dbm.partition_convert_plan()`: how a table in use becomes partitioned, as a plan that `dbm.apply()` runs; returns its
/// number.
#[pg_extern(volatile, parallel_unsafe)]
#[allow(clippy::too_many_arguments, reason = "the arguments of the SQL function")]
fn partition_convert_plan(
    target: RegClass,
    key: Text,
    every: Text,
    method: default!(Text, "'auto'"),
    premake: default!(i32, "4"),
    retention: default!(Option<Interval>, "NULL"),
    time_zone: default!(Option<Text>, "NULL"),
    accept: default!(Vec<Option<Text>>, "'{}'"),
) -> i64 {
    convert(&Request {
        target: target.oid().to_u32(),
        key: key.into_string(),
        every: every.into_string(),
        method: method.into_string(),
        premake,
        retention,
        time_zone: time_zone.map(Text::into_string),
        accept: accept.into_iter().flatten().map(Text::into_string).collect(),
    })
}
