//! What copies of tables need of the server: the trigger that writes the journal, and transactions whose snapshot,
//! rights and waiting times are known.

mod journal;
pub mod session;
