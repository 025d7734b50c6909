//! Indexes: unused, duplicate, missing, broken.
//!
//! Each question has one function that answers it in rows (`unused`, `duplicate`, `missing`, `health`); the audit's
//! rules are thin over those, so that a function and a finding never disagree. What an index is for besides being
//! scanned stands in `duty`, what it is to the planner in `shape`, and a partition tree is one `family`.

#[cfg(feature = "postgres")]
pub mod api;
pub mod duplicate;
mod duty;
mod family;
pub mod health;
mod limits;
pub mod missing;
#[cfg(test)]
mod properties;
mod rules;
mod shape;
#[cfg(test)]
mod testing;
pub mod unused;

pub use rules::{FOREIGN_KEY_WITHOUT_INDEX, MANY_SEQUENTIAL_SCANS, RULES};
