//! What watched tables look like, as soon as they do: otherwise the first change would tell it, and what they were before it
//! would be lost where nothing had changed yet.

use crate::pg::query;
use crate::pg::trail::{home, note_shape};
use crate::pg::value::{RegClass, Text};

/// Has the log know what those of these tables that are watched look like, and those that inherit from them. All of them are
/// locked by the statement that altered them: partitions, which have no row of the registry, are not asked for.
pub fn tell(tables: &[u32]) {
    if tables.is_empty() {
        return;
    }
    let tables: Vec<String> = tables.iter().map(u32::to_string).collect();
    let sql = format!(
        "WITH RECURSIVE altered (oid) AS (
             SELECT pg_catalog.unnest('{{{}}}'::pg_catalog.oid[])
             UNION SELECT i.inhrelid FROM altered a JOIN pg_catalog.pg_inherits i ON i.inhparent = a.oid)
         SELECT c.oid FROM altered a JOIN dbm_trail.relation r ON r.relid = a.oid
         JOIN pg_catalog.pg_class c ON c.oid = r.relid
         WHERE r.home = $1 AND r.removed_at IS NULL ORDER BY 1",
        tables.join(", ")
    );
    let watched = query::rows(&sql, &[Text::from(home()).into()], |row| row.get::<RegClass>(1));
    for relation in watched.into_iter().flatten() {
        note_shape(relation.oid().to_u32());
    }
}
