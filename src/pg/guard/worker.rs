//! The worker that carries records from shared memory into the table: started by a refusal, gone when it is done.

use pgrx::bgworkers::{BackgroundWorker, BackgroundWorkerBuilder};
use pgrx::{pg_guard, pg_sys};

use super::{as_owner, memory, presence, trusting};

/// What runs in the worker's process.
mod raw {
    unsafe extern "C-unwind" {
        /// The symbol itself, for a pointer of C.
        pub fn die(signal: i32);
    }
}

/// Starts a worker for this database, unless one is on its way. Where there is no place for one, the records wait in
/// memory for the next.
pub fn start() {
    if !memory::may_ask() {
        return;
    }
    // SAFETY: reads a variable of this backend.
    let database = unsafe { pg_sys::MyDatabaseId };
    let started = BackgroundWorkerBuilder::new("dbmastery ddl records")
        .set_type("dbmastery ddl records")
        .set_library("dbmastery")
        .set_function("dbmastery_keep_ddl_records")
        .set_argument(Some(pg_sys::Datum::from(database)))
        .enable_spi_access()
        .set_restart_time(None)
        .load_dynamic();
    if started.is_err() {
        memory::asked_no_more();
    }
}

/// The worker.
///
/// # Safety
/// Called by the server in a process of its own.
#[pg_guard]
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn dbmastery_keep_ddl_records(argument: pg_sys::Datum) {
    let database = pg_sys::Oid::from(argument.value() as u32);
    // SAFETY: the server's own handler, which ends at the next safe place.
    unsafe {
        #[cfg(not(feature = "pg18"))]
        pg_sys::pqsignal(pg_sys::SIGTERM.cast_signed(), Some(raw::die));
        #[cfg(feature = "pg18")]
        pg_sys::pqsignal_be(pg_sys::SIGTERM.cast_signed(), Some(raw::die));
        pg_sys::BackgroundWorkerUnblockSignals();
    }
    BackgroundWorker::connect_worker_to_spi_by_oid(Some(database), None);
    memory::asked_no_more();
    // SAFETY: a transaction of our own; an ERROR ends the process, which ends it.
    unsafe {
        pg_sys::SetCurrentStatementStartTimestamp();
        pg_sys::StartTransactionCommand();
        pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
        let entries = memory::entries();
        let numbers: Vec<u64> = entries.iter().map(|(number, _)| *number).collect();
        if presence::is_created() {
            trusting(|| {
                as_owner(|| entries.into_iter().for_each(|(_, entry)| entry.write()));
            });
        }
        pg_sys::PopActiveSnapshot();
        pg_sys::CommitTransactionCommand();
        memory::forget(&numbers);
    }
}
