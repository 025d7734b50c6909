//! Work in the background: workers that the server starts for us, what they are told, how they begin, and how to wait for
//! them.

pub mod board;
mod created;
mod errand;
mod launcher;
mod worker;

pub use errand::{Errand, install, run_and_wait, settle};
pub use launcher::{
    Database, Login, databases, has_jobs, install_launcher, nap, reload, role, send, showing, start_launcher,
};
pub use worker::{Begun, Description, Handle, NoWorker, Told, begin};
