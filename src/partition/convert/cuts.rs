//! Where a table is cut that nobody has cut before: the cutoff, which no row may have reached, and the partitions behind; or all
//! ranges that its rows need.

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
    let latest = latest(grid, now, newest, table)?;
    let end = || end(table);
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

fn at(edge: &Edge) -> Option<Position> {
    match edge {
        Edge::At(position) => Some(*position),
        _ => None,
    }
}

fn end(table: &str) -> Refusal {
    Refusal::new(
        format!("the values of {table} come to the end of their type before the boundary after the next"),
        "Choose a smaller width.",
    )
}

/// Where the newest row is, or could be.
fn latest(
    grid: &Grid<'_>,
    now: Position,
    newest: Option<Position>,
    table: &str,
) -> Result<Position, Refusal> {
    let latest = newest.map_or(now, |newest| newest.max(now));
    if grid.index_of(latest) - grid.index_of(now) > FURTHEST {
        return Err(Refusal::new(
            format!("the newest row of {table} lies more than {FURTHEST} partitions ahead of now"),
            "Correct the keys of rows that lie in the far future first.",
        )
        .detail(format!("Its key is {}.", crate::partition::line::text(grid.kind, latest))));
    }
    Ok(latest)
}

/// The ranges that take all rows, from the oldest on, and what comes next. `most`: so many can be made; one more than that comes
/// back where there would be more.
pub fn ranges_of_all(
    grid: &Grid<'_>,
    now: Position,
    oldest: Option<Position>,
    newest: Option<Position>,
    premake: u32,
    most: usize,
    table: &str,
) -> Result<Vec<Range>, Refusal> {
    let latest = latest(grid, now, newest, table)?;
    let first = oldest.map_or(now, |oldest| oldest.min(now));
    let mut ranges: Vec<Range> = grid.ranges(first, latest).take(most + 1).collect();
    // As with a cutoff, no row that comes soon is to be refused.
    for _ in 0..premake.max(2) {
        let edge = ranges.last().and_then(|range| at(&range.high)).ok_or_else(|| end(table))?;
        let Some(next) = grid.next(edge) else { break };
        ranges.push(next);
    }
    if ranges.last().and_then(|range| at(&range.high)).is_none() {
        ranges.pop();
    }
    if ranges.is_empty() { Err(end(table)) } else { Ok(ranges) }
}
