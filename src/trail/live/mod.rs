//! The trail on the running server: read, taken back, sealed.

mod as_of;
mod book;
mod changes;
mod history;
pub mod reverting;
pub mod sealing;

pub use as_of::{as_of, as_of_typed};
pub use changes::{Asked, Entry, changes};
pub use history::row_history;
