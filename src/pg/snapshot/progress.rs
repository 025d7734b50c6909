//! What other sessions are building right now (what `pg_stat_progress_create_index` shows).

use pgrx::pg_sys;

use crate::catalog::Snapshot;
use crate::pg::backends;

/// Notes the tables on which an index is being built: its incomplete index is no leftover.
pub fn read(snapshot: &mut Snapshot) {
    backends::each(|backend| {
        // SAFETY: reads a variable of this backend.
        let is_here = backend.st_databaseid == unsafe { pg_sys::MyDatabaseId };
        if is_here && is_index_build(backend) {
            snapshot.index_builds.insert(backend.st_progress_command_target.to_u32());
        }
    });
}

fn is_index_build(backend: &pg_sys::PgBackendStatus) -> bool {
    backend.st_progress_command == pg_sys::ProgressCommandType::PROGRESS_COMMAND_CREATE_INDEX
}
