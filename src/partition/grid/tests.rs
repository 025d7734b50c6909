use super::*;
use crate::partition::key::EpochUnit;
use crate::partition::name::name;
use crate::partition::set::NameStyle;
use crate::partition::zone::Utc;
use crate::partition::zone::sample::{Place, ZONES};
use proptest::prelude::*;

const MOMENT: KeyKind = KeyKind::TimestampWithTimeZone;
const HOUR: u64 = 3_600_000_000;
/// 1995-01-01 and 2045-01-01, in days since 2000.
const FIFTY_YEARS: (i64, i64) = (-1_826, 16_437);

fn at(text: &str) -> Position {
    line::position_of_text(MOMENT, &format!("{text}+00")).expect(text)
}

fn grid<'zone>(kind: KeyKind, every: Every, zone: &'zone dyn Zone) -> Grid<'zone> {
    Grid::new(kind, every, default_origin(kind, every, MONDAY, zone), zone)
}

/// The ranges from one place to another, checked on the way: no hole, no overlap, each a step forward, all names different
/// and in order; those of another width than the one before, and some others, are found again from within.
fn walk(grid: &Grid, from: Position, to: Position) -> usize {
    let mut edge = None;
    let mut before = String::new();
    let mut count = 0;
    let mut usual = 0;
    for range in grid.ranges(from, to) {
        let (Edge::At(low), Edge::At(high)) = (&range.low, &range.high) else { panic!("{range:?}") };
        assert!(low < high, "{range:?}");
        assert!(edge.is_none_or(|edge| edge == *low), "a hole or an overlap before {range:?}");
        let width = high - low;
        if width != usual || count % 16 == 0 {
            assert_eq!(grid.range_of(*low), range);
            assert_eq!(grid.range_of(high - 1), range);
        }
        usual = width;
        let name = name("t", &range, grid, NameStyle::House, &|_| false);
        assert!(before < name, "{before} {name}");
        before = name;
        edge = Some(*high);
        count += 1;
    }
    assert!(edge.is_some_and(|edge| edge > to));
    count
}

/// All units in twenty zones over fifty years.
#[test]
fn fifty_years_of_every_unit_in_twenty_zones() {
    let (from, to) = (FIFTY_YEARS.0 * DAY, FIFTY_YEARS.1 * DAY);
    for zone_name in ZONES {
        let zone = Place::of(zone_name);
        for (every, least) in [
            (Every::Days(1), 18_262),
            (Every::Days(7), 2_609),
            (Every::Days(10), 1_826),
            (Every::Months(1), 600),
            (Every::Months(3), 200),
            (Every::Months(5), 120),
            (Every::Months(12), 50),
        ] {
            let count = walk(&grid(MOMENT, every, &zone), from, to);
            assert!(count >= least && count <= least + 2, "{zone_name} {every:?}: {count}");
        }
    }
    // Hours are all alike.
    assert!(walk(&grid(MOMENT, Every::Microseconds(HOUR), &Utc), 0, to / 4) > 98_000);
}

#[test]
fn hours_are_cut_in_utc_whatever_the_zone() {
    for zone_name in ZONES {
        let zone = Place::of(zone_name);
        for every in [Every::Microseconds(HOUR), Every::Microseconds(HOUR / 4)] {
            let here = grid(MOMENT, every, &zone);
            walk(&here, at("2026-10-20 00:00:00"), at("2026-11-10 00:00:00"));
            assert_eq!(here.range_of(0), grid(MOMENT, every, &Utc).range_of(0));
        }
    }
}

#[test]
fn other_kinds_in_a_zone_with_summer_time() {
    let zone = Place::of("America/New_York");
    let day = |kind, day: i64| line::position_of_moment(kind, day * DAY, &Utc).expect("a time");
    for kind in [
        KeyKind::Date,
        KeyKind::Timestamp,
        KeyKind::Epoch { bytes: 4, unit: EpochUnit::Seconds },
        KeyKind::Epoch { bytes: 8, unit: EpochUnit::Milliseconds },
        KeyKind::Epoch { bytes: 8, unit: EpochUnit::Microseconds },
        KeyKind::Epoch { bytes: 8, unit: EpochUnit::Nanoseconds },
        KeyKind::UuidV7,
        KeyKind::Ulid,
    ] {
        for every in [Every::Days(1), Every::Days(7), Every::Months(1), Every::Months(12)] {
            walk(&grid(kind, every, &zone), day(kind, 0), day(kind, 4_000));
        }
    }
    // A month of New York in seconds since 1970: 2026-11-01 04:00 to 2026-12-01 05:00 UTC.
    let seconds = grid(KeyKind::Epoch { bytes: 8, unit: EpochUnit::Seconds }, Every::Months(1), &zone);
    assert_eq!(seconds.range_of(1_794_000_000), Range::between(1_793_505_600, 1_796_101_200));
}

#[track_caller]
fn cuts(zone: &str, every: Every, origin: Option<&str>, from: &str, expected: &[&str]) {
    let zone = Place::of(zone);
    let mut grid = grid(MOMENT, every, &zone);
    if let Some(origin) = origin {
        grid.origin = zone.moment(at(origin));
    }
    let edges: Vec<String> = grid
        .ranges(at(from), i64::MAX / 2)
        .take(expected.len())
        .map(|range| line::edge(MOMENT, &range.low).trim_matches('\'').to_owned())
        .collect();
    assert_eq!(edges, expected);
}

#[test]
fn odd_days_of_odd_zones() {
    let day = Every::Days(1);
    // Midnight is skipped: the day begins at one o'clock.
    cuts(
        "America/Sao_Paulo",
        day,
        None,
        "2017-10-14 12:00:00",
        &["2017-10-14 03:00:00+00", "2017-10-15 03:00:00+00", "2017-10-16 02:00:00+00"],
    );
    // 2011-12-30 never was: the 29th is followed by the 31st.
    cuts(
        "Pacific/Apia",
        day,
        None,
        "2011-12-29 12:00:00",
        &["2011-12-29 10:00:00+00", "2011-12-30 10:00:00+00", "2011-12-31 10:00:00+00"],
    );
    // Half an hour of summer time.
    cuts(
        "Australia/Lord_Howe",
        Every::Months(1),
        None,
        "2026-03-20 00:00:00",
        &["2026-02-28 13:00:00+00", "2026-03-31 13:00:00+00", "2026-04-30 13:30:00+00"],
    );
    // Midnight comes twice: the later is taken, as the server does.
    cuts(
        "America/Havana",
        day,
        None,
        "2020-10-31 12:00:00",
        &["2020-10-31 04:00:00+00", "2020-11-01 05:00:00+00", "2020-11-02 05:00:00+00"],
    );
}

#[test]
fn months_from_the_last_day_do_not_shrink() {
    cuts(
        "Europe/Berlin",
        Every::Months(1),
        Some("2027-01-31 00:00:00"),
        "2027-02-01 00:00:00",
        &[
            "2027-01-30 23:00:00+00",
            "2027-02-27 23:00:00+00",
            "2027-03-30 22:00:00+00",
            "2027-04-29 22:00:00+00",
        ],
    );
    let leap = Grid::new(KeyKind::Date, Every::Months(12), 59, &Utc);
    let text = |number| line::text(KeyKind::Date, leap.boundary(number).expect("a date"));
    assert_eq!([text(0), text(1), text(4)], ["2000-02-29", "2001-02-28", "2004-02-29"]);
}

#[test]
fn weeks_begin_where_the_origin_says() {
    for (weekday, expected) in [(1, "2026-11-23"), (7, "2026-11-22"), (3, "2026-11-25"), (4, "2026-11-19")] {
        let origin = default_origin(KeyKind::Date, Every::Days(7), weekday, &Utc);
        let grid = Grid::new(KeyKind::Date, Every::Days(7), origin, &Utc);
        // 2026-11-25 is a Wednesday.
        let Edge::At(low) = grid.range_of(9_825).low else { panic!("far from the ends") };
        assert_eq!(line::text(KeyKind::Date, low), expected);
    }
}

#[test]
fn the_next_range_begins_where_the_newest_partition_ends() {
    let zone = Place::of("Europe/Berlin");
    let grid = grid(MOMENT, Every::Months(1), &zone);
    let edge = at("2026-10-31 23:00:00");
    assert_eq!(grid.next(edge), Some(Range::between(edge, at("2026-11-30 23:00:00"))));
    // Made when it was UTC.
    let edge = at("2026-11-01 00:00:00");
    assert_eq!(grid.next(edge), Some(Range::between(edge, at("2026-11-30 23:00:00"))));
    // Was weeks.
    let edge = at("2026-11-22 23:00:00");
    assert_eq!(grid.next(edge), Some(Range::between(edge, at("2026-11-30 23:00:00"))));
}

#[test]
fn an_origin_that_goes_through_an_edge() {
    let days = |every, edge| origin_through(KeyKind::Date, every, edge, &Utc);
    // The first of a month; the 15th; a Wednesday; a Monday.
    assert_eq!(days(Every::Months(1), 9_801), 0);
    assert_eq!(days(Every::Months(1), 9_815), 9_815);
    assert_eq!(days(Every::Days(7), 9_825), 4);
    assert_eq!(days(Every::Days(7), 9_823), 2);
    assert_eq!(days(Every::Days(10), 9_825), 9_825);
    assert_eq!(origin_through(KeyKind::Integer { bytes: 8 }, Every::Step(1_000), 5_000, &Utc), 0);
    assert_eq!(origin_through(KeyKind::Integer { bytes: 8 }, Every::Step(1_000), 5_001, &Utc), 5_001);
}

#[test]
fn numbers_below_zero_and_the_ends_of_the_type() {
    let small = grid(KeyKind::Integer { bytes: 2 }, Every::Step(10_000), &Utc);
    let ranges: Vec<Range> = small.ranges(i64::from(i16::MIN), i64::from(i16::MAX)).collect();
    assert_eq!(ranges.len(), 8);
    assert_eq!(ranges[0], Range { low: Edge::MinValue, high: Edge::At(-30_000) });
    assert_eq!(ranges[3], Range::between(-10_000, 0));
    assert_eq!(ranges[7], Range { low: Edge::At(30_000), high: Edge::MaxValue });
    assert_eq!(small.next(40_000), None);
    for kind in [
        KeyKind::Date,
        KeyKind::Timestamp,
        MOMENT,
        KeyKind::Integer { bytes: 8 },
        KeyKind::Epoch { bytes: 4, unit: EpochUnit::Seconds },
        KeyKind::Epoch { bytes: 8, unit: EpochUnit::Seconds },
        KeyKind::Epoch { bytes: 8, unit: EpochUnit::Nanoseconds },
        KeyKind::UuidV7,
        KeyKind::Ulid,
    ] {
        let (first, last) = line::ends(kind);
        let widths: &[Every] = match kind {
            KeyKind::Integer { .. } => {
                &[Every::Step(1), Every::Step(7), Every::Step(i64::MAX.unsigned_abs())]
            }
            KeyKind::Date => &[Every::Days(1), Every::Days(7), Every::Months(1), Every::Months(7_000)],
            _ => &[Every::Microseconds(HOUR), Every::Days(1), Every::Months(1), Every::Months(7_000)],
        };
        for &every in widths {
            for zone in ["Pacific/Apia", "America/New_York"] {
                let zone = Place::of(zone);
                let grid = grid(kind, every, &zone);
                for position in [first, last, i64::MIN, i64::MAX] {
                    let range = grid.range_of(position);
                    let position = position.clamp(first, last);
                    assert!(!matches!(range.low, Edge::At(low) if low > position), "{kind:?} {every:?}");
                    assert!(!matches!(range.high, Edge::At(high) if high <= position), "{kind:?} {every:?}");
                }
                assert!(grid.ranges(last, last).count() == 1, "{kind:?} {every:?}");
            }
        }
    }
}

proptest! {
    #[test]
    fn every_place_lies_in_exactly_one_range(
        position: i64,
        origin in -40 * 366 * DAY..40 * 366 * DAY,
        near in -40 * 366 * DAY..40 * 366 * DAY,
        months in 1_u32..40,
        days in 1_u32..40,
        seconds in 1_u64..1_000_000,
        zone in 0..ZONES.len(),
    ) {
        let zone = Place::of(ZONES[zone]);
        for every in [Every::Months(months), Every::Days(days), Every::Microseconds(seconds * 1_000_000)] {
            let grid = Grid::new(MOMENT, every, origin, &zone);
            for position in [position.clamp(MOMENTS.0, MOMENTS.1), near] {
                let number = grid.index_of(position);
                let range = grid.range_of(position);
                let (low, high) = (grid.place(number), grid.place(number + 1));
                prop_assert!(low <= super::Place::At(position) && super::Place::At(position) < high);
                let after = match range.high {
                    Edge::At(high) => grid.range_of(high).low,
                    _ => continue,
                };
                prop_assert_eq!(after, range.high);
            }
        }
    }

    #[test]
    fn every_number_lies_in_exactly_one_range(position: i64, origin: i64, step in 1_u64..u64::MAX) {
        let grid = Grid::new(KeyKind::Integer { bytes: 8 }, Every::Step(step), origin, &Utc);
        let range = grid.range_of(position);
        prop_assert!(!matches!(range.low, Edge::At(low) if low > position));
        prop_assert!(!matches!(range.high, Edge::At(high) if high <= position));
    }
}
