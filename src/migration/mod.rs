//! Safe change: judges DDL before it takes a lock, reads migration files, writes the safe way as a plan, and fills
//! columns in batches.

pub mod backfill;
pub mod judge;
pub mod lint;
pub mod plan;
