use super::*;
use crate::partition::grid::{MONDAY, default_origin};
use crate::partition::key::EpochUnit;
use crate::partition::line;
use crate::partition::zone::sample::Place;
use crate::partition::zone::{Utc, Zone};

const MOMENT: KeyKind = KeyKind::TimestampWithTimeZone;
const ID: KeyKind = KeyKind::Integer { bytes: 8 };

fn at(kind: KeyKind, text: &str) -> Position {
    line::position_of_text(kind, text).expect(text)
}

fn named(zone: &dyn Zone, every: Every, style: NameStyle, text: &str) -> String {
    let grid = Grid::new(MOMENT, every, default_origin(MOMENT, every, MONDAY, zone), zone);
    name("orders", &grid.range_of(at(MOMENT, &format!("{text}+00"))), &grid, style, &|_| false)
}

#[test]
fn house_names_of_every_unit() {
    let minutes = |number: u64| Every::Microseconds(number * 60 * SECOND as u64);
    for (every, moment, expected) in [
        (Every::Months(12), "2026-11-25 14:31:00", "orders_2026"),
        (Every::Months(120), "2026-11-25 14:31:00", "orders_2020"),
        (Every::Months(3), "2026-11-25 14:31:00", "orders_2026_q4"),
        (Every::Months(1), "2026-11-25 14:31:00", "orders_2026_11"),
        (Every::Months(6), "2026-11-25 14:31:00", "orders_2026_07"),
        (Every::Days(7), "2026-11-25 14:31:00", "orders_2026_w48"),
        (Every::Days(7), "2027-01-02 14:31:00", "orders_2026_w53"),
        (Every::Days(7), "2024-12-31 14:31:00", "orders_2025_w01"),
        (Every::Days(14), "2026-11-25 14:31:00", "orders_2026_11_16"),
        (Every::Days(1), "2026-11-25 14:31:00", "orders_2026_11_25"),
        (minutes(60), "2026-11-25 14:31:00", "orders_2026_11_25_14z"),
        (minutes(60), "2026-11-25 00:31:00", "orders_2026_11_25_00z"),
        (minutes(15), "2026-11-25 14:31:00", "orders_2026_11_25_1430z"),
        (minutes(15), "2026-11-25 14:10:00", "orders_2026_11_25_1400z"),
        (Every::Microseconds(30_000_000), "2026-11-25 14:31:40", "orders_2026_11_25_143130z"),
        (Every::Months(12), "12026-11-25 14:31:00", "orders_y0012026"),
        (Every::Months(1), "12026-11-25 14:31:00", "orders_y0012026_11"),
    ] {
        assert_eq!(named(&Utc, every, NameStyle::House, moment), expected);
    }
    let grid = Grid::new(KeyKind::Date, Every::Months(1), 0, &Utc);
    let range = grid.range_of(at(KeyKind::Date, "0044-03-15 BC"));
    assert_eq!(name("orders", &range, &grid, NameStyle::House, &|_| false), "orders_bc0044_03");
}

#[test]
fn days_are_those_of_the_zone_and_hours_those_of_utc() {
    let berlin = Place::of("Europe/Berlin");
    let moment = "2026-11-30 23:30:00";
    for (every, house, partman) in [
        (Every::Days(1), "orders_2026_12_01", "orders_p20261201"),
        (Every::Months(1), "orders_2026_12", "orders_p20261201"),
        (Every::Microseconds(HOUR as u64), "orders_2026_11_30_23z", "orders_p20261130_230000"),
    ] {
        assert_eq!(named(&berlin, every, NameStyle::House, moment), house);
        assert_eq!(named(&berlin, every, NameStyle::Partman, moment), partman);
    }
    // Whose hours are others on the wall.
    for zone in ["Asia/Kathmandu", "Australia/Lord_Howe"] {
        let name = named(&Place::of(zone), Every::Microseconds(HOUR as u64), NameStyle::House, moment);
        assert_eq!(name, "orders_2026_11_30_23z");
    }
    // Days without a midnight, and the day after one that never was.
    let day = |zone: &str, moment| named(&Place::of(zone), Every::Days(1), NameStyle::House, moment);
    assert_eq!(day("America/Sao_Paulo", "2017-10-15 12:00:00"), "orders_2017_10_15");
    assert_eq!(day("Pacific/Apia", "2011-12-30 12:00:00"), "orders_2011_12_31");
    assert_eq!(day("Pacific/Apia", "2011-12-30 08:00:00"), "orders_2011_12_29");
}

#[test]
fn a_key_without_zone_has_no_z() {
    let every = Every::Microseconds(HOUR as u64);
    let grid = Grid::new(KeyKind::Timestamp, every, 0, &Utc);
    let range = grid.range_of(at(KeyKind::Timestamp, "2026-11-25 14:31:00"));
    assert_eq!(name("orders", &range, &grid, NameStyle::House, &|_| false), "orders_2026_11_25_14");
    let milliseconds = KeyKind::Epoch { bytes: 8, unit: EpochUnit::Milliseconds };
    let grid = Grid::new(milliseconds, every, 0, &Utc);
    let range = grid.range_of(1_793_491_200_000);
    assert_eq!(name("orders", &range, &grid, NameStyle::House, &|_| false), "orders_2026_11_01_00z");
}

#[test]
fn edges_that_are_no_boundaries() {
    let berlin = Place::of("Europe/Berlin");
    let grid = Grid::new(
        MOMENT,
        Every::Months(1),
        default_origin(MOMENT, Every::Months(1), MONDAY, &berlin),
        &berlin,
    );
    for (edge, expected) in [
        ("2026-11-25 23:00:00+00", "orders_2026_11_26"),
        ("2026-11-30 22:00:00+00", "orders_2026_11_30_22z"),
        ("2026-11-30 22:30:00+00", "orders_2026_11_30_2230z"),
        ("2026-11-30 22:30:05+00", "orders_2026_11_30_223005z"),
        ("2026-11-30 22:30:05.00025+00", "orders_2026_11_30_223005_000250z"),
    ] {
        let range = grid.next(at(MOMENT, edge)).expect("far from the end");
        assert_eq!(name("orders", &range, &grid, NameStyle::House, &|_| false), expected);
    }
}

#[test]
fn numbers_are_as_long_as_they_get() {
    for (kind, low, expected) in [
        (ID, 1_000_000, "orders_p0000001000000"),
        (ID, 0, "orders_p0000000000000"),
        (ID, -1_000_000, "orders_n0000001000000"),
        (ID, 12_000_000_000_000_000, "orders_q0012000000000000000"),
        (KeyKind::Integer { bytes: 4 }, 1_000_000, "orders_p0001000000"),
        (KeyKind::Integer { bytes: 2 }, 1_000, "orders_p01000"),
    ] {
        let grid = Grid::new(kind, Every::Step(1_000), 0, &Utc);
        let range = grid.range_of(low);
        assert_eq!(name("orders", &range, &grid, NameStyle::House, &|_| false), expected);
        let partman = name("orders", &range, &grid, NameStyle::Partman, &|_| false);
        assert_eq!(partman, format!("orders_p{low}"));
    }
    let grid = Grid::new(KeyKind::Integer { bytes: 2 }, Every::Step(10_000), 0, &Utc);
    let lowest = grid.range_of(i64::from(i16::MIN));
    assert_eq!(name("orders", &lowest, &grid, NameStyle::House, &|_| false), "orders_min");
}

#[test]
fn long_names_are_cut_and_do_not_meet() {
    let grid = Grid::new(KeyKind::Date, Every::Days(1), 0, &Utc);
    let range = grid.range_of(9_825);
    let long = "ä".repeat(30);
    let of = |parent: &str| name(parent, &range, &grid, NameStyle::House, &|_| false);
    let (one, other) = (of(&format!("{long}_a")), of(&format!("{long}_b")));
    assert!(one.len() <= MAXIMUM_BYTES && other.len() <= MAXIMUM_BYTES);
    assert_ne!(one, other);
    assert!(one.starts_with("ääää") && one.ends_with("_2026_11_25"), "{one}");
    // What just fits is left alone.
    let fitting = "x".repeat(MAXIMUM_BYTES - "_2026_11_25".len());
    assert_eq!(of(&fitting), format!("{fitting}_2026_11_25"));
    let partman = name(&"x".repeat(63), &range, &grid, NameStyle::Partman, &|_| false);
    assert_eq!(partman, format!("{}_p20261125", "x".repeat(53)));
}

#[test]
fn a_taken_name_has_a_way_out() {
    let grid = Grid::new(KeyKind::Date, Every::Months(1), 0, &Utc);
    let range = grid.range_of(9_825);
    let taken = |name: &str| matches!(name, "orders_2026_11" | "orders_2026_11_2");
    assert_eq!(name("orders", &range, &grid, NameStyle::House, &taken), "orders_2026_11_3");
    let long = "y".repeat(63);
    let first = name(&long, &range, &grid, NameStyle::House, &|_| false);
    let second = name(&long, &range, &grid, NameStyle::House, &|name| name == first);
    assert!(second != first && second.len() <= MAXIMUM_BYTES && second.ends_with("_2026_11_2"), "{second}");
}
