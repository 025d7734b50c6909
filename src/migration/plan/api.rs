//! The door of plans: from a change to a plan that is kept, and from there to a migration file.

use pgrx::prelude::*;

use super::{file, plan};
use crate::pg::ddl;
use crate::pg::error::raise;
use crate::pg::facts::stop_if_cancelled;
use crate::pg::run;
use crate::pg::value::Text;

/// `dbm.migration_plan()`: the safe way of a change as a plan, which `dbm.apply()` runs; returns its number.
#[pg_extern(volatile, parallel_unsafe)]
fn migration_plan(change: Text) -> i64 {
    let statement = ddl::only_statement(change.as_str());
    let around = ddl::shape::around(&statement, &ddl::session());
    match plan(&statement, &around, &stop_if_cancelled) {
        Ok(plan) => run::store(&plan),
        Err(none) => {
            raise(PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED, &none.reason, "", &none.instead);
        }
    }
}

/// `dbm.migration_file()`: a plan as a migration file that psql runs, with UP, DOWN and VERIFY.
#[pg_extern(stable, parallel_unsafe)]
fn migration_file(plan: i64) -> Text {
    file(&run::seen(plan).into_plan()).into()
}
