//! Reads and writes the tables of plans with the rights of the extension's owner, which nobody else has.
//!
//! A row of those tables is run with the rights of the role that it names: whoever could write one could become anybody.
//! Only statements of ours run in here, with a search_path in which nobody can put an operator or a function.

use pgrx::{PgSqlErrorCode, pg_sys};

use crate::pg::error::raise;
use crate::pg::local_settings::with_pinned_search_path;

/// The rights in force: the role, and what it may change meanwhile. Put in force again when dropped.
pub struct Identity {
    role: pg_sys::Oid,
    context: i32,
}

impl Identity {
    /// Whose rights are in force.
    pub fn current() -> Self {
        let mut identity = Self { role: pg_sys::InvalidOid, context: 0 };
        // SAFETY: both are written.
        unsafe { pg_sys::GetUserIdAndSecContext(&raw mut identity.role, &raw mut identity.context) };
        identity
    }

    /// Has a role's rights in force until this is dropped; nothing may be changed meanwhile that outlasts them.
    pub fn become_other(&self, role: pg_sys::Oid) {
        let restricted = pg_sys::SECURITY_LOCAL_USERID_CHANGE | pg_sys::SECURITY_RESTRICTED_OPERATION;
        // SAFETY: the role exists; what was in force before is put back when this is dropped.
        unsafe { pg_sys::SetUserIdAndSecContext(role, self.context | restricted as i32) };
    }

    /// Has a role's rights in force as a maintenance command of the server has, and nothing of what held before: what runs then
    /// cannot get back the rights of before, or leave anything behind in the session. They are back when what this returns is
    /// dropped. `beside`: what else holds, as `SECURITY_NOFORCE_RLS`.
    pub fn maintaining(role: pg_sys::Oid, beside: u32) -> Self {
        let before = Self::current();
        let context = pg_sys::SECURITY_LOCAL_USERID_CHANGE | pg_sys::SECURITY_RESTRICTED_OPERATION | beside;
        // SAFETY: a role that is gone can do nothing; what was in force before is put back when this is dropped.
        unsafe { pg_sys::SetUserIdAndSecContext(role, context as i32) };
        before
    }

    /// Puts them in force again.
    fn restore(&self) {
        // SAFETY: what was in force before.
        unsafe { pg_sys::SetUserIdAndSecContext(self.role, self.context) };
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        self.restore();
    }
}

/// Runs `work` as the owner of the tables; also when it fails, the caller's rights are in force again afterwards.
pub fn as_owner<T>(work: impl FnOnce() -> T) -> T {
    let owner = owner();
    let before = Identity::current();
    before.become_other(owner);
    with_pinned_search_path(work)
}

/// Who owns the tables.
pub fn owner() -> pg_sys::Oid {
    // SAFETY: look-ups in the system caches; the tuple is released before its copy is used.
    unsafe {
        let schema = pg_sys::get_namespace_oid(c"dbm".as_ptr(), false);
        let table = pg_sys::get_relname_relid(c"plan".as_ptr(), schema);
        let cache = pg_sys::SysCacheIdentifier::RELOID as i32;
        let tuple = pg_sys::SearchSysCache1(cache, table.into());
        if tuple.is_null() {
            raise(
                PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE,
                "table dbm.plan does not exist",
                "",
                "Run CREATE EXTENSION dbmastery in this database.",
            );
        }
        let owner = (*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_class>()).relowner;
        pg_sys::ReleaseSysCache(tuple);
        owner
    }
}
