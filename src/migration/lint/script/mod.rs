//! A migration file taken apart: tokens, statements, and what can be read from tokens alone.

mod definition;
mod grammar;
mod known;
mod names;
mod split;
mod token;
mod words;

pub use definition::{DefaultValue, Definition, Generated, read_reference};
pub use grammar::is_known;
pub use known::KnownTables;
pub use names::{quote, same_name};
pub use split::{Piece, statements};
pub use token::{Kind, Token};
pub use words::{Words, at_commas, text_of};
