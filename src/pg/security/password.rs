//! Whether a password is a word that anybody would try first: asked of the server's own check, with a bound on its work.

use std::ffi::CString;

use pgrx::pg_sys;

use crate::catalog::Oid;
use crate::pg::encoding;
use crate::pg::scan::in_scratch_memory;
use crate::pg::snapshot::security::may_read;

/// Whether `word` is the password of a role; `None` where the caller may not know, or there is no password.
pub fn opens(role: Oid, word: &str) -> Option<bool> {
    if !may_read(pg_sys::AuthIdRelationId.to_u32()) {
        return None;
    }
    let word = CString::new(encoding::to_server(word).into_owned()).ok()?;
    in_scratch_memory(|| {
        // SAFETY: C strings of this backend; the server's functions write into memory of the scratch context.
        unsafe {
            let name = pg_sys::GetUserNameFromId(pg_sys::Oid::from(role), true);
            if name.is_null() {
                return None;
            }
            let mut detail = std::ptr::null();
            let secret = pg_sys::get_role_password(name, &raw mut detail);
            if secret.is_null() {
                return None;
            }
            let mut detail = std::ptr::null();
            let answer = pg_sys::plain_crypt_verify(name, secret, word.as_ptr(), &raw mut detail);
            Some(answer == pg_sys::STATUS_OK as i32)
        }
    })
}
