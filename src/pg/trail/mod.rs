//! The writing half of the audit trail: a trigger function that needs no rights of whoever writes. It turns rows into JSON
//! and puts them into the log as the server writes to its own tables, not by a statement: no search_path, no role, no row
//! security and no trigger stands between.
//!
//! Whatever fails here ends the statement that was to be logged: a change that the log does not have must not be.

mod activity;
mod bare;
mod column;
mod context;
mod descriptor;
mod ends;
mod event;
mod indexes;
mod log;
mod note;
mod numbers;
mod pinned;
mod place;
pub mod reading;
mod redaction;
mod registry;
mod rows;
mod shape;
mod statement;
mod trigger;
mod watched;
mod writer;

pub use context::{context, set_context};
pub use event::{install_handler, unnoticed};
pub use log::{is_ours, is_there};
pub use note::{
    ATTACHED, CAME, DETACHED, DROPPED, Happened, NAMED, WENT, note, note_change, note_changes, note_of_part,
    note_partitions, note_since,
};
pub use numbers::are_new;
pub use registry::{adopt, home};
pub use shape::note_shape;
pub use statement::{Ddl, Partition, Stage, makes_triggers};

/// Begins to watch what makes remembered things stale. Called once, when the library is loaded.
pub fn install() {
    ends::install();
}
