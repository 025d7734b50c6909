//! The answer: what to create and to drop, in an order of which every beginning is an answer too, with what each step
//! does for which query.

use super::candidate::{Candidate, ExistingIndex};
use super::drops::{DropReason, drops};
use super::pool::CandidateId;
use super::search::{Search, Standing};

/// A query whose cost changes.
#[derive(Clone, Debug, PartialEq)]
pub struct QueryChange {
    /// Its position in the workload that was given.
    pub query: usize,
    /// Its label.
    pub label: String,
    /// Its cost before, once.
    pub cost_before: f64,
    /// Its cost after, once.
    pub cost_after: f64,
}

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Deed {
    /// Create an index.
    Create(Candidate),
    /// Drop one.
    Drop(ExistingIndex, DropReason),
}

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub struct Action {
    /// What to do.
    pub deed: Deed,
    /// Bytes of the index.
    pub bytes: u64,
    /// The cost of all queries, weighed, after the steps before.
    pub cost_before: f64,
    /// The same after this step.
    pub cost_after: f64,
    /// The cost of index entries after the steps before.
    pub writes_before: f64,
    /// The same after this step.
    pub writes_after: f64,
    /// What the step saves of all queries' cost as it was at the beginning, 0..1; less than 0 where it costs something.
    pub benefit_share: f64,
    /// Queries that become cheaper by this step, those that save most first.
    pub helped: Vec<QueryChange>,
    /// Queries that become dearer by this step by more than is tolerated, the worst first.
    pub regressions: Vec<QueryChange>,
    /// Existing indexes that the new one makes superfluous, nothing else keeping them.
    pub replaces: Vec<String>,
}

/// What serves the workload best, as far as was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection {
    /// What to do, in order.
    pub actions: Vec<Action>,
    /// The cost of all queries, weighed, as things are.
    pub cost_before: f64,
    /// The same after all actions.
    pub cost_after: f64,
    /// The cost of index entries as things are.
    pub writes_before: f64,
    /// The same after all actions.
    pub writes_after: f64,
    /// Bytes of all new indexes.
    pub bytes: u64,
    /// Queries that become dearer by all actions together by more than is tolerated, the worst first.
    pub regressions: Vec<QueryChange>,
    /// How often the planner was called.
    pub calls: u64,
    /// Whether the search came to its end before the time was over.
    pub is_complete: bool,
}

/// Puts a set in order, prices it anew and drops what it makes superfluous.
pub fn outcome(search: &mut Search<'_>, found: &Standing) -> Selection {
    let is_complete = !search.ledger.is_over();
    search.ledger.report("checking the result", 0, 1);
    let mut order = in_order(search, found);
    search.be_exact();
    let steps = loop {
        let steps = verified(search, &order);
        // What looked useful and is not once all is priced together.
        let idle = idle(search, &order, &steps);
        if idle.is_empty() {
            break steps;
        }
        order.retain(|id| !idle.contains(id));
    };
    let mut actions: Vec<Action> =
        steps.windows(2).zip(&order).map(|(pair, &id)| create(search, &pair[0], &pair[1], id)).collect();
    let start = steps[0].clone();
    let mut standing = steps[steps.len() - 1].clone();
    let (_, dropped) = drops(search, &standing);
    for (index, reason) in dropped {
        let next = search.hiding(&standing, index.oid, index.shape.relation);
        let reason = match reason {
            DropReason::Replaced(ids) => DropReason::Replaced(
                ids.iter().filter_map(|id| order.iter().position(|other| other == id)).collect(),
            ),
            other => other,
        };
        let bytes = index.bytes;
        actions.push(action(search, &standing, &next, Deed::Drop(index, reason), bytes, Vec::new()));
        standing = next;
    }
    Selection {
        actions,
        cost_before: start.queries,
        cost_after: standing.queries,
        writes_before: start.writes,
        writes_after: standing.writes,
        bytes: standing.bytes,
        regressions: regressions(search, &start, &standing),
        calls: search.ledger.calls(),
        is_complete,
    }
}

/// The set in the order of what each saves beside those before it, as far as it is known already.
fn in_order(search: &mut Search<'_>, found: &Standing) -> Vec<CandidateId> {
    let mut standing = search.nothing();
    let mut left = found.chosen.clone();
    let mut order = Vec::new();
    while !left.is_empty() {
        let mut best: Option<(f64, CandidateId, Standing)> = None;
        for &id in &left {
            let bound = search.gain_bound(&standing, id);
            if best.as_ref().is_some_and(|(gain, _, _)| *gain >= bound) {
                continue;
            }
            let next = search.with(&standing, id);
            let gain = standing.total() - next.total();
            if best.as_ref().is_none_or(|(other, _, _)| gain > *other) {
                best = Some((gain, id, next));
            }
        }
        let Some((_, id, next)) = best else { break };
        left.retain(|&other| other != id);
        order.push(id);
        standing = next;
    }
    order
}

/// Prices the whole set by itself, even if the time is over, and then each beginning of it from the longest to the
/// shortest: an index that no plan scans need not be taken away to know what its absence does.
fn verified(search: &mut Search<'_>, order: &[CandidateId]) -> Vec<Standing> {
    let mut all = order.to_vec();
    all.sort_unstable();
    for query in 0..search.queries.len() {
        let (offered, hidden) = search.relevant(query, &all, &[]);
        if search.weight(query) > 0.0 && !offered.is_empty() {
            // Interrupts are looked at here.
            search.ledger.is_over();
            search.ledger.ask(&search.pool, query, &offered, &hidden);
        }
    }
    let mut steps = vec![search.stand(&all, &[])];
    for &id in order.iter().rev() {
        if let Some(last) = steps.last().cloned() {
            steps.push(search.without(&last, id));
        }
    }
    steps.reverse();
    steps
}

/// The indexes to leave out: those that no plan scans, or else the one that saves least beside those before it, where
/// that is too little.
fn idle(search: &mut Search<'_>, order: &[CandidateId], steps: &[Standing]) -> Vec<CandidateId> {
    /// The check is less strict than the search, whose numbers are right to about a percent.
    const LENIENCE: f64 = 0.5;
    let mut used: Vec<CandidateId> = Vec::new();
    let mut all = order.to_vec();
    all.sort_unstable();
    for query in 0..search.queries.len() {
        let (offered, hidden) = search.relevant(query, &all, &[]);
        if search.weight(query) > 0.0 && !offered.is_empty() {
            used.extend(&search.ledger.ask(&search.pool, query, &offered, &hidden).used);
        }
    }
    let unused: Vec<CandidateId> = order.iter().copied().filter(|id| !used.contains(id)).collect();
    if !unused.is_empty() {
        return unused;
    }
    let (first, last) = (&steps[0], &steps[steps.len() - 1]);
    if search.ledger.is_over() {
        // The costs of the beginnings are then only bounds, that of the whole is not.
        return if last.total() < first.total() { Vec::new() } else { order.to_vec() };
    }
    let least = (search.threshold() * LENIENCE).max(f64::MIN_POSITIVE);
    let gains = steps.windows(2).map(|pair| pair[0].total() - pair[1].total());
    let idle = gains.zip(order).filter(|(gain, _)| *gain < least);
    idle.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, &id)| id).into_iter().collect()
}

fn create(search: &Search<'_>, before: &Standing, after: &Standing, id: CandidateId) -> Action {
    let item = search.pool.item(id).clone();
    let replaces = search
        .workload
        .existing
        .iter()
        .filter(|index| index.kept_by.is_none() && !index.is_unique && item.shape.serves(&index.shape))
        .map(|index| index.name.clone())
        .collect();
    action(search, before, after, Deed::Create(item.shape), item.bytes, replaces)
}

fn action(
    search: &Search<'_>,
    before: &Standing,
    after: &Standing,
    deed: Deed,
    bytes: u64,
    replaces: Vec<String>,
) -> Action {
    let start: f64 = search.nothing().queries;
    Action {
        deed,
        bytes,
        cost_before: before.queries,
        cost_after: after.queries,
        writes_before: before.writes,
        writes_after: after.writes,
        benefit_share: if start > 0.0 { (before.queries - after.queries) / start } else { 0.0 },
        helped: changes(search, before, after, |before, after| before - after),
        regressions: regressions(search, before, after),
        replaces,
    }
}

fn regressions(search: &Search<'_>, before: &Standing, after: &Standing) -> Vec<QueryChange> {
    let tolerated = 1.0 + search.options.tolerated_regression;
    changes(search, before, after, |before, after| after - before * tolerated)
}

/// The queries for which `amount` of the costs before and after is above zero, the largest amounts first.
fn changes(
    search: &Search<'_>,
    before: &Standing,
    after: &Standing,
    amount: impl Fn(f64, f64) -> f64,
) -> Vec<QueryChange> {
    let mut found: Vec<(f64, QueryChange)> = Vec::new();
    for (query, (&cost_before, &cost_after)) in before.costs.iter().zip(&after.costs).enumerate() {
        let size = amount(cost_before, cost_after) * search.weight(query);
        if size > 0.0 {
            let (given, label) = (search.ledger.given(query), search.queries[query].label.clone());
            found.push((size, QueryChange { query: given, label, cost_before, cost_after }));
        }
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    found.into_iter().map(|(_, change)| change).collect()
}
