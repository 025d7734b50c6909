//! Reading the trail: the changes of tables and of single rows, tables as they were. Pure, but for the door and what it
//! asks.

#[cfg(feature = "postgres")]
pub mod api;
pub mod attribute;
pub mod change;
pub mod document;
pub mod held;
pub mod holders;
mod identify;
pub mod lineage;
pub mod lives;
pub mod rewind;
pub mod row;
