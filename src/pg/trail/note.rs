//! What the log is told of rows that come and go by whole partitions, of which no trigger sees one.

use super::log::is_there;
use super::registry::home;
use crate::pg::query;
use crate::pg::value::Text;

/// What it is called that rows are rows of the table no more, because the partition in which they were is none.
pub const LEFT: &str = "detached";

/// Notes something that happened to a part of a table, wherever the table above it is watched. Whoever is not watched is passed
/// by. With the rights of the extension's owner.
pub fn note_of_part(part: u32, kind: &str, detail: &str) {
    if !is_there() {
        return;
    }
    query::write(
        &format!(
            "INSERT INTO dbm_trail.event (event_id, happened_at, transaction_id, session_user_name, relation_id, kind, detail)
             SELECT pg_catalog.nextval('dbm_trail.event_id'), pg_catalog.clock_timestamp(),
                 pg_catalog.pg_current_xact_id(), session_user, r.relation_id, $2, $3
             FROM dbm_trail.relation r
             WHERE r.home = $1 AND r.removed_at IS NULL
               -- The event trigger may have seen it.
               AND NOT EXISTS (SELECT FROM dbm_trail.event e WHERE e.relation_id = r.relation_id AND e.kind = $2
                   AND e.detail = $3 AND e.transaction_id = pg_catalog.pg_current_xact_id())
               AND r.relid IN (SELECT {part}::pg_catalog.oid UNION SELECT p.relid::pg_catalog.oid FROM pg_catalog.pg_partition_ancestors({part}) p)"
        ),
        &[Text::from(home()).into(), Text::from(kind).into(), Text::from(detail).into()],
    );
}
