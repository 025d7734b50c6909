//! The server: everything unsafe and version-dependent. Nothing here judges.

pub mod capture;
pub mod definitions;
pub mod encoding;
pub mod error;
pub mod facts;
pub mod file;
pub mod isolation;
pub mod leaf_density;
pub mod local_settings;
pub mod moment;
pub mod planner;
pub mod progress;
pub mod query;
pub mod roles;
pub mod scan;
pub mod settings;
pub mod snapshot;
pub mod thresholds;
pub mod value;
pub mod workload;
