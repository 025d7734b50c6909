//! What each backend reports of itself.

use pgrx::pg_sys;

/// Calls `look` for each, by this session's copies of the shared array, which are valid until the transaction ends.
pub fn each(mut look: impl FnMut(&pg_sys::PgBackendStatus)) {
    // SAFETY: indexes run from 1 to the number of copies.
    unsafe {
        for position in 1..=pg_sys::pgstat_fetch_stat_numbackends() {
            #[cfg(feature = "pg15")]
            let entry = pg_sys::pgstat_fetch_stat_local_beentry(position);
            #[cfg(not(feature = "pg15"))]
            let entry = pg_sys::pgstat_get_local_beentry_by_index(position);
            if !entry.is_null() {
                look(&(*entry).backendStatus);
            }
        }
    }
}
