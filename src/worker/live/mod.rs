//! What workers do: errands, each by its kind.

mod database;
mod jobs;
mod launcher;
pub mod status;
pub mod store;

/// Does an errand.
pub fn errand(kind: &str, payload: &str) {
    match kind {
        "launch" => launcher::run(payload),
        "jobs" => database::run(payload),
        "drain" => crate::partition::live::drain_errand(payload),
        "upkeep" => crate::partition::live::upkeep_errand(payload),
        unknown => pgrx::log!("dbmastery: there is no errand \"{unknown}\""),
    }
}
