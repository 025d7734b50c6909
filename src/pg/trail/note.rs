//! Events: what the log is told beside changes.

use super::log::is_there;
use super::registry::home;
use crate::pg::query;
use crate::pg::value::Text;

/// Rows came with a partition.
pub const ATTACHED: &str = "attached";
/// Rows went with a partition, which is none of the table any more.
pub const DETACHED: &str = "detached";

const THIS_TRANSACTION: &str = "pg_catalog.pg_current_xact_id()::pg_catalog.text::pg_catalog.int8";

/// Writes down what happened to a watched table. With the rights of the extension's owner.
pub fn note(relation: i32, kind: &str, detail: &str) {
    query::write(
        &format!(
            "INSERT INTO dbm_trail.event (event_id, happened_at, transaction_id, session_user_name, relation_id, kind, detail) \
         SELECT pg_catalog.nextval('dbm_trail.event_id'), pg_catalog.clock_timestamp(), \
             {THIS_TRANSACTION}, session_user, $1, $2, $3"
        ),
        &[relation.into(), Text::from(kind).into(), Text::from(detail).into()],
    );
}

/// Writes down what happened to a part of a table, of which no trigger sees a row, wherever the table above it is watched.
/// Whoever is not watched is passed by. With the rights of the extension's owner.
pub fn note_of_part(part: u32, kind: &str, detail: &str) {
    if !is_there() {
        return;
    }
    let watched = query::rows_mutable(
        &format!(
            "SELECT r.relation_id FROM dbm_trail.relation r
             WHERE r.home = $1 AND r.removed_at IS NULL
               -- The event trigger may have seen it.
               AND NOT EXISTS (SELECT FROM dbm_trail.event e WHERE e.relation_id = r.relation_id AND e.kind = $2
                   AND e.detail = $3 AND e.transaction_id = {THIS_TRANSACTION})
               AND r.relid IN (SELECT {part}::pg_catalog.oid UNION SELECT p.relid::pg_catalog.oid FROM pg_catalog.pg_partition_ancestors({part}) p)"
        ),
        &[Text::from(home()).into(), Text::from(kind).into(), Text::from(detail).into()],
        |row| row.get::<i32>(1),
    );
    for relation in watched.into_iter().flatten() {
        note(relation, kind, detail);
    }
}
