//! Planning, as often as wanted.

use pgrx::pg_sys;

use super::analysis::Analysis;
use super::{Configuration, hook, list, permission};

/// The plan of every statement that the query is rewritten to.
///
/// Asks the server's own planner, without the planners that other extensions put before it: a made-up index must not
/// get into their hands.
pub fn plan(query: &Analysis, configuration: &Configuration) -> Vec<*mut pg_sys::PlannedStmt> {
    query
        .queries
        .iter()
        .map(|&query_tree| {
            // SAFETY: the planner scribbles on its query, so it gets a copy; no parameter has a value, so it plans
            // for any. A function's SQL gets the snapshot of this one.
            let statement = unsafe {
                let parameters = pg_sys::makeParamList(0);
                hook::with_configuration(configuration, parameters, || {
                    pg_sys::standard_planner(
                        list::copy(query_tree),
                        query.text.as_ptr(),
                        pg_sys::CURSOR_OPT_PARALLEL_OK as i32,
                        parameters,
                    )
                })
            };
            permission::check_statement(statement);
            statement
        })
        .collect()
}
