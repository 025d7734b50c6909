//! Before which moment everything is too old.

use super::super::set::Distance;
use super::super::zone::Zone;
use crate::text::date::{Date, days_in_month};

/// Microseconds a day.
const DAY: i64 = 86_400_000_000;
/// Days from 1970-01-01, where our calendar counts from, to 2000-01-01, where the server does.
const EPOCH_DAYS: i64 = 10_957;

/// The moment that lies by a span of the calendar before another, both in microseconds since 2000-01-01 00:00 UTC: as the
/// server subtracts an interval in that zone. `None` where the distance is one in numbers or leads beyond the calendar.
pub fn moment_before(moment: i64, distance: Distance, zone: &dyn Zone) -> Option<i64> {
    let Distance::Time { months, days, microseconds } = distance else { return None };
    let wall = zone.wall(moment);
    let date = Date::from_days(wall.div_euclid(DAY).checked_add(EPOCH_DAYS)?);
    let month =
        date.year.checked_mul(12)?.checked_add(i64::from(date.month) - 1)?.checked_sub(i64::from(months))?;
    let (year, month) = (month.div_euclid(12), u8::try_from(month.rem_euclid(12) + 1).ok()?);
    if !(-4_000..=290_000).contains(&year) {
        return None;
    }
    let day = date.day.min(days_in_month(year, month));
    let first = Date { year, month, day }.days().checked_sub(EPOCH_DAYS)?.checked_sub(i64::from(days))?;
    let wall = first.checked_mul(DAY)?.checked_add(wall.rem_euclid(DAY))?;
    zone.moment(wall).checked_sub(microseconds)
}
