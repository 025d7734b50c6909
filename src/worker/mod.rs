//! The worker: what is to be done when nobody is there, and who does it.
//!
//! A launcher, connected to no database, starts for each database with something due a worker that does it and goes, so
//! that nobody's DROP DATABASE meets one that only waits. What is due when is computed from what was scheduled and from
//! the history of runs alone: there is no state that could be lost, restored or left behind by a clock.

#[cfg(feature = "postgres")]
pub mod api;
pub mod databases;
pub mod job;
#[cfg(feature = "postgres")]
pub mod live;
pub mod roster;
pub mod schedule;
