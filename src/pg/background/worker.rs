//! One way to have a worker, to wait for it, to end it together with whoever waits, and to begin as one.

use std::ffi::{CStr, c_char};
use std::panic::AssertUnwindSafe;

use pgrx::{PgSqlErrorCode, PgTryBuilder, pg_guard, pg_sys};

use crate::pg::error::raise;
use crate::pg::run::{Failure, caught};

mod raw {
    unsafe extern "C-unwind" {
        pub fn die(signal: i32);
        pub fn SignalHandlerForConfigReload(signal: i32);
    }
}

/// What the server is told of a worker.
pub struct Description<'a> {
    /// What it is for, as its messages in the server's log and pg_stat_activity name it.
    pub name: &'a str,
    /// Its kind, in pg_stat_activity's backend_type.
    pub kind: &'a str,
    /// Where it begins: a function of this library.
    pub function: &'a str,
    /// What it is told besides, at most 127 bytes.
    pub extra: &'a str,
    /// The database it connects to; none for the catalogs alone that all databases share.
    pub database: pg_sys::Oid,
    /// In whose name; none for the role that initdb made.
    pub login: pg_sys::Oid,
    /// After how many seconds it is started again when it ends with an error; `None` for never.
    pub restart: Option<i32>,
}

/// The server has no worker left.
#[derive(Clone, Copy, Debug)]
pub struct NoWorker;

impl NoWorker {
    /// Says so in an ERROR; `what` cannot be run.
    pub fn raise(self, what: &str) -> ! {
        raise(
            PgSqlErrorCode::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
            &format!("{what} cannot be run: all background workers are taken"),
            "The server has as many as max_worker_processes says, and other extensions and parallel queries use them too.",
            "Try again later, or set max_worker_processes higher and restart the server.",
        );
    }
}

impl Description<'_> {
    /// As the server wants it.
    fn worker(&self) -> pg_sys::BackgroundWorker {
        let mut worker = pg_sys::BackgroundWorker::default();
        write(&mut worker.bgw_name, self.name);
        write(&mut worker.bgw_type, self.kind);
        write(&mut worker.bgw_library_name, "dbmastery");
        write(&mut worker.bgw_function_name, self.function);
        write(&mut worker.bgw_extra, self.extra);
        worker.bgw_flags =
            (pg_sys::BGWORKER_SHMEM_ACCESS | pg_sys::BGWORKER_BACKEND_DATABASE_CONNECTION) as i32;
        worker.bgw_start_time = pg_sys::BgWorkerStartTime::BgWorkerStart_RecoveryFinished;
        worker.bgw_restart_time = self.restart.unwrap_or(pg_sys::BGW_NEVER_RESTART);
        let both = u64::from(self.database.to_u32()) | (u64::from(self.login.to_u32()) << 32);
        worker.bgw_main_arg = pg_sys::Datum::from(both);
        worker
    }

    /// Registers the worker; the server starts it soon, and tells this process of its beginning and its end.
    pub fn register(&self) -> Result<Handle, NoWorker> {
        let mut worker = self.worker();
        let mut handle = std::ptr::null_mut();
        // SAFETY: the server copies the description; the handle is in the current memory context.
        let is_registered = unsafe {
            worker.bgw_notify_pid = pg_sys::MyProcPid;
            pg_sys::RegisterDynamicBackgroundWorker(&raw mut worker, &raw mut handle)
        };
        if is_registered { Ok(Handle(handle)) } else { Err(NoWorker) }
    }
}

impl Description<'_> {
    /// Registers the worker with the server that is about to start, which keeps it running.
    pub fn register_at_start(&self) {
        let mut worker = self.worker();
        // SAFETY: called while the server preloads the library; the server copies the description.
        unsafe { pg_sys::RegisterBackgroundWorker(&raw mut worker) };
    }
}

/// Writes text into a field of the server's, which stays terminated by a zero byte.
fn write(field: &mut [c_char], text: &str) {
    let room = field.len() - 1;
    for (place, byte) in field[..room].iter_mut().zip(text.bytes()) {
        *place = byte as c_char;
    }
}

/// A worker that was registered; lives as long as the memory context that was current then.
pub struct Handle(*mut pg_sys::BackgroundWorkerHandle);

impl Handle {
    /// Waits until the worker has begun, and returns its process; `None` if it is already gone.
    pub fn wait_for_start(&self) -> Option<i32> {
        let mut process = 0;
        // SAFETY: the handle is ours.
        let status = unsafe { pg_sys::WaitForBackgroundWorkerStartup(self.0, &raw mut process) };
        (status == pg_sys::BgwHandleStatus::BGWH_STARTED).then_some(process)
    }

    /// Whether the worker is gone.
    pub fn is_over(&self) -> bool {
        let mut process = 0;
        // SAFETY: the handle is ours.
        let status = unsafe { pg_sys::GetBackgroundWorkerPid(self.0, &raw mut process) };
        status == pg_sys::BgwHandleStatus::BGWH_STOPPED
    }

    /// Ends the worker, without waiting for that.
    pub fn end(&self) {
        // SAFETY: the handle is ours.
        unsafe { pg_sys::TerminateBackgroundWorker(self.0) };
    }

    /// Forgets the worker, for whoever lives long.
    pub fn free(self) {
        // SAFETY: it was allocated by the server when the worker was registered, and nobody uses it any more.
        unsafe { pg_sys::pfree(self.0.cast()) };
    }

    /// Waits for the end of the worker; if the wait is ended, so is the worker.
    pub fn wait_for_end(&self) {
        let handle = self.0;
        let argument = pg_sys::Datum::from(handle);
        // SAFETY: the callback is taken away again below, in whichever way the wait ends.
        unsafe { pg_sys::before_shmem_exit(Some(end_worker), argument) };
        PgTryBuilder::new(AssertUnwindSafe(|| {
            // SAFETY: the handle is ours; returns when the worker is gone.
            unsafe { pg_sys::WaitForBackgroundWorkerShutdown(handle) };
        }))
        .catch_others(|cause| {
            // SAFETY: as above. What cancelled the wait is over, so that this one comes to its end.
            unsafe {
                pg_sys::TerminateBackgroundWorker(handle);
                pg_sys::WaitForBackgroundWorkerShutdown(handle);
                pg_sys::cancel_before_shmem_exit(Some(end_worker), argument);
            }
            cause.rethrow()
        })
        .execute();
        // SAFETY: as above.
        unsafe { pg_sys::cancel_before_shmem_exit(Some(end_worker), argument) };
    }
}

/// Ends the worker together with the session that waits for it.
#[pg_guard]
unsafe extern "C-unwind" fn end_worker(_code: i32, handle: pg_sys::Datum) {
    // SAFETY: the handle lives as long as the call that waits.
    unsafe { pg_sys::TerminateBackgroundWorker(handle.cast_mut_ptr()) };
}

/// What a worker was told.
pub struct Told {
    /// The database it connects to.
    database: pg_sys::Oid,
    /// In whose name.
    pub login: pg_sys::Oid,
    /// What else.
    pub extra: String,
}

/// Begins a worker's life: the server's own signal handlers, so that SIGTERM ends it at the next place where anything
/// looks for signals, in the middle of a statement and of a wait.
pub fn begin() -> Told {
    // SAFETY: before anything else in this process; the entry belongs to it, and its text ends with a zero byte.
    unsafe {
        #[cfg(not(feature = "pg18"))]
        {
            pg_sys::pqsignal(pg_sys::SIGHUP as i32, Some(raw::SignalHandlerForConfigReload));
            pg_sys::pqsignal(pg_sys::SIGTERM as i32, Some(raw::die));
        }
        #[cfg(feature = "pg18")]
        {
            pg_sys::pqsignal_be(pg_sys::SIGHUP as i32, Some(raw::SignalHandlerForConfigReload));
            pg_sys::pqsignal_be(pg_sys::SIGTERM as i32, Some(raw::die));
        }
        pg_sys::BackgroundWorkerUnblockSignals();
        let entry = &*pg_sys::MyBgworkerEntry;
        let both = entry.bgw_main_arg.value() as u64;
        Told {
            database: pg_sys::Oid::from(both as u32),
            login: pg_sys::Oid::from((both >> 32) as u32),
            extra: CStr::from_ptr(entry.bgw_extra.as_ptr()).to_string_lossy().into_owned(),
        }
    }
}

impl Told {
    /// Connects, once. Where the role or the database is gone, the process ends here with one line in the server's log.
    pub fn connect(&self) {
        #[cfg(any(feature = "pg15", feature = "pg16"))]
        let flags = 0;
        #[cfg(not(any(feature = "pg15", feature = "pg16")))]
        let flags = pg_sys::BGWORKER_BYPASS_ROLELOGINCHECK;
        // SAFETY: once, before anything else of the database.
        unsafe {
            if self.database == pg_sys::InvalidOid {
                pg_sys::BackgroundWorkerInitializeConnection(std::ptr::null(), std::ptr::null(), 0);
            } else {
                pg_sys::BackgroundWorkerInitializeConnectionByOid(self.database, self.login, flags);
            }
        }
    }
}

/// The transaction of a session in which a worker was asked for, for the worker to begin when it has ended.
#[derive(Clone, Copy, Debug)]
pub struct Begun(i32, u32);

impl Begun {
    /// There is none to wait for.
    pub const NOTHING: Self = Self(-1, 0);

    /// The transaction that this session is in.
    pub fn here() -> Self {
        // SAFETY: reads this process's own entry.
        unsafe {
            #[cfg(any(feature = "pg15", feature = "pg16"))]
            let begun = Self((*pg_sys::MyProc).backendId, (*pg_sys::MyProc).lxid);
            #[cfg(not(any(feature = "pg15", feature = "pg16")))]
            let begun = Self((*pg_sys::MyProc).vxid.procNumber, (*pg_sys::MyProc).vxid.lxid);
            begun
        }
    }

    /// As two words.
    pub fn write(self) -> String {
        format!("{} {}", self.0, self.1)
    }

    /// What was written, taken off the front.
    pub fn read<'a>(words: &mut impl Iterator<Item = &'a str>) -> Option<Self> {
        Some(Self(words.next()?.parse().ok()?, words.next()?.parse().ok()?))
    }

    /// Waits until it has ended, without a snapshot, for which others would have to wait meanwhile.
    pub fn wait(self) -> Result<(), Failure> {
        if self.1 == 0 {
            return Ok(());
        }
        let transaction = pg_sys::VirtualTransactionId {
            #[cfg(any(feature = "pg15", feature = "pg16"))]
            backendId: self.0,
            #[cfg(not(any(feature = "pg15", feature = "pg16")))]
            procNumber: self.0,
            localTransactionId: self.1,
        };
        caught(|| {
            // SAFETY: a transaction of its own; on ERROR `caught` ends it.
            unsafe {
                pg_sys::StartTransactionCommand();
                pg_sys::VirtualXactLock(transaction, true);
                pg_sys::CommitTransactionCommand();
            }
        })
    }
}
