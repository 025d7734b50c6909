//! The door of tenancy.

use pgrx::AnyElement;
use pgrx::prelude::*;

use super::leak;
use super::plan;
use crate::catalog::Oid;
use crate::pg::argument::{elements, given, identifier};
use crate::pg::tenancy::{self, FunctionCallInfo};
use crate::pg::value::{JsonText, RegClass, Text};

/// `dbm.set_tenant()`: whose rows this transaction may see from now on.
#[pg_extern(volatile, parallel_unsafe)]
fn set_tenant(tenant: Option<Text>, is_local: default!(Option<bool>, "true")) {
    let tenant = tenant.map(Text::into_string).unwrap_or_default();
    tenancy::set(&tenant, is_local.unwrap_or(true));
}

/// `dbm.current_tenant()`: whose rows this transaction may see; NULL for nobody's.
#[pg_extern(stable, parallel_safe)]
fn current_tenant() -> Option<Text> {
    tenancy::current().map(Text::from)
}

/// `dbm.current_tenant(NULL::type)`: the same as a value of that type. What policies ask for each row of a scan: it is made a
/// value once.
#[pg_extern(name = "current_tenant", stable, parallel_safe)]
fn current_tenant_typed(of_type: Option<AnyElement>, fcinfo: FunctionCallInfo) -> Option<AnyElement> {
    let _ = of_type;
    tenancy::current_typed(fcinfo)
}

fn tables(targets: Vec<Option<RegClass>>) -> Vec<Oid> {
    elements(targets, "targets").iter().map(|target| target.oid().to_u32()).collect()
}

fn texts(array: Vec<Option<Text>>, name: &str) -> Vec<String> {
    elements(array, name).into_iter().map(Text::into_string).collect()
}

/// `dbm.tenancy_plan()`: how tables in use become those of many tenants, as a plan that `dbm.apply()` runs; returns its
/// number.
#[pg_extern(volatile, parallel_unsafe)]
fn tenancy_plan(
    targets: Option<Vec<Option<RegClass>>>,
    tenant_column: default!(Option<Text>, "'tenant_id'"),
    tenant_type: default!(Option<Text>, "NULL"),
    source: default!(Option<JsonText>, "NULL"),
    tenants: default!(Option<RegClass>, "NULL"),
    accept: default!(Option<Vec<Option<Text>>>, "'{}'"),
) -> i64 {
    plan::live::tenancy(&plan::live::Request {
        targets: tables(given(targets, "targets")),
        column: identifier(tenant_column, "tenant_column"),
        type_name: tenant_type.map(Text::into_string),
        source: source.map(|source| source.value()),
        tenants: tenants.map(|tenants| tenants.oid().to_u32()),
        accept: texts(given(accept, "accept"), "accept"),
    })
}

/// `dbm.tenant_leak_test()`: whether a tenant can see, touch or guess what belongs to another. Nothing of it stays.
#[pg_extern(volatile, parallel_unsafe)]
fn tenant_leak_test(
    targets: default!(Option<Vec<Option<RegClass>>>, "NULL"),
    tenant_column: default!(Option<Text>, "'tenant_id'"),
    roles: default!(Option<Vec<Option<Text>>>, "NULL"),
) -> TableIterator<
    'static,
    (name!(target, Text), name!(check_name, Text), name!(status, Text), name!(detail, Text)),
> {
    let targets = targets.map(tables);
    let roles = roles.map(|roles| texts(roles, "roles"));
    let tenant_column = given(tenant_column, "tenant_column").into_string();
    let lines = leak::live::test(targets.as_deref(), &tenant_column, roles.as_deref());
    TableIterator::new(lines.into_iter().map(|(target, line)| {
        (target.into(), line.check.into(), line.status.name().into(), line.detail.into())
    }))
}
