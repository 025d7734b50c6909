//! Partitions that keep themselves: sets and their policies, boundaries, upkeep, retention, and online conversion.
//!
//! A set is a partitioned table whose policy stands in `dbm.partition_set`. What is there ([`set::Set`]) and what is
//! wanted ([`set::Policy`]) give the actions that are due ([`upkeep::Action`]); `live` carries them out, one transaction
//! each.

pub mod bounds;
pub mod every;
pub mod grid;
pub mod key;
pub mod line;
pub mod name;
pub mod name_pattern;
pub mod policy;
pub mod refusal;
pub mod set;
pub mod upkeep;
pub mod zone;

#[cfg(test)]
pub mod sample;
