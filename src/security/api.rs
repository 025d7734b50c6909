//! The door of this room: what a role may do, who may do something, and roles with the least privileges.

use pgrx::prelude::*;

use super::live::{self, Request};
use crate::pg::value::Text;

/// `dbm.access_review()`: everything that a role may do in this database, and how each right came.
#[pg_extern(stable, parallel_restricted)]
fn access_review(
    role: Text,
) -> TableIterator<
    'static,
    (
        name!(object_kind, &'static str),
        name!(object, Text),
        name!(privilege, &'static str),
        name!(is_grantable, bool),
        name!(needs_set_role, bool),
        name!(path, Text),
    ),
> {
    TableIterator::new(live::review(role.as_str()).into_iter().map(|row| {
        (row.kind, row.object.into(), row.privilege, row.is_grantable, row.needs_set_role, row.path.into())
    }))
}

/// `dbm.who_can()`: every role that may do something with an object, and how each right came.
#[pg_extern(stable, parallel_restricted)]
fn who_can(
    target: Option<Text>,
    privilege: default!(Option<Text>, "NULL"),
) -> TableIterator<
    'static,
    (
        name!(role, Text),
        name!(logs_in, bool),
        name!(privilege, &'static str),
        name!(is_grantable, bool),
        name!(needs_set_role, bool),
        name!(path, Text),
    ),
> {
    let found = target.map(|target| live::holders(target.as_str(), privilege.as_ref().map(Text::as_str)));
    TableIterator::new(found.unwrap_or_default().into_iter().map(|row| {
        (row.role.into(), row.logs_in, row.privilege, row.is_grantable, row.needs_set_role, row.path.into())
    }))
}

/// `dbm.role_plan()`: a role with the least privileges for what it does, as a plan that `dbm.apply()` runs; returns its number.
#[pg_extern(volatile, parallel_unsafe)]
fn role_plan(
    kind: Text,
    role: Text,
    schemas: default!(Option<Vec<Option<Text>>>, "NULL"),
    logs_in: default!(bool, "true"),
    owner: default!(Option<Text>, "NULL"),
) -> i64 {
    live::role_plan(Request {
        kind: kind.into_string(),
        role: role.into_string(),
        schemas: schemas.map(|schemas| schemas.into_iter().flatten().map(Text::into_string).collect()),
        logs_in,
        owner: owner.map(Text::into_string),
    })
}
