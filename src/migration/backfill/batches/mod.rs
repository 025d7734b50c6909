//! One pass over the parts, batch by batch.

#[cfg(feature = "postgres")]
pub mod live;
