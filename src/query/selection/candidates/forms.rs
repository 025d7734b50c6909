//! The orders of B-tree keys that serve an access: what is compared for equality first, then one range or one order.

use super::super::candidate::CandidateKey;
use crate::catalog::access::{Access, Clause, ClauseKind, Key, OrderKey};
use crate::catalog::hypothetical::Method;

/// A condition that more rows meet is worth no search of its own.
const WORTH_SEARCHING: f64 = 0.7;
/// Conditions of one role that are combined with others; the most selective ones.
const COMBINED: usize = 3;
/// Ranges that are combined with others.
const RANGES: usize = 2;
/// Wanted orders that are looked at.
const ORDERS: usize = 4;

/// A condition that a B-tree can search by.
#[derive(Clone, Debug)]
struct Part {
    key: CandidateKey,
    selectivity: f64,
}

/// Lists of keys, the plainest first, each once and of at most `longest` keys.
pub fn forms(access: &Access, longest: usize) -> Vec<Vec<CandidateKey>> {
    let equalities = parts(&access.clauses, is_equality);
    let ranges = parts(&access.clauses, |kind| matches!(kind, ClauseKind::Range | ClauseKind::Prefix));
    let mut joins = parts(&access.joins, is_equality);
    joins.retain(|join| !equalities.iter().any(|part| part.key == join.key));
    let orders: Vec<Vec<CandidateKey>> =
        access.orders.iter().take(ORDERS).map(|order| canonical(order)).collect();
    let mut forms = Forms { longest, found: Vec::new() };
    let worthy = |part: &&Part| part.selectivity < WORTH_SEARCHING;
    for part in equalities.iter().chain(&ranges).filter(worthy).chain(&joins) {
        forms.add(&[std::slice::from_ref(&part.key)]);
    }
    let equal: Vec<CandidateKey> = equalities.iter().map(|part| part.key.clone()).collect();
    let joined: Vec<CandidateKey> = joins.iter().map(|part| part.key.clone()).take(COMBINED).collect();
    let ranged: Vec<CandidateKey> = ranges.iter().map(|part| part.key.clone()).take(RANGES).collect();
    // What is searched for: all equalities, then one range.
    forms.add(&[&equal]);
    for range in ranged.chunks(1) {
        forms.add(&[&equal, range]);
    }
    for order in &orders {
        forms.add(&[&equal, order]);
    }
    for join in joined.chunks(1) {
        forms.add(&[&equal, join]);
        forms.add(&[join, &equal]);
        for range in ranged.chunks(1).take(1) {
            forms.add(&[join, range]);
        }
    }
    forms.pairs(&joined);
    // One equality, which more queries may share.
    for one in equal.chunks(1).take(COMBINED) {
        for range in ranged.chunks(1).take(1) {
            forms.add(&[one, range]);
        }
        for join in joined.chunks(1) {
            forms.add(&[one, join]);
        }
        for order in orders.iter().take(1) {
            forms.add(&[one, order]);
        }
    }
    forms.pairs(&equal);
    for order in &orders {
        for join in joined.chunks(1).take(1) {
            forms.add(&[join, order]);
        }
        for range in ranged.chunks(1).take(1) {
            forms.add(&[order, range]);
        }
        forms.add(&[order, &equal]);
    }
    forms.found
}

struct Forms {
    longest: usize,
    found: Vec<Vec<CandidateKey>>,
}

impl Forms {
    /// Adds the keys one after the other, each where it stands first, cut to what is allowed.
    fn add(&mut self, parts: &[&[CandidateKey]]) {
        let mut keys: Vec<CandidateKey> = Vec::new();
        for key in parts.iter().copied().flatten() {
            if keys.len() < self.longest && !keys.iter().any(|other| other.key == key.key) {
                keys.push(key.clone());
            }
        }
        if !keys.is_empty() && !self.found.contains(&keys) {
            self.found.push(keys);
        }
    }

    /// Adds any two of the keys in both orders.
    fn pairs(&mut self, keys: &[CandidateKey]) {
        for first in keys.chunks(1).take(COMBINED) {
            for second in keys.chunks(1).take(COMBINED) {
                if first != second {
                    self.add(&[first, second]);
                }
            }
        }
    }
}

/// The conditions that a B-tree can search by, the most selective first, each key with its class once.
fn parts(clauses: &[Clause], is_wanted: impl Fn(ClauseKind) -> bool) -> Vec<Part> {
    let mut found: Vec<Part> = Vec::new();
    for clause in clauses.iter().filter(|clause| is_wanted(clause.kind)) {
        let Some(key) = &clause.key else { continue };
        for support in clause.supports.iter().filter(|support| support.method == Method::Btree) {
            let key = CandidateKey {
                operator_class: support.operator_class.clone(),
                collation: support.collation.clone(),
                ..CandidateKey::plain(key.clone())
            };
            match found.iter_mut().find(|part| part.key == key) {
                // Two ends of one range.
                Some(part) => part.selectivity *= clause.selectivity,
                None => found.push(Part { key, selectivity: clause.selectivity }),
            }
        }
    }
    found.sort_by(|a, b| a.selectivity.total_cmp(&b.selectivity).then_with(|| a.key.cmp(&b.key)));
    found
}

fn is_equality(kind: ClauseKind) -> bool {
    matches!(kind, ClauseKind::Equality | ClauseKind::AnyOf | ClauseKind::IsNull | ClauseKind::Boolean)
}

/// The order as keys, turned so that the first goes upwards: an index is read backwards at the same cost.
fn canonical(order: &[OrderKey]) -> Vec<CandidateKey> {
    let is_turned = order.first().is_some_and(|first| first.descending);
    order
        .iter()
        .map(|wanted| {
            let key: Key = wanted.key.clone();
            CandidateKey {
                descending: wanted.descending != is_turned,
                nulls_first: wanted.nulls_first != is_turned,
                ..CandidateKey::plain(key)
            }
        })
        .collect()
}
