//! What is watched, and schemas that are watched as a whole.

use pgrx::PgSqlErrorCode;
use pgrx::datum::TimestampWithTimeZone;

use super::facts;
use super::install::{install, is_of_server_or_ours, run};
use crate::pg::error::raise;
use crate::pg::local_settings::with_bounded_waits;
use crate::pg::partition::copy::session::as_extension;
use crate::pg::trail::{home, is_there};
use crate::pg::value::Text;
use crate::pg::{query, roles};
use crate::text::{quote_identifier, quote_literal, quote_qualified};
use crate::trail::survey::is_of;
use crate::trail::watch::Asked;

/// A row of `dbm.audit_triggers()`.
pub struct Listed {
    /// The table, quoted.
    pub table: String,
    /// What was asked for.
    pub mode: String,
    /// What its triggers are.
    pub level: String,
    /// What is kept of an update.
    pub store: String,
    /// The columns that alone are logged.
    pub columns: Option<Vec<String>>,
    /// Those that are not.
    pub excluded: Vec<String>,
    /// Those of which a hash is.
    pub redacted: Vec<String>,
    /// Whether the text of queries is kept.
    pub keeps_query: bool,
    /// Since when.
    pub since: Option<TimestampWithTimeZone>,
    /// What is wrong.
    pub problem: Option<String>,
}

impl Listed {
    /// A table that is not watched, and should be.
    fn missed(schema: &str, table: &str) -> Self {
        let table = quote_qualified(schema, table);
        Self {
            mode: "auto".to_owned(),
            level: "none".to_owned(),
            store: "diff".to_owned(),
            columns: None,
            excluded: Vec::new(),
            redacted: Vec::new(),
            keeps_query: false,
            since: None,
            problem: Some(format!(
                "not watched, as its schema is: SELECT dbm.install_audit_trigger({})",
                quote_literal(&table)
            )),
            table,
        }
    }
}

/// What is watched, by name, and what of a schema that is watched as a whole is not.
pub fn listed() -> Vec<Listed> {
    if !is_there() {
        return Vec::new();
    }
    let (found, missed) = as_extension(|| {
        // One that was taken out before a restore is known by its name.
        let not_taken_out =
            "NOT EXISTS (SELECT FROM dbm_trail.relation o WHERE o.home <> $1 AND o.removed_at IS NOT NULL
            AND o.schema_name = n.nspname AND o.table_name = c.relname)";
        let missed = query::rows(&left_out(not_taken_out), &[Text::from(home()).into()], |row| {
            Ok((row.get::<Text>(2)?, row.get::<Text>(3)?))
        });
        (facts::survey("true"), missed)
    });
    let unseen = blind();
    let missed = missed
        .into_iter()
        .filter_map(|(schema, table)| Some(Listed::missed(schema?.as_str(), table?.as_str())));
    found
        .into_iter()
        .map(|(watched, stored)| Listed {
            table: quote_qualified(&watched.name.0, &watched.name.1),
            columns: stored.names("only"),
            excluded: stored.names("exclude").unwrap_or_default(),
            redacted: stored.names("redact").unwrap_or_default(),
            keeps_query: stored.keeps_query(),
            since: stored.installed_at,
            problem: joined(watched.problem(), unseen.as_deref()),
            mode: watched.mode,
            level: watched.level,
            store: stored.store,
        })
        .chain(missed)
        .collect()
}

/// What is wrong with the event triggers, by which the log learns what becomes of the tables themselves.
fn blind() -> Option<String> {
    let found = query::rows(
        "SELECT CASE WHEN t.oid IS NULL THEN 'there is no event trigger for ' || n.event
                     ELSE pg_catalog.format('ALTER EVENT TRIGGER %I ENABLE ALWAYS', t.evtname) END
         FROM pg_catalog.unnest(ARRAY['ddl_command_start', 'ddl_command_end', 'sql_drop']) n (event)
         LEFT JOIN pg_catalog.pg_event_trigger t
             ON t.evtevent = n.event AND t.evtfoid = 'dbm.on_audit_trail_ddl()'::pg_catalog.regprocedure
         WHERE t.oid IS NULL OR t.evtenabled <> 'A'
         ORDER BY 1",
        &[],
        |row| row.get::<Text>(1),
    );
    let mends: Vec<String> = found.into_iter().flatten().map(Text::into_string).collect();
    (!mends.is_empty()).then(|| format!("changes of the schema are not seen: {}", mends.join("; ")))
}

fn joined(problem: Option<String>, other: Option<&str>) -> Option<String> {
    match (problem, other) {
        (Some(problem), Some(other)) => Some(format!("{problem}; {other}")),
        (problem, other) => problem.or_else(|| other.map(str::to_owned)),
    }
}

/// The tables of schemas that are not watched, nor part of one that is; none of an extension's.
pub fn unwatched(condition: &str) -> String {
    format!(
        "SELECT c.oid, n.nspname::pg_catalog.text, c.relname::pg_catalog.text, c.relowner FROM pg_catalog.pg_class c
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND NOT c.relispartition
           AND n.nspname NOT IN ('dbm', 'dbm_trail', 'pg_catalog', 'information_schema')
           AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
               AND d.objid = c.oid AND d.deptype = 'e')
           AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid
               AND t.tgfoid = 'dbm.write_audit_trail()'::pg_catalog.regprocedure)
           AND ({condition}) ORDER BY 2, 3"
    )
}

/// The tables of schemas that are watched as a whole which are not watched, though nobody took them out. `$1`: the database.
pub fn left_out(condition: &str) -> String {
    unwatched(&format!(
        "({condition}) AND n.nspname IN (SELECT s.schema_name FROM dbm.audit_schema s)
         AND NOT EXISTS (SELECT FROM dbm_trail.relation r WHERE r.removed_at IS NULL AND {is_its}
             -- OFFSET: asked table by table, by the indexes.
             OFFSET 0)
         AND NOT EXISTS (SELECT FROM dbm_trail.relation r WHERE r.home = $1 AND r.relid = c.oid
             AND (SELECT e.kind FROM dbm_trail.event e WHERE e.relation_id = r.relation_id
                      AND e.kind IN ('installed', 'removed') ORDER BY e.event_id DESC LIMIT 1) = 'removed')",
        is_its = is_of("c.oid", "n.nspname", "c.relname")
    ))
}

/// `dbm.install_audit_triggers()`: what became of each table.
pub fn install_all(schemas: &[String], include_new: bool) -> Vec<(String, String)> {
    with_bounded_waits(|| install_in(schemas, include_new))
}

fn install_in(schemas: &[String], include_new: bool) -> Vec<(String, String)> {
    for schema in schemas {
        if is_of_server_or_ours(schema) {
            raise(
                PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
                &format!("tables of schema {} cannot have an audit trail", quote_identifier(schema)),
                "It belongs to the server or to the trail itself.",
                "",
            );
        }
        let found = query::rows(
            "SELECT n.nspowner FROM pg_catalog.pg_namespace n WHERE n.nspname = $1",
            &[Text::from(schema.as_str()).into()],
            |row| row.get::<crate::pg::value::RegClass>(1),
        );
        let Some(owner) = found.into_iter().flatten().next() else {
            raise(
                PgSqlErrorCode::ERRCODE_INVALID_SCHEMA_NAME,
                &format!("schema \"{schema}\" does not exist"),
                "",
                "Names are taken as they are: no quotes, and capitals count.",
            )
        };
        if !roles::is_member(owner.oid()) {
            raise(
                PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
                &format!("must be owner of schema {schema}"),
                "",
                "Tables are put under the audit trail one by one by their owners: dbm.install_audit_trigger().",
            );
        }
        let schema = Text::from(schema.as_str());
        as_extension(|| {
            run("LOCK TABLE dbm.audit_schema IN SHARE ROW EXCLUSIVE MODE");
            let sql = if include_new {
                "INSERT INTO dbm.audit_schema (schema_name) VALUES ($1) ON CONFLICT DO NOTHING"
            } else {
                "DELETE FROM dbm.audit_schema WHERE schema_name OPERATOR(pg_catalog.=) $1"
            };
            query::write(sql, &[schema.into()]);
        });
    }
    let asked = Asked::as_before();
    let mut results = Vec::new();
    for schema in schemas {
        let tables =
            query::rows(&unwatched("n.nspname = $1"), &[Text::from(schema.as_str()).into()], |row| {
                let number = |place| row.get::<crate::pg::value::RegClass>(place);
                let name = |place| {
                    row.get::<Text>(place).map(|name| name.map_or_else(String::new, Text::into_string))
                };
                Ok((number(1)?, quote_qualified(&name(2)?, &name(3)?), number(4)?))
            });
        for (relid, name, owner) in tables {
            let (Some(relid), Some(owner)) = (relid, owner) else { continue };
            let result = if roles::is_member(owner.oid()) {
                install(relid.oid().to_u32(), &asked)
            } else {
                "left out: it belongs to somebody else".to_owned()
            };
            results.push((name, result));
        }
    }
    results
}
