//! What a plan calls of ours has to be granted before it is begun, and not be found out when it is half done.

use pgrx::{PgSqlErrorCode, pg_sys};

use crate::pg::error::raise;
use crate::pg::local_settings::with_pinned_search_path;
use crate::pg::query::rows;
use crate::pg::roles;
use crate::pg::value::Text;
use crate::text::quote_identifier;

/// Refuses where one of these roles may not call this routine of ours. `kind`: function or procedure.
pub fn refuse_without(kind: &str, name: &str, roles: &[pg_sys::Oid]) {
    for &role in roles {
        refuse_role_without(kind, name, role);
    }
}

fn refuse_role_without(kind: &str, name: &str, role: pg_sys::Oid) {
    let may = with_pinned_search_path(|| {
        rows(
            "SELECT pg_catalog.has_function_privilege($2, p.oid, 'EXECUTE') FROM pg_catalog.pg_proc p
              WHERE p.pronamespace = pg_catalog.to_regnamespace('dbm')::pg_catalog.oid AND p.proname = $1",
            &[Text::from(name).into(), role.into()],
            |row| row.get::<bool>(1),
        )
    });
    if may.into_iter().all(|may| may == Some(true)) {
        return;
    }
    let whom = roles::name(role).unwrap_or_default();
    raise(
        PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
        &format!("permission denied for {kind} dbm.{name}"),
        &format!("What the plan does needs it to be granted to role \"{whom}\"."),
        &format!("GRANT EXECUTE ON {} dbm.{name} TO {}.", kind.to_uppercase(), quote_identifier(&whom)),
    )
}
