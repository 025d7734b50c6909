//! Words: identifiers, sizes and durations as people and PostgreSQL write them. Floor 0: knows nothing of ours.

pub mod date;
pub mod english;
pub mod hex;
pub mod identifier;
pub mod keywords;
pub mod size;
pub mod words;

pub use identifier::{dollar_quoted, quote_identifier, quote_literal, quote_qualified, truncate_identifier};
