//! Soft delete planned on the running server.

use pgrx::PgSqlErrorCode;

use super::{Wish, plan, refusal};
use crate::catalog::Oid;
use crate::catalog::surroundings::Table;
use crate::pg::error::raise;
use crate::pg::surroundings::surroundings;
use crate::pg::{query, roles, run};
use crate::text::quote_literal;

/// Plans it and returns the number of the plan.
pub fn soft_delete(target: Oid, column: String, view: Option<&str>, accept: &[String]) -> i64 {
    let table = surroundings(target, "");
    let name = table.qualified();
    if !table.is_own {
        raise(
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            &format!("must be owner of table {name}"),
            "",
            "",
        );
    }
    if let Some(word) = accept.iter().find(|word| *word != "unique") {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            &format!("\"{word}\" is nothing that can be accepted"),
            "Valid: unique.",
            "",
        );
    }
    let accepts_unique = !accept.is_empty();
    let named = view.map_or_else(String::new, |view| format!(", {}", quote_literal(view)));
    let accepted = if accepts_unique { ", accept => ARRAY['unique']" } else { "" };
    let (caller, owner) = (roles::current(), table.owner_oid.into());
    let wish = Wish {
        view: view.map_or_else(
            || crate::text::identifier::unused_name(&["live", &table.name], |name| table.is_taken(name)),
            str::to_owned,
        ),
        asked: format!(
            "dbm.soft_delete_plan({}, {}{named}{accepted})",
            quote_literal(&name),
            quote_literal(&column)
        ),
        column,
        accepts_unique,
        is_of_another: caller != owner && roles::can_become(caller, owner) && may_own(target, &table),
    };
    if let Some(refused) = refusal(&table, &wish) {
        let code = if refused.is_to_be_accepted {
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE
        } else {
            PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED
        };
        raise(code, &refused.message, &refused.detail, &refused.hint);
    }
    run::store(&plan(&table, &wish))
}

/// Whether the table's owner may be given a view beside it: the server asks for CREATE on the schema, but not a superuser.
fn may_own(target: Oid, table: &Table) -> bool {
    if roles::is_superuser() {
        return true;
    }
    // The caller's search_path holds here, whose operators may be anybody's.
    let sql = format!(
        "SELECT pg_catalog.has_schema_privilege({}::pg_catalog.oid, c.relnamespace, 'CREATE')
         FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.=) {target}::pg_catalog.oid",
        table.owner_oid
    );
    let found = query::rows(&sql, &[], |row| row.get::<bool>(1));
    found.first().copied().flatten().unwrap_or(false)
}
