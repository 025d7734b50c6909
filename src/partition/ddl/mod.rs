//! What is due as statements, with the locks that they take. Pure: whoever carries them out brings the names.
//!
//! The parent is always locked first, then its default partition, then other partitions, as readers lock them: nobody
//! can come to wait for us while we wait for him.

mod create;
mod locks;
mod retire;
#[cfg(test)]
mod tests;

pub use create::{Creation, Fence, Pattern, Source, creation, creation_of_default, fence};
pub use locks::{locks, strong_waits};
pub use retire::{archive, detach, drop_attached, drop_constraint, drop_table, finalize};

use super::bounds::literal;
use super::key::{Edge, KeyKind, Position, Range};
use super::set::Set;
use crate::text::quote_identifier;

/// A place on the line as a value of the set's key with its type; `None` where the key is no column.
pub fn literal_of(set: &Set, key: KeyKind, position: Position) -> Option<String> {
    set.key_columns.first()?.as_ref()?;
    Some(format!("{}::{}", literal(set, key, position), set.key_type))
}

/// What holds for the rows of a range, and for no others; `None` where that cannot be written as a condition.
pub fn inside(set: &Set, key: KeyKind, range: &Range) -> Option<String> {
    let column = quote_identifier(set.key_columns.first()?.as_deref()?);
    let literal = |position: Position| literal(set, key, position);
    let low = match &range.low {
        Edge::MinValue => None,
        Edge::At(position) => Some(format!("{column} >= {}", literal(*position))),
        _ => return None,
    };
    let high = match &range.high {
        Edge::MaxValue => None,
        Edge::At(position) => Some(format!("{column} < {}", literal(*position))),
        _ => return None,
    };
    let conditions: Vec<String> = low.into_iter().chain(high).collect();
    (!conditions.is_empty()).then(|| conditions.join(" AND "))
}
