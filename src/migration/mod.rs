//! Safe change: judges DDL before it takes a lock, reads migration files, writes the safe way as a plan, and fills
//! columns in batches.

#[cfg(feature = "postgres")]
pub mod api;
#[cfg(feature = "postgres")]
pub mod live;

pub mod allowance;
pub mod assessment;
pub mod backfill;
pub mod catalogue;
pub mod judge;
pub mod lint;
pub mod plan;
pub mod rules;
pub mod sarif;
pub mod script;
