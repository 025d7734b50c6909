//! The queries that clients run, kept in shared memory with the types of their constants.
//!
//! Only where the library is in shared_preload_libraries. What is kept is bounded, and gone after a restart.

mod describe;
mod hook;
mod memory;
mod prepared;
mod sample;

pub use hook::Watch;

use std::cell::Cell;
use std::ffi::{CStr, c_char};

use pgrx::pg_sys;

use super::encoding;
use super::moment::from_timestamp;
use crate::catalog::Moment;
use crate::catalog::captured::CapturedQuery;
use crate::catalog::captured::record::Record;

/// Puts our hooks before those of others, if the server loads us as it starts. Called once.
pub fn install() {
    if super::is_preloading() {
        memory::install();
        hook::install();
    }
}

/// Whether the library was preloaded, so that there is something to read.
pub fn is_preloaded() -> bool {
    memory::shared().is_some()
}

/// Whether the server is told not to compute what tells queries apart.
pub fn is_without_query_ids() -> bool {
    // SAFETY: reads two variables of this backend, as the server does.
    unsafe {
        let setting = pg_sys::compute_query_id;
        let is_asked = pg_sys::query_id_enabled;
        setting == pg_sys::ComputeQueryIdType::COMPUTE_QUERY_ID_OFF as i32
            || (setting == pg_sys::ComputeQueryIdType::COMPUTE_QUERY_ID_AUTO as i32 && !is_asked)
    }
}

/// What the capture as a whole says of itself.
pub struct Status {
    /// How many queries are kept.
    pub captured: usize,
    /// How many can be.
    pub most: usize,
    /// How many were given up for others.
    pub evicted: u64,
    /// Since when it counts.
    pub since: Moment,
}

/// The state of the capture; `None` where it is not preloaded.
pub fn status() -> Option<Status> {
    let shared = memory::shared()?;
    Some(shared.reading(|table| Status {
        captured: table.entries().len(),
        most: table.capacity(),
        evicted: table.evicted(),
        since: from_timestamp(table.since()),
    }))
}

/// Everything captured that was run, in all databases, whoever ran it, the longest first; `None` where it is not
/// preloaded. Whether the caller may see it is for [`super::roles`] to say.
pub fn queries() -> Option<Vec<CapturedQuery>> {
    let shared = memory::shared()?;
    let copies = shared.reading(|table| {
        let copy = |(key, entry)| (key, table.counts(entry), table.bytes(entry));
        table.entries().into_iter().map(copy).collect::<Vec<_>>()
    });
    let mut queries: Vec<CapturedQuery> = copies
        .into_iter()
        .filter(|(_, counts, _)| counts.calls > 0)
        .filter_map(|(key, counts, bytes)| {
            let mut record = Record::decoded(&bytes)?;
            // SAFETY: reads a variable of this backend.
            if key.database != unsafe { pg_sys::MyDatabaseId }.to_u32() {
                record = record.with_every_text(encoding::from_elsewhere);
            }
            Some(CapturedQuery {
                query_id: key.query.cast_signed(),
                role: key.role,
                database: key.database,
                query: record.query,
                is_truncated: record.is_truncated,
                parameter_types: record.parameter_types,
                samples: record.samples,
                search_path: record.search_path,
                calls: counts.calls,
                total_milliseconds: counts.nanoseconds as f64 / 1e6,
                first_seen: from_timestamp(counts.first_seen),
                last_seen: from_timestamp(counts.last_seen),
            })
        })
        .collect();
    queries.sort_by(|left, right| {
        let longest_first = right.total_milliseconds.total_cmp(&left.total_milliseconds);
        longest_first.then(left.query_id.cmp(&right.query_id)).then(left.role.cmp(&right.role))
    });
    Some(queries)
}

/// Forgets everything and returns how many queries there were; `None` where it is not preloaded.
pub fn reset() -> Option<usize> {
    // SAFETY: reads the clock.
    let now = unsafe { pg_sys::GetCurrentTimestamp() };
    memory::shared().map(|shared| shared.changing(|table| table.clear(now)))
}

/// The name of a database, if it is still there.
pub fn database_name(oid: u32) -> Option<String> {
    // SAFETY: looks a name up and returns it, or null.
    unsafe { owned(pg_sys::get_database_name(pg_sys::Oid::from_u32(oid))) }
}

/// The name of a role, if it is still there.
pub fn role_name(oid: u32) -> Option<String> {
    // SAFETY: as above.
    unsafe { owned(pg_sys::GetUserNameFromId(pg_sys::Oid::from_u32(oid), true)) }
}

/// # Safety
/// A C string of the server, or null.
unsafe fn owned(text: *const c_char) -> Option<String> {
    // SAFETY: as the caller vouches.
    (!text.is_null()).then(|| encoding::from_server(unsafe { CStr::from_ptr(text) }.to_bytes()).into_owned())
}

thread_local! {
    static IGNORED: Cell<bool> = const { Cell::new(false) };
}

/// Captures nothing of what `work` analyses or runs. Only a background worker needs it: what a function of ours does
/// in a client's session is not at the top, and passes unseen as it is.
pub fn ignoring<T>(work: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            IGNORED.set(self.0);
        }
    }
    let _restore = Restore(IGNORED.replace(true));
    work()
}
