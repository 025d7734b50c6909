//! What the server knows of access: who may come in, what each object grants, whether a password is one that anybody guesses.

pub mod hba;
pub mod objects;
pub mod own_schema;
pub mod password;

/// The role that the cluster was made by, which owns every setting.
pub const BOOTSTRAP: crate::catalog::Oid = 10;

/// Roles, who is in them, and the owner of this database, and nothing else.
pub fn roles() -> crate::catalog::Snapshot {
    let mut snapshot = crate::catalog::Snapshot::default();
    snapshot.server.version = i32::try_from(pgrx::pg_sys::PG_VERSION_NUM).unwrap_or(0);
    crate::pg::scan::in_scratch_memory(|| {
        crate::pg::snapshot::role::read(&mut snapshot);
        snapshot.security.database = crate::pg::snapshot::security::database();
    });
    snapshot.roles.sort_unstable_by_key(|role| role.oid);
    snapshot
}
