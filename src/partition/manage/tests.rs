//! What is asked becomes a policy, or a refusal that says what to do.

use super::{Asked, agreement, every, key, origin, policy};
use crate::catalog::DAY;
use crate::partition::grid::Grid;
use crate::partition::key::{EpochUnit, KeyKind};
use crate::partition::policy::checked;
use crate::partition::sample::{set, set_of};
use crate::partition::set::{Every, Set, StoredPolicy};
use crate::partition::zone::{Utc, Zone};

/// A zone that is always so many hours ahead.
struct Ahead(i64);

impl Zone for Ahead {
    fn wall(&self, moment: i64) -> i64 {
        moment + self.0 * 3_600_000_000
    }

    fn moment(&self, wall: i64) -> i64 {
        wall - self.0 * 3_600_000_000
    }
}

fn asked(every: &str) -> Asked {
    Asked {
        every: every.to_owned(),
        premake: 4,
        retention_action: "drop".to_owned(),
        max_create: 100,
        max_retire: 0.5,
        ..Asked::default()
    }
}

fn stored(asked: &Asked, set: &Set) -> Result<StoredPolicy, String> {
    let kind = key(set, asked.epoch.as_deref()).map_err(|refusal| refusal.message)?;
    let every = every(asked, set, kind).map_err(|refusal| refusal.message)?;
    let origin = origin(set, kind, every, None, None, &Utc);
    policy(asked, set, &Grid::new(kind, every, origin, &Utc), "UTC", None).map_err(|refusal| refusal.message)
}

#[test]
fn what_is_stored_can_be_followed() {
    for (kind, width, epoch) in [
        (KeyKind::Date, "week", None),
        (KeyKind::Timestamp, "quarter", None),
        (KeyKind::TimestampWithTimeZone, "15 minutes", None),
        (KeyKind::Integer { bytes: 4 }, "1000000", None),
        (KeyKind::Integer { bytes: 8 }, "1 day", Some("milliseconds")),
        (KeyKind::UuidV7, "month", None),
        (KeyKind::Ulid, "hour", None),
    ] {
        let events = set("events", kind);
        let asked = Asked { epoch: epoch.map(str::to_owned), ..asked(width) };
        let stored = stored(&asked, &events).unwrap_or_else(|message| panic!("{width}: {message}"));
        let policy = checked(&stored, &events).unwrap_or_else(|refusal| panic!("{}", refusal.message));
        assert_eq!(policy.premake, 4);
    }
}

#[test]
fn a_new_width_goes_on_where_the_newest_partition_ends() {
    // Weeks that end on a Wednesday: 2000-01-05 is day 4.
    let weeks = set_of("events", KeyKind::Date, &[(-3, 4), (4, 11)]);
    let months = origin(&weeks, KeyKind::Date, Every::Months(1), None, None, &Utc);
    assert_eq!(months, 11);
    let grid = Grid::new(KeyKind::Date, Every::Months(1), months, &Utc);
    assert_eq!(grid.next(11).map(|next| next.low), Some(crate::partition::key::Edge::At(11)));
    // On a boundary of the calendar it goes on with the calendar.
    let days = set_of("events", KeyKind::Date, &[(30, 31)]);
    assert_eq!(origin(&days, KeyKind::Date, Every::Months(1), None, Some(7), &Utc), 0);
}

#[test]
fn the_zone_is_told_by_the_boundaries() {
    let moments = KeyKind::TimestampWithTimeZone;
    let berlin = Ahead(1);
    let start = DAY - 3_600_000_000;
    let days = set_of("events", moments, &[(start, start + DAY), (start + DAY, start + 2 * DAY)]);
    assert_eq!(agreement(&days, moments, Every::Days(1), &berlin), 4);
    assert_eq!(agreement(&days, moments, Every::Days(1), &Utc), 0);
}

#[test]
fn names_go_on_as_they_are() {
    let mut days = set_of("events", KeyKind::Date, &[(9_826, 9_827)]);
    assert_eq!(stored(&asked("day"), &days).map(|policy| policy.name_style).as_deref(), Ok("house"));
    days.partitions[0].name = "events_p20261126".to_owned();
    assert_eq!(stored(&asked("day"), &days).map(|policy| policy.name_style).as_deref(), Ok("partman"));
}

#[test]
fn bad_wishes_are_refused() {
    let dates = set("events", KeyKind::Date);
    let numbers = set("events", KeyKind::Integer { bytes: 8 });
    let cases: [(&Set, Asked, &str); 12] = [
        (&dates, asked("1000"), "\"1000\" is a number, but the partition key tells the time"),
        (&dates, asked("1 hour"), "\"1 hour\" is counted in hours or less, but the partition key is a date"),
        (&numbers, asked("day"), "\"day\" is a span of time, but the partition key counts numbers"),
        (&dates, Asked { premake: -1, ..asked("day") }, "premake cannot be \"-1\""),
        (&dates, Asked { max_create: 0, ..asked("day") }, "max_create cannot be \"0\""),
        (&dates, Asked { max_retire: f64::NAN, ..asked("day") }, "max_retire cannot be \"NaN\""),
        (
            &dates,
            Asked { retention_number: Some(1), ..asked("day") },
            "retention_number is given, but the key of table public.events tells the time",
        ),
        (
            &numbers,
            Asked { retention: Some((1, 0, 0)), ..asked("1000") },
            "retention is a span of time, but the key of table public.events counts numbers",
        ),
        (&dates, Asked { retention: Some((0, -1, 0)), ..asked("day") }, "retention must be above zero"),
        (
            &dates,
            Asked { retention_action: "archive".to_owned(), ..asked("day") },
            "retention_action is archive, but archive_schema is not given",
        ),
        (&dates, Asked { on_missing: Some("no".to_owned()), ..asked("day") }, "on_missing cannot be \"no\""),
        (
            &dates,
            Asked { epoch: Some("seconds".to_owned()), ..asked("day") },
            "epoch is given, but the key \"at\" of table public.events is of type date",
        ),
    ];
    for (set, asked, message) in cases {
        assert_eq!(stored(&asked, set).expect_err(message), message);
    }
    let small = set("events", KeyKind::Integer { bytes: 4 });
    assert_eq!(key(&small, Some("seconds")), Ok(KeyKind::Epoch { bytes: 4, unit: EpochUnit::Seconds }));
    assert!(key(&small, Some("milliseconds")).is_err());
}
