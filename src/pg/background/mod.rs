//! Work in the background: workers that the server starts for us, what they are told, how they begin, and how to wait for
//! them.

mod errand;
mod worker;

pub use errand::{Errand, install, run_and_wait, start};
pub use worker::{Begun, Description, Handle, NoWorker, Told, begin};
