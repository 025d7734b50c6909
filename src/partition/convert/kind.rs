//! What the values of a column are, by their type, the width that is wanted and the newest of them.

use super::facts::Column;
use crate::catalog::EPOCH_DIFFERENCE;
use crate::partition::key::{EpochUnit, KeyKind, Position};
use crate::partition::line::{milliseconds_of_ulid, milliseconds_of_uuid, position_of_text};

/// An integer that is a moment within so many microseconds of now tells the time.
const NEAR: i128 = 20 * 366 * 86_400_000_000;

/// `is_span`: whether the width is a span of time; `now`: microseconds since 2000. `None` for an integer of which nobody
/// can tell what it counts.
pub fn kind(column: &Column, is_span: bool, newest: Option<&str>, now: i64) -> Option<KeyKind> {
    let base = column.type_name.split('(').next().unwrap_or_default();
    Some(match base {
        "date" => KeyKind::Date,
        "smallint" => KeyKind::Integer { bytes: 2 },
        "integer" if is_span => epoch(4, newest, now)?,
        "bigint" if is_span => epoch(8, newest, now)?,
        "integer" => KeyKind::Integer { bytes: 4 },
        "bigint" => KeyKind::Integer { bytes: 8 },
        "uuid" => KeyKind::UuidV7,
        "text" | "character varying" | "character" => KeyKind::Ulid,
        _ if column.type_name.ends_with("with time zone") => KeyKind::TimestampWithTimeZone,
        _ => KeyKind::Timestamp,
    })
}

/// The unit in which the newest value is a moment near now.
fn epoch(bytes: u8, newest: Option<&str>, now: i64) -> Option<KeyKind> {
    let newest: i128 = newest?.parse().ok()?;
    let now = i128::from(now) + i128::from(EPOCH_DIFFERENCE);
    let units = [
        (EpochUnit::Seconds, 1_000_000_000_i128),
        (EpochUnit::Milliseconds, 1_000_000),
        (EpochUnit::Microseconds, 1_000),
        (EpochUnit::Nanoseconds, 1),
    ];
    units
        .into_iter()
        .find(|(_, nanoseconds)| (newest * nanoseconds / 1_000 - now).abs() < NEAR)
        .map(|(unit, _)| KeyKind::Epoch { bytes, unit })
}

/// Where a value that the server wrote lies; `None` for `infinity` and for what is no value of that kind.
pub fn position(kind: KeyKind, text: &str) -> Option<Position> {
    match kind {
        KeyKind::UuidV7 => {
            let digits: String = text.chars().filter(|character| *character != '-').collect();
            let number = u128::from_str_radix(&digits, 16).ok()?;
            Some(milliseconds_of_uuid(number.to_be_bytes()))
        }
        KeyKind::Ulid => milliseconds_of_ulid(text.trim_end()),
        _ => position_of_text(kind, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(type_name: &str, is_span: bool, newest: Option<&str>) -> Option<KeyKind> {
        let column = Column { type_name: type_name.to_owned(), ..Column::default() };
        kind(&column, is_span, newest, 846_000_000_000_000)
    }

    #[test]
    fn integers_count_unless_they_are_moments_near_now() {
        assert_eq!(of("bigint", false, Some("1790000000")), Some(KeyKind::Integer { bytes: 8 }));
        assert_eq!(
            of("bigint", true, Some("1790000000000")),
            Some(KeyKind::Epoch { bytes: 8, unit: EpochUnit::Milliseconds })
        );
        assert_eq!(
            of("integer", true, Some("1790000000")),
            Some(KeyKind::Epoch { bytes: 4, unit: EpochUnit::Seconds })
        );
        assert_eq!(of("bigint", true, Some("42")), None);
        assert_eq!(of("timestamp(3) without time zone", true, None), Some(KeyKind::Timestamp));
        assert_eq!(of("timestamp(0) with time zone", true, None), Some(KeyKind::TimestampWithTimeZone));
    }

    #[test]
    fn infinity_has_no_place() {
        assert_eq!(position(KeyKind::Date, "infinity"), None);
        assert_eq!(position(KeyKind::Date, "2000-01-02"), Some(1));
        assert_eq!(position(KeyKind::UuidV7, "00000000-0001-7000-8000-000000000000"), Some(1));
    }
}
