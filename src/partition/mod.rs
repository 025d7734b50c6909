//! Partitions that keep themselves: sets and their policies, boundaries, upkeep, retention, and online conversion.
//!
//! A set is a partitioned table whose policy stands in `dbm.partition_set`. What is there ([`set::Set`]) and what is
//! wanted ([`set::Policy`]) give the actions that are due ([`upkeep::Action`]); `live` carries them out, one transaction
//! each.

pub mod adopt;
pub mod bounds;
pub mod convert;
pub mod copy;
pub mod create_plan;
pub mod ddl;
pub mod epoch;
pub mod every;
pub mod grid;
pub mod key;
pub mod line;
#[cfg(feature = "postgres")]
pub mod live;
pub mod manage;
pub mod name;
pub mod name_pattern;
pub mod policy;
pub mod refusal;
pub mod rules;
pub mod set;
pub mod sets;
pub mod span_of_calendar;
pub mod status;
pub mod upkeep;
pub mod zone;

#[cfg(test)]
pub mod sample;
