//! The ground that every phase of selection stands on: which candidates matter to which query, and what a set costs.

use rustc_hash::{FxHashMap, FxHashSet};

use super::candidate::{Candidate, Pricing};
use super::candidates::{self, missing};
use super::ledger::Ledger;
use super::pool::{CandidateId, Item, Pool};
use super::workload::{Options, WeightedQuery, Workload};
use super::writes::Writes;
use crate::catalog::Oid;

/// A set of indexes and what the workload costs with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// The candidates, in order.
    pub chosen: Vec<CandidateId>,
    /// Existing indexes thought away, in order.
    pub hidden: Vec<Oid>,
    /// The cost of each query, once.
    pub costs: Vec<f64>,
    /// The cost of all queries, weighed.
    pub queries: f64,
    /// The cost of index entries.
    pub writes: f64,
    /// Bytes of the candidates.
    pub bytes: u64,
}

impl Standing {
    /// What everything costs.
    pub fn total(&self) -> f64 {
        self.queries + self.writes
    }
}

/// A search under way.
pub struct Search<'a> {
    /// What is to be served.
    pub workload: &'a Workload,
    /// How far the search may go.
    pub options: &'a Options,
    /// The queries, in the order of their labels: all positions here are positions in this list.
    pub queries: Vec<&'a WeightedQuery>,
    /// The candidates.
    pub pool: Pool,
    /// The planner's answers.
    pub ledger: Ledger<'a>,
    writes: Writes<'a>,
    /// What each query costs as things are.
    pub base: Vec<f64>,
    /// The least that each query was seen to cost.
    pub floor: Vec<f64>,
    /// For each query, the candidates that it was planned with to find out which are of use.
    pub tried: Vec<Vec<CandidateId>>,
    /// For each query, what each candidate that is of use to it may save at most.
    bounds: Vec<FxHashMap<CandidateId, f64>>,
    /// For each query, candidates that are as good to it as others, narrower ones, which stand in for them: many
    /// indexes are the same to a query, and are priced once.
    substitutes: Vec<FxHashMap<CandidateId, Vec<CandidateId>>>,
    /// For each candidate, the queries that it matters to, in order.
    users: Vec<Vec<usize>>,
    /// The candidates that were sized from a closer look.
    closely: FxHashSet<CandidateId>,
    /// Whether every candidate is offered to every query of its table, instead of to those that it was seen to serve.
    is_exact: bool,
}

impl<'a> Search<'a> {
    /// A search that has not begun.
    pub fn new(workload: &'a Workload, options: &'a Options, pricing: &'a mut dyn Pricing) -> Self {
        let mut given: Vec<usize> = (0..workload.queries.len()).collect();
        let order = |position: &usize| {
            let query = &workload.queries[*position];
            (&query.label, query.weight.to_bits())
        };
        given.sort_by(|a, b| order(a).cmp(&order(b)));
        let queries: Vec<&WeightedQuery> =
            given.iter().map(|&position| &workload.queries[position]).collect();
        let count = queries.len();
        Self {
            workload,
            options,
            queries,
            pool: Pool::default(),
            ledger: Ledger::new(pricing, given),
            writes: Writes::of(workload, options),
            base: vec![0.0; count],
            floor: vec![0.0; count],
            tried: vec![Vec::new(); count],
            bounds: vec![FxHashMap::default(); count],
            substitutes: vec![FxHashMap::default(); count],
            users: Vec::new(),
            closely: FxHashSet::default(),
            is_exact: false,
        }
    }

    /// The weight of a query; what is no number counts for nothing.
    pub fn weight(&self, query: usize) -> f64 {
        let weight = self.queries[query].weight;
        if weight.is_finite() && weight > 0.0 { weight } else { 0.0 }
    }

    /// From now on every candidate is offered to every query of its table.
    pub fn be_exact(&mut self) {
        self.is_exact = true;
    }

    /// Takes a candidate in without saying yet whom it serves.
    pub fn take_in(&mut self, shape: Candidate) -> Option<CandidateId> {
        let Self { pool, ledger, .. } = self;
        let id = pool.add(shape, |shape| ledger.bytes(shape));
        self.users.resize(self.pool.len(), Vec::new());
        id
    }

    /// Sizes the candidates of a set from a closer look; the set with its true size.
    pub fn sized_closely(&mut self, mut standing: Standing) -> Standing {
        for &id in &standing.chosen {
            if self.closely.insert(id) {
                let shape = self.pool.shape(id).clone();
                if let Some(bytes) = self.ledger.bytes_closely(&shape) {
                    self.pool.resize(id, bytes);
                }
            }
        }
        standing.bytes = self.pool.bytes(&standing.chosen);
        standing
    }

    /// Notes that a candidate may save so much of a query's cost.
    pub fn note_gain(&mut self, query: usize, id: CandidateId, gain: f64) {
        let bound = self.bounds[query].entry(id).or_insert(0.0);
        *bound = bound.max(gain);
        self.note_user(query, id);
    }

    fn note_user(&mut self, query: usize, id: CandidateId) {
        if let Err(place) = self.users[id].binary_search(&query) {
            self.users[id].insert(place, query);
        }
    }

    /// Offers a candidate to the queries that were not planned with it.
    pub fn offer(&mut self, id: CandidateId) {
        for query in 0..self.queries.len() {
            if self.bounds[query].contains_key(&id) || !self.reads(query, self.pool.shape(id).relation) {
                continue;
            }
            let mut served: Vec<CandidateId> =
                self.bounds[query].keys().copied().filter(|&other| self.pool.serves(id, other)).collect();
            served.sort_unstable();
            if self.may_do_more(query, id, &served) {
                let potential = (self.base[query] - self.floor[query]).max(0.0);
                self.note_gain(query, id, potential);
            } else if !served.is_empty() {
                self.substitutes[query].insert(id, served);
                self.note_user(query, id);
            }
        }
    }

    /// Whether a candidate may do more for a query than those that are of use to it and that it serves: it has one more
    /// key to search by, or holds all that is read, and nothing of the kind was tried.
    fn may_do_more(&self, query: usize, id: CandidateId, served: &[CandidateId]) -> bool {
        let shape = self.pool.shape(id);
        let tried = || self.tried[query].iter().filter(|&&other| other == id || self.pool.serves(id, other));
        let own = || self.queries[query].accesses.iter().filter(|access| access.relation == shape.relation);
        if let Some(predicate) = &shape.predicate {
            let is_implied =
                own().any(|access| access.clauses.iter().any(|clause| clause.text == *predicate));
            return served.is_empty() && is_implied && tried().next().is_none();
        }
        let length = |ids: &mut dyn Iterator<Item = &CandidateId>| {
            ids.map(|&other| self.pool.shape(other).keys.len()).max().unwrap_or(0)
        };
        let searched = length(&mut served.iter());
        if searched == 0 {
            // What begins with a key that is of no use was tried in its plainest form.
            return false;
        }
        let is_longer = shape.keys.get(searched).is_some_and(|key| {
            own().any(|access| {
                let clauses = access.clauses.iter().chain(&access.joins);
                clauses.filter_map(|clause| clause.key.as_ref()).any(|other| *other == key.key)
            })
        });
        if is_longer && length(&mut tried()) <= searched {
            return true;
        }
        own().any(|access| {
            let holds_all = |id: CandidateId| {
                missing(self.pool.shape(id), access, self.options).is_some_and(|missing| missing.is_empty())
            };
            holds_all(id) && !tried().any(|&other| holds_all(other))
        })
    }

    /// Takes a candidate in and offers it, unless an existing index does the same; `None` for that, or where it cannot
    /// be.
    pub fn admit(&mut self, shape: Candidate) -> Option<CandidateId> {
        if !candidates::is_new(&shape, &self.workload.existing) {
            return None;
        }
        let id = self.take_in(shape)?;
        self.offer(id);
        Some(id)
    }

    /// The queries that a candidate matters to.
    pub fn users(&self, id: CandidateId) -> Vec<usize> {
        if self.is_exact {
            let relation = self.pool.shape(id).relation;
            return (0..self.queries.len()).filter(|&query| self.reads(query, relation)).collect();
        }
        self.users[id].clone()
    }

    /// Whether a query reads a table.
    pub fn reads(&self, query: usize, relation: Oid) -> bool {
        self.queries[query].accesses.iter().any(|access| access.relation == relation)
    }

    /// What a query costs with a set.
    pub fn cost(&mut self, query: usize, chosen: &[CandidateId], hidden: &[Oid]) -> f64 {
        let (offered, hidden) = self.relevant(query, chosen, hidden);
        self.ledger.cost(&self.pool, query, &offered, &hidden)
    }

    /// The part of a set that is offered to a query.
    pub fn relevant(
        &self,
        query: usize,
        chosen: &[CandidateId],
        hidden: &[Oid],
    ) -> (Vec<CandidateId>, Vec<Oid>) {
        let mut offered: Vec<CandidateId> = Vec::new();
        for &id in chosen {
            if self.is_exact {
                if self.reads(query, self.pool.shape(id).relation) {
                    offered.push(id);
                }
            } else if self.bounds[query].contains_key(&id) {
                offered.push(id);
            } else if let Some(substitutes) = self.substitutes[query].get(&id) {
                offered.extend(substitutes);
            }
        }
        offered.sort_unstable();
        offered.dedup();
        let is_read = |oid: &&Oid| {
            let mut existing = self.workload.existing.iter();
            existing.any(|index| index.oid == **oid && self.reads(query, index.shape.relation))
        };
        (offered, hidden.iter().filter(is_read).copied().collect())
    }

    /// How things are.
    pub fn nothing(&self) -> Standing {
        self.standing(Vec::new(), Vec::new(), self.base.clone())
    }

    fn standing(&self, chosen: Vec<CandidateId>, hidden: Vec<Oid>, costs: Vec<f64>) -> Standing {
        let queries = costs.iter().enumerate().map(|(query, cost)| self.charge(query, *cost)).sum();
        let items: Vec<&Item> = chosen.iter().map(|&id| self.pool.item(id)).collect();
        let writes = self.writes.cost(&items, &hidden);
        let bytes = self.pool.bytes(&chosen);
        Standing { chosen, hidden, costs, queries, writes, bytes }
    }

    fn charge(&self, query: usize, cost: f64) -> f64 {
        let weight = self.weight(query);
        // What never runs costs nothing, even where it cannot be priced.
        if weight == 0.0 { 0.0 } else { weight * cost }
    }

    /// A set priced from the beginning.
    pub fn stand(&mut self, chosen: &[CandidateId], hidden: &[Oid]) -> Standing {
        let costs = (0..self.queries.len()).map(|query| self.cost(query, chosen, hidden)).collect();
        let (mut chosen, mut hidden) = (chosen.to_vec(), hidden.to_vec());
        chosen.sort_unstable();
        hidden.sort_unstable();
        self.standing(chosen, hidden, costs)
    }

    /// What becomes of a set when a candidate is added: those that it serves go.
    pub fn with(&mut self, from: &Standing, id: CandidateId) -> Standing {
        let (chosen, removed) = self.put(from, id);
        self.changed(from, chosen, &removed, &[id])
    }

    /// The same if it saves at least so much; otherwise what it saves at most. Prices the queries that it may save most
    /// for first, and no more of them once too little can be saved.
    pub fn with_gain(&mut self, from: &Standing, id: CandidateId, least: f64) -> Result<Standing, f64> {
        let (chosen, removed) = self.put(from, id);
        let mut open: Vec<(f64, usize)> = Vec::new();
        for query in self.affected(&removed, &[id]) {
            let left = (from.costs[query] - self.floor[query]).max(0.0);
            open.push((self.charge(query, self.bound(query, id).min(left)), query));
        }
        open.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut next = self.standing(chosen, from.hidden.clone(), from.costs.clone());
        let mut most: f64 = from.writes - next.writes + open.iter().map(|(bound, _)| bound).sum::<f64>();
        for (bound, query) in open {
            if most < least {
                return Err(most);
            }
            let cost = self.cost(query, &next.chosen, &next.hidden);
            self.floor[query] = self.floor[query].min(cost);
            most += self.charge(query, from.costs[query]) - self.charge(query, cost) - bound;
            next.costs[query] = cost;
        }
        let next = self.standing(next.chosen, next.hidden, next.costs);
        let gain = from.total() - next.total();
        if gain >= least { Ok(next) } else { Err(gain) }
    }

    /// A set with one more candidate, and what it makes superfluous there.
    fn put(&self, from: &Standing, id: CandidateId) -> (Vec<CandidateId>, Vec<CandidateId>) {
        let (removed, mut chosen): (Vec<CandidateId>, Vec<CandidateId>) =
            from.chosen.iter().copied().partition(|&other| self.pool.serves(id, other));
        if let Err(place) = chosen.binary_search(&id) {
            chosen.insert(place, id);
        }
        (chosen, removed)
    }

    /// The queries that these candidates matter to, in order.
    fn affected(&self, removed: &[CandidateId], added: &[CandidateId]) -> Vec<usize> {
        let affected: FxHashSet<usize> = removed.iter().chain(added).flat_map(|&id| self.users(id)).collect();
        let mut affected: Vec<usize> = affected.into_iter().collect();
        affected.sort_unstable();
        affected
    }

    /// What becomes of a set without a candidate.
    pub fn without(&mut self, from: &Standing, id: CandidateId) -> Standing {
        let chosen = from.chosen.iter().copied().filter(|&other| other != id).collect();
        self.changed(from, chosen, &[id], &[])
    }

    fn changed(
        &mut self,
        from: &Standing,
        chosen: Vec<CandidateId>,
        removed: &[CandidateId],
        added: &[CandidateId],
    ) -> Standing {
        let mut costs = from.costs.clone();
        for query in self.affected(removed, added) {
            costs[query] = self.cost(query, &chosen, &from.hidden);
            self.floor[query] = self.floor[query].min(costs[query]);
        }
        self.standing(chosen, from.hidden.clone(), costs)
    }

    /// What a set costs with one more existing index thought away.
    pub fn hiding(&mut self, from: &Standing, oid: Oid, relation: Oid) -> Standing {
        let mut hidden = from.hidden.clone();
        if let Err(place) = hidden.binary_search(&oid) {
            hidden.insert(place, oid);
        }
        let mut costs = from.costs.clone();
        for (query, cost) in costs.iter_mut().enumerate() {
            if self.reads(query, relation) {
                *cost = self.cost(query, &from.chosen, &hidden);
            }
        }
        self.standing(from.chosen.clone(), hidden, costs)
    }

    fn bound(&self, query: usize, id: CandidateId) -> f64 {
        let own = |id: &CandidateId| self.bounds[query].get(id).copied();
        own(&id).unwrap_or_else(|| {
            let substitutes = self.substitutes[query].get(&id);
            substitutes.into_iter().flatten().filter_map(own).fold(0.0, f64::max)
        })
    }

    /// What adding a candidate to a set may save at most.
    pub fn gain_bound(&self, from: &Standing, id: CandidateId) -> f64 {
        let gain = |&query: &usize| {
            let left = (from.costs[query] - self.floor[query]).max(0.0);
            self.charge(query, self.bound(query, id).min(left))
        };
        self.users[id].iter().map(gain).sum()
    }

    /// What may be saved by all candidates together at most.
    pub fn potential(&self, query: usize) -> f64 {
        self.charge(query, (self.base[query] - self.floor[query]).max(0.0))
    }

    /// What an index must save at least.
    pub fn threshold(&self) -> f64 {
        // Above zero, so that what saves nothing is never chosen.
        (self.nothing().queries * self.options.minimal_improvement).max(f64::MIN_POSITIVE)
    }

    /// Whether a set is within the budget and the count.
    pub fn is_allowed(&self, standing: &Standing) -> bool {
        self.options.affords(standing.bytes) && self.options.allows(standing.chosen.len())
    }

    /// Whether one set is better than another: cheaper, or as cheap and smaller.
    pub fn is_better(&self, one: &Standing, other: &Standing) -> bool {
        /// Costs as near as this are taken to be equal.
        const EQUAL: f64 = 1e-6;
        if !self.is_allowed(one) || !one.total().is_finite() {
            return false;
        }
        let difference = other.total() - one.total();
        let margin = EQUAL * other.total().abs();
        difference > margin || (difference >= -margin && one.bytes < other.bytes)
    }
}
