//! Starts the worker of a plan, and waits for it or not.

use std::ffi::c_char;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use pgrx::{PgSqlErrorCode, PgTryBuilder, pg_guard, pg_sys};

use super::plan::{self, Ended};
use super::transaction::{Failure, caught};
use crate::change::run::{Direction, Patience};
use crate::pg::error::raise;
use crate::pg::settings;

/// What a worker is told. It is handed over as text in the little room that the server has for it.
pub struct Order {
    /// The plan.
    pub plan: i64,
    /// Where it is carried.
    pub direction: Direction,
    /// With whose rights.
    pub role: pg_sys::Oid,
    /// In whose name the worker begins: the same role, if it can log in; else that of the session which asks.
    pub login: pg_sys::Oid,
    /// A random number by which the one who waits knows the run again.
    pub run: i64,
    /// How long to wait for locks, and how often.
    pub patience: Patience,
    /// The transaction that has to end first, in which the plan may have been made.
    transaction: Option<(i32, u32)>,
    /// Where the worker is to kill itself, for tests: the step, a colon and the place.
    fault: String,
}

impl Order {
    fn write(&self) -> String {
        let (process, number) = self.transaction.unwrap_or((-1, 0));
        format!(
            "{} {} {} {} {} {} {} {process} {number} {}",
            self.plan,
            self.direction.name(),
            self.role.to_u32(),
            self.login.to_u32(),
            self.run,
            self.patience.lock_timeout.as_millis(),
            self.patience.tries,
            self.fault
        )
    }

    /// What was written.
    pub fn read(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let plan = words.next()?.parse().ok()?;
        let direction = Direction::parse(words.next()?)?;
        let role = pg_sys::Oid::from(words.next()?.parse::<u32>().ok()?);
        let login = pg_sys::Oid::from(words.next()?.parse::<u32>().ok()?);
        let run = words.next()?.parse().ok()?;
        let lock_timeout = Duration::from_millis(words.next()?.parse().ok()?);
        let patience = Patience { lock_timeout, tries: words.next()?.parse().ok()? };
        let transaction: (i32, u32) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let fault = words.next().unwrap_or_default().to_owned();
        let transaction = (transaction.1 != 0).then_some(transaction);
        Some(Self { plan, direction, role, login, run, patience, transaction, fault })
    }

    /// Waits until the transaction has ended in which the worker was asked for.
    pub fn wait_for_its_transaction(&self) -> Result<(), Failure> {
        let Some((process, number)) = self.transaction else { return Ok(()) };
        let transaction = pg_sys::VirtualTransactionId {
            #[cfg(any(feature = "pg15", feature = "pg16"))]
            backendId: process,
            #[cfg(not(any(feature = "pg15", feature = "pg16")))]
            procNumber: process,
            localTransactionId: number,
        };
        caught(|| {
            // SAFETY: without a snapshot, for which others would have to wait meanwhile.
            unsafe {
                pg_sys::StartTransactionCommand();
                pg_sys::VirtualXactLock(transaction, true);
                pg_sys::CommitTransactionCommand();
            }
        })
    }

    /// Kills this process without further ado if a test wants it here.
    pub fn fault(&self, step: i32, place: &str) {
        unsafe extern "C" {
            fn raise(signal: i32) -> i32;
        }
        let is_here =
            self.fault.split_once(':').is_some_and(|(wanted, at)| wanted.parse() == Ok(step) && at == place);
        if is_here {
            // SAFETY: ends this process.
            unsafe { raise(pg_sys::SIGKILL as i32) };
        }
    }
}

/// The transaction of this session.
fn own_transaction() -> (i32, u32) {
    // SAFETY: reads this process's own entry.
    unsafe {
        #[cfg(any(feature = "pg15", feature = "pg16"))]
        let transaction = ((*pg_sys::MyProc).backendId, (*pg_sys::MyProc).lxid);
        #[cfg(not(any(feature = "pg15", feature = "pg16")))]
        let transaction = ((*pg_sys::MyProc).vxid.procNumber, (*pg_sys::MyProc).vxid.lxid);
        transaction
    }
}

fn order(plan: i64, direction: Direction, role: pg_sys::Oid) -> Order {
    // SAFETY: the server's generator of this process.
    let random = unsafe { pg_sys::pg_prng_double(&raw mut pg_sys::pg_global_prng_state) };
    Order {
        plan,
        direction,
        role,
        login: plan::login_of(role),
        run: (random * 9.0e15) as i64,
        patience: Patience { lock_timeout: settings::apply_lock_timeout(), tries: settings::apply_tries() },
        transaction: None,
        fault: settings::fault_in_step().unwrap_or_default(),
    }
}

/// Registers the worker; the server starts it soon.
fn register(order: &Order) -> *mut pg_sys::BackgroundWorkerHandle {
    let mut worker = pg_sys::BackgroundWorker::default();
    write(&mut worker.bgw_name, &format!("dbmastery: {} plan {}", order.direction.name(), order.plan));
    write(&mut worker.bgw_type, "dbmastery plan");
    write(&mut worker.bgw_library_name, "dbmastery");
    write(&mut worker.bgw_function_name, "dbmastery_run_plan");
    write(&mut worker.bgw_extra, &order.write());
    worker.bgw_flags = (pg_sys::BGWORKER_SHMEM_ACCESS | pg_sys::BGWORKER_BACKEND_DATABASE_CONNECTION) as i32;
    worker.bgw_start_time = pg_sys::BgWorkerStartTime::BgWorkerStart_RecoveryFinished;
    worker.bgw_restart_time = pg_sys::BGW_NEVER_RESTART;
    let mut handle = std::ptr::null_mut();
    // SAFETY: the server copies the description; the handle is in the current memory context.
    let is_registered = unsafe {
        worker.bgw_main_arg = pg_sys::MyDatabaseId.into();
        worker.bgw_notify_pid = pg_sys::MyProcPid;
        pg_sys::RegisterDynamicBackgroundWorker(&raw mut worker, &raw mut handle)
    };
    if !is_registered {
        raise(
            PgSqlErrorCode::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
            &format!("plan {} cannot be run: all background workers are taken", order.plan),
            "The server has as many as max_worker_processes says, and other extensions and parallel queries use them too.",
            "Try again later, or set max_worker_processes higher and restart the server.",
        );
    }
    handle
}

/// Writes text into a field of the server's, which stays terminated by a zero byte.
fn write(field: &mut [c_char], text: &str) {
    let room = field.len() - 1;
    for (place, byte) in field[..room].iter_mut().zip(text.bytes()) {
        *place = byte as c_char;
    }
}

/// Ends the worker together with the session that waits for it.
#[pg_guard]
unsafe extern "C-unwind" fn end_worker(_code: i32, handle: pg_sys::Datum) {
    // SAFETY: the handle lives as long as the call that waits.
    unsafe { pg_sys::TerminateBackgroundWorker(handle.cast_mut_ptr()) };
}

/// Carries a plan through in a worker and waits for its end. Must be called where transactions may be ended: ends the one
/// that is open.
pub fn run_and_wait(number: i64, direction: Direction) {
    // SAFETY: the way of a procedure in C. The commit gives up locks and snapshot, so that nothing waits for us.
    unsafe {
        pg_sys::SPI_connect_ext(pg_sys::SPI_OPT_NONATOMIC as i32);
    }
    if let Some(role) = plan::to_run(number, direction) {
        // SAFETY: as above.
        unsafe { pg_sys::SPI_commit() };
        let order = order(number, direction, role);
        wait_for(register(&order));
        // SAFETY: the transaction that followed the commit has no snapshot yet.
        unsafe { pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot()) };
        let ended = plan::ended(number, order.run);
        // SAFETY: as above.
        unsafe { pg_sys::PopActiveSnapshot() };
        ended.say(direction);
    }
    // SAFETY: as above.
    unsafe { pg_sys::SPI_finish() };
}

/// Waits for the end of a worker; if the wait is ended, so is the worker.
fn wait_for(handle: *mut pg_sys::BackgroundWorkerHandle) {
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

/// Starts the worker of a plan, which begins when the transaction that is open has ended; returns its process, or `None`
/// where there is nothing to do.
pub fn apply_in_background(number: i64) -> Option<i32> {
    let role = plan::to_run(number, Direction::Apply)?;
    let order = Order { transaction: Some(own_transaction()), ..order(number, Direction::Apply, role) };
    let handle = register(&order);
    let mut process = 0;
    // SAFETY: the handle is ours.
    let status = unsafe { pg_sys::WaitForBackgroundWorkerStartup(handle, &raw mut process) };
    if status == pg_sys::BgwHandleStatus::BGWH_STARTED {
        return Some(process);
    }
    Ended::NotBegun { plan: number, running: None }.say(Direction::Apply);
    None
}
