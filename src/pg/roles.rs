//! Roles: who calls, what they are called, and whose rights they have.

use pgrx::pg_sys;

/// `pg_read_all_stats`, whose number is fixed; every version has it.
const READ_ALL_STATISTICS: pg_sys::Oid = pg_sys::Oid::from_u32(3375);

/// Whether the caller may see what sessions of this role do, by the rule of the server's own statistics views.
pub fn may_see_statistics_of(role: pg_sys::Oid) -> bool {
    // SAFETY: look-ups in the catalogs of roles.
    unsafe {
        let caller = current();
        pg_sys::has_privs_of_role(caller, READ_ALL_STATISTICS) || pg_sys::has_privs_of_role(caller, role)
    }
}

/// Whoever calls.
pub fn current() -> pg_sys::Oid {
    // SAFETY: reads a number.
    unsafe { pg_sys::GetUserId() }
}

/// The name of a role.
pub fn name(role: pg_sys::Oid) -> Option<String> {
    // SAFETY: returns a C string or null.
    unsafe { crate::pg::scan::text_of_c_string(pg_sys::GetUserNameFromId(role, true)) }.map(String::from)
}

/// Whether whoever calls has the rights of this role.
pub fn is_member(role: pg_sys::Oid) -> bool {
    has_rights_of(current(), role)
}

/// Whether whoever calls is a superuser.
pub fn is_superuser() -> bool {
    // SAFETY: a look-up in the catalogs of roles.
    unsafe { pg_sys::superuser() }
}

/// Whether whoever calls has the rights of a relation's owner, by what is committed now, whatever the snapshot.
pub fn owns(relation: pg_sys::Oid) -> bool {
    // SAFETY: look-ups in the system caches, which an ERROR ends where the relation is gone.
    unsafe {
        #[cfg(feature = "pg15")]
        return pg_sys::pg_class_ownercheck(relation, current());
        #[cfg(not(feature = "pg15"))]
        return pg_sys::object_ownercheck(pg_sys::RelationRelationId, relation, current());
    }
}

/// Whether a role has the rights of another.
pub fn has_rights_of(role: pg_sys::Oid, other: pg_sys::Oid) -> bool {
    // SAFETY: a look-up in the catalogs of roles.
    unsafe { pg_sys::has_privs_of_role(role, other) }
}

/// Whether a role can become another by SET ROLE, whether it inherits its rights or not.
pub fn can_become(role: pg_sys::Oid, other: pg_sys::Oid) -> bool {
    // SAFETY: look-ups in the catalogs of roles.
    unsafe {
        #[cfg(feature = "pg15")]
        return pg_sys::is_member_of_role(role, other);
        #[cfg(not(feature = "pg15"))]
        return pg_sys::member_can_set_role(role, other);
    }
}
