//! Partition sets: what the catalogs say of them, and the table in which their policies stand.

mod bound;
mod constraint;
pub mod convert;
pub mod copy;
pub mod policy;
pub mod set;
