//! Work on many rows in batches, each a transaction of its own: how large a batch is, what a failed one calls for, and by
//! which key rows are told apart. For backfills and for copies.

pub mod key;
pub mod pace;
pub mod setback;
