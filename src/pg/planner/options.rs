//! The storage parameters of an index that bear on its size.

use std::ffi::CStr;
use std::ptr;

use pgrx::pg_sys;

use super::list;
use super::refusal::unsupported;
use crate::catalog::hypothetical::Method;

/// `BRIN_DEFAULT_PAGES_PER_RANGE` of brin.h.
const PLANNED_PAGES_PER_RANGE: i32 = 128;

/// WITH (...).
pub struct Options {
    /// Percent to which leaf pages are filled.
    pub fillfactor: u8,
    /// Whether a B-tree may share tuples among equal entries.
    pub deduplicate_items: bool,
}

/// Reads storage parameters; a wrong one is the server's own ERROR.
///
/// # Safety
/// `definitions` must be the list of the parser, and `routine` that of the access method.
pub unsafe fn read(
    definitions: *mut pg_sys::List,
    method: Method,
    routine: &pg_sys::IndexAmRoutine,
) -> Options {
    let fillfactor = match method {
        Method::Hash => 75,
        _ => 90,
    };
    let mut options = Options { fillfactor, deduplicate_items: true };
    // SAFETY: as the caller vouches.
    unsafe {
        let array = pg_sys::transformRelOptions(
            pg_sys::Datum::null(),
            definitions,
            ptr::null(),
            ptr::null_mut(),
            false,
            false,
        );
        pg_sys::index_reloptions(routine.amoptions, array, true);
        for definition in list::pointers::<pg_sys::DefElem>(definitions) {
            match CStr::from_ptr((*definition).defname).to_bytes() {
                b"fillfactor" => {
                    options.fillfactor = u8::try_from(pg_sys::defGetInt32(definition)).unwrap_or(fillfactor);
                }
                b"deduplicate_items" => options.deduplicate_items = pg_sys::defGetBoolean(definition),
                b"pages_per_range" if pg_sys::defGetInt32(definition) != PLANNED_PAGES_PER_RANGE => {
                    unsupported(
                        "cannot plan with another pages_per_range than 128",
                        "The planner takes 128 for every BRIN index that does not exist.",
                        "Leave pages_per_range out.",
                    );
                }
                _ => {}
            }
        }
    }
    options
}
