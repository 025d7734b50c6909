//! Looks at backfills and asks them to stop.

#[cfg(feature = "postgres")]
pub mod live;
