//! The safe way as a plan: from what a statement asks for and what stands around it to steps of expand, sync, backfill,
//! validate, switch and contract, each with its lock, its way back and its proof. Pure.
//!
//! One file a subject. A recipe returns a [`Recipe`] for one action; [`plan()`] puts the recipes of all actions together.
//! What a plan ends with is what the statement as it stands would have made, as pg_dump prints it; where that cannot
//! be had, [`Plan::requires`] says so, or there is [`NoPlan`].

mod add_column;
mod again;
#[cfg(feature = "postgres")]
pub mod api;
mod asked;
mod back;
mod check;
mod column_text;
mod column_type;
mod combine;
mod conflicts;
mod create_index;
mod direct;
mod domain;
mod drop;
mod drop_index;
mod enumeration;
mod exclusion;
mod file;
mod firsts;
mod foreign_key;
mod given;
mod names;
mod not_null;
mod partition;
mod policy;
mod recipe;
mod refused;
mod rename;
mod unique;
mod view;
mod words;

#[cfg(test)]
mod sample;

use crate::change::proof;
pub use combine::plan;
pub use file::file;
pub use recipe::NoPlan;

#[cfg(test)]
mod tests;
