//! Changes as text: the statements that repair what rules find, and what takes them back. Pure.

pub mod index_ddl;
pub mod names;
pub mod plan;
