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
    let starts = [search.nothing(), seed];
    let total = modes.len() * starts.len();
    for (position, (start, mode)) in
        starts.iter().flat_map(|start| modes.iter().map(move |mode| (start, mode))).enumerate()
    {
        search.ledger.report("choosing indexes", position, total);
        if search.ledger.is_over() {
            break;
        }
        let found = extend(search, start, mode);
        consider(search, &mut best, found);
    }
    if search.options.budget_bytes.is_some() || search.options.max_indexes.is_some() {
        let swapped = swap(search, &best, &modes);
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

/// Gain for the size, gain alone, and between; with few key columns first: a wide index that saves much for its size
/// can stand in the way of two narrow ones.
fn modes(search: &Search<'_>) -> Vec<Mode> {
    const FEW_COLUMNS: usize = 2;
    let longest = search.options.max_columns;
    let mut lengths = vec![longest];
    if longest > FEW_COLUMNS {
        lengths.push(FEW_COLUMNS);
    }
    let with = |exponent: f64| {
        lengths.clone().into_iter().map(move |longest| Mode { exponent, longest, without: Vec::new() })
    };
    // Without a budget, size matters only between equals.
    let exponents: &[f64] =
        if search.options.budget_bytes.is_some() { &[1.0, 0.5, 0.0] } else { &[0.5, 0.0] };
    exponents.iter().flat_map(|&exponent| with(exponent)).collect()
}
