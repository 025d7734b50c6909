//! Plans at work: a background worker runs the steps of a plan with the rights of its creator, each in a transaction of
//! its own or alone at top level, and writes down what each is at.
//!
//! A worker and not the session, because CREATE INDEX CONCURRENTLY and its kind need to be no part of anything: no
//! function, no transaction. The session that waits for it holds no snapshot, for which they would wait in turn.

mod calls;
mod claim;
pub mod owner;
mod plan;
mod start;
pub mod statement;
mod step;
mod store;
pub mod transaction;
mod undo;
mod worker;

pub use calls::refuse_without;
pub use claim::runner_of;
pub use plan::{confirm, may_schedule, seen};
pub use start::{apply_in_background, apply_scheduled, run_and_wait};
pub use store::{StoredPlan, store};
pub use transaction::{Failure, caught, transaction};
