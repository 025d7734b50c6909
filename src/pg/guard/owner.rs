//! Reading and writing our own tables in the name of their owner, for somebody who may not.

use std::ffi::c_int;

use pgrx::pg_sys;

use super::presence;
use crate::pg::local_settings::with_settings;
use crate::pg::scan::text_of_c_string;

/// `SECURITY_LOCAL_USERID_CHANGE` and `SECURITY_RESTRICTED_OPERATION` of miscadmin.h: as for a function with SECURITY
/// DEFINER, and nothing may reach beyond it.
const LOCAL_CHANGE: c_int = 1 | 2;

/// Runs `work` as the owner of our tables, with nothing of the caller's search_path; `None` where the extension is not
/// in this database. What it runs must be SQL of ours alone, every name and operator qualified.
pub fn as_owner<T>(work: impl FnOnce() -> T) -> Option<T> {
    let owner = owner()?;
    struct Restore(pg_sys::Oid, c_int);
    impl Drop for Restore {
        fn drop(&mut self) {
            // SAFETY: puts back what was in force; the server does the same when a transaction aborts.
            unsafe { pg_sys::SetUserIdAndSecContext(self.0, self.1) };
        }
    }
    let (mut user, mut context) = (pg_sys::InvalidOid, 0);
    // SAFETY: the pattern of the server's own functions that change the user for a while.
    let _restore = unsafe {
        pg_sys::GetUserIdAndSecContext(&raw mut user, &raw mut context);
        pg_sys::SetUserIdAndSecContext(owner, context | LOCAL_CHANGE);
        Restore(user, context)
    };
    Some(with_settings(&[(c"search_path", c"pg_catalog, pg_temp")], work))
}

fn owner() -> Option<pg_sys::Oid> {
    let table = presence::table(c"ddl_allowance")?;
    // SAFETY: a row of the system cache is read and released.
    unsafe {
        let tuple = pg_sys::SearchSysCache1(pg_sys::SysCacheIdentifier::RELOID as _, table.into());
        if tuple.is_null() {
            return None;
        }
        let owner = (*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_class>()).relowner;
        pg_sys::ReleaseSysCache(tuple);
        Some(owner)
    }
}

fn role_name(role: pg_sys::Oid) -> String {
    // SAFETY: a look-up that answers null for a role that is gone.
    unsafe { text_of_c_string(pg_sys::GetUserNameFromId(role, true)) }.map_or_else(String::new, Into::into)
}

/// Who logged in, whatever SET ROLE and functions changed since.
pub fn login_role() -> String {
    // SAFETY: reads a variable of this backend.
    role_name(unsafe { pg_sys::GetSessionUserId() })
}

/// Whose rights are in force now.
pub fn user_role() -> String {
    // SAFETY: reads a variable of this backend.
    role_name(unsafe { pg_sys::GetUserId() })
}
