//! The reading half of the audit trail: rows of the log as texts that depend on no setting, and who may see which.

pub mod access;
mod cursor;
mod rows;
pub mod table;
pub mod typed;

pub use cursor::Cursor;
pub use rows::{Argument, Rows, rows, write};
