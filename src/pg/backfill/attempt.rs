//! Work that may fail without ending the procedure.

use std::ffi::CString;
use std::time::Duration;

use crate::pg::local_settings::with_settings;
use crate::pg::planner::{Deadline, Refusal, kept, refusable_in_time};

/// Runs `work` in a subtransaction in which no lock is waited for longer than `lock_timeout`, and which ends after
/// `limit`. What fails is rolled back and comes back as its reason; a cancel goes on.
pub fn attempt<T>(lock_timeout: Duration, limit: Duration, work: impl FnOnce() -> T) -> Result<T, Refusal> {
    let lock_timeout = CString::new(lock_timeout.as_millis().max(1).to_string()).unwrap_or_default();
    refusable_in_time(|| {
        let _deadline = Deadline::start(limit);
        kept(|| with_settings(&[(c"lock_timeout", &lock_timeout)], work))
    })
}
