//! Which existing indexes are not needed beside the chosen ones: each is thought away, and no query may suffer.

use super::candidate::ExistingIndex;
use super::search::{Search, Standing};
use super::workload::Drops;

/// By which share a query's cost may rise without that being counted: plans are compared to a percent.
const UNFELT: f64 = 0.01;

/// Why an existing index may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// Another existing index, which stays, does the same.
    Duplicate(String),
    /// New indexes do the same: the positions of their actions.
    Replaced(Vec<usize>),
    /// Queries used it, and cost no more without it beside the new ones.
    TakenOver,
    /// No query of the workload used it.
    Unused,
}

/// Thinks away what is not needed; returns the indexes in the order in which they went.
///
/// Needs a search that is exact.
pub fn drops(search: &mut Search<'_>, start: &Standing) -> (Standing, Vec<(ExistingIndex, DropReason)>) {
    let mut standing = start.clone();
    let mut dropped = Vec::new();
    if search.options.drops == Drops::Never {
        return (standing, dropped);
    }
    let mut open: Vec<&ExistingIndex> = search
        .workload
        .existing
        .iter()
        .filter(|index| index.kept_by.is_none() && !index.is_unique)
        .filter(|index| (0..search.queries.len()).any(|query| search.reads(query, index.shape.relation)))
        .collect();
    let is_served = |search: &Search<'_>, standing: &Standing, index: &ExistingIndex| {
        standing.chosen.iter().any(|&id| search.pool.shape(id).serves(&index.shape))
    };
    // What is served for certain first, then the largest.
    open.sort_by_key(|index| (!is_served(search, start, index), std::cmp::Reverse(index.bytes), index.oid));
    let total = open.len();
    for (done, index) in open.into_iter().enumerate() {
        search.ledger.report("thinking indexes away", done, total);
        let Some(reason) = reason(search, &standing, index) else { continue };
        let next = search.hiding(&standing, index.oid, index.shape.relation);
        let suffers = |query: usize| {
            search.weight(query) > 0.0 && next.costs[query] > standing.costs[query] * (1.0 + UNFELT)
        };
        // Unpriced because the time is over, it costs infinitely much and stays.
        if next.total().is_finite() && !(0..search.queries.len()).any(suffers) {
            standing = next;
            dropped.push((index.clone(), reason));
        }
    }
    (standing, dropped)
}

fn reason(search: &mut Search<'_>, standing: &Standing, index: &ExistingIndex) -> Option<DropReason> {
    let replacing: Vec<usize> =
        standing.chosen.iter().copied().filter(|&id| search.pool.shape(id).serves(&index.shape)).collect();
    if !replacing.is_empty() {
        return Some(DropReason::Replaced(replacing));
    }
    let twin = search.workload.existing.iter().find(|other| {
        other.oid != index.oid && !standing.hidden.contains(&other.oid) && other.shape.serves(&index.shape)
    });
    if let Some(twin) = twin {
        return Some(DropReason::Duplicate(twin.name.clone()));
    }
    let was_used = (0..search.queries.len()).any(|query| {
        search.weight(query) > 0.0
            && search.ledger.ask(&search.pool, query, &[], &[]).used_existing.contains(&index.oid)
    });
    match (was_used, search.options.drops) {
        (true, _) => Some(DropReason::TakenOver),
        (false, Drops::Unneeded) => Some(DropReason::Unused),
        (false, _) => None,
    }
}
