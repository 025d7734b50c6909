//! Sequences, what they feed, and how far they have come.

use crate::catalog::types::builtin;
use crate::catalog::{ColumnNumber, LastValue, Oid, Persistence, RELATION_CLASS, Sequence, Snapshot, Type};

/// The users' sequences: not the server's, not an extension's, not temporary.
pub fn judged_sequences(snapshot: &Snapshot) -> impl Iterator<Item = &Sequence> {
    snapshot.sequences.iter().filter(|sequence| {
        sequence.persistence != Persistence::Temporary
            && !snapshot.is_extension_member(RELATION_CLASS, sequence.oid)
            && snapshot.namespaces.get(&sequence.schema).is_some_and(|namespace| !namespace.is_system())
    })
}

/// The columns, each named in the topmost table of its partition tree and counted once.
fn in_topmost_tables(
    snapshot: &Snapshot,
    columns: impl IntoIterator<Item = (Oid, ColumnNumber)>,
) -> Vec<(Oid, ColumnNumber)> {
    let mut topmost: Vec<(Oid, ColumnNumber)> = columns
        .into_iter()
        .filter_map(|(table, number)| {
            let root = snapshot.root_of(table);
            if root == table {
                return Some((table, number));
            }
            // A partition may number its columns otherwise than its parent; the names are the same.
            let name = &snapshot.column(table, number)?.name;
            let column = snapshot.columns_of(root).iter().find(|column| column.name == *name)?;
            Some((root, column.number))
        })
        .collect();
    topmost.sort_unstable();
    topmost.dedup();
    topmost
}

/// Every column that a sequence feeds, a partition tree by its topmost table.
pub fn fed_columns(snapshot: &Snapshot, sequence: &Sequence) -> Vec<(Oid, ColumnNumber)> {
    in_topmost_tables(snapshot, sequence.fed_columns())
}

/// The only column whose default draws from the sequence; `None` when there is none or more than one.
pub fn only_drawing_column(snapshot: &Snapshot, sequence: &Sequence) -> Option<(Oid, ColumnNumber)> {
    match in_topmost_tables(snapshot, sequence.used_by.iter().copied())[..] {
        [only] => Some(only),
        _ => None,
    }
}

/// The least and the greatest whole number that a column of this type holds; `None` where a bigint always fits.
pub fn whole_number_range(base: &Type, modifier: i32) -> Option<(i64, i64)> {
    match base.oid {
        builtin::INT2 => Some((i64::from(i16::MIN), i64::from(i16::MAX))),
        builtin::INT4 => Some((i64::from(i32::MIN), i64::from(i32::MAX))),
        builtin::INT8 => Some((i64::MIN, i64::MAX)),
        builtin::NUMERIC if modifier >= 4 => {
            // numeric(precision, scale) packs both into the modifier, above the varlena header's four bytes.
            let packed = (modifier - 4) as u32;
            let (precision, scale) = (packed >> 16, packed & 0x7ff);
            let bound = 10_i64.checked_pow(precision.checked_sub(scale)?)? - 1;
            Some((-bound, bound))
        }
        _ => None,
    }
}

/// What ends a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Its own bound.
    Sequence,
    /// The type of a column that it feeds.
    Column(Oid, ColumnNumber),
}

/// How far a sequence has come on its way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Course {
    /// The last value handed out.
    pub last: i64,
    /// The last value that it and all its columns can take.
    pub limit: i64,
    /// Whose limit that is.
    pub end: End,
    /// How many values are left to hand out.
    pub remaining: u64,
    /// Share of its range that is used, 0 to 1.
    pub used: f64,
}

/// The last value that can be handed out: the sequence's own bound or that of the narrowest column it feeds.
fn limit(snapshot: &Snapshot, sequence: &Sequence) -> (i64, End) {
    let rises = sequence.increment > 0;
    let own = if rises { sequence.maximum } else { sequence.minimum };
    let mut limit = (own, End::Sequence);
    for (table, number) in fed_columns(snapshot, sequence) {
        let range = snapshot.column(table, number).and_then(|column| {
            whole_number_range(snapshot.base_type(column.type_oid)?, column.type_modifier)
        });
        let Some((least, greatest)) = range else { continue };
        let (bound, is_tighter) =
            if rises { (greatest, greatest < limit.0) } else { (least, least > limit.0) };
        // Where both end together it is the column that matters: to widen the sequence alone would not help.
        if is_tighter || (bound == limit.0 && limit.1 == End::Sequence) {
            limit = (bound, End::Column(table, number));
        }
    }
    limit
}

/// Whether it starts again before anything overflows: its own bound comes no later than its columns'.
pub fn never_ends(snapshot: &Snapshot, sequence: &Sequence) -> bool {
    let own = if sequence.increment > 0 { sequence.maximum } else { sequence.minimum };
    sequence.cycles && limit(snapshot, sequence).0 == own
}

/// How far a sequence has come; `None` when its last value is not known.
pub fn course(snapshot: &Snapshot, sequence: &Sequence) -> Option<Course> {
    let LastValue::At(last) = sequence.last_value else { return None };
    let rises = sequence.increment > 0;
    let (limit, end) = limit(snapshot, sequence);
    let (first_bound, zero_is_outside) = if rises {
        (sequence.minimum, sequence.minimum >= 0)
    } else {
        (sequence.maximum, sequence.maximum <= 0)
    };
    // A range that reaches across zero only counts whole when the sequence set out from its far end.
    let floor = if zero_is_outside || sequence.start == first_bound { first_bound } else { sequence.start };
    let distance = |from: i64, to: i64| {
        let forward = i128::from(to) - i128::from(from);
        (if rises { forward } else { -forward }).max(0)
    };
    let whole = distance(floor, limit);
    let left = distance(last, limit);
    let step = i128::from(sequence.increment.unsigned_abs().max(1));
    let used = if whole == 0 { 1.0 } else { distance(floor, last) as f64 / whole as f64 };
    Some(Course {
        last,
        limit,
        end,
        remaining: u64::try_from(left / step).unwrap_or(u64::MAX),
        used: used.clamp(0.0, 1.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::Sample;

    fn course_of(edit: impl FnOnce(&mut Sequence), column_type: Oid) -> Course {
        let mut sample = Sample::new();
        let table = sample.table("t");
        sample.column(table, "id", column_type);
        let oid = sample.serial(table, "id", "t_id_seq");
        sample.edit_sequence(oid, edit);
        let snapshot = sample.finish();
        course(&snapshot, &snapshot.sequences[0]).unwrap()
    }

    #[test]
    fn the_narrowest_column_ends_it() {
        let course = course_of(|sequence| sequence.last_value = LastValue::At(32_000), builtin::INT2);
        assert_eq!((course.limit, course.remaining), (32_767, 767));
        assert!(matches!(course.end, End::Column(..)) && course.used > 0.97);
    }

    #[test]
    fn numeric_precision_bounds_too() {
        let numeric = Type { oid: builtin::NUMERIC, ..Type::default() };
        assert_eq!(whole_number_range(&numeric, (5 << 16) + 4), Some((-99_999, 99_999)));
        assert_eq!(whole_number_range(&numeric, ((7 << 16) | 2) + 4), Some((-99_999, 99_999)));
        assert_eq!(whole_number_range(&numeric, ((40 << 16) | 2) + 4), None);
        assert_eq!(whole_number_range(&numeric, -1), None);
    }

    #[test]
    fn it_may_count_down() {
        let course = course_of(
            |sequence| {
                sequence.increment = -2;
                (sequence.minimum, sequence.maximum, sequence.start) = (-1_000, -1, -1);
                sequence.last_value = LastValue::At(-901);
            },
            builtin::INT4,
        );
        assert_eq!((course.limit, course.remaining, course.end), (-1_000, 49, End::Sequence));
        assert!(course.used > 0.9 && course.used < 0.91);
    }

    #[test]
    fn a_range_across_zero_counts_from_where_it_set_out() {
        let across = |start: i64, last: i64| {
            course_of(
                |sequence| {
                    (sequence.minimum, sequence.maximum, sequence.start) = (i64::MIN, i64::MAX, start);
                    sequence.last_value = LastValue::At(last);
                },
                builtin::INT8,
            )
        };
        assert!(across(1, 1_000).used < 0.01);
        assert!(across(i64::MIN, 0).used > 0.49);
        assert_eq!(across(i64::MIN, i64::MIN).remaining, u64::MAX);
    }

    #[test]
    fn a_value_beyond_the_limit_leaves_nothing() {
        let course = course_of(|sequence| sequence.last_value = LastValue::At(40_000), builtin::INT2);
        assert_eq!((course.remaining, course.used), (0, 1.0));
    }
}
