//! Row versions planned on the running server.

use pgrx::PgSqlErrorCode;

use super::{Wish, plan, refusal};
use crate::catalog::Oid;
use crate::pg::error::raise;
use crate::pg::surroundings::surroundings;
use crate::pg::{roles, run};
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
    let written =
        |column: &Option<String>| column.as_deref().map_or_else(|| "NULL".to_owned(), quote_literal);
    let wish = Wish {
        asked: format!(
            "dbm.row_versioning_plan({}, {}, {})",
            quote_literal(&table.qualified()),
            written(&version),
            written(&time)
        ),
        version,
        time,
    };
    if let Some((message, hint)) = refusal(&table, &wish) {
        raise(PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED, &message, "", &hint);
    }
    let mut makers = vec![roles::current()];
    if table.kind == 'p' {
        // Whoever makes a partition makes its trigger.
        makers.push(table.owner_oid.into());
    }
    run::refuse_without("function", "row_version", &makers);
    run::store(&plan(&table, &wish))
}
