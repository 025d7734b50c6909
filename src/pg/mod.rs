//! The server: everything unsafe and version-dependent. Nothing here judges.

pub mod backends;
pub mod backfill;
pub mod background;
pub mod capture;
pub mod claim;
pub mod ddl;
pub mod definitions;
pub mod encoding;
pub mod error;
pub mod facts;
pub mod file;
pub mod guard;
pub mod isolation;
pub mod leaf_density;
pub mod local_settings;
pub mod moment;
pub mod partition;
pub mod planner;
pub mod procedure;
pub mod progress;
pub mod query;
pub mod roles;
pub mod run;
pub mod scan;
pub mod settings;
pub mod shared_memory;
pub mod snapshot;
pub mod thresholds;
pub mod upkeep;
pub mod value;
pub mod workload;
pub mod zone;

/// Whether the server loads us as it starts, from shared_preload_libraries.
fn is_preloading() -> bool {
    // SAFETY: reads a variable that the server sets while it starts.
    unsafe { pgrx::pg_sys::process_shared_preload_libraries_in_progress }
}
