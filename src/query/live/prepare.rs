//! Queries made ready for planning them again and again, each with the rights of whoever wrote it.

use std::time::Duration;

use super::engine::{Prepared, Signature};
use crate::catalog::workload::WorkloadQuery;
use crate::pg::planner::{self, Analysis, Author, Modification, Refusal};
use crate::pg::scan::in_scratch_memory;

/// The caller's own query; what is wrong with it is an ERROR.
pub fn own(query: &str) -> Prepared {
    prepared(Analysis::of_normalised(query)).0
}

/// A query of a workload, and what it changes; or why it cannot be planned.
///
/// Keeps the query's tables locked until the (sub)transaction ends.
pub fn of_workload(
    query: &WorkloadQuery,
    lock_wait: Duration,
) -> Result<(Prepared, Vec<Modification>), Refusal> {
    let author = Author { lock_wait, ..Author::new(query.role, query.search_path.as_deref()) };
    // The caller's own query is first looked at as anybody's: he ran it once, which is not now. If all its code may run
    // with the rights of one who may do anything, it need not be restricted again and again.
    let is_free = author.is_caller() && author.is_powerful();
    planner::analysed_as(&author, || {
        let (mut prepared, modifications) = prepared(analysed(query));
        // As it was found, so that it need not be found again for every planning.
        let signature = Signature { role: query.role, search_path: planner::current_search_path() };
        prepared.author = (!is_free).then_some(signature);
        (prepared, modifications)
    })
}

fn analysed(query: &WorkloadQuery) -> Analysis {
    if query.parameter_types.iter().any(|&type_oid| type_oid != 0) {
        return Analysis::with_types(&query.text, &query.parameter_types);
    }
    Analysis::of_normalised(&query.text)
}

fn prepared(analysis: Analysis) -> (Prepared, Vec<Modification>) {
    let (planned, accesses, modifications) = in_scratch_memory(|| {
        let (planned, accesses) = planner::accesses(&analysis);
        (planned, accesses, planner::modifications(&analysis))
    });
    (Prepared { analysis, accesses, cost: planned.cost, author: None }, modifications)
}
