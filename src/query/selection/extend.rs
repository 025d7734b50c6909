//! The main search: starting from a set, the index that saves most for its size is added again and again, where adding
//! may also mean to put a wider index in the place of one that it makes superfluous.
//!
//! Only the most promising are priced: what an index saved beside fewer others is taken as the most that it can save
//! beside more.

use rustc_hash::FxHashMap;

use super::candidate::{Candidate, CandidateKey};
use super::candidates::{fits, missing};
use super::pool::CandidateId;
use super::search::{Search, Standing};
use crate::catalog::access::{Access, Clause};
use crate::catalog::hypothetical::Method;

/// No index is smaller than a page, and none is judged by a smaller size.
const PAGE: f64 = 8192.0;
/// Other candidates with the same first key that a new index is merged with.
const MERGED: usize = 8;
/// Candidates beyond which none are made from others.
const MOST_CANDIDATES: usize = 20_000;

/// How an addition is judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Mode {
    /// The power of the size that the gain is divided by: 1 for gain per byte, 0 for gain alone.
    pub exponent: f64,
    /// Most key columns.
    pub longest: usize,
    /// What may not be added.
    pub without: Vec<CandidateId>,
}

/// The size that an addition of so many bytes is judged by.
pub fn size(bytes: f64) -> f64 {
    bytes.max(PAGE)
}

/// Adds to `start` as long as that pays and is allowed.
pub fn extend(search: &mut Search<'_>, start: &Standing, mode: &Mode) -> Standing {
    let threshold = search.threshold();
    let mut standing = start.clone();
    let mut seen: FxHashMap<CandidateId, f64> = FxHashMap::default();
    loop {
        let Some((id, next)) = best_addition(search, &standing, mode, threshold, &mut seen) else {
            return standing;
        };
        let replaces_some = next.chosen.len() <= standing.chosen.len();
        standing = next;
        let grown = grow(search, id);
        if replaces_some {
            // With one index less, others may save more than they did beside it.
            seen.clear();
        } else {
            seen.retain(|&other, _| !search.pool.serves(other, id) && !grown.contains(&other));
        }
    }
}

/// The addition that is best in this mode; `None` where none pays or the time is over.
fn best_addition(
    search: &mut Search<'_>,
    standing: &Standing,
    mode: &Mode,
    threshold: f64,
    seen: &mut FxHashMap<CandidateId, f64>,
) -> Option<(CandidateId, Standing)> {
    let mut open: Vec<(f64, CandidateId)> = Vec::new();
    for id in 0..search.pool.len() {
        if !is_open(search, standing, mode, id) {
            continue;
        }
        let bound = search.gain_bound(standing, id);
        let bound = seen.get(&id).map_or(bound, |&gain| gain.min(bound));
        if bound >= threshold {
            open.push((bound / size(added_bytes(search, standing, id)).powf(mode.exponent), id));
        }
    }
    open.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut best: Option<(f64, CandidateId, Standing)> = None;
    for (bound, id) in open {
        if best.as_ref().is_some_and(|(score, _, _)| *score >= bound) {
            break;
        }
        if search.ledger.is_over() {
            return None;
        }
        let divisor = size(added_bytes(search, standing, id)).powf(mode.exponent);
        let least = best.as_ref().map_or(0.0, |(score, _, _)| score * divisor).max(threshold);
        match search.with_gain(standing, id, least) {
            Ok(next) => {
                let gain = standing.total() - next.total();
                seen.insert(id, gain);
                let score = gain / divisor;
                if best.as_ref().is_none_or(|(other, _, _)| score > *other) {
                    best = Some((score, id, next));
                }
            }
            Err(most) => {
                seen.insert(id, most);
            }
        }
    }
    best.map(|(_, id, next)| (id, next))
}

/// Whether a candidate may be added: it is wanted, no twin of what is there, and affordable.
fn is_open(search: &Search<'_>, standing: &Standing, mode: &Mode, id: CandidateId) -> bool {
    let is_there = |&other: &CandidateId| other == id || search.pool.serves(other, id);
    if search.pool.shape(id).keys.len() > mode.longest
        || mode.without.contains(&id)
        || standing.chosen.iter().any(is_there)
    {
        return false;
    }
    let replaced = standing.chosen.iter().filter(|&&other| search.pool.serves(id, other)).count();
    let bytes = standing.bytes as f64 + added_bytes(search, standing, id);
    search.options.affords(bytes.max(0.0) as u64)
        && search.options.allows(standing.chosen.len() + 1 - replaced)
}

/// Bytes by which the set grows; below zero where what is replaced is larger.
fn added_bytes(search: &Search<'_>, standing: &Standing, id: CandidateId) -> f64 {
    let replaced: f64 = standing
        .chosen
        .iter()
        .filter(|&&other| search.pool.serves(id, other))
        .map(|&other| search.pool.item(other).bytes as f64)
        .sum();
    search.pool.item(id).bytes as f64 - replaced
}

/// Makes wider candidates from one that was chosen: with one more column that its queries search by, with the columns
/// that they read, and with what others with the same first key have in addition.
pub fn grow(search: &mut Search<'_>, id: CandidateId) -> Vec<CandidateId> {
    let shape = search.pool.shape(id).clone();
    if shape.method != Method::Btree || search.pool.len() > MOST_CANDIDATES {
        return Vec::new();
    }
    let mut wider: Vec<Candidate> = Vec::new();
    for query in search.users(id) {
        let own = search.queries[query].accesses.iter().filter(|access| access.relation == shape.relation);
        for access in own {
            for key in searched(access) {
                wider.extend(longer(search, &shape, [key]));
            }
            if let Some(missing) = missing(&shape, access, search.options).filter(|all| !all.is_empty()) {
                let covering = shape.with_included(&missing);
                if fits(&covering, access) {
                    wider.push(covering);
                }
            }
        }
    }
    for other in relatives(search, id) {
        let other = search.pool.shape(other).clone();
        wider.extend(longer(search, &shape, other.keys));
    }
    wider.sort();
    wider.dedup();
    let before = search.pool.len();
    let grown: Vec<CandidateId> = wider.into_iter().filter_map(|shape| search.admit(shape)).collect();
    grown.into_iter().filter(|&new| new >= before).collect()
}

/// The keys that an access searches by.
fn searched(access: &Access) -> impl Iterator<Item = CandidateKey> + '_ {
    let of_clause = |clause: &Clause| {
        let support = clause.supports.iter().find(|support| support.method == Method::Btree)?;
        Some(CandidateKey {
            operator_class: support.operator_class.clone(),
            collation: support.collation.clone(),
            ..CandidateKey::plain(clause.key.clone()?)
        })
    };
    access.clauses.iter().chain(&access.joins).filter_map(of_clause)
}

/// The candidate with those of the keys that it lacks; `None` where it lacks none or would have too many.
fn longer(
    search: &Search<'_>,
    shape: &Candidate,
    keys: impl IntoIterator<Item = CandidateKey>,
) -> Option<Candidate> {
    let mut wider = shape.clone();
    for key in keys {
        if !wider.has_key(&key.key) {
            wider = wider.with_key(key);
        }
    }
    let queries = search.queries.iter();
    let mut own =
        queries.flat_map(|query| &query.accesses).filter(|access| access.relation == shape.relation);
    let is_longer = wider.keys.len() > shape.keys.len() && wider.keys.len() <= search.options.max_columns;
    (is_longer && own.all(|access| fits(&wider, access))).then_some(wider)
}

/// The most promising other candidates with the same first key.
fn relatives(search: &Search<'_>, id: CandidateId) -> Vec<CandidateId> {
    let shape = search.pool.shape(id);
    let nothing = search.nothing();
    let is_relative = |other: &CandidateId| {
        let other_shape = search.pool.shape(*other);
        *other != id
            && other_shape.relation == shape.relation
            && other_shape.method == shape.method
            && other_shape.predicate == shape.predicate
            && other_shape.keys.first() == shape.keys.first()
    };
    let mut found: Vec<(f64, CandidateId)> = (0..search.pool.len())
        .filter(is_relative)
        .map(|other| (search.gain_bound(&nothing, other), other))
        .filter(|(bound, _)| *bound > 0.0)
        .collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    found.truncate(MERGED);
    found.into_iter().map(|(_, other)| other).collect()
}
