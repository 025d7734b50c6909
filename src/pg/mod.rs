//! The server: everything unsafe and version-dependent. Nothing here judges.

pub mod argument;
pub mod backends;
pub mod backfill;
pub mod background;
pub mod capture;
pub mod claim;
pub mod closed;
pub mod ddl;
pub mod definitions;
pub mod encoding;
pub mod error;
pub mod executor;
pub mod facts;
pub mod fault;
pub mod file;
pub mod guard;
pub mod isolation;
pub mod leaf_density;
pub mod local_settings;
pub mod lock;
pub mod moment;
pub mod partition;
pub mod planner;
pub mod procedure;
pub mod progress;
pub mod query;
pub mod random;
pub mod roles;
pub mod row_version;
pub mod run;
pub mod scan;
pub mod search_path;
pub mod security;
pub mod settings;
pub mod shared_memory;
pub mod silence;
pub mod sleep;
pub mod snapshot;
pub mod surroundings;
pub mod tenancy;
pub mod thresholds;
pub mod trail;
pub mod upkeep;
pub mod value;
pub mod workload;
pub mod zone;

/// Whether the server loads us as it starts, from shared_preload_libraries.
fn is_preloading() -> bool {
    // SAFETY: reads a variable that the server sets while it starts.
    unsafe { pgrx::pg_sys::process_shared_preload_libraries_in_progress }
}

/// Whether this server is a standby, on which nothing can be written.
pub fn is_standby() -> bool {
    // SAFETY: reads a flag.
    unsafe { pgrx::pg_sys::RecoveryInProgress() }
}

/// Whether the server is one built with assertions, for its own tests.
fn checks_itself() -> bool {
    // SAFETY: reads a setting; its value lives as long as the backend.
    unsafe {
        let value = pgrx::pg_sys::GetConfigOption(c"debug_assertions".as_ptr(), true, false);
        !value.is_null() && std::ffi::CStr::from_ptr(value) == c"on"
    }
}
