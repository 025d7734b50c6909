//! The line on which the values of a partition key lie: facts, which the catalogs have too.

pub use crate::catalog::partition::key::{Edge, EpochUnit, KeyKind, Position, Range};
