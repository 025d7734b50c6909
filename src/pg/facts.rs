//! The facts of the running server, ready for rules.

use pgrx::pg_sys;

use crate::finding::Facts;
use crate::pg::definitions::LiveDefinitions;
use crate::pg::snapshot;

/// Takes a snapshot and hands it to `judge`; `interrupt` is called wherever rules offer to stop.
pub fn with_interrupt<T>(interrupt: &dyn Fn(), judge: impl FnOnce(&Facts<'_>) -> T) -> T {
    let snapshot = snapshot::take();
    let definitions = LiveDefinitions::new(&snapshot);
    with_empty_search_path(|| judge(&Facts { snapshot: &snapshot, definitions: &definitions, interrupt }))
}

/// Runs `work` with nothing in search_path: the server then qualifies every name in the definitions that it writes, so
/// that a fix means the same in whatever session it is run.
fn with_empty_search_path<T>(work: impl FnOnce() -> T) -> T {
    // SAFETY: as for a function's own SET: on ERROR the end of the (sub)transaction takes it back.
    let level = unsafe {
        let level = pg_sys::NewGUCNestLevel();
        pg_sys::set_config_option(
            c"search_path".as_ptr(),
            c"".as_ptr(),
            pg_sys::GucContext::PGC_USERSET,
            pg_sys::GucSource::PGC_S_SESSION,
            pg_sys::GucAction::GUC_ACTION_SAVE,
            true,
            0,
            false,
        );
        level
    };
    let result = work();
    // SAFETY: ends the level begun above.
    unsafe { pg_sys::AtEOXact_GUC(true, level) };
    result
}

/// Ends the statement if somebody wants it to end.
pub fn stop_if_cancelled() {
    pgrx::check_for_interrupts!();
}

/// The same, stopping only for a cancel or a shutdown.
pub fn with<T>(judge: impl FnOnce(&Facts<'_>) -> T) -> T {
    with_interrupt(&stop_if_cancelled, judge)
}
