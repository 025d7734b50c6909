//! Settings that hold for one piece of work, or for all of a worker's.

use std::ffi::{CStr, CString};

use pgrx::pg_sys;

use super::settings;

/// Runs `work` with these settings in force.
pub fn with_settings<T>(settings: &[(&CStr, &CStr)], work: impl FnOnce() -> T) -> T {
    with_settings_of(pg_sys::GucContext::PGC_USERSET, settings, work)
}

/// Runs `work`, which waits for no lock longer than `dbm.apply_lock_timeout` where the session sets no limit itself: whoever
/// waits has all others wait that come after.
pub fn with_bounded_waits<T>(work: impl FnOnce() -> T) -> T {
    // SAFETY: reads a variable of this process.
    if unsafe { pg_sys::LockTimeout } > 0 {
        return work();
    }
    let limit = CString::new(settings::apply_lock_timeout().as_millis().to_string()).unwrap_or_default();
    with_settings(&[(c"lock_timeout", &limit)], work)
}

/// Runs `work` with settings that only a superuser may set.
pub fn with_protected_settings<T>(settings: &[(&CStr, &CStr)], work: impl FnOnce() -> T) -> T {
    with_settings_of(pg_sys::GucContext::PGC_SUSET, settings, work)
}

/// Runs `work` with settings, set with the rights of `context`.
fn with_settings_of<T>(
    context: pg_sys::GucContext::Type,
    settings: &[(&CStr, &CStr)],
    work: impl FnOnce() -> T,
) -> T {
    // SAFETY: as for a function's own SET: on ERROR the end of the (sub)transaction takes it back.
    unsafe {
        let level = pg_sys::NewGUCNestLevel();
        for (name, value) in settings {
            pg_sys::set_config_option(
                name.as_ptr(),
                value.as_ptr(),
                context,
                pg_sys::GucSource::PGC_S_SESSION,
                pg_sys::GucAction::GUC_ACTION_SAVE,
                true,
                0,
                false,
            );
        }
        let result = work();
        pg_sys::AtEOXact_GUC(true, level);
        result
    }
}

/// The system's names, and nothing before them: the server looks into pg_temp first where a path does not say otherwise.
pub const PINNED_SEARCH_PATH: &CStr = c"pg_catalog, pg_temp";

/// Runs `work` with nothing but the system's names in search_path: the server then qualifies every other name in the
/// definitions that it writes, so that they mean the same in whatever session they are run, and no object of the caller's
/// stands in for the system's. Nothing is compiled on the way: planned without statistics, a query for a few rows of the catalogs
/// seems dear, and to compile it takes ten times as long as to run it.
pub fn with_pinned_search_path<T>(work: impl FnOnce() -> T) -> T {
    with_settings(&[(c"search_path", PINNED_SEARCH_PATH), (c"jit", c"off")], work)
}

/// Puts a setting in force for the rest of this process, as SET by a superuser does; a worker's way. A value that the
/// server refuses raises.
pub fn set_for_process(name: &CStr, value: &CStr) {
    // SAFETY: C strings; the setting holds for this process alone, once the transaction commits.
    unsafe {
        pg_sys::set_config_option(
            name.as_ptr(),
            value.as_ptr(),
            pg_sys::GucContext::PGC_SUSET,
            pg_sys::GucSource::PGC_S_SESSION,
            pg_sys::GucAction::GUC_ACTION_SET,
            true,
            0,
            false,
        );
    }
}
