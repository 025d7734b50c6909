//! What a process needs that belongs to no database: which databases there are, how to send somebody there, how to wait.

use std::time::Duration;

use pgrx::{check_for_interrupts, pg_sys};

use super::board;
use super::errand::Errand;
use super::worker::{Description, Handle, NoWorker};
use crate::pg::run::{Failure, transaction};
use crate::pg::scan::{CatalogScan, text_of_name};

/// After how long the launcher is started again when it was ended.
const RESTART_SECONDS: i32 = 5;

/// In whose name a worker begins: by default the role that initdb made.
pub type Login = pg_sys::Oid;

/// One database.
pub struct Database {
    /// Its number.
    pub number: u32,
    /// Its name.
    pub name: Box<str>,
}

fn launcher(payload: &str) -> String {
    format!("launch {payload}")
}

/// Where the server preloads the library, asks for the launcher and for the memory in which it and others meet. To be
/// called while the library loads. pg_upgrade wants nobody at work.
pub fn install_launcher() {
    // SAFETY: reads a flag of the server's start.
    let is_upgrade = unsafe { pg_sys::IsBinaryUpgrade };
    if is_upgrade || !crate::pg::is_preloading() {
        return;
    }
    board::share();
    described(&launcher("0")).register_at_start();
}

fn described(extra: &str) -> Description<'_> {
    Description {
        name: "dbmastery: launcher",
        kind: "dbmastery launcher",
        function: "dbmastery_run_errand",
        extra,
        database: pg_sys::InvalidOid,
        login: pg_sys::InvalidOid,
        restart: Some(RESTART_SECONDS),
    }
}

/// Starts a launcher for this database alone, which stays until it is told to end or the server ends.
pub fn start_launcher() -> Result<Handle, NoWorker> {
    // SAFETY: a number that does not change while the process lives.
    let database = unsafe { pg_sys::MyDatabaseId }.to_u32();
    described(&launcher(&database.to_string())).register()
}

/// Sends a worker on an errand into a database.
pub fn send(database: u32, errand: &Errand<'_>) -> Result<Handle, NoWorker> {
    errand.register(pg_sys::Oid::from(database))
}

/// The databases in which somebody may work: no templates, none that is closed or half dropped.
pub fn databases() -> Result<Vec<Database>, Failure> {
    /// What a database has for its limit of connections when it was dropped only half.
    const HALF_DROPPED: i32 = -2;
    transaction(|| {
        let mut scan = CatalogScan::open(pg_sys::DatabaseRelationId.to_u32());
        let mut found = Vec::new();
        // SAFETY: a prefix of the row without nulls.
        while let Some(row) = unsafe { scan.next_struct::<pg_sys::FormData_pg_database>() } {
            if row.datallowconn && !row.datistemplate && row.datconnlimit != HALF_DROPPED {
                found.push(Database { number: row.oid.to_u32(), name: text_of_name(&row.datname) });
            }
        }
        found
    })
}

/// The role of that name.
pub fn role(name: &str) -> Result<Option<Login>, Failure> {
    transaction(|| {
        let name = std::ffi::CString::new(name).unwrap_or_default();
        // SAFETY: a look-up among the roles, which all databases share.
        let role = unsafe { pg_sys::get_role_oid(name.as_ptr(), true) };
        (role != pg_sys::InvalidOid).then_some(role)
    })
}

/// Waits until somebody wakes this process, a worker of its own begins or ends, or the time is over; returns whether the
/// settings were read anew. SIGTERM ends the process here.
pub fn nap(longest: Duration) -> bool {
    let wakes = pg_sys::WL_LATCH_SET | pg_sys::WL_TIMEOUT | pg_sys::WL_EXIT_ON_PM_DEATH;
    // Up to a day, which the server's type holds everywhere; rounded up, so as not to wake a moment too soon.
    let milliseconds = longest.as_micros().div_ceil(1000).min(86_400_000);
    // SAFETY: this process's own latch.
    unsafe {
        pg_sys::WaitLatch(
            pg_sys::MyLatch,
            wakes as i32,
            std::ffi::c_long::try_from(milliseconds).unwrap_or(1000),
            pg_sys::PG_WAIT_EXTENSION,
        );
        pg_sys::ResetLatch(pg_sys::MyLatch);
    }
    check_for_interrupts!();
    reload()
}

/// Reads the settings anew if the server was told to.
pub fn reload() -> bool {
    // SAFETY: a flag of this process, and the way in which every process of the server answers it.
    unsafe {
        if pg_sys::ConfigReloadPending == 0 {
            return false;
        }
        pg_sys::ConfigReloadPending = 0;
        pg_sys::ProcessConfigFile(pg_sys::GucContext::PGC_SIGHUP);
    }
    true
}

/// Whether this database has the extension, in a version that has jobs.
pub fn has_jobs() -> bool {
    // SAFETY: look-ups in the system caches by names that are C strings.
    unsafe {
        let schema = pg_sys::get_namespace_oid(c"dbm".as_ptr(), true);
        pg_sys::get_extension_oid(c"dbmastery".as_ptr(), true) != pg_sys::InvalidOid
            && schema != pg_sys::InvalidOid
            && pg_sys::get_relname_relid(c"job_run".as_ptr(), schema) != pg_sys::InvalidOid
    }
}

/// Shows in pg_stat_activity what this process does while `work` runs.
pub fn showing<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let text = std::ffi::CString::new(what).unwrap_or_default();
    // SAFETY: the server copies the text.
    unsafe { pg_sys::pgstat_report_activity(pg_sys::BackendState::STATE_RUNNING, text.as_ptr()) };
    let result = work();
    // SAFETY: as above.
    unsafe { pg_sys::pgstat_report_activity(pg_sys::BackendState::STATE_IDLE, std::ptr::null()) };
    result
}
