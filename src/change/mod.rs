//! Changes as text: the statements that repair what rules find, and what takes them back; plans, and how they are run.
//! Pure, but for the door of the runner.

#[cfg(feature = "postgres")]
pub mod api;
pub mod batch;
pub mod index_ddl;
pub mod names;
pub mod plan;
pub mod proof;
pub mod retry;
pub mod run;
pub mod words;
