//! The judge on the running server: behind the guard's doors, and asked for text.

pub mod allowance;
pub mod explain;
pub mod guard;
pub mod lint;
pub mod policy;
