//! The phases of selection, one after the other, each with what the one before left.

use super::candidate::Pricing;
use super::explore::{FirstLook, explore, instant};
use super::extend::{Mode, extend};
use super::narrow::narrow;
use super::outcome::{Selection, outcome};
use super::search::{Search, Standing};
use super::swap::{prune, swap};
use super::workload::{Options, Workload};

/// Finds the indexes that serve the workload best within the options.
///
/// When the time is over, the best set so far is the answer; with no time at all it is what one call for each query
/// with all of its candidates tells.
pub fn select(workload: &Workload, options: &Options, pricing: &mut dyn Pricing) -> Selection {
    let mut search = Search::new(workload, options, pricing);
    let look = explore(&mut search);
    let found = best(&mut search, &look);
    outcome(&mut search, &found)
}

/// The best set that any way of searching finds.
pub fn best(search: &mut Search<'_>, look: &FirstLook) -> Standing {
    let mut best = search.nothing();
    let seed = instant(search, look);
    consider(search, &mut best, seed.clone());
    let modes = modes(search);
    // The first from the seed too, which may lead elsewhere.
    let starts = modes.iter().map(|mode| (search.nothing(), mode));
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
