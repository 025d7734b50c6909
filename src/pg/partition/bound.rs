//! Bounds of partitions as `pg_class.relpartbound` keeps them.

use std::ffi::CString;

use pgrx::pg_sys;

use crate::catalog::partition::key::{Edge, KeyKind, Position};
use crate::catalog::partition::moment;
use crate::pg::planner::list::pointers;
use crate::pg::scan::{in_scratch_memory, text_of, text_of_c_string};
use crate::text::hex::hex;

/// What follows the moment in the first uuid of version 7 of a millisecond.
const FIRST_REST_OF_UUID_V7: [u8; 10] = [0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 0];

/// One side of a range, and what stands behind the moment in it.
pub struct RawEdge {
    pub edge: Edge,
    pub rest: Option<String>,
    /// The value as the server writes it, where `rest` is given.
    text: String,
}

impl RawEdge {
    fn plain(edge: Edge) -> Self {
        Self { edge, rest: None, text: String::new() }
    }

    /// The edge, if its moment is followed by what follows in the others of its set; else a value of its own.
    pub fn within(self, rest: &str) -> Edge {
        match self.rest {
            Some(own) if own != rest => Edge::Other(self.text),
            _ => self.edge,
        }
    }
}

/// What a partition takes.
pub enum Bound {
    Default,
    Range(RawEdge, RawEdge),
    /// By list or by hash.
    Other,
}

/// The bound that this node tree describes; `None` for what is no bound.
pub fn of(tree: &[u8], key: Option<KeyKind>) -> Option<Bound> {
    let tree = CString::new(tree).ok()?;
    in_scratch_memory(|| {
        // SAFETY: the server's own text of a node, read in memory that goes when this is done.
        unsafe {
            let specification = pg_sys::stringToNode(tree.as_ptr()).cast::<pg_sys::PartitionBoundSpec>();
            if specification.is_null() || (*specification).type_ != pg_sys::NodeTag::T_PartitionBoundSpec {
                return None;
            }
            if (*specification).is_default {
                return Some(Bound::Default);
            }
            if (*specification).strategy.cast_unsigned() != b'r' {
                return Some(Bound::Other);
            }
            let low = edge((*specification).lowerdatums, key)?;
            Some(Bound::Range(low, edge((*specification).upperdatums, key)?))
        }
    })
}

/// # Safety
/// The list must be one of the two in a bound.
unsafe fn edge(list: *mut pg_sys::List, key: Option<KeyKind>) -> Option<RawEdge> {
    use pg_sys::PartitionRangeDatumKind::{PARTITION_RANGE_DATUM_MAXVALUE, PARTITION_RANGE_DATUM_MINVALUE};
    let datums = pointers::<pg_sys::PartitionRangeDatum>(list);
    let (&first, others) = datums.split_first()?;
    // SAFETY: nodes of this kind, as the caller vouches.
    unsafe {
        match (*first).kind {
            PARTITION_RANGE_DATUM_MINVALUE => return Some(RawEdge::plain(Edge::MinValue)),
            PARTITION_RANGE_DATUM_MAXVALUE => return Some(RawEdge::plain(Edge::MaxValue)),
            _ => {}
        }
        // Where everything behind is MINVALUE, the line is cut right at the first value.
        if others.iter().any(|&other| (*other).kind != PARTITION_RANGE_DATUM_MINVALUE) {
            let texts: Vec<String> = datums.iter().map(|&datum| text_of_datum(datum)).collect();
            return Some(RawEdge::plain(Edge::Other(texts.join(", "))));
        }
        let value = (*first).value.cast::<pg_sys::Const>();
        if value.is_null() || (*value).constisnull {
            return None;
        }
        let found = key.and_then(|key| position((*value).constvalue, key));
        Some(match found {
            Some((position, None)) => RawEdge::plain(Edge::At(position)),
            Some((position, rest)) => RawEdge { edge: Edge::At(position), rest, text: text_of_datum(first) },
            None => RawEdge::plain(Edge::Other(text_of_datum(first))),
        })
    }
}

/// Where a value lies, and what stands behind its moment; `None` for one that has no place.
///
/// # Safety
/// The value must be of a type that has keys of this kind.
unsafe fn position(value: pg_sys::Datum, key: KeyKind) -> Option<(Position, Option<String>)> {
    match key {
        KeyKind::Date => {
            let days = value.value() as i32;
            (days != i32::MIN && days != i32::MAX).then_some((Position::from(days), None))
        }
        KeyKind::Timestamp | KeyKind::TimestampWithTimeZone => {
            let moment = value.value() as i64;
            (moment != i64::MIN && moment != i64::MAX).then_some((moment, None))
        }
        KeyKind::Integer { bytes: 2 } => Some((Position::from(value.value() as i16), None)),
        KeyKind::Integer { bytes: 4 } | KeyKind::Epoch { bytes: 4, .. } => {
            Some((Position::from(value.value() as i32), None))
        }
        KeyKind::Integer { .. } | KeyKind::Epoch { .. } => Some((value.value() as i64, None)),
        KeyKind::UuidV7 => {
            // SAFETY: sixteen bytes, as the caller vouches.
            let bytes: [u8; 16] = unsafe { *value.cast_mut_ptr::<[u8; 16]>() };
            let rest = &bytes[6..];
            if *rest > FIRST_REST_OF_UUID_V7[..] {
                return None;
            }
            let rest = format!("-{}-{}-{}", hex(&rest[..2]), hex(&rest[2..4]), hex(&rest[4..]));
            Some((moment::of_uuid(bytes), Some(rest)))
        }
        KeyKind::Ulid => {
            // SAFETY: a text, as the caller vouches.
            let text = unsafe {
                text_of(pgrx::varlena_to_byte_slice(pg_sys::pg_detoast_datum_packed(value.cast_mut_ptr())))
            };
            let rest = text.get(moment::ULID_LETTERS..)?;
            let is_moment = rest.bytes().all(|byte| byte == b'0');
            is_moment.then(|| Some((moment::of_ulid(&text)?, Some(rest.to_owned())))).flatten()
        }
    }
}

/// # Safety
/// A node of a bound.
unsafe fn text_of_datum(datum: *const pg_sys::PartitionRangeDatum) -> String {
    use pg_sys::PartitionRangeDatumKind::{PARTITION_RANGE_DATUM_MAXVALUE, PARTITION_RANGE_DATUM_MINVALUE};
    // SAFETY: as the caller vouches; the type's own output function writes its value.
    unsafe {
        match (*datum).kind {
            PARTITION_RANGE_DATUM_MINVALUE => return "MINVALUE".to_owned(),
            PARTITION_RANGE_DATUM_MAXVALUE => return "MAXVALUE".to_owned(),
            _ => {}
        }
        let value = (*datum).value.cast::<pg_sys::Const>();
        if value.is_null() || (*value).constisnull {
            return "NULL".to_owned();
        }
        let (mut output, mut is_varlena) = (pg_sys::InvalidOid, false);
        pg_sys::getTypeOutputInfo((*value).consttype, &raw mut output, &raw mut is_varlena);
        text_of_c_string(pg_sys::OidOutputFunctionCall(output, (*value).constvalue))
            .map(String::from)
            .unwrap_or_default()
    }
}
