//! Where a set is cut: boundaries counted from one origin, never from the boundary before.

#[cfg(feature = "postgres")]
pub mod api;

use super::key::{Edge, KeyKind, Position, Range};
use super::line::{self, MOMENTS};
use super::set::{Every, Policy};
use super::zone::Zone;
use crate::catalog::{DAY, EPOCH_DAYS};
use crate::text::date::{Date, days_in_month};

/// The weekday of ISO 8601 on which weeks begin unless somebody says otherwise: Monday.
pub const MONDAY: u8 = 1;

/// All boundaries of a set: number n is the origin and n times the width. Days and months are counted on the wall of the
/// zone, everything shorter in UTC.
#[derive(Clone, Copy)]
pub struct Grid<'zone> {
    /// What the values are.
    pub kind: KeyKind,
    /// How wide a range is.
    pub every: Every,
    /// The boundary of number 0.
    pub origin: Position,
    zone: &'zone dyn Zone,
}

/// Where a boundary lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Below,
    At(Position),
    Above,
}

impl<'zone> Grid<'zone> {
    /// A grid of boundaries.
    pub fn new(kind: KeyKind, every: Every, origin: Position, zone: &'zone dyn Zone) -> Self {
        Self { kind, every, origin, zone }
    }

    /// The grid of a policy.
    pub fn of(policy: &Policy, zone: &'zone dyn Zone) -> Self {
        Self::new(policy.key, policy.every, policy.origin, zone)
    }

    /// The boundary of a number; `None` beyond the ends of the type. Neighbours may be the same where the clock of the
    /// zone leapt over a whole day.
    pub fn boundary(&self, number: i128) -> Option<Position> {
        match self.place(number) {
            Place::At(position) => Some(position),
            Place::Below | Place::Above => None,
        }
    }

    /// The number of the last boundary at or before a place; what lies beyond the ends of the type counts as the end.
    pub fn index_of(&self, position: Position) -> i128 {
        let (first, last) = line::ends(self.kind);
        let position = position.clamp(first, last);
        let mut number = self.estimate(position);
        while self.place(number + 1) <= Place::At(position) {
            number += 1;
        }
        while self.place(number) > Place::At(position) {
            number -= 1;
        }
        number
    }

    /// The range that a place lies in. Where the type ends before the next boundary, its edge is MINVALUE or MAXVALUE.
    pub fn range_of(&self, position: Position) -> Range {
        let number = self.index_of(position);
        Range { low: self.edge(number), high: self.edge(number + 1) }
    }

    /// The range from an edge, which is the upper one of the newest partition, to the first boundary after it. `None` where
    /// the type has no values there.
    pub fn next(&self, edge: Position) -> Option<Range> {
        let (_, last) = line::ends(self.kind);
        if edge > last {
            return None;
        }
        Some(Range { low: Edge::At(edge), high: self.edge(self.index_of(edge) + 1) })
    }

    /// The ranges that take everything from one place up to, and with, another, in order.
    pub fn ranges(&self, from: Position, to: Position) -> impl Iterator<Item = Range> + '_ {
        let mut next = (from <= to).then(|| self.range_of(from));
        std::iter::from_fn(move || {
            let range = next.take()?;
            if let Edge::At(high) = range.high
                && high <= to
            {
                next = self.next(high);
            }
            Some(range)
        })
    }

    /// Whether a boundary lies exactly there.
    pub fn is_boundary(&self, position: Position) -> bool {
        self.place(self.index_of(position)) == Place::At(position)
    }

    /// What the clock on the wall of the zone shows at a boundary, or would show had it not leapt there: in microseconds
    /// since 2000-01-01 00:00. `None` for a key that counts, and beyond the ends.
    pub(super) fn nominal_wall(&self, number: i128) -> Option<i128> {
        match (self.every, self.kind) {
            (_, KeyKind::Integer { .. }) => None,
            (Every::Months(months), _) => self.wall_in_months(number.checked_mul(i128::from(months))?),
            (Every::Days(days), _) => self.wall_in_days(number.checked_mul(i128::from(days))?),
            _ => self.wall_of(self.boundary(number)?),
        }
    }

    /// What the clock on the wall shows at a place.
    pub(super) fn wall_of(&self, position: Position) -> Option<i128> {
        match self.kind {
            // The far dates do not fit into 64 bits of microseconds.
            KeyKind::Date => Some(i128::from(position) * i128::from(DAY)),
            KeyKind::Timestamp => Some(i128::from(position)),
            kind => {
                let moment = line::moment_of_position(kind, position, self.zone)?;
                Some(i128::from(self.zone.wall(moment)))
            }
        }
    }

    /// The place at which the clock on the wall shows this, if there is one.
    pub(super) fn position_of_wall(&self, wall: i128) -> Option<Position> {
        match self.place_of_wall(wall) {
            Place::At(position) => Some(position),
            Place::Below | Place::Above => None,
        }
    }

    fn edge(&self, number: i128) -> Edge {
        match self.place(number) {
            Place::Below => Edge::MinValue,
            Place::At(position) => Edge::At(position),
            Place::Above => Edge::MaxValue,
        }
    }

    fn place(&self, number: i128) -> Place {
        if let Some(step) = self.even_step() {
            let place = number.checked_mul(step).and_then(|far| far.checked_add(i128::from(self.origin)));
            return match place {
                Some(place) => self.within(place),
                None if number < 0 => Place::Below,
                None => Place::Above,
            };
        }
        let wall = match self.every {
            Every::Months(months) => {
                number.checked_mul(i128::from(months)).and_then(|months| self.wall_in_months(months))
            }
            Every::Days(days) => {
                number.checked_mul(i128::from(days)).and_then(|days| self.wall_in_days(days))
            }
            Every::Microseconds(_) | Every::Step(_) => None,
        };
        match wall {
            Some(wall) => self.place_of_wall(wall),
            None if number < 0 => Place::Below,
            None => Place::Above,
        }
    }

    fn within(&self, place: i128) -> Place {
        let (first, last) = line::ends(self.kind);
        if place < i128::from(first) {
            Place::Below
        } else if place > i128::from(last) {
            Place::Above
        } else {
            Place::At(line::saturated(place))
        }
    }

    /// How far apart boundaries are on the line of the key, where they are all the same.
    fn even_step(&self) -> Option<i128> {
        match self.every {
            Every::Step(step) => Some(i128::from(step.max(1))),
            Every::Microseconds(span) => Some(line::length_of(self.kind, span)),
            Every::Days(days) if !line::tells_moments(self.kind) => {
                Some(i128::from(days.max(1)) * line::length_of(self.kind, DAY.unsigned_abs()))
            }
            // A number has no calendar: nobody asks for it, and we must not loop.
            Every::Months(_) if !self.kind.is_time() => Some(1),
            Every::Days(_) | Every::Months(_) => None,
        }
    }

    /// The wall at the origin and so many months.
    fn wall_in_months(&self, months: i128) -> Option<i128> {
        let wall = self.wall_of(self.origin)?;
        let start = date_of(wall);
        let month = i128::from(month_number(start)).checked_add(months)?;
        // Beyond what the server's dates can hold nothing has to be right.
        let month = i64::try_from(month).ok().filter(|month| month.unsigned_abs() < 12 * 10_000_000)?;
        let (year, month) = (month.div_euclid(12), (month.rem_euclid(12) + 1) as u8);
        let day = start.day.min(days_in_month(year, month));
        let days = Date { year, month, day }.days() - EPOCH_DAYS;
        Some(i128::from(days) * i128::from(DAY) + wall.rem_euclid(i128::from(DAY)))
    }

    /// The wall at the origin and so many days.
    fn wall_in_days(&self, days: i128) -> Option<i128> {
        days.checked_mul(i128::from(DAY))?.checked_add(self.wall_of(self.origin)?)
    }

    fn place_of_wall(&self, wall: i128) -> Place {
        match self.kind {
            KeyKind::Date => self.within(wall.div_euclid(i128::from(DAY))),
            KeyKind::Timestamp => self.within(wall),
            kind => match i64::try_from(wall) {
                Ok(wall) if (MOMENTS.0..=MOMENTS.1).contains(&wall) => {
                    self.within(line::from_moment(kind, self.zone.moment(wall)))
                }
                _ if wall < 0 => Place::Below,
                _ => Place::Above,
            },
        }
    }

    /// A number near that of the last boundary at or before a place.
    fn estimate(&self, position: Position) -> i128 {
        if let Some(step) = self.even_step() {
            return (i128::from(position) - i128::from(self.origin)).div_euclid(step);
        }
        let wall_of = |position| self.wall_of(position).unwrap_or(0);
        let (wall, origin) = (wall_of(position), wall_of(self.origin));
        match self.every {
            Every::Months(months) => {
                let month = |wall| i128::from(month_number(date_of(wall)));
                (month(wall) - month(origin)).div_euclid(i128::from(months.max(1)))
            }
            Every::Days(days) => (wall - origin).div_euclid(i128::from(days.max(1)) * i128::from(DAY)),
            Every::Microseconds(_) | Every::Step(_) => 0,
        }
    }
}

/// The date that the clock on the wall shows.
pub(super) fn date_of(wall: i128) -> Date {
    let days = line::saturated(wall.div_euclid(i128::from(DAY)));
    Date::from_days(days.saturating_add(EPOCH_DAYS))
}

/// How many months lie before the one of a date.
fn month_number(date: Date) -> i64 {
    date.year * 12 + i64::from(date.month) - 1
}

/// The origin of a new set: a boundary on the calendar of the zone, from which widths that do not divide a year or a week
/// are counted too. Weeks begin on a weekday of ISO 8601, 1 to 7.
pub fn default_origin(kind: KeyKind, every: Every, week_start: u8, zone: &dyn Zone) -> Position {
    let day = match every {
        Every::Step(_) => return 0,
        // 2000-01-03 was a Monday.
        Every::Days(days) if days % 7 == 0 => 2 + i64::from(week_start.clamp(1, 7) - 1),
        Every::Months(_) | Every::Days(_) | Every::Microseconds(_) => 0,
    };
    let wall = day * DAY;
    match kind {
        KeyKind::Integer { .. } => 0,
        KeyKind::Date => day,
        KeyKind::Timestamp => wall,
        // Hours and less are counted in UTC.
        _ if matches!(every, Every::Microseconds(_)) => line::saturated(line::from_moment(kind, wall)),
        _ => line::saturated(line::from_moment(kind, zone.moment(wall))),
    }
}

/// The origin of a set that has a partition with that edge already: the default one where the edge is a boundary of it,
/// else the edge.
pub fn origin_through(kind: KeyKind, every: Every, edge: Position, zone: &dyn Zone) -> Position {
    let week_starts = if matches!(every, Every::Days(days) if days % 7 == 0) { 1..=7 } else { 1..=1 };
    week_starts
        .map(|weekday| default_origin(kind, every, weekday, zone))
        .find(|&origin| Grid::new(kind, every, origin, zone).is_boundary(edge))
        .unwrap_or(edge)
}

#[cfg(test)]
mod tests;
