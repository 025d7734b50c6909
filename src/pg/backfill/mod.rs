//! What a procedure that commits as it goes needs of the server: a conversation that outlives its transactions, an
//! attempt that may fail without ending it, and the caller's SQL looked at before it is run.

pub mod attempt;
pub mod conversation;
pub mod differs;
pub mod lock;
pub mod owner;
pub mod shape;
