//! What helps a query: the what-if planner, advice, rewrites, and the choice of indexes for a workload.

pub mod advice;
#[cfg(feature = "postgres")]
pub mod api;
#[cfg(feature = "postgres")]
pub mod capture;
mod chance;
pub mod index_type;
#[cfg(feature = "postgres")]
pub mod live;
pub mod load;
pub mod lookup;
pub mod no_index;
pub mod plan_shares;
pub mod red_flag;
pub mod rewrite;
pub mod rules;
pub mod selection;
pub mod slow;
pub mod tidy;
pub mod whatif;
