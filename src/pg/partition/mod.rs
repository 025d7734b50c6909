//! Partition sets: what the catalogs say of them, and the table in which their policies stand.

mod bound;
mod foreign_key;
pub mod policy;
pub mod set;
