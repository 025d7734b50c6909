//! What other sessions are building right now (what `pg_stat_progress_create_index` shows).

use pgrx::pg_sys;

use crate::catalog::Snapshot;

/// Notes the tables on which an index is being built: its incomplete index is no leftover.
pub fn read(snapshot: &mut Snapshot) {
    // SAFETY: the entries are this session's copies of the shared array, valid until the transaction ends; indexes
    // run from 1 to the number of backends.
    unsafe {
        for position in 1..=pg_sys::pgstat_fetch_stat_numbackends() {
            #[cfg(feature = "pg15")]
            let entry = pg_sys::pgstat_fetch_stat_local_beentry(position);
            #[cfg(not(feature = "pg15"))]
            let entry = pg_sys::pgstat_get_local_beentry_by_index(position);
            if entry.is_null() {
                continue;
            }
            let backend = &(*entry).backendStatus;
            if backend.st_progress_command == pg_sys::ProgressCommandType::PROGRESS_COMMAND_CREATE_INDEX
                && backend.st_databaseid == pg_sys::MyDatabaseId
            {
                snapshot.index_builds.insert(backend.st_progress_command_target.to_u32());
            }
        }
    }
}
