//! The facts of the running server, ready for rules.

use crate::finding::Facts;
use crate::pg::definitions::LiveDefinitions;
use crate::pg::local_settings::with_empty_search_path;
use crate::pg::snapshot;

/// Takes a snapshot and hands it to `judge`; `interrupt` is called wherever rules offer to stop.
pub fn with_interrupt<T>(interrupt: &dyn Fn(), judge: impl FnOnce(&Facts<'_>) -> T) -> T {
    let snapshot = snapshot::take();
    let definitions = LiveDefinitions::new(&snapshot);
    with_empty_search_path(|| judge(&Facts { snapshot: &snapshot, definitions: &definitions, interrupt }))
}

/// Ends the statement if somebody wants it to end.
pub fn stop_if_cancelled() {
    pgrx::check_for_interrupts!();
}

/// The same, stopping only for a cancel or a shutdown.
pub fn with<T>(judge: impl FnOnce(&Facts<'_>) -> T) -> T {
    with_interrupt(&stop_if_cancelled, judge)
}
