//! With whose rights a set is kept: those of the parent's owner, never those of whoever asks.

use pgrx::pg_sys;

use crate::catalog::Oid;
use crate::pg::local_settings::with_settings;
use crate::pg::roles;
use crate::pg::run::owner::Identity;

/// Runs `work` with the rights of a role, as a maintenance command of the server does: nothing that runs in it can get back
/// the rights of before, or leave anything behind in the session.
pub fn as_role<T>(role: Oid, work: impl FnOnce() -> T) -> T {
    let _before = Identity::current();
    let restricted = pg_sys::SECURITY_LOCAL_USERID_CHANGE | pg_sys::SECURITY_RESTRICTED_OPERATION;
    // SAFETY: the role exists, or the server says so when it looks; what was in force is so again at the end.
    unsafe { pg_sys::SetUserIdAndSecContext(role.into(), restricted as i32) };
    with_settings(&[(c"search_path", c"pg_catalog, pg_temp")], work)
}

/// Whose rights are in force.
pub fn caller() -> Oid {
    roles::current().to_u32()
}

/// Whether a role can do whatever the other can.
pub fn can_act_for(role: Oid, owner: Oid) -> bool {
    roles::has_rights_of(role.into(), owner.into())
}
