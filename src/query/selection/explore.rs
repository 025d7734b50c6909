//! The first look: what each query costs, what it could cost at best, and which of its candidates have a part in that.
//!
//! A query is planned with all of its candidates at once; those that the plan scans are set aside, and it is planned
//! with the rest, until nothing more is gained. So a few calls tell for each of many candidates whether it is of use,
//! and how much it can save at most.

use super::candidate::Candidate;
use super::candidates::candidates;
use super::pool::CandidateId;
use super::search::{Search, Standing};

/// How often a query is planned to find its useful candidates.
const LAYERS: usize = 10;
/// Candidates that a query is planned with at once: the planner weighs combinations of indexes, so that its time grows
/// with the square of their number.
const MOST_AT_ONCE: usize = 24;
/// A layer that saves a smaller share of what can be saved is the last.
const LAST_LAYER_SHARE: f64 = 0.02;
/// The queries that could save least are not looked at closer, as long as they stand for no more than this share.
const PASSIVE_SHARE: f64 = 0.01;

/// What one call with all candidates of a query said.
#[derive(Clone, Debug, Default)]
pub struct FirstLook {
    /// For each query, what its plan scans, and how much is saved by that.
    pub used: Vec<(Vec<CandidateId>, f64)>,
}

impl FirstLook {
    /// What each candidate is credited with: of what is saved by each plan that scans it, an equal part.
    pub fn credit(&self, search: &Search<'_>) -> Vec<f64> {
        let mut credit = vec![0.0; search.pool.len()];
        for (query, (used, gain)) in self.used.iter().enumerate() {
            for &id in used {
                credit[id] += search.weight(query) * gain / used.len() as f64;
            }
        }
        credit
    }
}

/// Prices the queries as they are, thinks of candidates and finds out which are of use.
pub fn explore(search: &mut Search<'_>) -> FirstLook {
    let count = search.queries.len();
    for query in 0..count {
        search.ledger.report("planning queries", query, count);
        // Interrupts are looked at here; the base is needed even if the time is over.
        search.ledger.is_over();
        let cost = search.ledger.ask(&search.pool, query, &[], &[]).cost;
        (search.base[query], search.floor[query]) = (cost, cost);
    }
    let mut own = take_in(search);
    search.tried.clone_from(&own);
    let mut look = FirstLook { used: vec![(Vec::new(), 0.0); count] };
    // What costs most first, in case there is no time for all.
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|&a, &b| {
        let cost = |query: usize| search.weight(query) * search.base[query];
        cost(b).total_cmp(&cost(a)).then(a.cmp(&b))
    });
    for (done, &query) in order.iter().enumerate() {
        search.ledger.report("trying all candidates", done, count);
        let has_some = look.used.iter().any(|(used, _)| !used.is_empty());
        if search.weight(query) == 0.0 || own[query].is_empty() || (search.ledger.is_over() && has_some) {
            continue;
        }
        look.used[query] = layer(search, query, &mut own[query]);
    }
    let active = active(search);
    for (done, &query) in order.iter().filter(|query| active[**query]).enumerate() {
        search.ledger.report("trying candidates", done, count);
        peel(search, query, &mut own[query]);
    }
    for id in 0..search.pool.len() {
        search.offer(id);
    }
    look
}

/// Thinks of candidates; returns those of each query.
fn take_in(search: &mut Search<'_>) -> Vec<Vec<CandidateId>> {
    let shapes: Vec<Vec<Candidate>> = search
        .queries
        .iter()
        .map(|query| candidates(&query.accesses, &search.workload.existing, search.options))
        .collect();
    let mut all: Vec<&Candidate> = shapes.iter().flatten().collect();
    all.sort();
    all.dedup();
    let total = all.len();
    for (done, shape) in all.into_iter().enumerate() {
        if done % 100 == 0 {
            search.ledger.report("sizing candidates", done, total);
            search.ledger.is_over();
        }
        search.take_in(shape.clone());
    }
    shapes
        .into_iter()
        .map(|shapes| {
            let mut ids: Vec<CandidateId> =
                shapes.into_iter().filter_map(|shape| search.take_in(shape)).collect();
            // What can never be afforded would only hide what can.
            ids.retain(|&id| search.options.affords(search.pool.item(id).bytes));
            ids.sort_unstable();
            ids
        })
        .collect()
}

/// Plans a query with all that is left, a group at a time, notes what is used and takes it away. Returns what the best
/// group's plan scans, and what it saves.
fn layer(search: &mut Search<'_>, query: usize, left: &mut Vec<CandidateId>) -> (Vec<CandidateId>, f64) {
    let mut best: (Vec<CandidateId>, f64) = (Vec::new(), 0.0);
    let mut all_used: Vec<CandidateId> = Vec::new();
    for group in left.chunks(MOST_AT_ONCE) {
        let answer = search.ledger.ask(&search.pool, query, group, &[]);
        let (used, cost) = (answer.used.clone(), answer.cost);
        let gain = (search.base[query] - cost).max(0.0);
        search.floor[query] = search.floor[query].min(cost);
        if gain > 0.0 {
            for &id in &used {
                search.note_gain(query, id, gain);
            }
        }
        all_used.extend(&used);
        if best.0.is_empty() || gain > best.1 {
            best = (used, gain);
        }
    }
    left.retain(|id| !all_used.contains(id));
    best
}

fn peel(search: &mut Search<'_>, query: usize, left: &mut Vec<CandidateId>) {
    for _ in 1..LAYERS {
        if left.is_empty() || search.ledger.is_over() {
            return;
        }
        let (used, gain) = layer(search, query, left);
        if used.is_empty() || gain < LAST_LAYER_SHARE * (search.base[query] - search.floor[query]) {
            return;
        }
    }
}

/// The queries that are worth a closer look.
fn active(search: &Search<'_>) -> Vec<bool> {
    let mut order: Vec<usize> = (0..search.queries.len()).collect();
    order.sort_by(|&a, &b| search.potential(a).total_cmp(&search.potential(b)).then(a.cmp(&b)));
    let mut left = PASSIVE_SHARE * order.iter().map(|&query| search.potential(query)).sum::<f64>();
    let mut active = vec![true; order.len()];
    for query in order {
        left -= search.potential(query);
        if left < 0.0 {
            break;
        }
        active[query] = false;
    }
    active
}

/// A set from the first look alone: each index is credited with what the plans that scan it save, and those that
/// save most for their size are taken until the budget is used up.
pub fn instant(search: &mut Search<'_>, look: &FirstLook) -> Standing {
    let credit = look.credit(search);
    let rate = |id: CandidateId| credit[id] / super::extend::size(search.pool.item(id).bytes as f64);
    let mut order: Vec<CandidateId> = (0..credit.len()).filter(|&id| credit[id] > 0.0).collect();
    order.sort_by(|&a, &b| rate(b).total_cmp(&rate(a)).then(a.cmp(&b)));
    let mut chosen: Vec<CandidateId> = Vec::new();
    for id in order {
        let is_served = chosen.iter().any(|&other| search.pool.serves(other, id));
        let mut next: Vec<CandidateId> =
            chosen.iter().copied().filter(|&other| !search.pool.serves(id, other)).collect();
        next.push(id);
        if !is_served && search.options.affords(search.pool.bytes(&next)) && search.options.allows(next.len())
        {
            chosen = next;
        }
    }
    chosen.sort_unstable();
    // Without a price it could not be compared with anything.
    search.ledger.ignore_time(true);
    let standing = search.stand(&chosen, &[]);
    search.ledger.ignore_time(false);
    standing
}
