//! What workers do: errands of sessions, each by its kind.

/// Does an errand.
pub fn errand(kind: &str, _payload: &str) {
    match kind {
        // partition::live::upkeep_errand(payload)
        "upkeep" => {}
        unknown => pgrx::log!("dbmastery: there is no errand \"{unknown}\""),
    }
}
