//! Filling a column of a large table in batches: each its own transaction, cut along a unique key, sized and paced by
//! what it does to everybody else, and kept track of so that it goes on where it stopped.
//!
//! What is decided here is pure; `live.rs` does it.

#[cfg(feature = "postgres")]
pub mod api;
#[cfg(feature = "postgres")]
mod live;

pub mod batches;
pub mod lag;
pub mod range;
pub mod record;
pub mod target;
pub mod watch;
