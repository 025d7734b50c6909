//! Which partitions have to be made: by arithmetic on bounds alone, no row is looked at.

use super::super::key::{Position, Range};
use super::super::set::{Policy, Set};
use super::Action;
use super::decide::{Cuts, Now, high_of, low_of};

/// A stretch of the line.
type Stretch = (Position, Position);

/// Adds what has to be made: the partition of now and those after it, then gaps between partitions, the newest first.
pub fn add(actions: &mut Vec<Action>, set: &Set, policy: &Policy, now: &Now, cuts: &dyn Cuts) {
    let mut taken: Vec<Stretch> = set
        .partitions
        .iter()
        .filter_map(|partition| partition.range.as_ref())
        .filter_map(|range| Some((low_of(range)?, high_of(range)?)))
        .collect();
    taken.sort_unstable();
    let first = taken.first().map(|stretch| stretch.0);
    let Some(here) = now.position.or(first.filter(|&low| low != Position::MIN)).or(Some(policy.origin))
    else {
        return;
    };
    let (start, target) = frontier(&taken, policy.premake, here, cuts);
    let limit = usize::try_from(policy.max_create).unwrap_or(usize::MAX);
    let mut cells = Cells { cuts, limit, left: limit, made: Vec::new(), is_cut_short: false };

    // What writers will need: from the partition of now on.
    for gap in gaps(&taken, start, target) {
        cells.fill(gap);
    }
    let ahead = cells.made.len();
    // What late rows need: between partitions that are there, and the one of now.
    let mut too_wide = None;
    if let Some(oldest) = first {
        let from = now.cutoff.map_or(oldest, |cutoff| oldest.max(cuts.at_or_before(cutoff)));
        for gap in gaps(&taken, from, start).into_iter().rev() {
            if !cells.is_small(gap) {
                too_wide = too_wide.or(Some(gap));
                continue;
            }
            let begin = cells.made.len();
            cells.fill(gap);
            cells.made[begin..].reverse();
        }
    }
    let (made, is_cut_short) = (cells.made, cells.is_cut_short);
    let count = made.len();
    actions.extend(made.into_iter().enumerate().filter_map(|(place, (low, high))| {
        // What retention would take away at once is not made.
        let is_old = place >= ahead && now.cutoff.is_some_and(|cutoff| high <= cutoff);
        let range = Range::between(low, high);
        (!is_old).then(|| Action::Create { name: cuts.name(&range), range })
    }));
    if is_cut_short {
        actions.push(Action::Stop {
            what: "create",
            reason: format!(
                "more than {count} partitions are missing, and one pass creates no more: max_create is {limit}"
            ),
        });
    }
    if let Some((low, high)) = too_wide {
        actions.push(Action::Stop {
            what: "create",
            reason: format!(
                "the gap from {} to {} needs more than {limit} partitions and is left: max_create is {limit}",
                cuts.text(low),
                cuts.text(high)
            ),
        });
    }
}

/// From the lower edge of the partition of now up to where partitions have to be.
fn frontier(taken: &[Stretch], premake: u32, here: Position, cuts: &dyn Cuts) -> Stretch {
    let holder = taken.iter().find(|(low, high)| *low <= here && here < *high);
    let (start, mut target) = match holder {
        Some(&(low, high)) => (low, high),
        None => {
            let low = cuts.at_or_before(here);
            // A partition can begin or end between two boundaries.
            let before = taken.iter().filter(|(_, high)| *high <= here).map(|(_, high)| *high).max();
            (before.map_or(low, |before| before.max(low)), cuts.after(here).unwrap_or(Position::MAX))
        }
    };
    for _ in 0..premake {
        // Where partitions are that were cut otherwise, they count as they are.
        let next = taken
            .iter()
            .find(|(low, high)| *low <= target && target < *high)
            .map(|(_, high)| *high)
            .or_else(|| cuts.after(target));
        match next {
            Some(next) if next > target => target = next,
            _ => break,
        }
    }
    (start, target)
}

/// What of a stretch is not taken.
fn gaps(taken: &[Stretch], from: Position, to: Position) -> Vec<Stretch> {
    let mut gaps = Vec::new();
    let mut cursor = from;
    for &(low, high) in taken {
        if low >= to {
            break;
        }
        if low > cursor {
            gaps.push((cursor, low));
        }
        cursor = cursor.max(high);
    }
    if cursor < to {
        gaps.push((cursor, to));
    }
    gaps
}

/// The partitions of gaps, up to a limit.
struct Cells<'a> {
    cuts: &'a dyn Cuts,
    limit: usize,
    left: usize,
    made: Vec<Stretch>,
    is_cut_short: bool,
}

impl Cells<'_> {
    fn next(&self, low: Position, end: Position) -> Position {
        self.cuts.after(low).filter(|&high| high > low).map_or(end, |high| high.min(end))
    }

    fn fill(&mut self, (mut low, end): Stretch) {
        while low < end {
            if self.left == 0 {
                self.is_cut_short = true;
                return;
            }
            let high = self.next(low, end);
            self.made.push((low, high));
            self.left -= 1;
            low = high;
        }
    }

    /// Whether a gap needs no more partitions than a pass may make.
    fn is_small(&self, (mut low, end): Stretch) -> bool {
        for _ in 0..self.limit {
            low = self.next(low, end);
            if low >= end {
                return true;
            }
        }
        false
    }
}
