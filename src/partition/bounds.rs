//! The bounds of a partition as ATTACH takes them, so that they meet those of the set it comes to.

use super::key::{Edge, KeyKind, Range};
use super::line;
use super::set::Set;
use crate::text::quote_literal;

/// `FROM (…) TO (…)` of a new partition of `set`. Uuids and ULIDs end as the bounds that are there:
/// `…-7000-8000-000000000000` overlaps with `…-0000-0000-000000000000`, though no value lies between them.
pub fn bounds(set: &Set, kind: KeyKind, range: &Range) -> String {
    let usual = line::text(kind, 0);
    let kept = match kind {
        KeyKind::UuidV7 => usual.len() - "00000000-0000".len(),
        KeyKind::Ulid => 16,
        _ => 0,
    };
    if kept == 0 || usual.ends_with(&set.bound_rest) && set.bound_rest.len() == kept {
        return line::bounds(kind, range, set.key_columns.len());
    }
    let side = |edge: &Edge| match edge {
        Edge::At(position) => {
            let text = line::text(kind, *position);
            Edge::Other(quote_literal(&format!("{}{}", &text[..text.len() - kept], set.bound_rest)))
        }
        other => other.clone(),
    };
    line::bounds(kind, &Range { low: side(&range.low), high: side(&range.high) }, 1)
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
        uuids.bound_rest = "-0000-0000-000000000000".to_owned();
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
    fn other_keys_are_written_as_they_are() {
        let range = Range::between(0, 1);
        let days = set("events", KeyKind::Date);
        assert_eq!(bounds(&days, KeyKind::Date, &range), "FROM ('2000-01-01') TO ('2000-01-02')");
    }
}
