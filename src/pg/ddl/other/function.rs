//! Functions by their name and arguments.

use pgrx::pg_sys;

use super::names::{can_be_looked_up, find_type, pointers, quoted, strings};
use crate::pg::scan::text_of_c_string;

/// The functions that a statement may mean: one where it names the arguments or there is but one of the name.
///
/// # Safety
/// A node of the parser.
pub unsafe fn find(function: *const pg_sys::ObjectWithArgs) -> Vec<pg_sys::Oid> {
    // SAFETY: as the caller vouches.
    unsafe {
        if !can_be_looked_up((*function).objname) {
            return Vec::new();
        }
        let mut wanted = Vec::new();
        if !(*function).args_unspecified {
            for argument in pointers::<pg_sys::TypeName>((*function).objargs) {
                match find_type(argument) {
                    Some(found) => wanted.push(found),
                    None => return Vec::new(),
                }
            }
        }
        let mut found = Vec::new();
        let mut candidate = pg_sys::FuncnameGetCandidates(
            (*function).objname,
            -1,
            std::ptr::null_mut(),
            false,
            false,
            false,
            true,
        );
        while !candidate.is_null() {
            let count = usize::try_from((*candidate).nargs).unwrap_or(0);
            if (*function).args_unspecified || (*candidate).args.as_slice(count) == wanted {
                found.push((*candidate).oid);
            }
            candidate = (*candidate).next;
        }
        found
    }
}

/// A function's name as it is written.
///
/// # Safety
/// A node of the parser.
pub unsafe fn written(function: *const pg_sys::ObjectWithArgs) -> String {
    // SAFETY: as the caller vouches.
    unsafe { quoted(&strings((*function).objname)) }
}

/// A function's name with its arguments, if it is there.
pub fn identity(function: pg_sys::Oid) -> Option<String> {
    // SAFETY: the number itself where it is gone.
    unsafe { text_of_c_string(pg_sys::format_procedure_qualified(function)) }.map(String::from)
}
