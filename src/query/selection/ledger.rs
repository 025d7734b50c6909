//! What the planner has said so far, so that it is asked nothing twice and nothing that follows from its answers.
//!
//! If a plan was the best among the indexes S and scans only U of them, it is the best among any S' with U ⊆ S' ⊆ S:
//! all that is missing was free to be used and was not. The same holds for existing indexes that are thought away and
//! were not scanned. So one call with many indexes answers for very many sets. The planner keeps plans of nearly equal
//! cost by other measures too, so that this is true to about a percent; the final set is therefore priced once more by
//! itself.

use super::candidate::{Candidate, Priced, Pricing};
use super::pool::{CandidateId, Pool};
use crate::catalog::Oid;

/// One answer of the planner.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The candidates that were offered, in order.
    offered: Vec<CandidateId>,
    /// The existing indexes that were thought away, in order.
    hidden: Vec<Oid>,
    /// The candidates that the plan scans, in order.
    pub used: Vec<CandidateId>,
    /// The existing indexes that the plan scans.
    pub used_existing: Vec<Oid>,
    /// The plan's cost.
    pub cost: f64,
}

impl Answer {
    fn is_about(&self, offered: &[CandidateId], hidden: &[Oid]) -> bool {
        self.offered == offered && self.hidden == hidden
    }

    /// Whether the answer would be the same for these indexes.
    fn holds_for(&self, offered: &[CandidateId], hidden: &[Oid]) -> bool {
        is_within(&self.used, offered)
            && is_within(offered, &self.offered)
            && is_within(&self.hidden, hidden)
            && !self.used_existing.iter().any(|index| hidden.contains(index))
    }

    /// Whether these indexes are at least those of the answer, so that the cost is no higher.
    fn bounds(&self, offered: &[CandidateId], hidden: &[Oid]) -> bool {
        is_within(&self.offered, offered) && is_within(hidden, &self.hidden)
    }
}

/// Whether all of `part` is in `whole`, both in order.
fn is_within<T: Ord>(part: &[T], whole: &[T]) -> bool {
    let mut rest = whole.iter();
    part.len() <= whole.len() && part.iter().all(|wanted| rest.by_ref().any(|other| other == wanted))
}

/// The planner behind its own answers.
pub struct Ledger<'a> {
    pricing: &'a mut dyn Pricing,
    /// The number by which the planner knows each query.
    given: Vec<usize>,
    answers: Vec<Vec<Answer>>,
    calls: u64,
    is_over: bool,
    /// Whether the planner is asked even when the time is over.
    ignores_time: bool,
}

impl<'a> Ledger<'a> {
    /// An empty ledger for the queries that the planner knows by these numbers.
    pub fn new(pricing: &'a mut dyn Pricing, given: Vec<usize>) -> Self {
        let answers = given.iter().map(|_| Vec::new()).collect();
        Self { pricing, given, answers, calls: 0, is_over: false, ignores_time: false }
    }

    /// How often the planner was called.
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// Whether the time is over; never takes it back.
    pub fn is_over(&mut self) -> bool {
        // Asked every time, because this is where a cancelled query ends.
        self.is_over = self.pricing.is_over() || self.is_over;
        self.is_over
    }

    /// Lets the planner be asked even when the time is over, or no longer: for the few calls without which there would
    /// be no numbers to show.
    pub fn ignore_time(&mut self, ignores_time: bool) {
        self.ignores_time = ignores_time;
    }

    /// Tells how far selection is.
    pub fn report(&mut self, step: &'static str, done: usize, total: usize) {
        self.pricing.report(step, done as u64, total as u64);
    }

    /// The size of an index.
    pub fn bytes(&mut self, candidate: &Candidate) -> Option<u64> {
        self.pricing.bytes(candidate)
    }

    /// The size of an index from a closer look, as long as there is time for it.
    pub fn bytes_closely(&mut self, candidate: &Candidate) -> Option<u64> {
        self.pricing.bytes_closely(candidate)
    }

    /// The number by which the caller knows a query.
    pub fn given(&self, query: usize) -> usize {
        self.given[query]
    }

    /// The cost of a query; once the time is over, the least of what is known to be no lower, which may be infinite.
    pub fn cost(&mut self, pool: &Pool, query: usize, offered: &[CandidateId], hidden: &[Oid]) -> f64 {
        if let Some(answer) = self.known(query, offered, hidden) {
            return answer.cost;
        }
        if self.is_over() && !self.ignores_time {
            let bounds = self.answers[query].iter().filter(|answer| answer.bounds(offered, hidden));
            return bounds.map(|answer| answer.cost).fold(f64::INFINITY, f64::min);
        }
        self.ask(pool, query, offered, hidden).cost
    }

    fn known(&self, query: usize, offered: &[CandidateId], hidden: &[Oid]) -> Option<&Answer> {
        let answers = &self.answers[query];
        answers
            .iter()
            .find(|answer| answer.is_about(offered, hidden))
            .or_else(|| answers.iter().find(|answer| answer.holds_for(offered, hidden)))
    }

    /// What the planner says of just these indexes, whatever may follow from other answers and even if time is over.
    pub fn ask(&mut self, pool: &Pool, query: usize, offered: &[CandidateId], hidden: &[Oid]) -> &Answer {
        let known = self.answers[query].iter().position(|answer| answer.is_about(offered, hidden));
        let position = known.unwrap_or_else(|| {
            let candidates: Vec<&Candidate> = offered.iter().map(|&id| pool.shape(id)).collect();
            let priced = self.pricing.price(self.given[query], &candidates, hidden);
            self.calls += 1;
            self.answers[query].push(answer(priced, offered, hidden));
            self.answers[query].len() - 1
        });
        &self.answers[query][position]
    }
}

fn answer(priced: Priced, offered: &[CandidateId], hidden: &[Oid]) -> Answer {
    let mut used: Vec<CandidateId> =
        priced.used.iter().filter_map(|&position| offered.get(position).copied()).collect();
    used.sort_unstable();
    used.dedup();
    Answer {
        offered: offered.to_vec(),
        hidden: hidden.to_vec(),
        used,
        used_existing: priced.used_existing,
        // A planner that gives no number cannot recommend its plan.
        cost: if priced.cost.is_nan() { f64::INFINITY } else { priced.cost },
    }
}
