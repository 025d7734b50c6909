//! Work on our own tables in the name of the extension's owner, so that nobody needs rights on them.

use pgrx::pg_sys;

use crate::pg::local_settings::with_pinned_search_path;
use crate::pg::scan::CatalogScan;

/// Runs `work`, which must be statements of ours alone, with the rights of the extension's owner and nothing but the
/// system's names in search_path.
pub fn as_owner<T>(work: impl FnOnce() -> T) -> T {
    let owner = owner();
    let mut identity = Identity { user: pg_sys::InvalidOid, context: 0 };
    // SAFETY: reads and sets who this backend acts as; the guard sets it back, and so does the end of a
    // subtransaction or transaction that fails.
    unsafe {
        pg_sys::GetUserIdAndSecContext(&raw mut identity.user, &raw mut identity.context);
        let local = pg_sys::SECURITY_LOCAL_USERID_CHANGE as i32;
        pg_sys::SetUserIdAndSecContext(owner, identity.context | local);
    }
    let result = with_pinned_search_path(work);
    drop(identity);
    result
}

/// Who this backend acted as before.
struct Identity {
    user: pg_sys::Oid,
    context: i32,
}

impl Drop for Identity {
    fn drop(&mut self) {
        // SAFETY: what the server itself said.
        unsafe { pg_sys::SetUserIdAndSecContext(self.user, self.context) };
    }
}

fn owner() -> pg_sys::Oid {
    // SAFETY: pushes a snapshot where a commit has left none.
    unsafe { pg_sys::EnsurePortalSnapshotExists() };
    let mut scan = CatalogScan::open(pg_sys::ExtensionRelationId.to_u32());
    let (name, owner) = (scan.attribute(c"extname"), scan.attribute(c"extowner"));
    while let Some(row) = scan.next_row() {
        if &*row.name(name) == "dbmastery" {
            return row.oid(owner).into();
        }
    }
    // SAFETY: reads who the caller is: without the extension there is nothing of ours to write.
    unsafe { pg_sys::GetUserId() }
}
