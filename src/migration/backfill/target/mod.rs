//! What is known of the table before a row is changed: what it is, which parts hold its rows, and by which key each is
//! cut into batches. The statements that ask; `live.rs` asks.

#[cfg(feature = "postgres")]
pub mod live;

pub use crate::change::batch::key::{key, keys};

/// What the target is: kind, persistence, schema, name, whether the system's, whether row-level security holds for the
/// caller, whether an UPDATE is rewritten by a rule.
pub fn target(oid: u32) -> String {
    format!(
        "SELECT c.relkind, c.relpersistence, n.nspname, c.relname, c.oid < 16384,
                pg_catalog.row_security_active(c.oid),
                EXISTS (SELECT FROM pg_catalog.pg_rewrite w WHERE w.ev_class = c.oid AND w.ev_type = '2')
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE c.oid = {oid}"
    )
}

/// The tables that hold the target's rows, by their numbers: oid, schema, name, kind, an estimate of their rows.
pub fn leaves(oid: u32) -> String {
    format!(
        "WITH RECURSIVE tree (oid) AS (
             SELECT {oid}::pg_catalog.oid
             UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN tree t ON i.inhparent = t.oid)
         SELECT c.oid, n.nspname, c.relname, c.relkind,
                CASE WHEN c.reltuples > 0 THEN c.reltuples::pg_catalog.int8
                     WHEN c.relkind = 'r' THEN pg_catalog.pg_relation_size(c.oid) / 100 ELSE 0 END
         FROM tree t JOIN pg_catalog.pg_class c ON c.oid = t.oid
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind <> 'p' ORDER BY c.oid"
    )
}

/// The columns that decide which partition a row belongs to.
pub fn partition_columns(oid: u32) -> String {
    format!(
        "WITH RECURSIVE tree (oid) AS (
             SELECT {oid}::pg_catalog.oid
             UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN tree t ON i.inhparent = t.oid)
         SELECT DISTINCT a.attname FROM tree t JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = t.oid
         JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum = ANY (p.partattrs)"
    )
}

/// What a relation is called that holds no rows of its own to change.
pub fn other_kind(kind: &str) -> &'static str {
    match kind {
        "v" => "a view",
        "m" => "a materialized view",
        "f" => "a foreign table",
        "S" => "a sequence",
        "i" | "I" => "an index",
        "c" => "a composite type",
        "t" => "a TOAST table",
        _ => "no table",
    }
}
