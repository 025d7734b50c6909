//! Why a query uses no index, asked of the planner.

use super::without_trace;
use crate::pg::isolation::isolated;
use crate::pg::local_settings::with_settings;
use crate::pg::planner::{self, Analysis, Configuration};
use crate::query::no_index::{self, Explanation, Outcome, Switches, WhatIf};
use crate::query::whatif::size;

/// What the planners of 15 to 17 add to a cost for what a setting forbids.
const PENALTY: f64 = 1.0e10;

/// The server's planner for one query.
struct Planner<'a> {
    query: &'a Analysis,
}

impl WhatIf for Planner<'_> {
    fn plan(&mut self, indexes: &[String], switches: Switches) -> Option<Outcome> {
        let settings: &[(&std::ffi::CStr, &std::ffi::CStr)] = match switches {
            Switches::AsTheyAre => &[],
            Switches::NoSequentialScan => &[(c"enable_seqscan", c"off")],
            Switches::IndexScansAllowed => &[
                (c"enable_indexscan", c"on"),
                (c"enable_indexonlyscan", c"on"),
                (c"enable_bitmapscan", c"on"),
            ],
        };
        let mut found = None;
        let outcome = isolated(&mut || {
            let configuration = Configuration::with_indexes(indexes, size::size);
            let planned = with_settings(settings, || planner::plan(self.query, &configuration));
            found = Some(Outcome {
                cost: planned.cost % PENALTY,
                uses_new: (0..indexes.len()).any(|position| configuration.scans(&planned, position)),
                bytes: (0..indexes.len()).map(|position| configuration.bytes(position)).sum(),
                existing: planned.existing(&configuration),
            });
        });
        outcome.ok().and(found)
    }
}

/// Each scan of the query that uses no index, or finds too much by one, with the reason.
pub fn why_no_index(query: &str) -> Vec<Explanation> {
    without_trace(|| {
        let query = Analysis::of_normalised(query);
        let plans = planner::plan_tree(&query, &Configuration::default());
        let mut planner = Planner { query: &query };
        plans.iter().flat_map(|plan| no_index::explain(plan, &mut planner)).collect()
    })
}
