//! An index that might be worth having, as data: comparable, and written as CREATE INDEX when somebody asks.

use crate::catalog::access::{Access, Key};
use crate::catalog::hypothetical::Method;
use crate::catalog::{ColumnNumber, Oid};

/// One key column.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CandidateKey {
    /// The column or expression.
    pub key: Key,
    /// Sorted downwards.
    pub descending: bool,
    /// NULLs sort first.
    pub nulls_first: bool,
    /// The operator class to name, qualified and quoted; `None` for the default one.
    pub operator_class: Option<String>,
    /// The collation to name; `None` for the key's own.
    pub collation: Option<String>,
}

/// An index that might be worth having.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Candidate {
    /// Its table.
    pub relation: Oid,
    /// Its access method.
    pub method: Method,
    /// Its key columns, at least one.
    pub keys: Vec<CandidateKey>,
    /// Its INCLUDE columns.
    pub included: Vec<ColumnNumber>,
    /// Its predicate, conditions joined by AND.
    pub predicate: Option<String>,
}

impl Candidate {
    /// Whether a query that scans its tables so computes all that the index would: whoever wrote that query has the right
    /// to run this code, and nobody else lends him his.
    pub fn computes_only_what(&self, accesses: &[Access]) -> bool {
        let own = || accesses.iter().filter(|access| access.relation == self.relation);
        let clauses = || own().flat_map(|access| access.clauses.iter().chain(&access.joins));
        let names = |key: &Key| {
            matches!(key, Key::Column(_))
                || clauses().any(|clause| clause.key.as_ref() == Some(key))
                || own().flat_map(|access| &access.orders).flatten().any(|order| order.key == *key)
        };
        own().next().is_some()
            && self.keys.iter().all(|key| names(&key.key))
            && self
                .predicate
                .as_ref()
                .is_none_or(|predicate| clauses().any(|clause| clause.text == *predicate))
    }
}

/// An index that exists, described as a candidate would be.
#[derive(Clone, Debug, PartialEq)]
pub struct ExistingIndex {
    /// The index; for a family of partition indexes, the topmost.
    pub oid: Oid,
    /// `schema.index`, quoted.
    pub name: String,
    /// What it is.
    pub shape: Candidate,
    /// Bytes on disk, partitions together.
    pub bytes: u64,
    /// Whether it is UNIQUE, so that a candidate does not make it superfluous.
    pub is_unique: bool,
    /// Why it must stay whatever queries do (a constraint, replica identity, a foreign key …); `None` if it may go.
    pub kept_by: Option<String>,
}

/// Names for writing a candidate as SQL.
pub trait Names {
    /// `schema.table`, quoted.
    fn table(&self, relation: Oid) -> String;
    /// A column's name, quoted where needed.
    fn column(&self, relation: Oid, column: ColumnNumber) -> String;
}

/// What one query costs with other indexes than there are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Priced {
    /// The planner's total cost.
    pub cost: f64,
    /// Positions, among the candidates that were given, of those which the plan scans.
    pub used: Vec<usize>,
    /// Existing indexes that the plan scans.
    pub used_existing: Vec<Oid>,
}

/// The what-if planner as index selection sees it.
pub trait Pricing {
    /// Bytes that the candidate would take; `None` where the server refuses it or it cannot be sized.
    fn bytes(&mut self, candidate: &Candidate) -> Option<u64>;
    /// The same from a closer look, which takes longer: for the few that are chosen. `None` where there is no time for it.
    fn bytes_closely(&mut self, candidate: &Candidate) -> Option<u64> {
        self.bytes(candidate)
    }
    /// Plans one query of the workload with these candidates thought there and these existing indexes thought away.
    fn price(&mut self, query: usize, candidates: &[&Candidate], hidden: &[Oid]) -> Priced;
    /// Whether the time given is over: then the best set so far is the answer. Also gives a cancelled query its end.
    fn is_over(&mut self) -> bool;
    /// Tells whoever watches how far selection is: a step's name, how much of it is done, and of how much.
    fn report(&mut self, step: &'static str, done: u64, total: u64);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::access::{Clause, ClauseKind, OrderKey};

    fn about(key: Key, text: &str) -> Clause {
        Clause {
            key: Some(key),
            kind: ClauseKind::Equality,
            selectivity: 0.1,
            text: text.into(),
            is_fixed: true,
            supports: Vec::new(),
        }
    }

    #[test]
    fn an_index_is_computed_by_whoever_computes_the_same_anyway() {
        let (first, second) = (Key::Expression("(f(a))".into()), Key::Expression("(g(a))".into()));
        let access = Access {
            relation: 7,
            clauses: vec![about(first.clone(), "(f(a) = 1)")],
            orders: vec![vec![OrderKey { key: second.clone(), descending: false, nulls_first: false }]],
            ..Access::default()
        };
        let one = [access];
        let on = |keys: &[Key]| Candidate::btree(7, keys.iter().cloned().map(CandidateKey::plain).collect());
        let over = |predicate: &str| Candidate { predicate: Some(predicate.into()), ..on(&[Key::Column(3)]) };
        assert!(on(&[Key::Column(3)]).computes_only_what(&one));
        assert!(on(&[first.clone(), Key::Column(1), second]).computes_only_what(&one));
        assert!(over("(f(a) = 1)").computes_only_what(&one));
        assert!(!over("(f(a) = 2)").computes_only_what(&one));
        assert!(!on(&[first.clone(), Key::Expression("(evil(a))".into())]).computes_only_what(&one));
        assert!(!on(&[first]).computes_only_what(&[Access { relation: 8, ..one[0].clone() }]));
    }
}
