//! The unique key by which the rows of a table are told apart.

use serde_json::Value;

/// A column of the key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyColumn {
    /// Its bare name.
    pub name: String,
    /// Its type, qualified and quoted, without a length.
    pub sql_type: String,
    /// The collation of the index where it is not the column's: qualified and quoted.
    pub collation: Option<String>,
    /// The schema of the operators that order it.
    pub operator_schema: String,
}

/// The unique key along which batches are cut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Key {
    /// In the index's order.
    pub columns: Vec<KeyColumn>,
}

/// A value of the key: as the types of its columns write them.
pub type Place = Vec<String>;

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
