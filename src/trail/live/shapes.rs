//! What watched tables look like, as soon as they do: otherwise the first change would tell it, and what they were before it
//! would be lost where nothing had changed yet.

use super::scope::{among, inheriting, listed};
use crate::pg::query;
use crate::pg::trail::{home, note_shape};
use crate::pg::value::{RegClass, Text};

/// Has the log know what those of these tables that are watched look like, and those that inherit from them. Partitions have no row of
/// the registry.
pub fn tell(tables: &[u32]) {
    if tables.is_empty() {
        return;
    }
    let sql = format!(
        "SELECT c.oid FROM dbm_trail.relation r JOIN pg_catalog.pg_class c ON c.oid = r.relid
         WHERE r.home = $1 AND r.removed_at IS NULL AND {} ORDER BY 1",
        among(&[inheriting(tables)])
    );
    let watched = query::rows(&sql, &[Text::from(home()).into()], |row| row.get::<RegClass>(1));
    for relation in watched.into_iter().flatten() {
        note_shape(relation.oid().to_u32());
    }
}

/// The tables that are of these types: their columns are its attributes.
pub fn of_types(types: &[u32]) -> Vec<u32> {
    let sql = format!(
        "SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_class t ON t.reltype = c.reloftype
         WHERE t.oid = ANY ('{{{}}}'::pg_catalog.oid[]) AND t.relkind = 'c' ORDER BY 1",
        listed(types)
    );
    let found = query::rows(&sql, &[], |row| row.get::<RegClass>(1));
    found.into_iter().flatten().map(|table| table.oid().to_u32()).collect()
}
