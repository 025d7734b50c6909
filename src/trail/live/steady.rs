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

/// The same of schemas of which new tables are watched; `names`: the query for the names of those.
pub fn schemas(names: &str) {
    refuse_changed(&format!(
        "SELECT pg_catalog.format('%s %s', s.schema_name, s.xmin) FROM dbm.audit_schema s
         WHERE s.schema_name IN ({names}) ORDER BY 1"
    ));
}

/// The same of whether the log has changes of the tables of that list: partitions have no row of the registry.
pub fn shapes(list: &str) {
    refuse_changed(&format!(
        "SELECT s.shape_id::pg_catalog.text FROM dbm_trail.shape s WHERE s.relid IN ({list}) ORDER BY 1"
    ));
}

/// The same of the partitions of a table: those that came since are not seen, and would be left without triggers, or with them.
pub fn partitions(relid: u32) {
    if !keeps_snapshot() {
        return;
    }
    let sql = format!(
        "SELECT 1 FROM pg_catalog.pg_partition_tree({relid}) p
         WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = p.relid)"
    );
    if !query::rows(&sql, &[], |_| Ok(())).is_empty() {
        refuse();
    }
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
        refuse();
    }
}

fn refuse() -> ! {
    raise(
        PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE,
        "what the audit trail watches was changed since this transaction began",
        "It sees what was committed before its first statement, and nothing that came after.",
        "Do it again in another transaction.",
    )
}
