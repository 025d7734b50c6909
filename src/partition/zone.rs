//! Time zones as boundaries see them.

pub use crate::catalog::zone::{Utc, Zone};

#[cfg(test)]
pub mod sample;
