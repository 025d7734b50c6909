//! The audit trail at work: tables put under it and taken out of it, and what is noticed of them.

pub mod ddl;
mod facts;
pub mod install;
pub mod list;
