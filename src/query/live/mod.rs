//! The what-if planner at work: nothing is run, and nothing is left behind.

pub mod advise;
mod engine;
pub mod index_type;
mod prepare;
pub mod rewrite;
pub mod slow;
mod why_no_index;
pub mod workload;

use pgrx::PgSqlErrorCode;

use crate::pg::error::raise;
use crate::pg::planner::{self, Analysis, Configuration, Format, IndexFamily};
use crate::pg::scan::in_scratch_memory;
use crate::pg::value::RegClass;
use crate::query::whatif::size;
pub use why_no_index::why_no_index;

/// One index thought there or thought away.
pub struct Outcome {
    /// Its definition as it was given, or its name.
    pub index: String,
    /// Whether the plan scans it: the plan with all that were given, or the plan before any were dropped.
    pub used: bool,
    /// Bytes that it would take, or frees.
    pub bytes: u64,
    /// The planner's cost with the indexes that there are.
    pub cost_before: f64,
    /// The planner's cost with the change.
    pub cost_after: f64,
}

/// Runs `work` so that locks, memory and settings are as they were when it ends.
fn without_trace<T>(work: impl FnOnce() -> T) -> T {
    planner::rolled_back(|| in_scratch_memory(work))
}

/// Plans the query as things are and with all these indexes.
pub fn what_if(query: &str, definitions: Vec<String>) -> Vec<Outcome> {
    without_trace(|| {
        let query = Analysis::of(query);
        let before = planner::plan(&query, &Configuration::default());
        let configuration = Configuration::with_indexes(&definitions, size::size);
        let after = planner::plan(&query, &configuration);
        definitions
            .into_iter()
            .enumerate()
            .map(|(position, index)| Outcome {
                index,
                used: configuration.scans(&after, position),
                bytes: configuration.bytes(position),
                cost_before: before.cost,
                cost_after: after.cost,
            })
            .collect()
    })
}

/// The plan with all these indexes, as EXPLAIN prints it.
pub fn what_if_explain(query: &str, definitions: &[String], format: &str) -> String {
    let Some(format) = Format::from_name(format) else {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            &format!("there is no format \"{format}\""),
            "",
            "The formats are text, json, yaml and xml.",
        );
    };
    without_trace(|| {
        let query = Analysis::of(query);
        let configuration = Configuration::with_indexes(definitions, size::size);
        planner::explain(&query, &configuration, format)
    })
}

/// Plans the query as things are and without any of these indexes.
pub fn what_if_drop(query: &str, indexes: Vec<RegClass>) -> Vec<Outcome> {
    without_trace(|| {
        let query = Analysis::of(query);
        let before = planner::plan(&query, &Configuration::default());
        let families: Vec<IndexFamily> =
            indexes.into_iter().map(|index| IndexFamily::of(index.oid())).collect();
        let after = planner::plan(&query, &Configuration::without_indexes(&families));
        families
            .into_iter()
            .map(|family| Outcome {
                used: family.is_scanned(&before),
                bytes: family.bytes,
                index: family.name,
                cost_before: before.cost,
                cost_after: after.cost,
            })
            .collect()
    })
}
