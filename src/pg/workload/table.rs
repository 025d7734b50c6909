//! Queries that somebody wrote into `dbm.workload`.

use pgrx::{PgSqlErrorCode, pg_sys};

use crate::catalog::workload::{MissingSource, Source, WorkloadQuery};
use crate::pg::planner::role_by_name;
use crate::pg::query;
use crate::pg::value::Text;

/// The rows of the table. A role that is gone is 0, which no query can be planned as.
pub fn queries() -> Result<Vec<WorkloadQuery>, MissingSource> {
    let queries = query::rows(
        "SELECT w.query, w.calls::pg_catalog.float8, w.mean_time_ms, w.added_by, w.search_path
         FROM dbm.workload w ORDER BY w.id",
        &[],
        |row| {
            let text = |place: usize| row.get::<Text>(place).map(|value| value.map(Text::into_string));
            let calls = row.get::<f64>(2)?.unwrap_or(1.0);
            let added_by = text(4)?.unwrap_or_default();
            Ok(WorkloadQuery {
                text: text(1)?.unwrap_or_default(),
                calls,
                total_time_ms: row.get::<f64>(3)?.map(|mean| mean * calls),
                role: role_by_name(&added_by).map_or(0, pg_sys::Oid::to_u32),
                search_path: text(5)?,
                parameter_types: Vec::new(),
                source: Source::Table,
            })
        },
    );
    if queries.is_empty() {
        return Err(MissingSource {
            message: "table dbm.workload is empty".to_owned(),
            hint: "INSERT INTO dbm.workload (query, calls) what runs here.".to_owned(),
        });
    }
    Ok(queries)
}

/// The name under which a row of `dbm.workload` is kept: that of its writer, whatever he says. Only a superuser, who
/// could become anybody, may write in somebody else's name, as a restore does.
pub fn writer(given: Option<Text>) -> Text {
    // SAFETY: the role whose rights are in force, and its name.
    let (is_superuser, name) = unsafe {
        let role = pg_sys::GetUserId();
        let name = pg_sys::GetUserNameFromId(role, false);
        (pg_sys::superuser(), crate::pg::scan::text_of_c_string(name))
    };
    match given {
        Some(given) if is_superuser => given,
        _ => match name {
            Some(name) => Text::from(&*name),
            None => crate::pg::error::raise(
                PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
                "the role that writes has no name",
                "",
                "",
            ),
        },
    }
}
