//! What the partitions of a set have that they do not inherit, read from a template or from the newest of them.

use serde_json::Value;

use crate::catalog::{Oid, ReplicaIdentity};
use crate::partition::ddl::{Pattern, Source};
use crate::partition::set::{Partition, Policy, Set};
use crate::pg::query::{self, Kept};
use crate::pg::value::Text;

thread_local! {
    static KEPT: Kept = const { Kept::new() };
}

/// Reads it at once.
const QUERY: &str = "
SELECT pg_catalog.jsonb_build_object(
    'tablespace', (SELECT t.spcname FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_tablespace t ON t.oid OPERATOR(pg_catalog.=) c.reltablespace
        WHERE c.oid OPERATOR(pg_catalog.=) m.place),
    'method', a.amname,
    'unlogged', c.relpersistence OPERATOR(pg_catalog.=) 'u',
    'identity', c.relreplident,
    'options', pg_catalog.to_jsonb(c.reloptions),
    'toast', pg_catalog.to_jsonb(t.reloptions),
    'comment', CASE WHEN m.is_template THEN pg_catalog.obj_description(c.oid, 'pg_class') END,
    'indexes', (SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(
            CASE WHEN i.indisunique THEN 'UNIQUE INDEX' ELSE 'INDEX' END,
            pg_catalog.substr(pg_catalog.pg_get_indexdef(i.indexrelid), pg_catalog.length(pg_catalog.format(
                'CREATE %sINDEX %I ON %I.%I ', CASE WHEN i.indisunique THEN 'UNIQUE ' END, x.relname, n.nspname, c.relname))
                OPERATOR(pg_catalog.+) 1)) ORDER BY x.relname)
        FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid OPERATOR(pg_catalog.=) i.indexrelid
        WHERE i.indrelid OPERATOR(pg_catalog.=) c.oid AND i.indisvalid AND NOT x.relispartition
          AND c.relkind OPERATOR(pg_catalog.=) 'r'
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid OPERATOR(pg_catalog.=) c.oid
              AND k.conindid OPERATOR(pg_catalog.=) i.indexrelid
              AND k.contype OPERATOR(pg_catalog.=) ANY ('{p,u,x}'::\"char\"[]))),
    'constraints', (SELECT pg_catalog.jsonb_agg(CASE WHEN m.is_template
                THEN pg_catalog.format('CONSTRAINT %I ', k.conname) ELSE '' END
            OPERATOR(pg_catalog.||) pg_catalog.pg_get_constraintdef(k.oid) ORDER BY k.conname)
        FROM pg_catalog.pg_constraint k
        WHERE k.conrelid OPERATOR(pg_catalog.=) c.oid AND k.conparentid OPERATOR(pg_catalog.=) 0
          AND k.coninhcount OPERATOR(pg_catalog.=) 0 AND c.relkind OPERATOR(pg_catalog.=) 'r'
          AND (k.contype OPERATOR(pg_catalog.=) ANY ('{p,u,x}'::\"char\"[])
               OR m.is_template AND k.contype OPERATOR(pg_catalog.=) ANY ('{c,f}'::\"char\"[]))
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k2 WHERE k2.conrelid OPERATOR(pg_catalog.=) m.parent
              AND k2.contype OPERATOR(pg_catalog.=) k.contype AND k2.conname OPERATOR(pg_catalog.=) k.conname)),
    'columns', (SELECT pg_catalog.jsonb_agg(pg_catalog.format('ALTER COLUMN %I SET STATISTICS %s', b.attname, b.attstattarget)
            ORDER BY b.attnum)
        FROM pg_catalog.pg_attribute b
        WHERE b.attrelid OPERATOR(pg_catalog.=) m.parent AND b.attnum OPERATOR(pg_catalog.>) 0 AND NOT b.attisdropped
          AND b.attstattarget OPERATOR(pg_catalog.>=) 0),
    'publications', (SELECT pg_catalog.jsonb_agg(p.pubname ORDER BY p.pubname)
        FROM pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_publication p ON p.oid OPERATOR(pg_catalog.=) r.prpubid
        WHERE r.prrelid OPERATOR(pg_catalog.=) c.oid AND NOT m.is_template
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_publication_rel r2 WHERE r2.prpubid OPERATOR(pg_catalog.=) r.prpubid
              AND r2.prrelid OPERATOR(pg_catalog.=) m.parent)),
    'grants', (SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(g.what,
            CASE WHEN g.grantee OPERATOR(pg_catalog.=) 0 THEN 'PUBLIC'
                 ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(g.grantee)::pg_catalog.text) END
            OPERATOR(pg_catalog.||) CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
            ORDER BY g.what, g.grantee)
        FROM (SELECT e.grantee, e.is_grantable, e.privilege_type
              FROM pg_catalog.aclexplode(s.relacl) e
              UNION ALL
              SELECT e.grantee, e.is_grantable, pg_catalog.format('%s (%I)', e.privilege_type, b.attname)
              FROM pg_catalog.pg_attribute b, pg_catalog.aclexplode(b.attacl) e
              WHERE b.attrelid OPERATOR(pg_catalog.=) s.oid AND b.attacl IS NOT NULL AND NOT b.attisdropped)
             AS g (grantee, is_grantable, what)
        WHERE g.grantee OPERATOR(pg_catalog.<>) s.relowner
          AND (g.grantee OPERATOR(pg_catalog.=) 0 OR EXISTS
               (SELECT FROM pg_catalog.pg_roles u WHERE u.oid OPERATOR(pg_catalog.=) g.grantee))),
    'row_security', s.relrowsecurity,
    'forces_row_security', s.relforcerowsecurity,
    'policies', (SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(pg_catalog.quote_ident(p.polname::pg_catalog.text),
            pg_catalog.concat_ws(' ', CASE WHEN p.polpermissive THEN 'AS PERMISSIVE' ELSE 'AS RESTRICTIVE' END,
            'FOR', CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE'
                ELSE 'ALL' END,
            'TO', (SELECT pg_catalog.string_agg(CASE WHEN o.role OPERATOR(pg_catalog.=) 0 THEN 'PUBLIC'
                    ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(o.role)::pg_catalog.text) END, ', ')
                FROM pg_catalog.unnest(p.polroles) AS o (role)),
            'USING (' OPERATOR(pg_catalog.||) pg_catalog.pg_get_expr(p.polqual, p.polrelid) OPERATOR(pg_catalog.||) ')',
            'WITH CHECK (' OPERATOR(pg_catalog.||) pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) OPERATOR(pg_catalog.||) ')'))
            ORDER BY p.polname)
        FROM pg_catalog.pg_policy p WHERE p.polrelid OPERATOR(pg_catalog.=) s.oid))::pg_catalog.text
FROM (SELECT $1::pg_catalog.int8::pg_catalog.oid AS parent, $2::pg_catalog.int8::pg_catalog.oid AS model,
             $3::pg_catalog.int8::pg_catalog.oid AS place, $4::pg_catalog.int8::pg_catalog.oid AS source,
             $5::pg_catalog.bool AS is_template) AS m
     JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) m.model
     JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
     JOIN pg_catalog.pg_class s ON s.oid OPERATOR(pg_catalog.=) m.source
     LEFT JOIN pg_catalog.pg_class t ON t.oid OPERATOR(pg_catalog.=) c.reltoastrelid
     LEFT JOIN pg_catalog.pg_am a ON a.oid OPERATOR(pg_catalog.=) c.relam AND c.relkind OPERATOR(pg_catalog.=) 'r'";

/// What the next partition of a set is made like.
struct Model<'a> {
    /// The table.
    relation: Oid,
    /// Whether it is the template of the policy; one that is gone is none.
    is_template: bool,
    /// The newest partition that new ones can be made like.
    newest: Option<&'a Partition>,
}

fn model<'a>(set: &'a Set, policy: &Policy) -> Model<'a> {
    let newest = set.ranges().rfind(|(partition, _)| !partition.is_foreign).map(|(newest, _)| newest);
    let template = policy.template.filter(|&template| crate::pg::upkeep::name_of(template).is_some());
    let relation = template.or(newest.map(|newest| newest.relation)).unwrap_or(set.parent);
    Model { relation, is_template: template.is_some(), newest }
}

/// What the next partition of a set takes over, and the name of the partition whose shape it has.
pub fn read(set: &Set, policy: &Policy) -> (Pattern, String) {
    let Model { relation: model, is_template, newest } = model(set, policy);
    let place = if is_template { model } else { set.parent };
    let source = if policy.copy_privileges { set.parent } else { model };
    // The first partition of all has nobody's privileges.
    let has_source = policy.copy_privileges || model != set.parent;
    let number = |oid: Oid| i64::from(oid).into();
    let found = query::rows_of_kept(
        &KEPT,
        QUERY,
        &[number(set.parent), number(model), number(place), number(source), is_template.into()],
        |row| row.get::<Text>(1),
    );
    let found = found.into_iter().flatten().next().map(Text::into_string).unwrap_or_default();
    let found: Value = serde_json::from_str(&found).unwrap_or_default();
    let text = |key: &str| found[key].as_str().map(str::to_owned);
    let list = |key: &str| -> Vec<String> {
        found[key]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|item| Some(item.as_str()?.to_owned()))
            .collect()
    };
    let pairs = |key: &str| -> Vec<(String, String)> {
        let pair = |item: &Value| Some((item[0].as_str()?.to_owned(), item[1].as_str()?.to_owned()));
        found[key].as_array().into_iter().flatten().filter_map(pair).collect()
    };
    let is = |key: &str| found[key].as_bool() == Some(true);
    let is_partitioned = model == set.parent || newest.is_some_and(|newest| newest.is_partitioned);
    let mut options = list("options");
    options.extend(list("toast").into_iter().map(|option| format!("toast.{option}")));
    let source = Source {
        grants: pairs("grants"),
        policies: pairs("policies"),
        has_row_security: is("row_security"),
        forces_row_security: is("forces_row_security"),
    };
    let shape = newest.filter(|newest| newest.is_partitioned && !is_template).and_then(|newest| {
        crate::pg::partition::set::shape(newest.relation, set.key_columns.first()?.as_deref())
    });
    let pattern = Pattern {
        tablespace: text("tablespace"),
        access_method: text("method"),
        is_unlogged: is("unlogged") && model != set.parent,
        options: if is_partitioned && !is_template { Vec::new() } else { options },
        replica_identity: match found["identity"].as_str() {
            Some("n") => ReplicaIdentity::Nothing,
            Some("f") => ReplicaIdentity::Full,
            Some("i") => ReplicaIdentity::Index,
            _ => ReplicaIdentity::Default,
        },
        comment: text("comment"),
        indexes: pairs("indexes"),
        constraints: list("constraints"),
        columns: list("columns"),
        publications: list("publications"),
        source: if has_source { source } else { Source::default() },
        shape,
    };
    (pattern, newest.map(|newest| newest.name.clone()).unwrap_or_default())
}

/// The statement that gives a partition, which is attached, the index by which the model's old rows are marked.
pub fn replica_identity(set: &Set, policy: &Policy, table: &str) -> Option<String> {
    let model = model(set, policy).relation;
    query::rows(
        "SELECT pg_catalog.format('ALTER TABLE %s REPLICA IDENTITY USING INDEX %I', $2, x.relname)
         FROM pg_catalog.pg_index i
              LEFT JOIN pg_catalog.pg_inherits h ON h.inhrelid OPERATOR(pg_catalog.=) i.indexrelid
              JOIN pg_catalog.pg_index o ON o.indrelid OPERATOR(pg_catalog.=) $2::pg_catalog.regclass
              JOIN pg_catalog.pg_class x ON x.oid OPERATOR(pg_catalog.=) o.indexrelid
              LEFT JOIN pg_catalog.pg_inherits h2 ON h2.inhrelid OPERATOR(pg_catalog.=) o.indexrelid
         WHERE i.indrelid OPERATOR(pg_catalog.=) $1::pg_catalog.int8::pg_catalog.oid AND i.indisreplident
           AND o.indisunique
           AND (h2.inhparent OPERATOR(pg_catalog.=) h.inhparent
                OR h.inhparent IS NULL AND h2.inhparent IS NULL AND o.indkey OPERATOR(pg_catalog.=) i.indkey)
         LIMIT 1",
        &[i64::from(model).into(), Text::from(table).into()],
        |row| row.get::<Text>(1),
    )
    .into_iter()
    .flatten()
    .next()
    .map(Text::into_string)
}
