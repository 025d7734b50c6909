//! Where a table is cut that nobody has cut before: the cutoff, which no row may have reached, and the partitions behind.

use crate::partition::grid::Grid;
use crate::partition::key::{Edge, Position, Range};
use crate::partition::refusal::Refusal;

/// The newest row may lie so many ranges ahead of now; what lies further ahead is a mistake in the data.
const FURTHEST: i128 = 100;

/// Where to cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cuts {
    /// The first value that the old table does not take: the boundary after the next one.
    pub cutoff: Position,
    /// The ranges behind it.
    pub ranges: Vec<Range>,
}

/// `now`: where the key of a row that is made now lies; `newest`: that of the last row that there is.
pub fn cuts(
    grid: &Grid<'_>,
    now: Position,
    newest: Option<Position>,
    premake: u32,
    table: &str,
) -> Result<Cuts, Refusal> {
    let latest = newest.map_or(now, |newest| newest.max(now));
    if grid.index_of(latest) - grid.index_of(now) > FURTHEST {
        return Err(Refusal::new(
            format!("the newest row of {table} lies more than {FURTHEST} partitions ahead of now"),
            "Correct the keys of rows that lie in the far future first.",
        )
        .detail(format!("Its key is {}.", crate::partition::line::text(grid.kind, latest))));
    }
    let end = || {
        Refusal::new(
            format!("the values of {table} come to the end of their type before the boundary after the next"),
            "Choose a smaller width.",
        )
    };
    let at = |edge: &Edge| match edge {
        Edge::At(position) => Some(*position),
        _ => None,
    };
    let next = at(&grid.range_of(latest).high).ok_or_else(end)?;
    let cutoff = grid.next(next).and_then(|next| at(&next.high)).ok_or_else(end)?;
    let mut ranges = Vec::new();
    let mut edge = Some(cutoff);
    for _ in 0..premake.saturating_sub(1).max(1) {
        let Some(next) = edge.and_then(|edge| grid.next(edge)) else { break };
        edge = at(&next.high);
        ranges.push(next);
    }
    Ok(Cuts { cutoff, ranges })
}
