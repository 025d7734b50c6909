//! Ways out of what greedy choices lead into: one index is given up and the room filled anew, or one that found no room
//! is forced in and others make way.

use super::extend::{Mode, extend, size};
use super::pool::CandidateId;
use super::search::{Search, Standing};

/// How often all indexes are gone through.
const ROUNDS: usize = 3;
/// In a larger set no two are given up together: there are too many pairs.
const MOST_FOR_PAIRS: usize = 16;
/// Candidates that are forced in, the most promising ones.
const FORCED: usize = 24;

/// Improves a set until nothing is gained or the time is over.
pub fn swap(search: &mut Search<'_>, start: &Standing, modes: &[Mode]) -> Standing {
    let mut best = start.clone();
    for round in 0..ROUNDS {
        search.ledger.report("exchanging indexes", round, ROUNDS);
        let before = best.total();
        best = give_up_each(search, best, modes);
        best = shorten_each(search, best, modes);
        best = force_each(search, best, modes);
        if search.ledger.is_over() || before - best.total() < search.threshold() {
            break;
        }
    }
    best
}

/// Gives up each index, and then any two, and fills the room anew without them.
fn give_up_each(search: &mut Search<'_>, mut best: Standing, modes: &[Mode]) -> Standing {
    let chosen = best.chosen.clone();
    for &id in &chosen {
        best = give_up(search, best, &[id], modes);
    }
    let chosen = best.chosen.clone();
    if chosen.len() <= MOST_FOR_PAIRS {
        for (place, &first) in chosen.iter().enumerate() {
            for &second in &chosen[..place] {
                best = give_up(search, best, &[second, first], modes);
            }
        }
    }
    best
}

fn give_up(search: &mut Search<'_>, best: Standing, given_up: &[CandidateId], modes: &[Mode]) -> Standing {
    if search.ledger.is_over() || !given_up.iter().all(|id| best.chosen.contains(id)) {
        return best;
    }
    let reduced = given_up.iter().fold(best.clone(), |standing, &id| search.without(&standing, id));
    for mode in modes {
        let filled = extend(search, &reduced, &Mode { without: given_up.to_vec(), ..mode.clone() });
        if search.is_better(&filled, &best) {
            return filled;
        }
    }
    best
}

/// Puts a narrower index in the place of each that has one, and fills the room anew: what a further column saves may be
/// had for less by an index of its own.
fn shorten_each(search: &mut Search<'_>, mut best: Standing, modes: &[Mode]) -> Standing {
    for id in best.chosen.clone() {
        let narrower: Vec<CandidateId> = (0..search.pool.len())
            .filter(|&other| search.pool.serves(id, other))
            .filter(|&other| search.pool.item(other).bytes < search.pool.item(id).bytes)
            .collect();
        for other in narrower {
            if search.ledger.is_over() || !best.chosen.contains(&id) {
                break;
            }
            let reduced = search.without(&best, id);
            let shortened = search.with(&reduced, other);
            for mode in modes {
                let filled = extend(search, &shortened, &Mode { without: vec![id], ..mode.clone() });
                if search.is_better(&filled, &best) {
                    best = filled;
                    break;
                }
            }
        }
    }
    best
}

fn force_each(search: &mut Search<'_>, mut best: Standing, modes: &[Mode]) -> Standing {
    let threshold = search.threshold();
    let mut order: Vec<(f64, CandidateId)> = (0..search.pool.len())
        .filter(|id| !best.chosen.contains(id) && search.options.affords(search.pool.item(*id).bytes))
        .map(|id| (search.gain_bound(&best, id), id))
        .filter(|(bound, _)| *bound >= threshold)
        .collect();
    order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    for (_, id) in order.into_iter().take(FORCED) {
        if best.chosen.iter().any(|&other| other == id || search.pool.serves(other, id)) {
            continue;
        }
        let forced = search.with(&best, id);
        let Some(mut next) = make_way(search, forced, Some(id)) else { continue };
        for mode in modes {
            if search.ledger.is_over() {
                return best;
            }
            next = extend(search, &next, mode);
        }
        if search.is_better(&next, &best) {
            best = next;
        }
    }
    best
}

/// Gives up what is missed least for its size until the set is allowed; never `kept`.
///
/// Takes no time when there is none: losses are then bounds.
pub fn make_way(
    search: &mut Search<'_>,
    mut standing: Standing,
    kept: Option<CandidateId>,
) -> Option<Standing> {
    // What is lost by giving up each, and beside how many others that was found out: with fewer others it is no less, so
    // that only the least is looked at again.
    let mut losses: Vec<(f64, usize, CandidateId)> =
        standing.chosen.iter().filter(|id| Some(**id) != kept).map(|&id| (0.0, usize::MAX, id)).collect();
    while !search.is_allowed(&standing) {
        let order = |a: &&mut (f64, usize, CandidateId), b: &&mut (f64, usize, CandidateId)| {
            a.0.total_cmp(&b.0).then(a.2.cmp(&b.2))
        };
        let (loss, beside, id) = losses.iter_mut().min_by(order)?;
        let next = search.without(&standing, *id);
        let bytes = size(search.pool.item(*id).bytes as f64);
        if *beside == standing.chosen.len() {
            let gone = *id;
            losses.retain(|&(_, _, id)| id != gone);
            standing = next;
        } else {
            (*loss, *beside) = ((next.total() - standing.total()) / bytes, standing.chosen.len());
        }
    }
    Some(standing)
}

/// Takes away what others have made superfluous.
pub fn prune(search: &mut Search<'_>, mut standing: Standing) -> Standing {
    let threshold = search.threshold();
    loop {
        let mut least: Option<(f64, Standing)> = None;
        for id in standing.chosen.clone() {
            let next = search.without(&standing, id);
            let loss = next.total() - standing.total();
            if loss < threshold && least.as_ref().is_none_or(|(other, _)| loss < *other) {
                least = Some((loss, next));
            }
        }
        match least {
            Some((_, next)) => standing = next,
            None => return standing,
        }
    }
}
