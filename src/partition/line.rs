//! The line of a key's values: its ends, where a moment lies on it, and how a place on it is written.

use super::key::{Edge, EpochUnit, KeyKind, Position, Range};
use super::zone::Zone;
use crate::catalog::partition::moment;
/// The places of values of rows: all of a uuid and of a ULID but its moment counts for nothing.
pub use crate::catalog::partition::moment::{
    of_ulid as milliseconds_of_ulid, of_uuid as milliseconds_of_uuid,
};
use crate::catalog::{DAY, EPOCH_DAYS, EPOCH_DIFFERENCE};
use crate::text::date::{Date, days_in_month};
use crate::text::quote_literal;

/// Microseconds an hour.
pub const HOUR: i64 = 3_600_000_000;
/// Microseconds a second.
pub const SECOND: i64 = 1_000_000;

/// 4714-11-24 BC, the first day of the server's dates and timestamps.
const FIRST_DAY: i64 = -2_451_545;
/// 5874897-12-31, the last day of its dates.
const LAST_DATE: i64 = 2_145_031_948;
/// The last microsecond of its timestamps: 294276-12-31 23:59:59.999999.
const LAST_MOMENT: i64 = 9_223_371_331_199_999_999;
/// The first and the last moment that the server's timestamps have.
pub const MOMENTS: (i64, i64) = (FIRST_DAY * DAY, LAST_MOMENT);

/// The first and the last place on the line of a kind. What a time key can hold beyond the server's timestamps is beyond.
pub fn ends(kind: KeyKind) -> (Position, Position) {
    match kind {
        KeyKind::Date => (FIRST_DAY, LAST_DATE),
        KeyKind::Timestamp | KeyKind::TimestampWithTimeZone => MOMENTS,
        KeyKind::Integer { bytes } => integer_ends(bytes),
        KeyKind::Epoch { bytes, .. } => {
            let (first, last) = integer_ends(bytes);
            let at = |moment| saturated(from_moment(kind, moment));
            (first.max(at(MOMENTS.0)), last.min(at(MOMENTS.1)))
        }
        KeyKind::UuidV7 | KeyKind::Ulid => (0, moment::LAST),
    }
}

/// The first and the last value of an integer of 2, 4 or 8 bytes.
fn integer_ends(bytes: u8) -> (i64, i64) {
    match bytes {
        2 => (i64::from(i16::MIN), i64::from(i16::MAX)),
        4 => (i64::from(i32::MIN), i64::from(i32::MAX)),
        _ => (i64::MIN, i64::MAX),
    }
}

/// How many nanoseconds one step on the line of a kind is that tells moments; 0 for one that does not.
fn nanoseconds(kind: KeyKind) -> i128 {
    match kind {
        KeyKind::Epoch { unit: EpochUnit::Seconds, .. } => 1_000_000_000,
        KeyKind::Epoch { unit: EpochUnit::Milliseconds, .. } | KeyKind::UuidV7 | KeyKind::Ulid => 1_000_000,
        KeyKind::Epoch { unit: EpochUnit::Microseconds, .. } | KeyKind::TimestampWithTimeZone => 1_000,
        KeyKind::Epoch { unit: EpochUnit::Nanoseconds, .. } => 1,
        KeyKind::Date | KeyKind::Timestamp | KeyKind::Integer { .. } => 0,
    }
}

/// A number brought to the nearest that a place can have.
pub(super) fn saturated(number: i128) -> i64 {
    i64::try_from(number).unwrap_or(if number < 0 { i64::MIN } else { i64::MAX })
}

/// The first place at or after a moment on the line of a kind that tells moments.
pub(super) fn from_moment(kind: KeyKind, moment: i64) -> i128 {
    let step = nanoseconds(kind).max(1);
    let shift = if kind == KeyKind::TimestampWithTimeZone { 0 } else { EPOCH_DIFFERENCE };
    let since = (i128::from(moment) + i128::from(shift)) * 1_000;
    -(-since).div_euclid(step)
}

/// How long so many microseconds are on the line of a kind of time, at least 1; a date counts whole days.
pub(super) fn length_of(kind: KeyKind, microseconds: u64) -> i128 {
    let microseconds = i128::from(microseconds);
    let length = match kind {
        KeyKind::Date => microseconds / i128::from(DAY),
        KeyKind::Timestamp | KeyKind::TimestampWithTimeZone | KeyKind::Integer { .. } => microseconds,
        KeyKind::Epoch { .. } | KeyKind::UuidV7 | KeyKind::Ulid => microseconds * 1_000 / nanoseconds(kind),
    };
    length.max(1)
}

/// Whether the values of a kind are moments, so that a calendar needs a zone to cut them.
pub fn tells_moments(kind: KeyKind) -> bool {
    nanoseconds(kind) > 0
}

/// The place of a value that is made at a moment, given in microseconds since 2000-01-01 00:00 UTC: for `date` and
/// `timestamp` what the clock on the wall of `zone` shows then. `None` for a key that counts; what lies beyond the ends
/// comes to lie on them.
pub fn position_of_moment(kind: KeyKind, moment: i64, zone: &dyn Zone) -> Option<Position> {
    let moment = moment.clamp(MOMENTS.0, MOMENTS.1);
    let position = match kind {
        KeyKind::Integer { .. } => return None,
        KeyKind::Date => i128::from(zone.wall(moment).div_euclid(DAY)),
        KeyKind::Timestamp => i128::from(zone.wall(moment)),
        _ => {
            let first_after = from_moment(kind, moment);
            first_after - i128::from(after_of(kind, first_after) > i128::from(moment))
        }
    };
    let (first, last) = ends(kind);
    Some(saturated(position).clamp(first, last))
}

/// The moment of a place, in microseconds since 2000-01-01 00:00 UTC. `None` for a key that counts.
pub fn moment_of_position(kind: KeyKind, position: Position, zone: &dyn Zone) -> Option<i64> {
    let (first, last) = ends(kind);
    let position = position.clamp(first, last);
    match kind {
        KeyKind::Integer { .. } => None,
        KeyKind::Date => {
            let wall = position.checked_mul(DAY).unwrap_or(LAST_MOMENT).min(LAST_MOMENT);
            Some(zone.moment(wall).clamp(MOMENTS.0, MOMENTS.1))
        }
        KeyKind::Timestamp => Some(zone.moment(position).clamp(MOMENTS.0, MOMENTS.1)),
        _ => Some(saturated(after_of(kind, i128::from(position))).clamp(MOMENTS.0, MOMENTS.1)),
    }
}

/// The first whole microsecond at or after a place of a kind that tells moments.
fn after_of(kind: KeyKind, position: i128) -> i128 {
    let shift = if kind == KeyKind::TimestampWithTimeZone { 0 } else { EPOCH_DIFFERENCE };
    -(-position * nanoseconds(kind)).div_euclid(1_000) - i128::from(shift)
}

/// A place as the value is written, without quotes: `2026-11-01`, `2026-11-01 00:00:00+00`, `1000000`, a uuid, a ULID.
pub fn text(kind: KeyKind, position: Position) -> String {
    match kind {
        KeyKind::Date => {
            let (date, era) = date_text(position);
            format!("{date}{era}")
        }
        KeyKind::Timestamp | KeyKind::TimestampWithTimeZone => {
            let (date, era) = date_text(position.div_euclid(DAY));
            let clock = clock_text(position.rem_euclid(DAY));
            let zone = if kind == KeyKind::Timestamp { "" } else { "+00" };
            format!("{date} {clock}{zone}{era}")
        }
        KeyKind::Integer { .. } | KeyKind::Epoch { .. } => position.to_string(),
        KeyKind::UuidV7 => {
            let digits = format!("{position:012x}");
            let (high, low) = digits.split_at(digits.len() - 4);
            format!("{high}-{low}-0000-0000-000000000000")
        }
        KeyKind::Ulid => {
            // Ten letters of five bits, then sixteen of chance: the least that they can be.
            let letter =
                |place: u32| char::from(moment::CROCKFORD[(position >> (5 * (9 - place)) & 31) as usize]);
            (0..10).map(letter).chain(std::iter::repeat_n('0', 16)).collect()
        }
    }
}

fn date_text(days: i64) -> (String, &'static str) {
    let Date { year, month, day } = Date::from_days(days + EPOCH_DAYS);
    let (year, era) = if year > 0 { (year, "") } else { (1 - year, " BC") };
    (format!("{year:04}-{month:02}-{day:02}"), era)
}

fn clock_text(time: i64) -> String {
    let seconds = time / SECOND;
    let fraction = time % SECOND;
    let clock = format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if fraction == 0 {
        return clock;
    }
    let digits = format!("{fraction:06}");
    format!("{clock}.{}", digits.trim_end_matches('0'))
}

/// A place from the text that [`text`] writes; `None` for any other.
pub fn position_of_text(kind: KeyKind, text: &str) -> Option<Position> {
    let position = match kind {
        KeyKind::Integer { .. } | KeyKind::Epoch { .. } => text.parse().ok()?,
        KeyKind::Ulid => position_of_ulid(text)?,
        KeyKind::UuidV7 => {
            let digits: String = text.chars().filter(|&character| character != '-').collect();
            position_of_uuid(u128::from_str_radix(&digits, 16).ok()?.to_be_bytes())?
        }
        KeyKind::Date | KeyKind::Timestamp | KeyKind::TimestampWithTimeZone => time_of_text(kind, text)?,
    };
    let (first, last) = ends(kind);
    ((first..=last).contains(&position) && self::text(kind, position) == text).then_some(position)
}

fn time_of_text(kind: KeyKind, text: &str) -> Option<Position> {
    let (text, is_before_christ) = text.strip_suffix(" BC").map_or((text, false), |text| (text, true));
    let (date, clock) = text.split_once(' ').unwrap_or((text, "00:00:00"));
    let mut parts = date.split('-');
    let year: i64 = parts.next()?.parse().ok()?;
    let month: u8 = parts.next()?.parse().ok()?;
    let day: u8 = parts.next()?.parse().ok()?;
    let year = if is_before_christ { 1 - year } else { year };
    if !(-10_000..10_000_000).contains(&year)
        || !(1..=12).contains(&month)
        || !(1..=days_in_month(year, month)).contains(&day)
    {
        return None;
    }
    let days = Date { year, month, day }.days() - EPOCH_DAYS;
    if kind == KeyKind::Date {
        return Some(days);
    }
    let clock = clock.strip_suffix("+00").unwrap_or(clock);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut parts = clock.split(':').map(|part| part.parse::<u8>().ok().filter(|&part| part < 60));
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    let fraction: i64 = format!("{fraction:0<6}").parse().ok().filter(|&part| part < SECOND)?;
    let seconds = i64::from(hours) * 3_600 + i64::from(minutes) * 60 + i64::from(seconds);
    days.checked_mul(DAY)?.checked_add(seconds * SECOND + fraction)
}

/// The place of a uuid that is the bound of a partition. `None` for one that has more in it than milliseconds: it lies
/// between two places, and a partition that began at the nearest would leave a hole or overlap.
pub fn position_of_uuid(bytes: [u8; 16]) -> Option<Position> {
    bytes[6..].iter().all(|&byte| byte == 0).then(|| milliseconds_of_uuid(bytes))
}

/// The place of a ULID, or of the beginning of one, that is the bound of a partition; `None` as for a uuid, and for
/// lower-case letters, which sort otherwise.
pub fn position_of_ulid(text: &str) -> Option<Position> {
    let position = milliseconds_of_ulid(text)?;
    (matches!(text.len(), 10 | 26)
        && text.as_bytes()[moment::ULID_LETTERS..].iter().all(|&letter| letter == b'0'))
    .then_some(position)
}

/// A place as an SQL literal: text in quotes, numbers plain.
pub fn literal(kind: KeyKind, position: Position) -> String {
    let text = text(kind, position);
    match kind {
        KeyKind::Integer { .. } | KeyKind::Epoch { .. } => text,
        _ => quote_literal(&text),
    }
}

/// An edge as it is written in `FROM (…)` and `TO (…)`.
pub fn edge(kind: KeyKind, edge: &Edge) -> String {
    match edge {
        Edge::MinValue => "MINVALUE".to_owned(),
        Edge::MaxValue => "MAXVALUE".to_owned(),
        Edge::At(position) => literal(kind, *position),
        Edge::Other(text) => text.clone(),
    }
}

/// `FROM (…) TO (…)` of a range of a key of so many columns. All that begins with the value of an edge is on its upper
/// side, so the further columns are MINVALUE, but beside MAXVALUE, where the server wants all alike.
pub fn bounds(kind: KeyKind, range: &Range, columns: usize) -> String {
    let side = |edge: &Edge| {
        let further = if *edge == Edge::MaxValue { ", MAXVALUE" } else { ", MINVALUE" };
        let times = if matches!(edge, Edge::Other(_)) { 0 } else { columns.saturating_sub(1) };
        format!("({}{})", self::edge(kind, edge), further.repeat(times))
    };
    format!("FROM {} TO {}", side(&range.low), side(&range.high))
}

#[cfg(test)]
mod tests;
