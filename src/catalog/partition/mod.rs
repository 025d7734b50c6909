//! Partition sets as the catalogs have them.

pub mod key;
pub mod moment;
mod set;

pub use set::{FENCE, Partition, Set, Shape, ShapePart, StoredPolicy, Strategy};
