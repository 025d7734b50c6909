//! Tables that nobody but their owner may touch. ALTER DEFAULT PRIVILEGES opens a table as it is made: one that is to hold
//! rows of another would show them to whoever may not read that, past its privileges and policies.

use super::query;
use super::value::Text;

/// The statements that close tables, those under them included.
const QUERY: &str = "
SELECT pg_catalog.format('REVOKE ALL ON TABLE %I.%I FROM %s CASCADE', n.nspname, c.relname,
        pg_catalog.string_agg(DISTINCT CASE WHEN e.grantee OPERATOR(pg_catalog.=) 0 THEN 'PUBLIC'
            ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(e.grantee)::pg_catalog.text) END, ', '))
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) e
-- As an array, by which the server looks them up: of a join it would think that it reads all tables.
WHERE c.oid OPERATOR(pg_catalog.=) ANY (ARRAY(
        SELECT pg_catalog.to_regclass(t.name)::pg_catalog.oid
        FROM pg_catalog.jsonb_array_elements_text($1::pg_catalog.text::pg_catalog.jsonb) AS t (name)
        UNION
        SELECT p.relid::pg_catalog.oid
        FROM pg_catalog.jsonb_array_elements_text($1::pg_catalog.text::pg_catalog.jsonb) AS t (name)
        CROSS JOIN LATERAL pg_catalog.pg_partition_tree(pg_catalog.to_regclass(t.name)) p))
    AND e.grantee OPERATOR(pg_catalog.<>) c.relowner
GROUP BY n.nspname, c.relname";

/// Takes from everybody but the owner what he may do with these tables, qualified and quoted, and with their partitions; what
/// is not there is passed by. With the rights of the owner, in the transaction that made them.
pub fn close(tables: &[String]) {
    if tables.is_empty() {
        return;
    }
    // Where nobody made default privileges, which is nearly everywhere, nothing is open, and the query below is spared.
    if query::rows_mutable(
        "SELECT 1 FROM pg_catalog.pg_default_acl WHERE defaclobjtype OPERATOR(pg_catalog.=) 'r' LIMIT 1",
        &[],
        |_| Ok(()),
    )
    .is_empty()
    {
        return;
    }
    let names = serde_json::Value::from(tables.to_vec()).to_string();
    let statements = query::rows_mutable(QUERY, &[Text::from(names).into()], |row| row.get::<Text>(1));
    for statement in statements.into_iter().flatten() {
        query::write(statement.as_str(), &[]);
    }
}
