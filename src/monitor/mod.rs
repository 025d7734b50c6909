//! Health and its observation: sizes today; locks, bloat and history come here.

#[cfg(feature = "postgres")]
pub mod api;
pub mod table_sizes;
