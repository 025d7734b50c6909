use super::*;
use crate::partition::zone::Utc;
use proptest::prelude::*;

const SECONDS: KeyKind = KeyKind::Epoch { bytes: 8, unit: EpochUnit::Seconds };
const NANOSECONDS: KeyKind = KeyKind::Epoch { bytes: 8, unit: EpochUnit::Nanoseconds };

/// Every kind.
const KINDS: [KeyKind; 12] = [
    KeyKind::Date,
    KeyKind::Timestamp,
    KeyKind::TimestampWithTimeZone,
    KeyKind::Integer { bytes: 2 },
    KeyKind::Integer { bytes: 4 },
    KeyKind::Integer { bytes: 8 },
    KeyKind::Epoch { bytes: 4, unit: EpochUnit::Seconds },
    SECONDS,
    KeyKind::Epoch { bytes: 8, unit: EpochUnit::Milliseconds },
    NANOSECONDS,
    KeyKind::UuidV7,
    KeyKind::Ulid,
];

#[test]
fn values_as_the_server_writes_them() {
    for (kind, position, expected) in [
        (KeyKind::Date, 0, "2000-01-01"),
        (KeyKind::Date, FIRST_DAY, "4714-11-24 BC"),
        (KeyKind::Date, LAST_DATE, "5874897-12-31"),
        (KeyKind::Timestamp, 1_500_000, "2000-01-01 00:00:01.5"),
        (KeyKind::TimestampWithTimeZone, -1, "1999-12-31 23:59:59.999999+00"),
        (KeyKind::TimestampWithTimeZone, MOMENTS.0, "4714-11-24 00:00:00+00 BC"),
        (KeyKind::TimestampWithTimeZone, MOMENTS.1, "294276-12-31 23:59:59.999999+00"),
        (KeyKind::Integer { bytes: 4 }, -7, "-7"),
        (SECONDS, 1_795_000_000, "1795000000"),
        // 2026-11-01 00:00 UTC.
        (KeyKind::UuidV7, 1_793_491_200_000, "01a19467-e800-0000-0000-000000000000"),
        (KeyKind::Ulid, 1_793_491_200_000, "01M6A6FT000000000000000000"),
        (KeyKind::Ulid, moment::LAST, "7ZZZZZZZZZ0000000000000000"),
    ] {
        assert_eq!(text(kind, position), expected);
        assert_eq!(position_of_text(kind, expected), Some(position), "{expected}");
    }
}

#[test]
fn what_is_no_place() {
    for (kind, text) in [
        (KeyKind::Date, "2026-02-29"),
        (KeyKind::Date, "2026-13-01"),
        (KeyKind::Date, "infinity"),
        (KeyKind::Date, "2026-1-1"),
        (KeyKind::Date, "99999999999-01-01"),
        (KeyKind::TimestampWithTimeZone, "2026-01-01 00:00:00"),
        (KeyKind::TimestampWithTimeZone, "2026-01-01 24:00:00+00"),
        (KeyKind::TimestampWithTimeZone, "2026-01-01 00:00:00+02"),
        (KeyKind::Timestamp, "2026-01-01 00:00:00+00"),
        (KeyKind::Timestamp, ""),
        (KeyKind::Integer { bytes: 2 }, "40000"),
        (KeyKind::Integer { bytes: 8 }, "007"),
        (KeyKind::UuidV7, "01a19467-e800-7000-8000-000000000000"),
        (KeyKind::UuidV7, "01a19467"),
        (KeyKind::Ulid, "01m6a6ft000000000000000000"),
        (KeyKind::Ulid, "01M6A6FT00000000000000000Z"),
        (KeyKind::Ulid, "8000000000"),
        (KeyKind::Ulid, "01M6A6FTé"),
    ] {
        assert_eq!(position_of_text(kind, text), None, "{text}");
    }
}

#[test]
fn bounds_of_keys_of_one_and_of_more_columns() {
    let date = KeyKind::Date;
    let range = Range::between(0, 31);
    assert_eq!(bounds(date, &range, 1), "FROM ('2000-01-01') TO ('2000-02-01')");
    assert_eq!(bounds(date, &range, 2), "FROM ('2000-01-01', MINVALUE) TO ('2000-02-01', MINVALUE)");
    let open = Range { low: Edge::MinValue, high: Edge::MaxValue };
    assert_eq!(bounds(date, &open, 2), "FROM (MINVALUE, MINVALUE) TO (MAXVALUE, MAXVALUE)");
    let integer = KeyKind::Integer { bytes: 8 };
    assert_eq!(bounds(integer, &Range::between(-5, 5), 1), "FROM (-5) TO (5)");
}

#[test]
fn moments_and_places() {
    // 2026-11-01 00:00 UTC since 2000, and since 1970.
    let moment = 846_806_400_000_000;
    for (kind, position) in [
        (KeyKind::Date, 9_801),
        (KeyKind::Timestamp, moment),
        (KeyKind::TimestampWithTimeZone, moment),
        (SECONDS, 1_793_491_200),
        (NANOSECONDS, 1_793_491_200_000_000_000),
        (KeyKind::UuidV7, 1_793_491_200_000),
    ] {
        assert_eq!(position_of_moment(kind, moment, &Utc), Some(position), "{kind:?}");
        assert_eq!(moment_of_position(kind, position, &Utc), Some(moment), "{kind:?}");
    }
    // A row that is made within a second has the second's number.
    assert_eq!(position_of_moment(SECONDS, moment + 999_999, &Utc), Some(1_793_491_200));
    assert_eq!(position_of_moment(SECONDS, -1, &Utc), Some(946_684_799));
    assert_eq!(position_of_moment(KeyKind::Integer { bytes: 8 }, moment, &Utc), None);
    // A clock that went astray stays on the line.
    assert_eq!(position_of_moment(KeyKind::UuidV7, i64::MIN, &Utc), Some(0));
    assert_eq!(position_of_moment(KeyKind::Date, i64::MAX, &Utc), Some(106_751_982));
    assert_eq!(moment_of_position(KeyKind::Date, LAST_DATE, &Utc), Some(MOMENTS.1));
}

#[test]
fn values_of_rows() {
    let uuid = 0x01a1_9467_e800_7abc_8def_0123_4567_89ab_u128.to_be_bytes();
    assert_eq!(milliseconds_of_uuid(uuid), 1_793_491_200_000);
    assert_eq!(position_of_uuid(uuid), None);
    assert_eq!(milliseconds_of_ulid("01M6A6FT000123456789ABCDEF"), Some(1_793_491_200_000));
    assert_eq!(position_of_ulid("01M6A6FT00"), Some(1_793_491_200_000));
    assert_eq!(position_of_ulid("01M6A6FT001"), None);
}

proptest! {
    #[test]
    fn every_place_is_read_back(seed: i64, kind in 0..KINDS.len()) {
        let kind = KINDS[kind];
        let (first, last) = ends(kind);
        let width = i128::from(last) - i128::from(first) + 1;
        let position = saturated(i128::from(first) + i128::from(seed).rem_euclid(width));
        prop_assert_eq!(position_of_text(kind, &text(kind, position)), Some(position));
    }

    #[test]
    fn text_of_uuids_and_ulids_sorts_as_places_do(one in 0..=moment::LAST, other in 0..=moment::LAST) {
        for kind in [KeyKind::UuidV7, KeyKind::Ulid] {
            prop_assert_eq!(text(kind, one).cmp(&text(kind, other)), one.cmp(&other));
        }
    }

    #[test]
    fn a_moment_lies_at_or_after_its_place(moment in MOMENTS.0..MOMENTS.1) {
        for kind in [SECONDS, KeyKind::TimestampWithTimeZone] {
            let position = position_of_moment(kind, moment, &Utc).expect("tells the time");
            let start = moment_of_position(kind, position, &Utc).expect("tells the time");
            prop_assert!(start <= moment && moment - start < SECOND);
        }
    }
}
