//! The bounds of a partition as ATTACH takes them, so that they meet those of the set it comes to.

use super::key::{Edge, KeyKind, Position, Range};
use super::line;
use super::set::Set;
use crate::text::quote_literal;

/// A place on the line of a set's key as an SQL literal. Uuids and ULIDs end as the bounds that are there:
/// `…-7000-8000-000000000000` overlaps with `…-0000-0000-000000000000`, though no value lies between them.
pub fn literal(set: &Set, kind: KeyKind, position: Position) -> String {
    let moment = match kind {
        KeyKind::UuidV7 => "01234567-89ab".len(),
        KeyKind::Ulid => 10,
        _ => return line::literal(kind, position),
    };
    let text = line::text(kind, position);
    quote_literal(&format!("{}{}", text.get(..moment).unwrap_or(&text), set.bound_rest))
}

/// `FROM (…) TO (…)` of a new partition of `set`.
pub fn bounds(set: &Set, kind: KeyKind, range: &Range) -> String {
    let side = |edge: &Edge| match edge {
        Edge::At(position) if matches!(kind, KeyKind::UuidV7 | KeyKind::Ulid) => {
            Edge::Other(literal(set, kind, *position))
        }
        other => other.clone(),
    };
    let range = Range { low: side(&range.low), high: side(&range.high) };
    line::bounds(kind, &range, set.key_columns.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::partition::sample::set;

    #[test]
    fn uuids_end_as_those_that_are_there() {
        let range = Range::between(0x0192_a3b4_c5d6, 0x0192_a3b4_ffff);
        let mut uuids = set("events", KeyKind::UuidV7);
        uuids.bound_rest = "-7000-8000-000000000000".to_owned();
        assert_eq!(
            bounds(&uuids, KeyKind::UuidV7, &range),
            "FROM ('0192a3b4-c5d6-7000-8000-000000000000') TO ('0192a3b4-ffff-7000-8000-000000000000')"
        );
        let uuids = set("events", KeyKind::UuidV7);
        assert_eq!(bounds(&uuids, KeyKind::UuidV7, &range), line::bounds(KeyKind::UuidV7, &range, 1));
    }

    #[test]
    fn short_ulids_stay_short() {
        let mut ulids = set("events", KeyKind::Ulid);
        ulids.bound_rest = String::new();
        let range = Range { low: Edge::MinValue, high: Edge::At(1_469_918_176_385) };
        assert_eq!(bounds(&ulids, KeyKind::Ulid, &range), "FROM (MINVALUE) TO ('01ARYZ6S41')");
    }

    #[test]
    fn conditions_and_bounds_agree() {
        for (kind, rest) in [
            (KeyKind::UuidV7, "-0000-0000-000000000000"),
            (KeyKind::UuidV7, "-7000-8000-000000000000"),
            (KeyKind::Ulid, ""),
            (KeyKind::Ulid, "0000000000000000"),
            (KeyKind::TimestampWithTimeZone, ""),
        ] {
            let mut set = set("events", kind);
            set.bound_rest = rest.to_owned();
            let place = 1_469_918_176_385;
            let range = Range { low: Edge::At(place), high: Edge::MaxValue };
            let inside = crate::partition::ddl::inside(&set, kind, &range).expect("a condition");
            assert_eq!(inside, format!("at >= {}", literal(&set, kind, place)));
            let from = bounds(&set, kind, &range);
            assert_eq!(from, format!("FROM ({}) TO (MAXVALUE)", literal(&set, kind, place)));
        }
    }

    #[test]
    fn other_keys_are_written_as_they_are() {
        let range = Range::between(0, 1);
        let days = set("events", KeyKind::Date);
        assert_eq!(bounds(&days, KeyKind::Date, &range), "FROM ('2000-01-01') TO ('2000-01-02')");
    }
}
