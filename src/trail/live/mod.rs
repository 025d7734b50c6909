//! The audit trail at work: tables put under it and taken out of it, what is noticed of them; the log read, taken back and
//! sealed.

mod as_of;
mod book;
mod changes;
pub mod ddl;
mod doubts;
mod earlier;
mod facts;
mod hashing;
mod history;
pub mod install;
mod keys;
mod lineage;
pub mod list;
mod names;
mod part_history;
mod partitions;
mod parts;
pub mod range;
mod relations;
mod retained;
mod retiring;
mod revert_facts;
pub mod reverting;
mod rights;
mod scope;
pub mod sealing;
mod seals;
mod shapes;
mod silence;
mod steady;
mod targets;
mod told;
pub mod verifying;

pub use as_of::{as_of, as_of_typed};
pub use changes::{Asked, Entry, changes};
pub use history::row_history;
