//! Which tables a statement is about, as conditions on the rows `r` of the registry and queries for OIDs.

use crate::text::quote_literal;

/// A list of numbers for `IN (…)`.
pub fn listed(numbers: &[u32]) -> String {
    if numbers.is_empty() {
        return "0".to_owned();
    }
    numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}

/// The query for what may watch the tables of that list: their own rows, those of what inherits from them or they from, and of the
/// partitioned tables far above. Asked from below: who looks down from each of those locks all their partitions.
pub fn watching(list: &str) -> String {
    let listed = format!("'{{{list}}}'::pg_catalog.oid[]");
    format!(
        "SELECT pg_catalog.unnest({listed})
         UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i WHERE i.inhparent = ANY ({listed})
         UNION SELECT i.inhparent FROM pg_catalog.pg_inherits i WHERE i.inhrelid = ANY ({listed})
         UNION SELECT a.relid::pg_catalog.oid FROM pg_catalog.unnest({listed}) AS t (oid)
         CROSS JOIN LATERAL pg_catalog.pg_partition_ancestors(t.oid) a"
    )
}

/// What is equal to one of the tables that queries return: which they are is asked once, and rows are found by the index.
pub fn any_of(tables: &[String]) -> String {
    format!("ANY (ARRAY(({})))", tables.join(") UNION ("))
}

/// Whether the row `r` of the registry is of one of the tables that queries return.
pub fn among(tables: &[String]) -> String {
    format!("r.relid = {}", any_of(tables))
}

/// The queries for tables, all that inherits from them, and what may watch them.
pub fn around(tables: &[u32]) -> [String; 2] {
    [inheriting(tables), watching(&listed(tables))]
}

/// The query for a table and what is below it.
pub fn tree(relid: u32) -> String {
    format!(
        "SELECT {relid}::pg_catalog.oid
         UNION SELECT p.relid::pg_catalog.oid FROM pg_catalog.pg_partition_tree({relid}) p"
    )
}

/// The query for tables and all that inherit from them, or are partitions of them.
pub fn inheriting(tables: &[u32]) -> String {
    format!(
        "WITH RECURSIVE below (oid) AS (
             SELECT pg_catalog.unnest('{{{}}}'::pg_catalog.oid[])
             UNION SELECT i.inhrelid FROM below b JOIN pg_catalog.pg_inherits i ON i.inhparent = b.oid)
         SELECT b.oid FROM below b",
        listed(tables)
    )
}

/// The query for the tables of a schema.
pub fn in_schema(name: &str) -> String {
    format!(
        "SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = {} AND c.relkind IN ('r', 'p')",
        quote_literal(name)
    )
}
