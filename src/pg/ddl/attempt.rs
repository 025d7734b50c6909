//! What may fail because the statement is wrong or because somebody changes the catalogs just now: then nobody knows.

use crate::pg::isolation::isolated;
use crate::pg::scan::in_scratch_memory;

/// What `work` finds, or `None` where it raised an ERROR. What it allocates of the server is gone afterwards.
pub fn attempt<T>(mut work: impl FnMut() -> T) -> Option<T> {
    in_scratch_memory(|| {
        let mut answer = None;
        isolated(&mut || answer = Some(work())).ok().and(answer)
    })
}
