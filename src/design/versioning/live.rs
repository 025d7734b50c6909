//! Row versions planned on the running server.

use pgrx::PgSqlErrorCode;

use super::{Wish, plan, refusal};
use crate::catalog::Oid;
use crate::pg::error::raise;
use crate::pg::run;
use crate::pg::surroundings::surroundings;
use crate::text::quote_literal;

/// Plans it and returns the number of the plan.
pub fn row_versioning(target: Oid, version: Option<String>, time: Option<String>) -> i64 {
    let table = surroundings(target, "");
    if !table.is_own {
        raise(
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            &format!("must be owner of table {}", table.qualified()),
            "",
            "",
        );
    }
    let named = |column: Option<String>| column.filter(|column| !column.is_empty());
    let wish = Wish {
        version: named(version),
        time: named(time),
        asked: format!("dbm.row_versioning_plan({})", quote_literal(&table.qualified())),
    };
    if let Some((message, hint)) = refusal(&table, &wish) {
        raise(PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED, &message, "", &hint);
    }
    run::store(&plan(&table, &wish))
}
