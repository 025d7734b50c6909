//! The audit trail: what became of every row, by whom and when, and how to get back.

pub mod read;
pub mod revert;
pub mod seal;
