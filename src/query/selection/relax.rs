//! From above: all indexes that some query's best plan scans, of which the least useful ones are given up until the rest
//! is within the budget. Taking away asks little of the planner, because a plan is as it was unless it scanned what goes;
//! so this comes to a good set where there is no time to build one up.

use super::explore::FirstLook;
use super::pool::CandidateId;
use super::search::{Search, Standing};
use super::swap::make_way;

/// The share of what an index must save that it must be credited with to be among those that are begun with.
const WORTH_A_LOOK: f64 = 0.2;

/// The set that is left, if it is within the options.
pub fn relax(search: &mut Search<'_>, look: &FirstLook) -> Standing {
    let least = search.threshold() * WORTH_A_LOOK;
    let credit = look.credit(search);
    let all: Vec<CandidateId> = (0..credit.len()).filter(|&id| credit[id] > least).collect();
    let mut standing = search.stand(&all, &[]);
    // Twins of what is there anyway.
    for id in all {
        if standing.chosen.iter().any(|&other| search.pool.serves(other, id)) {
            standing = search.without(&standing, id);
        }
    }
    make_way(search, standing, None).unwrap_or_else(|| search.nothing())
}
