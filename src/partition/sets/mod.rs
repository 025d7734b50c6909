//! Sets that are kept: taken over, given up, shown, and adopted from pg_partman.

#[cfg(feature = "postgres")]
pub mod api;
#[cfg(feature = "postgres")]
pub(super) mod live;
