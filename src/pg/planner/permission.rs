//! What the caller may see.

use std::ffi::CString;

use pgrx::{PgSqlErrorCode, pg_sys};

use super::names::qualified_name;
use crate::pg::error::raise;

/// Ends with an ERROR unless the caller may run the statement, as EXPLAIN does.
pub fn check_statement(statement: *mut pg_sys::PlannedStmt) {
    // SAFETY: a statement of the planner, whose range table is complete.
    #[cfg(feature = "pg15")]
    unsafe {
        pg_sys::ExecCheckRTPerms((*statement).rtable, true);
    }
    // SAFETY: as above.
    #[cfg(not(feature = "pg15"))]
    unsafe {
        pg_sys::ExecCheckPermissions((*statement).rtable, (*statement).permInfos, true);
    }
}

/// Ends with an ERROR unless the caller may read some column of the relation: the size of an index tells of its rows.
pub fn check_relation(relation: pg_sys::Oid) {
    let (read, granted) = (pg_sys::ACL_SELECT as pg_sys::AclMode, pg_sys::AclResult::ACLCHECK_OK);
    // SAFETY: looks privileges up in the catalogs; the relation is locked.
    unsafe {
        let role = pg_sys::GetUserId();
        if pg_sys::pg_class_aclcheck(relation, role, read) != granted
            && pg_sys::pg_attribute_aclcheck_all(relation, role, read, pg_sys::AclMaskHow::ACLMASK_ANY)
                != granted
        {
            let name = CString::from(std::ffi::CStr::from_ptr(pg_sys::get_rel_name(relation)));
            pg_sys::aclcheck_error(
                pg_sys::AclResult::ACLCHECK_NO_PRIV,
                pg_sys::ObjectType::OBJECT_TABLE,
                name.as_ptr(),
            );
        }
    }
}

/// Ends with an ERROR where row security hides rows from the caller: the size of a partial index, or a sample of an
/// expression, would tell of them.
pub fn check_row_security(relation: pg_sys::Oid) {
    // SAFETY: looks the relation up in the catalogs.
    let answer = unsafe { pg_sys::check_enable_rls(relation, pg_sys::InvalidOid, true) };
    if answer == pg_sys::CheckEnableRlsResult::RLS_ENABLED as i32 {
        raise(
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            &format!("row security hides rows of {} from you", qualified_name(relation)),
            "Partial indexes, indexes on expressions and GIN indexes are sized by looking at rows.",
            "Call as the owner of the table, or as a role with BYPASSRLS.",
        );
    }
}

/// Whether the caller may read these columns of every row, so that we may count values in its name.
pub fn sees_all_rows(relation: pg_sys::Oid, attributes: &[pg_sys::AttrNumber]) -> bool {
    let (read, granted) = (pg_sys::ACL_SELECT as pg_sys::AclMode, pg_sys::AclResult::ACLCHECK_OK);
    // SAFETY: looks privileges up in the catalogs; the relation is locked.
    unsafe {
        let role = pg_sys::GetUserId();
        let may_read = pg_sys::pg_class_aclcheck(relation, role, read) == granted
            || attributes
                .iter()
                .all(|&attribute| pg_sys::pg_attribute_aclcheck(relation, attribute, role, read) == granted);
        may_read
            && pg_sys::check_enable_rls(relation, pg_sys::InvalidOid, true)
                != pg_sys::CheckEnableRlsResult::RLS_ENABLED as i32
    }
}
