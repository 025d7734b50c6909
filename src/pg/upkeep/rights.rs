//! With whose rights a set is kept: those of the parent's owner, never those of whoever asks.

use crate::catalog::Oid;
use crate::pg::local_settings::with_pinned_search_path;
use crate::pg::roles;
use crate::pg::run::owner::Identity;

/// Runs `work` with the rights of a role, as a maintenance command of the server does: nothing that runs in it can get back
/// the rights of before, or leave anything behind in the session.
pub fn as_role<T>(role: Oid, work: impl FnOnce() -> T) -> T {
    let _before = Identity::maintaining(role.into(), 0);
    with_pinned_search_path(work)
}

/// Whose rights are in force.
pub fn caller() -> Oid {
    roles::current().to_u32()
}

/// Whether a role can do whatever the other can.
pub fn can_act_for(role: Oid, owner: Oid) -> bool {
    roles::has_rights_of(role.into(), owner.into())
}
