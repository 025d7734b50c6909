use super::super::set::Distance;
use super::super::span_of_calendar::moved;
use super::super::zone::Zone;

/// The moment that lies by a span of the calendar before another, both in microseconds since 2000-01-01 00:00 UTC: as the
/// server subtracts an interval in that zone. `None` where the distance is one in numbers or leads beyond the calendar.
pub fn moment_before(moment: i64, distance: Distance, zone: &dyn Zone) -> Option<i64> {
    let Distance::Time { months, days, microseconds } = distance else { return None };
    moved(moment, (-i64::from(months), -i64::from(days), microseconds.checked_neg()?), zone)
}
