//! A way out of what no exchange of one or two indexes leads out of: some of the chosen ones, taken by chance, are given up
//! together, one that was not chosen may be forced in, and the room is filled anew. By the same chance each time.

use super::extend::{Mode, extend};
use super::pool::CandidateId;
use super::search::{Search, Standing};
use super::swap::make_way;
use crate::query::chance::Chance;

/// Attempts without a gain after which it is enough.
const FRUITLESS: usize = 40;
/// The share of the chosen indexes of which a number is given up.
const GIVEN_UP_SHARE: f64 = 0.4;

/// Improves a set until that has been fruitless for long or the time is over.
pub fn shake(search: &mut Search<'_>, start: Standing, modes: &[Mode]) -> Standing {
    let mut best = start;
    let mut chance = Chance::new(1);
    let mut fruitless = 0;
    while fruitless < FRUITLESS && !best.chosen.is_empty() && !search.ledger.is_over() {
        search.ledger.report("shaking the set", fruitless, FRUITLESS);
        let found = attempt(search, &best, modes, &mut chance);
        fruitless += 1;
        if let Some(found) = found.filter(|found| search.is_better(found, &best)) {
            best = found;
            fruitless = 0;
        }
    }
    best
}

fn attempt(
    search: &mut Search<'_>,
    best: &Standing,
    modes: &[Mode],
    chance: &mut Chance,
) -> Option<Standing> {
    let most = ((best.chosen.len() as f64 * GIVEN_UP_SHARE) as usize).max(1);
    let count = 1 + chance.below(most);
    let mut kept = best.chosen.clone();
    let given_up: Vec<CandidateId> = (0..count).map(|_| kept.swap_remove(chance.below(kept.len()))).collect();
    let mut next = given_up.iter().fold(best.clone(), |standing, &id| search.without(&standing, id));
    if chance.below(2) == 0 {
        let threshold = search.threshold();
        let open: Vec<CandidateId> = (0..search.pool.len())
            .filter(|id| !best.chosen.contains(id) && search.options.affords(search.pool.item(*id).bytes))
            .filter(|&id| !kept.iter().any(|&other| search.pool.serves(other, id)))
            .filter(|&id| search.gain_bound(&next, id) >= threshold)
            .collect();
        if !open.is_empty() {
            let forced = open[chance.below(open.len())];
            let with_it = search.with(&next, forced);
            next = make_way(search, with_it, Some(forced))?;
        }
    }
    let first = chance.below(modes.len());
    let without = if chance.below(2) == 0 { given_up } else { Vec::new() };
    next = extend(search, &next, &Mode { without, ..modes[first].clone() });
    Some(extend(search, &next, &modes[first]))
}
