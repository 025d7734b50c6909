//! What `pg_stat_statements` counted, read from its view wherever it was installed and whatever its version calls its
//! columns.

use pgrx::pg_sys;

use crate::catalog::Moment;
use crate::catalog::workload::{MissingSource, Source, Statement, Statements, WorkloadQuery};
use crate::pg::planner::{kept, refusable};
use crate::pg::query;
use crate::pg::scan::{CatalogScan, text_of_c_string};
use crate::pg::value::Text;
use crate::syntax::normalised::{Subject, subject_of};
use crate::text::{quote_literal, quote_qualified};

const EXTENSION: &str = "pg_stat_statements";

/// What the view shows in the place of a text that the caller may not see.
const HIDDEN: &str = "<insufficient privilege>";

/// The view, and what it is called.
struct View {
    relation: pg_sys::Oid,
    name: String,
    schema: Box<str>,
}

/// The extension's view in this database.
fn view() -> Option<View> {
    let mut scan = CatalogScan::open(pg_sys::ExtensionRelationId.to_u32());
    let (name, schema) = (scan.attribute(c"extname"), scan.attribute(c"extnamespace"));
    let mut found = None;
    while let Some(row) = scan.next_row() {
        if &*row.name(name) == EXTENSION {
            found = Some(pg_sys::Oid::from(row.oid(schema)));
        }
    }
    drop(scan);
    let schema = found?;
    // SAFETY: look-ups by a name that is a C string; either may find nothing.
    let (relation, schema) = unsafe {
        (
            pg_sys::get_relname_relid(c"pg_stat_statements".as_ptr(), schema),
            text_of_c_string(pg_sys::get_namespace_name(schema))?,
        )
    };
    (relation != pg_sys::InvalidOid).then(|| View {
        relation,
        name: quote_qualified(&schema, EXTENSION),
        schema,
    })
}

impl View {
    /// The first of these columns that it has.
    fn column<'a>(&self, names: &[&'a std::ffi::CStr]) -> Option<&'a str> {
        // SAFETY: the relation exists as of this statement; the name is a C string.
        let has = |name: &std::ffi::CStr| unsafe { pg_sys::get_attnum(self.relation, name.as_ptr()) } > 0;
        names.iter().find(|name| has(name)).and_then(|name| name.to_str().ok())
    }

    /// The statements of this database, most time first.
    fn rows(&self) -> Vec<Statement> {
        // Before version 1.8 it counted execution and planning together.
        let time = self.column(&[c"total_exec_time", c"total_time"]).unwrap_or("total_exec_time");
        // SAFETY: the database that this session is in.
        let database = unsafe { pg_sys::MyDatabaseId }.to_u32();
        let sql = format!(
            "SELECT s.userid, s.queryid, s.query, s.calls::pg_catalog.float8, s.{time}::pg_catalog.float8,
                    s.rows::pg_catalog.float8, s.shared_blks_hit::pg_catalog.float8,
                    s.shared_blks_read::pg_catalog.float8, s.temp_blks_written::pg_catalog.float8
             FROM {view} s
             WHERE s.dbid OPERATOR(pg_catalog.=) {database}::pg_catalog.oid
               AND s.calls OPERATOR(pg_catalog.>) 0
             ORDER BY s.{time} DESC, s.queryid",
            view = self.name,
        );
        let mut statements = query::rows(&sql, &[], |row| {
            let text = row.get::<Text>(3)?.map(Text::into_string);
            let number = |place: usize| row.get::<f64>(place).map(Option::unwrap_or_default);
            Ok(Statement {
                role: row.get::<pg_sys::Oid>(1)?.map_or(0, pg_sys::Oid::to_u32),
                query_id: row.get::<i64>(2)?.unwrap_or(0),
                text: text.filter(|text| text != HIDDEN).map(Into::into),
                calls: number(4)?,
                total_ms: number(5)?,
                rows: number(6)?,
                blocks_hit: number(7)?,
                blocks_read: number(8)?,
                blocks_spilled: number(9)?,
            })
        });
        let is_about_data = |text: &str| subject_of(text) == Subject::Data;
        statements.retain(|statement| statement.text.as_deref().is_none_or(is_about_data));
        statements
    }

    /// Since when it counts.
    fn since(&self) -> Option<Moment> {
        // Version 1.9 brought it.
        let function = quote_qualified(&self.schema, "pg_stat_statements_info");
        let exists = query::rows(
            &format!(
                "SELECT pg_catalog.to_regprocedure({}) IS NOT NULL",
                quote_literal(&format!("{function}()"))
            ),
            &[],
            |row| row.get::<bool>(1),
        );
        if exists.first() != Some(&Some(true)) {
            return None;
        }
        let moments = query::rows(&format!("SELECT i.stats_reset FROM {function}() i"), &[], |row| {
            row.get::<pgrx::datum::TimestampWithTimeZone>(1)
        });
        moments.into_iter().flatten().next().map(|moment| crate::pg::moment::from_timestamp(moment.into()))
    }
}

/// The counted statements of this database, or why there are none.
pub fn counted() -> Statements {
    let Some(view) = view() else {
        return Statements::Missing(
            "the extension pg_stat_statements is not installed in this database".into(),
        );
    };
    // The view exists also where its library is not loaded, and then raises an ERROR.
    match refusable(|| kept(|| (view.rows(), view.since()))) {
        Ok((statements, _)) if statements.is_empty() => {
            Statements::Missing("pg_stat_statements has counted no query of this database yet".into())
        }
        Ok((statements, since)) => Statements::Counted { statements: statements.into(), since },
        Err(refusal) => {
            Statements::Missing(format!("pg_stat_statements cannot be read: {}", refusal.message).into())
        }
    }
}

/// The counted statements as a workload.
pub fn queries() -> Result<Vec<WorkloadQuery>, MissingSource> {
    match counted() {
        Statements::NotRead => Ok(Vec::new()),
        Statements::Missing(reason) => {
            let reason = reason.into_string();
            let hint = if reason.contains("not installed") {
                "Add pg_stat_statements to shared_preload_libraries, restart, and run CREATE EXTENSION \
                 pg_stat_statements."
            } else if reason.contains("shared_preload_libraries") {
                "Add pg_stat_statements to shared_preload_libraries and restart."
            } else {
                "Let the application run for a while, and call again."
            };
            Err(MissingSource { message: reason, hint: hint.to_owned() })
        }
        Statements::Counted { statements, .. } => {
            let count = statements.len();
            let queries: Vec<WorkloadQuery> =
                statements.into_vec().into_iter().filter_map(query_of).collect();
            if queries.is_empty() {
                return Err(MissingSource {
                    message: format!(
                        "you may not see the texts of the {count} queries that pg_stat_statements has"
                    ),
                    hint: "GRANT pg_read_all_stats to the role that asks.".to_owned(),
                });
            }
            Ok(queries)
        }
    }
}

fn query_of(statement: Statement) -> Option<WorkloadQuery> {
    Some(WorkloadQuery {
        text: statement.text?.into_string(),
        calls: statement.calls,
        total_time_ms: Some(statement.total_ms),
        role: statement.role,
        search_path: None,
        parameter_types: Vec::new(),
        source: Source::PgStatStatements,
    })
}
