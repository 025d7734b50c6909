//! The door of this room: what a role may do, who may do something, and roles with the least privileges.

use pgrx::prelude::*;

use super::live;
use super::role_plan::live::{Request, role_plan as plan};
use crate::pg::argument::given_or;
use crate::pg::value::Text;

/// `dbm.access_review()`: everything that a role may do in this database, and how each right came.
#[pg_extern(stable, parallel_restricted)]
fn access_review(
    role: Option<Text>,
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
    let role = given_or(role, "role", "\\du shows the roles of the cluster.");
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
    let target = given_or(target, "target", "For example: SELECT * FROM dbm.who_can('shop.orders').");
    let found = live::holders(target.as_str(), privilege.as_ref().map(Text::as_str));
    TableIterator::new(found.into_iter().map(|row| {
        (row.role.into(), row.logs_in, row.privilege, row.is_grantable, row.needs_set_role, row.path.into())
    }))
}

/// `dbm.role_plan()`: a role with the least privileges for what it does, as a plan that `dbm.apply()` runs; returns its number.
#[pg_extern(volatile, parallel_unsafe)]
fn role_plan(
    kind: Option<Text>,
    role: Option<Text>,
    schemas: default!(Option<Vec<Option<Text>>>, "NULL"),
    logs_in: default!(Option<bool>, "true"),
    owner: default!(Option<Text>, "NULL"),
    later: default!(Option<bool>, "true"),
) -> i64 {
    let hint = "For example: SELECT dbm.role_plan('application', 'shop_app', '{shop}').";
    let schemas = schemas.map(|schemas| {
        let names = schemas.into_iter().map(|name| given_or(name, "a schema", hint).into_string());
        names.collect()
    });
    plan(Request {
        kind: given_or(kind, "kind", hint).into_string(),
        role: given_or(role, "role", hint).into_string(),
        schemas,
        logs_in: given_or(logs_in, "logs_in", hint),
        owner: owner.map(Text::into_string),
        later: given_or(later, "later", hint),
    })
}
