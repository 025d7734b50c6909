//! The registry within a transaction that sees all the while what it saw first: what others wrote to it meanwhile is neither
//! seen nor undone by what follows, and would be answered with triggers and rows that contradict each other.

use pgrx::PgSqlErrorCode;

use crate::pg::error::raise;
use crate::pg::query;
use crate::pg::trail::home;
use crate::pg::upkeep::{keeps_snapshot, latest_rows};
use crate::pg::value::Text;
use crate::text::quote_literal;

/// Refuses to go on where somebody else has changed rows `r` of the registry that `condition` picks since this transaction
/// began to see. Whoever sees what is committed now, statement by statement, has nothing to be refused.
pub fn registry(condition: &str) {
    refuse_changed(&format!(
        "SELECT pg_catalog.format('%s %s', r.relation_id, r.xmin) FROM dbm_trail.relation r
         WHERE r.home = {} AND ({condition}) ORDER BY 1",
        quote_literal(home().as_str())
    ));
}

/// The same of the schemas of which new tables are watched.
pub fn schemas() {
    refuse_changed(
        "SELECT pg_catalog.format('%s %s', s.schema_name, s.xmin) FROM dbm.audit_schema s ORDER BY 1",
    );
}

fn refuse_changed(sql: &str) {
    if !keeps_snapshot() {
        return;
    }
    // What this transaction wrote itself is seen both ways.
    let seen = query::rows_mutable(sql, &[], |row| row.get::<Text>(1));
    let seen: Vec<Option<String>> = seen.into_iter().map(|row| row.map(Text::into_string)).collect();
    let now: Vec<Option<String>> = latest_rows(sql).into_iter().flatten().collect();
    if now != seen {
        raise(
            PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE,
            "what the audit trail watches was changed since this transaction began",
            "It sees what was committed before its first statement, and nothing that came after.",
            "Do it again in another transaction.",
        );
    }
}
