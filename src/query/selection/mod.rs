//! Which indexes serve a workload best: candidates from what its queries ask, and a search among them that asks the
//! planner what each set would cost.

pub mod candidate;
pub mod candidates;
mod drops;
mod explore;
mod extend;
mod ledger;
mod narrow;
pub mod one;
mod outcome;
mod pool;
mod relax;
mod search;
mod select;
mod shake;
mod shape;
pub mod sql;
mod swap;
pub mod workload;
mod writes;

#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;

pub use drops::DropReason;
pub use outcome::{Action, Deed, QueryChange, Selection};
pub use select::select;
