//! Positions as values of the key: what stands between the quotes in a bound, and back.

use super::key::{EpochUnit, KeyKind, Position};

const DAY: i64 = 86_400_000_000;
/// Days from 1970-01-01 to 2000-01-01.
const DAYS_TO_2000: i64 = 10_957;
const ULID_DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The value at a position as the server reads it, without quotes; it means the same in every session. `rest` is the
/// set's `bound_rest`.
pub fn literal(key: KeyKind, position: Position, rest: &str) -> String {
    match key {
        KeyKind::Date => date(position),
        KeyKind::Timestamp => timestamp(position),
        KeyKind::TimestampWithTimeZone => {
            let text = timestamp(position);
            match text.strip_suffix(" BC") {
                Some(text) => format!("{text}+00 BC"),
                None => format!("{text}+00"),
            }
        }
        KeyKind::Integer { .. } | KeyKind::Epoch { .. } => position.to_string(),
        KeyKind::UuidV7 => {
            let hex = format!("{position:012x}");
            format!("{}-{}{rest}", &hex[..8], &hex[8..])
        }
        KeyKind::Ulid => {
            let digit = |place: u32| char::from(ULID_DIGITS[(position >> (5 * place) & 31) as usize]);
            let moment: String = (0..10).rev().map(digit).collect();
            format!("{moment}{rest}")
        }
    }
}

/// The value at a position for people: as [`literal`], but a uuid or ULID as the moment that it tells.
pub fn readable(key: KeyKind, position: Position) -> String {
    match (key, microseconds(key, position)) {
        (KeyKind::UuidV7 | KeyKind::Ulid, Some(moment)) => {
            literal(KeyKind::TimestampWithTimeZone, moment, "")
        }
        (KeyKind::Epoch { .. }, Some(moment)) => {
            format!("{position} ({})", literal(KeyKind::TimestampWithTimeZone, moment, ""))
        }
        _ => literal(key, position, ""),
    }
}

/// The position of a value written as [`literal`] writes it; `None` for what is no such value. Uuids and ULIDs are told
/// as moments.
pub fn parse(key: KeyKind, text: &str) -> Option<Position> {
    match key {
        KeyKind::Date => parse_date(text).map(|(day, _)| day),
        KeyKind::Timestamp => parse_timestamp(text),
        KeyKind::TimestampWithTimeZone => parse_timestamp(&text.replacen("+00", "", 1)),
        KeyKind::Integer { .. } | KeyKind::Epoch { .. } => text.parse().ok(),
        KeyKind::UuidV7 | KeyKind::Ulid => {
            parse_timestamp(&text.replacen("+00", "", 1)).and_then(|moment| of_microseconds(key, moment))
        }
    }
}

/// The unit of an epoch integer as a fraction of microseconds: multiply, then divide.
fn scale(unit: EpochUnit) -> (i128, i128) {
    match unit {
        EpochUnit::Seconds => (1_000_000, 1),
        EpochUnit::Milliseconds => (1_000, 1),
        EpochUnit::Microseconds => (1, 1),
        EpochUnit::Nanoseconds => (1, 1_000),
    }
}

/// The microseconds since 2000-01-01 00:00 at which a position lies, rounded down: UTC, or the clock on the wall where
/// the key belongs to no zone. `None` for a number, and for what is further away than that can tell.
pub fn microseconds(key: KeyKind, position: Position) -> Option<i64> {
    let since_1970 = |(times, by): (i128, i128)| {
        let moment = (i128::from(position) * times).div_euclid(by) - i128::from(DAYS_TO_2000 * DAY);
        i64::try_from(moment).ok()
    };
    match key {
        KeyKind::Date => position.checked_mul(DAY),
        KeyKind::Timestamp | KeyKind::TimestampWithTimeZone => Some(position),
        KeyKind::Integer { .. } => None,
        KeyKind::Epoch { unit, .. } => since_1970(scale(unit)),
        KeyKind::UuidV7 | KeyKind::Ulid => since_1970((1_000, 1)),
    }
}

/// The position of the moment that is so many microseconds since 2000-01-01 00:00, rounded down; `None` for a number,
/// and for what the key cannot hold.
pub fn of_microseconds(key: KeyKind, moment: i64) -> Option<Position> {
    let since_1970 = |(times, by): (i128, i128)| {
        let position = ((i128::from(moment) + i128::from(DAYS_TO_2000 * DAY)) * by).div_euclid(times);
        i64::try_from(position).ok()
    };
    match key {
        KeyKind::Date => Some(moment.div_euclid(DAY)),
        KeyKind::Timestamp | KeyKind::TimestampWithTimeZone => Some(moment),
        KeyKind::Integer { .. } => None,
        KeyKind::Epoch { bytes, unit } => {
            since_1970(scale(unit)).filter(|&position| bytes > 4 || i32::try_from(position).is_ok())
        }
        KeyKind::UuidV7 | KeyKind::Ulid => {
            since_1970((1_000, 1)).filter(|moment| (0..1 << 48).contains(moment))
        }
    }
}

/// `YYYY-MM-DD` of a day counted from 2000-01-01.
fn date(day: i64) -> String {
    let (year, month, day) = civil(day);
    if year > 0 {
        format!("{year:04}-{month:02}-{day:02}")
    } else {
        format!("{:04}-{month:02}-{day:02} BC", 1 - year)
    }
}

fn timestamp(position: i64) -> String {
    let day = date(position.div_euclid(DAY));
    let time = position.rem_euclid(DAY);
    let (seconds, fraction) = (time / 1_000_000, time % 1_000_000);
    let mut clock = format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if fraction != 0 {
        clock.push_str(&format!(".{fraction:06}"));
    }
    match day.strip_suffix(" BC") {
        Some(day) => format!("{day} {clock} BC"),
        None => format!("{day} {clock}"),
    }
}

/// Year, month and day of a day counted from 2000-01-01; year 0 is 1 BC.
fn civil(day: i64) -> (i64, i64, i64) {
    // Days are counted in eras of 400 years whose years begin in March, so that the leap day comes last.
    let shifted = day + DAYS_TO_2000 + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The day, counted from 2000-01-01, of a date; and what follows it.
fn parse_date(text: &str) -> Option<(i64, &str)> {
    let (text, is_before_christ) = match text.strip_suffix(" BC") {
        Some(text) => (text, true),
        None => (text, false),
    };
    let (date, behind) = text.split_once(' ').unwrap_or((text, ""));
    let mut parts = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || !(1..=300_000).contains(&year) {
        return None;
    }
    let year = if is_before_christ { 1 - year } else { year };
    let shifted_year = year - i64::from(month <= 2);
    let (era, year_of_era) = (shifted_year.div_euclid(400), shifted_year.rem_euclid(400));
    let month_from_march = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let found = era * 146_097 + day_of_era - 719_468 - DAYS_TO_2000;
    (civil(found) == (year, month, day)).then_some((found, behind))
}

fn parse_timestamp(text: &str) -> Option<i64> {
    let (day, clock) = parse_date(text)?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut parts = clock.splitn(3, ':').map(|part| part.parse::<i64>().ok());
    let (hours, minutes, seconds) = match clock {
        "" => (0, 0, 0),
        _ => (parts.next()??, parts.next()??, parts.next()??),
    };
    let fraction: i64 =
        format!("{fraction:0<6}").parse().ok().filter(|fraction| (0..1_000_000).contains(fraction))?;
    let seconds = hours * 3_600 + minutes * 60 + seconds;
    day.checked_mul(DAY)?.checked_add(seconds * 1_000_000 + fraction)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EPOCH_MILLISECONDS: KeyKind = KeyKind::Epoch { bytes: 8, unit: EpochUnit::Milliseconds };

    #[test]
    fn values_are_written_as_the_server_reads_them() {
        for (key, position, expected) in [
            (KeyKind::Date, 0, "2000-01-01"),
            (KeyKind::Date, 9_826, "2026-11-26"),
            (KeyKind::Date, -730_119, "0001-01-01"),
            (KeyKind::Date, -730_120, "0001-12-31 BC"),
            (KeyKind::Timestamp, 1_500_000, "2000-01-01 00:00:01.500000"),
            (KeyKind::TimestampWithTimeZone, -1_000_000, "1999-12-31 23:59:59+00"),
            (KeyKind::Integer { bytes: 4 }, -5, "-5"),
            (KeyKind::UuidV7, 0x0192_a3b4_c5d6, "0192a3b4-c5d6-7000-8000-000000000000"),
        ] {
            assert_eq!(
                literal(key, position, if key == KeyKind::UuidV7 { "-7000-8000-000000000000" } else { "" }),
                expected
            );
        }
        // The example of the specification of ULIDs.
        assert_eq!(literal(KeyKind::Ulid, 1_469_918_176_385, ""), "01ARYZ6S41");
        assert_eq!(readable(KeyKind::Ulid, 1_469_918_176_385), "2016-07-30 22:36:16.385000+00");
    }

    #[test]
    fn what_is_no_date_is_not_read_as_one() {
        for text in ["", "2026", "2026-13-01", "2026-02-29", "2026-01-32", "today", "infinity"] {
            assert_eq!(parse(KeyKind::Date, text), None, "{text}");
        }
    }

    #[test]
    fn moments_before_the_epoch_are_rounded_down() {
        assert_eq!(of_microseconds(EPOCH_MILLISECONDS, -DAYS_TO_2000 * DAY - 1), Some(-1));
        assert_eq!(of_microseconds(KeyKind::UuidV7, -DAYS_TO_2000 * DAY - 1), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(position in -150_000_000_000_000_000_i64..8_000_000_000_000_000_000) {
            for key in [KeyKind::Timestamp, KeyKind::TimestampWithTimeZone] {
                prop_assert_eq!(parse(key, &literal(key, position, "")), Some(position));
            }
            let day = position.div_euclid(DAY);
            prop_assert_eq!(parse(KeyKind::Date, &literal(KeyKind::Date, day, "")), Some(day));
        }

        #[test]
        fn positions_and_moments_agree(milliseconds in 0_i64..1 << 48) {
            for key in [KeyKind::UuidV7, KeyKind::Ulid, EPOCH_MILLISECONDS] {
                let moment = microseconds(key, milliseconds);
                prop_assert_eq!(moment.and_then(|moment| of_microseconds(key, moment)), Some(milliseconds));
            }
        }
    }
}
