//! The worker: what is to be done when nobody is there, and who does it.

#[cfg(feature = "postgres")]
pub mod live;
