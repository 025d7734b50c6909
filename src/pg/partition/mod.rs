//! Partition sets: what the catalogs say of them, and the table in which their policies stand.

mod bound;
pub mod convert;
pub mod copy;
mod foreign_key;
pub mod policy;
pub mod set;
