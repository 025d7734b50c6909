//! Partition sets as the catalogs have them.

pub mod key;
mod set;

pub use set::{Partition, Set, Shape, ShapePart, StoredPolicy, Strategy};
