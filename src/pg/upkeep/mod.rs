//! What upkeep of partition sets needs of the server: transactions with the rights of a table's owner and a limit for
//! waiting, and a lock for each set so that one process at a time is at it.

mod claim;
mod place;
mod rights;

pub use claim::{Claim, holder_of};
pub use place::{
    Place, TOO_LONG, alone, asynchronously, give_way, in_transaction, patience_of_server, pause, probed,
    within,
};
pub use rights::{as_role, caller, can_act_for};

use std::ffi::CStr;

use pgrx::pg_sys;

use crate::catalog::Oid;
use crate::pg::ddl::cache::{c_name, relation_name};
use crate::pg::encoding;
use crate::pg::planner::server_text;
use crate::pg::run::owner::as_owner;
use crate::text::quote_qualified;

/// The qualified and quoted name of a relation; `None` where it is gone.
pub fn name_of(relation: Oid) -> Option<String> {
    let (schema, name) = relation_name(relation.into())?;
    Some(quote_qualified(&schema, &name))
}

/// Whether a relation of this name is in that schema.
pub fn is_taken(schema: &str, name: &str) -> bool {
    let (Some(schema), Some(name)) = (c_name(schema), c_name(name)) else { return false };
    // SAFETY: look-ups in the system caches by C strings.
    unsafe {
        let schema = pg_sys::get_namespace_oid(schema.as_ptr(), true);
        schema != pg_sys::InvalidOid && pg_sys::get_relname_relid(name.as_ptr(), schema) != pg_sys::InvalidOid
    }
}

/// What this transaction wrote before is seen by what follows, as between any two of its statements.
pub fn see_own_writes() {
    // SAFETY: within a transaction, outside of parallel work.
    unsafe { pg_sys::CommandCounterIncrement() };
}

/// Runs `work` with a snapshot of this moment: what other processes have committed meanwhile is seen, whatever the
/// isolation of the transaction that is open.
pub fn with_latest_snapshot<T>(work: impl FnOnce() -> T) -> T {
    // SAFETY: pushed and popped in pairs; on ERROR the end of the (sub)transaction pops it.
    unsafe { pg_sys::PushActiveSnapshot(pg_sys::GetLatestSnapshot()) };
    let result = work();
    // SAFETY: as above.
    unsafe { pg_sys::PopActiveSnapshot() };
    result
}

/// Whether all statements of the transaction that is open see what the first saw.
pub fn keeps_snapshot() -> bool {
    // SAFETY: reads a variable of this process.
    unsafe { pg_sys::XactIsoLevel >= pg_sys::XACT_REPEATABLE_READ as i32 }
}

/// The rows of a query, each value as text, by a snapshot of this moment and with the rights of the owner of our tables:
/// what other processes have committed meanwhile is seen, whatever the isolation of the transaction that is open.
pub fn latest_rows(sql: &str) -> Vec<Vec<Option<String>>> {
    as_owner(|| with_latest_snapshot(|| read_only_rows(sql)))
}

fn read_only_rows(sql: &str) -> Vec<Vec<Option<String>>> {
    let text = server_text(sql);
    // SAFETY: the server's own way to run a query, by the snapshot that is active; what comes back is copied before the
    // connection ends. On ERROR the end of the (sub)transaction clears up.
    unsafe {
        pg_sys::SPI_connect();
        let code = pg_sys::SPI_execute(text.as_ptr(), true, 0);
        let table = pg_sys::SPI_tuptable;
        let mut rows = Vec::new();
        if code == pg_sys::SPI_OK_SELECT as i32 && !table.is_null() {
            let descriptor = (*table).tupdesc;
            for place in 0..usize::try_from((*table).numvals).unwrap_or(0) {
                let tuple = *(*table).vals.add(place);
                let value = |column| {
                    let value = pg_sys::SPI_getvalue(tuple, descriptor, column);
                    (!value.is_null())
                        .then(|| encoding::from_server(CStr::from_ptr(value).to_bytes()).into_owned())
                };
                rows.push((1..=(*descriptor).natts).map(value).collect());
            }
        }
        pg_sys::SPI_finish();
        rows
    }
}

/// The partitions of a table that are half detached now, with their names.
pub fn pending_of(parent: Oid) -> Vec<(Oid, String)> {
    latest_rows(&format!(
        "SELECT i.inhrelid::pg_catalog.int8, c.relname FROM pg_catalog.pg_inherits i
         JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) i.inhrelid
         WHERE i.inhparent OPERATOR(pg_catalog.=) {parent} AND i.inhdetachpending"
    ))
    .into_iter()
    .filter_map(|row| {
        let mut row = row.into_iter().flatten();
        Some((row.next()?.parse().ok()?, row.next()?))
    })
    .collect()
}

/// What this process has used of the processor since a moment.
pub struct Rusage(raw::Usage);

mod raw {
    use std::ffi::c_char;

    /// The server's `PGRUsage`, a struct timeval and a struct rusage, of which only its size counts here; with room left.
    pub type Usage = [u64; 40];

    unsafe extern "C-unwind" {
        pub fn pg_rusage_init(usage: *mut Usage);
        pub fn pg_rusage_show(since: *const Usage) -> *const c_char;
    }
}

impl Rusage {
    /// From now on.
    pub fn start() -> Self {
        let mut start = [0; 40];
        // SAFETY: writes no more than there is room for; raises nothing.
        unsafe { raw::pg_rusage_init(&raw mut start) };
        Self(start)
    }

    /// As the server's log tells it of VACUUM.
    pub fn text(&self) -> String {
        // SAFETY: the answer is a C string in the server's own memory, copied at once; raises nothing.
        unsafe { CStr::from_ptr(raw::pg_rusage_show(&raw const self.0)) }.to_string_lossy().into_owned()
    }
}
