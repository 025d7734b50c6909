//! Spans of the calendar: how the server adds an interval to a moment.

use super::zone::Zone;
use crate::catalog::{DAY, EPOCH_DAYS};
use crate::text::date::{Date, days_in_month};

/// The years between which moments are looked for; the server's own end a little further out.
const YEARS: std::ops::RangeInclusive<i64> = -4_000..=290_000;

/// The moment that lies by months, days and microseconds after another, or before it where they are negative; moments are
/// microseconds since 2000-01-01 00:00 UTC. As the server adds an interval in that zone: the month first, in which the day
/// is cut to the last one, then the days, then the time. `None` where that leads beyond the calendar.
pub fn moved(moment: i64, (months, days, microseconds): (i64, i64, i64), zone: &dyn Zone) -> Option<i64> {
    let wall = zone.wall(moment);
    let date = Date::from_days(wall.div_euclid(DAY).checked_add(EPOCH_DAYS)?);
    let month = date.year.checked_mul(12)?.checked_add(i64::from(date.month) - 1 + months)?;
    let (year, month) = (month.div_euclid(12), u8::try_from(month.rem_euclid(12) + 1).ok()?);
    if !YEARS.contains(&year) {
        return None;
    }
    let day = date.day.min(days_in_month(year, month));
    let first = Date { year, month, day }.days().checked_sub(EPOCH_DAYS)?.checked_add(days)?;
    let wall = first.checked_mul(DAY)?.checked_add(wall.rem_euclid(DAY))?;
    zone.moment(wall).checked_add(microseconds)
}
