//! Moments: the server counts microseconds from 2000, we from 1970.

use pgrx::datum::{Interval, TimestampWithTimeZone};
use pgrx::pg_sys;

use crate::catalog::{DAY, EPOCH_DIFFERENCE, Moment};

/// A moment of the server as microseconds since 1970; infinities stay at the ends.
pub fn from_timestamp(timestamp: pg_sys::TimestampTz) -> Moment {
    match timestamp {
        Moment::MIN | Moment::MAX => timestamp,
        finite => finite.saturating_add(EPOCH_DIFFERENCE),
    }
}

/// Microseconds since 1970 as a moment of the server; infinities stay at the ends.
pub fn to_timestamp(moment: Moment) -> pg_sys::TimestampTz {
    match moment {
        Moment::MIN | Moment::MAX => moment,
        finite => finite.saturating_sub(EPOCH_DIFFERENCE),
    }
}

/// A moment as SQL's timestamp with time zone; what SQL cannot hold comes out as an infinity.
pub fn timestamp(moment: Moment) -> TimestampWithTimeZone {
    TimestampWithTimeZone::try_from(to_timestamp(moment))
        .unwrap_or_else(|_| TimestampWithTimeZone::positive_infinity())
}

/// The server's clock.
pub fn now() -> Moment {
    // SAFETY: reads the clock.
    from_timestamp(unsafe { pg_sys::GetCurrentTimestamp() })
}

/// A span of microseconds as SQL's interval, whole days apart from the time of day.
pub fn interval(span: Moment) -> Option<Interval> {
    let days = i32::try_from(span / DAY).ok()?;
    Interval::new(0, days, span % DAY).ok()
}
