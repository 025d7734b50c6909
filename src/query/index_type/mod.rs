//! Which access method suits columns and a purpose, from their types, operators, order on disk and size.
//!
//! Every method that could come into question gets a line, the best first, so that the reader sees what was weighed.

mod choice;
mod purpose;
#[cfg(test)]
mod tests;

pub use choice::{Choice, Form, Verdict, choose};
pub use purpose::Purpose;
