//! Indexes for a single query.

use super::candidate::{Candidate, CandidateKey, Pricing};
use super::explore::explore;
use super::outcome::{Deed, Selection, outcome};
use super::pool::CandidateId;
use super::search::Search;
use super::select::best;
use super::workload::{Options, Workload};

/// Other indexes that are told of.
const ALTERNATIVES: usize = 3;
/// The share of what the best index alone saves that another must save to be told of.
const NEARLY_AS_GOOD: f64 = 0.5;
/// Candidates that are priced alone.
const PRICED_ALONE: usize = 12;

/// An index and what it does for the query without any other.
#[derive(Clone, Debug, PartialEq)]
pub struct Alone {
    /// The index.
    pub index: Candidate,
    /// Bytes that it would take.
    pub bytes: u64,
    /// The query's cost with this index alone.
    pub cost_after: f64,
}

/// What serves one query best.
#[derive(Clone, Debug, PartialEq)]
pub struct ForQuery {
    /// The indexes to create, and what becomes superfluous; what each saves beside those before it.
    pub selection: Selection,
    /// For each index to create, in the same order, what it does alone.
    pub alone: Vec<Alone>,
    /// Other indexes that would do nearly as much alone, or more cheaply, the best first.
    pub alternatives: Vec<Alone>,
}

/// Options for one query: few indexes, each of which saves a share that is felt.
pub fn options() -> Options {
    Options { max_indexes: Some(3), minimal_improvement: 0.05, ..Options::default() }
}

/// Finds the few indexes that serve the only query of the workload best; of several queries, all together.
pub fn best_for_query(workload: &Workload, options: &Options, pricing: &mut dyn Pricing) -> ForQuery {
    let mut search = Search::new(workload, options, pricing);
    let look = explore(&mut search);
    let found = best(&mut search, &look);
    let others = promising(&search, &found.chosen);
    let nothing = search.nothing();
    let mut priced: Vec<Alone> = Vec::new();
    for id in others {
        if search.ledger.is_over() {
            break;
        }
        let cost_after = search.with(&nothing, id).queries;
        priced.push(alone(&search, id, cost_after));
    }
    let selection = outcome(&mut search, &found);
    let mut chosen: Vec<Alone> = Vec::new();
    for action in &selection.actions {
        let Deed::Create(shape) = &action.deed else { continue };
        let Some(id) = search.take_in(shape.clone()) else { continue };
        let cost_after = search.with(&nothing, id).queries;
        chosen.push(alone(&search, id, cost_after));
    }
    let alternatives = alternatives(&chosen, priced, selection.cost_before);
    ForQuery { selection, alone: chosen, alternatives }
}

fn alone(search: &Search<'_>, id: CandidateId, cost_after: f64) -> Alone {
    let item = search.pool.item(id);
    Alone { index: item.shape.clone(), bytes: item.bytes, cost_after }
}

/// The candidates that may save most, other than the chosen ones.
fn promising(search: &Search<'_>, chosen: &[CandidateId]) -> Vec<CandidateId> {
    let nothing = search.nothing();
    let mut found: Vec<(f64, CandidateId)> = (0..search.pool.len())
        .filter(|id| !chosen.contains(id))
        .map(|id| (search.gain_bound(&nothing, id), id))
        .filter(|(bound, _)| *bound > 0.0)
        .collect();
    found.sort_by(|a, b| {
        let bytes = |id: CandidateId| search.pool.item(id).bytes;
        b.0.total_cmp(&a.0).then(bytes(a.1).cmp(&bytes(b.1))).then(a.1.cmp(&b.1))
    });
    found.into_iter().take(PRICED_ALONE).map(|(_, id)| id).collect()
}

/// What is worth telling of: it does nearly as much as the best, and is not the same thing in other words, that is no
/// wider form of what is told of already.
fn alternatives(chosen: &[Alone], mut others: Vec<Alone>, cost_before: f64) -> Vec<Alone> {
    let most = chosen.iter().map(|index| cost_before - index.cost_after).fold(0.0, f64::max);
    others.retain(|other| most > 0.0 && cost_before - other.cost_after >= most * NEARLY_AS_GOOD);
    others.sort_by(|a, b| {
        a.cost_after.total_cmp(&b.cost_after).then(a.bytes.cmp(&b.bytes)).then(a.index.cmp(&b.index))
    });
    let mut told: Vec<Alone> = Vec::new();
    for other in others {
        let is_twin = |known: &Alone| {
            let is_related = known.index.serves(&other.index) || other.index.serves(&known.index);
            let is_no_better = other.bytes >= known.bytes || other.cost_after > known.cost_after;
            is_related && is_no_better || is_turned(&known.index, &other.index)
        };
        if told.len() < ALTERNATIVES && !chosen.iter().chain(&told).any(is_twin) {
            told.push(other);
        }
    }
    told
}

/// Whether two indexes differ in nothing but the direction of their keys.
fn is_turned(one: &Candidate, other: &Candidate) -> bool {
    let plain = |candidate: &Candidate| {
        let keys = candidate.keys.iter().cloned();
        let keys = keys.map(|key| CandidateKey { descending: false, nulls_first: false, ..key }).collect();
        Candidate { keys, ..candidate.clone() }
    };
    plain(one) == plain(other)
}
