//! The door of taking back.

use pgrx::prelude::*;

use crate::pg::moment::from_timestamp;
use crate::pg::value::{JsonText, RegClass};
use crate::trail::live::{range, reverting};

/// `dbm.revert_plan()`: a plan that takes back what a transaction changed in watched tables; returns its number.
#[pg_extern(volatile, parallel_unsafe)]
fn revert_plan(transaction_id: i64) -> i64 {
    reverting::of_transaction(transaction_id)
}

/// `dbm.revert_plan()`: a plan that makes one row what it was at a moment; returns its number.
#[pg_extern(volatile, parallel_unsafe, name = "revert_plan")]
fn revert_row_plan(target: RegClass, key: JsonText, at: TimestampWithTimeZone) -> i64 {
    reverting::of_row(target.oid().to_u32(), &key.into_string(), from_timestamp(at.into()))
}

/// `dbm.revert_plan()`: a plan that makes all rows with keys from one to another what they were at a moment; returns its
/// number.
#[pg_extern(volatile, parallel_unsafe, name = "revert_plan")]
fn revert_range_plan(
    target: RegClass,
    from_key: JsonText,
    to_key: JsonText,
    at: TimestampWithTimeZone,
) -> i64 {
    let (from, to) = (from_key.into_string(), to_key.into_string());
    range::of_range(target.oid().to_u32(), &from, &to, from_timestamp(at.into()))
}
