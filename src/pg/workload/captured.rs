//! What our own capture kept of this database.

use pgrx::pg_sys;

use crate::catalog::workload::{MissingSource, Source, WorkloadQuery};
use crate::pg::{capture, roles};

/// The queries of this database that the caller may see. One whose text was cut is left out: what is left of it may
/// mean something else.
pub fn queries() -> Result<Vec<WorkloadQuery>, MissingSource> {
    let Some(captured) = capture::queries() else {
        return Err(MissingSource {
            message: "dbmastery captures queries only where it is in shared_preload_libraries".to_owned(),
            hint: "Add dbmastery to shared_preload_libraries and restart the server.".to_owned(),
        });
    };
    // SAFETY: the database that this session is in.
    let database = unsafe { pg_sys::MyDatabaseId }.to_u32();
    let is_ours = |role: u32| roles::may_see_statistics_of(pg_sys::Oid::from_u32(role));
    Ok(captured
        .into_iter()
        .filter(|query| query.database == database && !query.is_truncated && is_ours(query.role))
        .map(|query| WorkloadQuery {
            text: query.query,
            calls: query.calls as f64,
            total_time_ms: Some(query.total_milliseconds),
            role: query.role,
            search_path: Some(query.search_path).filter(|path| !path.is_empty()),
            parameter_types: query.parameter_types.into_iter().map(|of| of.oid).collect(),
            source: Source::Capture,
        })
        .collect())
}
