//! The phases of selection, one after the other, each with what the one before left.

use super::candidate::Pricing;
use super::explore::{FirstLook, explore, instant};
use super::extend::{Mode, extend};
use super::narrow::narrow;
use super::outcome::{Selection, outcome};
use super::relax::relax;
use super::search::{Search, Standing};
use super::shake::shake;
use super::swap::{make_way, prune, swap};
use super::workload::{Options, Workload};

/// Finds the indexes that serve the workload best within the options.
///
/// When the time is over, the best set so far is the answer; with no time at all it is what one call for each query
/// with all of its candidates tells.
pub fn select(workload: &Workload, options: &Options, pricing: &mut dyn Pricing) -> Selection {
    let mut search = Search::new(workload, options, pricing);
    let look = explore(&mut search);
    let found = best(&mut search, &look);
    let found = within_budget(&mut search, found);
    outcome(&mut search, &found)
}

/// Giving up indexes from above asks for a planning of most queries at each step. With more queries than these the set is
/// built up first, which makes the most of a time that does not reach for both.
const FEW_QUERIES: usize = 40;

/// The best set that any way of searching finds.
pub fn best(search: &mut Search<'_>, look: &FirstLook) -> Standing {
    let mut best = search.nothing();
    let seed = instant(search, look);
    consider(search, &mut best, seed.clone());
    let modes = modes(search);
    let is_long = search.queries.len() > FEW_QUERIES;
    if is_long {
        search.ledger.report("choosing indexes", 0, modes.len() + 1);
        let built = extend(search, &search.nothing(), &modes[0]);
        consider(search, &mut best, built);
        if search.ledger.is_over() {
            return best;
        }
    }
    search.ledger.report("giving up indexes", 0, 1);
    let relaxed = relax(search, look);
    consider(search, &mut best, relaxed.clone());
    // What is left of the room may have a use.
    let filled = extend(search, &relaxed, &modes[0]);
    consider(search, &mut best, filled);
    // The first from the seed too, which may lead elsewhere.
    let done = usize::from(is_long);
    let starts = modes[done..].iter().map(|mode| (search.nothing(), mode));
    let starts: Vec<(Standing, &Mode)> = starts.chain([(seed, &modes[0])]).collect();
    for (position, (start, mode)) in starts.iter().enumerate() {
        search.ledger.report("choosing indexes", position, starts.len());
        if search.ledger.is_over() {
            break;
        }
        let found = extend(search, start, mode);
        consider(search, &mut best, found);
    }
    if search.options.budget_bytes.is_some() || search.options.max_indexes.is_some() {
        let few = &modes[..modes.len().min(MODES_FOR_SWAPS)];
        let swapped = swap(search, &best, few);
        consider(search, &mut best, swapped);
        let shaken = shake(search, best.clone(), &modes);
        consider(search, &mut best, shaken);
    }
    if search.ledger.is_over() {
        return best;
    }
    let mut polished = prune(search, best.clone());
    if search.options.partial {
        polished = narrow(search, polished);
    }
    // What became free may have a better use.
    for mode in &modes {
        polished = extend(search, &polished, mode);
    }
    if search.is_allowed(&polished) { polished } else { best }
}

/// Sizes from a few rows are right to some percent. Those of the chosen ones are looked at closely, and where they are too
/// large together the least useful ones make way for others.
fn within_budget(search: &mut Search<'_>, mut found: Standing) -> Standing {
    /// What is put in the place of others has its true size looked at in the next round.
    const ROUNDS: usize = 4;
    if search.options.budget_bytes.is_none() {
        return found;
    }
    let modes = modes(search);
    let mut best = search.nothing();
    for round in 1..=ROUNDS {
        search.ledger.report("sizing the chosen indexes", round, ROUNDS);
        let sized = search.sized_closely(found.clone());
        let is_allowed = search.is_allowed(&sized);
        let Some(mut reduced) = make_way(search, sized, None) else { break };
        consider(search, &mut best, reduced.clone());
        if is_allowed && round > 1 || round == ROUNDS || search.ledger.is_over() {
            break;
        }
        // What is left may have a use.
        for mode in &modes {
            reduced = extend(search, &reduced, mode);
        }
        if !is_allowed {
            let swapped = swap(search, &reduced, &modes[..modes.len().min(MODES_FOR_SWAPS)]);
            consider(search, &mut reduced, swapped);
        }
        found = reduced;
    }
    best
}

fn consider(search: &Search<'_>, best: &mut Standing, found: Standing) {
    if search.is_better(&found, best) {
        *best = found;
    }
}

/// Modes that are tried for each exchange.
const MODES_FOR_SWAPS: usize = 3;

/// Gain for the size, gain alone, and between, which is first because it comes to a good set in few steps; with few
/// key columns too: a wide index that saves much for its size can stand in the way of two narrow ones.
fn modes(search: &Search<'_>) -> Vec<Mode> {
    const FEW_COLUMNS: usize = 2;
    let longest = search.options.max_columns;
    let few = longest.min(FEW_COLUMNS);
    // Without a budget, size matters only between equals.
    let modes: &[(f64, usize)] = if search.options.budget_bytes.is_some() {
        &[(0.5, longest), (1.0, longest), (0.0, longest), (1.0, few), (0.5, few), (0.0, few)]
    } else {
        &[(0.5, longest), (0.0, longest), (0.5, few)]
    };
    let mut found: Vec<Mode> = Vec::new();
    for &(exponent, longest) in modes {
        let mode = Mode { exponent, longest, without: Vec::new() };
        if !found.contains(&mode) {
            found.push(mode);
        }
    }
    found
}
