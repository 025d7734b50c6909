//! What helps a query: the what-if planner.

#[cfg(feature = "postgres")]
pub mod api;
#[cfg(feature = "postgres")]
pub mod live;
pub mod whatif;
