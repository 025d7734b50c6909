//! What is known of the table before a row is changed: what it is, which parts hold its rows, and by which key each is
//! cut into batches. The statements that ask; `live.rs` asks.

#[cfg(feature = "postgres")]
pub mod live;

use serde_json::Value;

use super::range::{Key, KeyColumn};

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

/// The unique indexes by which a table can be cut, the best first: their names and columns.
///
/// A B-tree in the types' own order on columns that cannot be null, without expressions or predicate; columns that the
/// server computes may change with the assignment.
pub fn keys(oid: u32) -> String {
    format!(
        "SELECT ic.relname,
                pg_catalog.json_agg(pg_catalog.json_build_array(
                    a.attname,
                    pg_catalog.quote_ident(tn.nspname) || '.' || pg_catalog.quote_ident(t.typname),
                    CASE WHEN co.oid <> a.attcollation
                         THEN pg_catalog.quote_ident(cn.nspname) || '.' || pg_catalog.quote_ident(co.collname) END,
                    pn.nspname) ORDER BY k.n)
         FROM pg_catalog.pg_index i
         JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid
         JOIN pg_catalog.pg_am am ON am.oid = ic.relam AND am.amname = 'btree'
         CROSS JOIN LATERAL pg_catalog.generate_series(0, i.indnkeyatts - 1) AS k (n)
         LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k.n]
             AND a.attnotnull AND a.attgenerated = ''
             AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint nn WHERE nn.conrelid = i.indrelid
                             AND nn.contype = 'n' AND NOT nn.convalidated AND a.attnum = ANY (nn.conkey))
         LEFT JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
         LEFT JOIN pg_catalog.pg_namespace tn ON tn.oid = t.typnamespace
         LEFT JOIN pg_catalog.pg_collation co ON co.oid = i.indcollation[k.n]
         LEFT JOIN pg_catalog.pg_namespace cn ON cn.oid = co.collnamespace
         LEFT JOIN pg_catalog.pg_opclass c ON c.oid = i.indclass[k.n] AND c.opcdefault
         LEFT JOIN pg_catalog.pg_amop o ON o.amopfamily = c.opcfamily AND o.amoplefttype = c.opcintype
             AND o.amoprighttype = c.opcintype AND o.amopstrategy = 5
         LEFT JOIN pg_catalog.pg_operator p ON p.oid = o.amopopr AND p.oprname = '>'
         LEFT JOIN pg_catalog.pg_namespace pn ON pn.oid = p.oprnamespace
         WHERE i.indrelid = {oid} AND i.indisunique AND i.indisvalid AND i.indislive
           AND i.indpred IS NULL AND i.indexprs IS NULL
         GROUP BY i.indexrelid, ic.relname, i.indisprimary, i.indnkeyatts
         HAVING pg_catalog.bool_and(a.attnum IS NOT NULL AND p.oid IS NOT NULL
             AND (i.indoption[k.n] = 0 OR (i.indnkeyatts = 1 AND i.indoption[k.n] = 3)))
         ORDER BY NOT i.indisprimary, i.indnkeyatts, ic.relname"
    )
}

/// The columns of a key as [`keys`] writes them.
pub fn key(json: &str) -> Key {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let columns: Vec<Vec<Value>> = serde_json::from_str(json).unwrap_or_default();
    Key {
        columns: columns
            .iter()
            .map(|column| KeyColumn {
                name: text(column.first()),
                sql_type: text(column.get(1)),
                collation: column.get(2).and_then(Value::as_str).map(str::to_owned),
                operator_schema: text(column.get(3)),
            })
            .collect(),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_column_by_column() {
        let key = key(
            r#"[["id","pg_catalog.int8",null,"pg_catalog"],["a b","public.\"Odd\"","pg_catalog.\"C\"","public"]]"#,
        );
        assert_eq!(key.columns.len(), 2);
        assert_eq!(key.columns[0].collation, None);
        assert_eq!(key.columns[1].name, "a b");
        assert_eq!(key.columns[1].sql_type, "public.\"Odd\"");
        assert_eq!(key.columns[1].collation.as_deref(), Some("pg_catalog.\"C\""));
        assert_eq!(key.columns[1].operator_schema, "public");
    }
}
