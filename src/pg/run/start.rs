//! Starts the worker of a plan, and waits for it or not.

use std::time::Duration;

use pgrx::pg_sys;

use super::owner::as_owner;
use super::plan::{self, Ended};
use super::transaction::{Failure, caught, transaction};
use crate::change::run::{Direction, Patience};
use crate::pg::background::{Begun, Description, Handle, Told};
use crate::pg::fault::kill_itself;
use crate::pg::random;
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
    pub begun: Begun,
    /// Where the worker is to kill itself, for tests: the step, a colon and the place.
    fault: String,
}

impl Order {
    fn write(&self) -> String {
        format!(
            "{} {} {} {} {} {} {} {}",
            self.plan,
            self.direction.name(),
            self.role.to_u32(),
            self.run,
            self.patience.lock_timeout.as_millis(),
            self.patience.tries,
            self.begun.write(),
            self.fault
        )
    }

    /// What was written.
    pub fn read(told: &Told) -> Option<Self> {
        let mut words = told.extra.split(' ');
        let plan = words.next()?.parse().ok()?;
        let direction = Direction::parse(words.next()?)?;
        let role = pg_sys::Oid::from(words.next()?.parse::<u32>().ok()?);
        let run = words.next()?.parse().ok()?;
        let lock_timeout = Duration::from_millis(words.next()?.parse().ok()?);
        let patience = Patience { lock_timeout, tries: words.next()?.parse().ok()? };
        let begun = Begun::read(&mut words)?;
        let fault = words.next().unwrap_or_default().to_owned();
        Some(Self { plan, direction, role, login: told.login, run, patience, begun, fault })
    }

    /// Kills this process without further ado if a test wants it here.
    pub fn fault(&self, step: i32, place: &str) {
        let is_here =
            self.fault.split_once(':').is_some_and(|(wanted, at)| wanted.parse() == Ok(step) && at == place);
        if is_here {
            kill_itself();
        }
    }
}

fn order(plan: i64, direction: Direction, role: pg_sys::Oid) -> Order {
    Order {
        plan,
        direction,
        role,
        login: plan::login_of(role),
        run: random::number(),
        patience: Patience { lock_timeout: settings::apply_lock_timeout(), tries: settings::apply_tries() },
        begun: Begun::NOTHING,
        fault: settings::fault_in_step().unwrap_or_default(),
    }
}

/// Registers the worker; the server starts it soon.
fn register(order: &Order) -> Handle {
    // SAFETY: a number that does not change while the process lives.
    let database = unsafe { pg_sys::MyDatabaseId };
    Description {
        name: &format!("dbmastery: {} plan {}", order.direction.name(), order.plan),
        kind: "dbmastery plan",
        function: "dbmastery_run_plan",
        extra: &order.write(),
        database,
        login: order.login,
        restart: None,
    }
    .register()
    .unwrap_or_else(|none| none.raise(&format!("plan {}", order.plan)))
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
        register(&order).wait_for_end();
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

/// Starts the worker of a plan, which begins when the transaction that is open has ended; returns its process, or `None`
/// where there is nothing to do.
pub fn apply_in_background(number: i64) -> Option<i32> {
    let role = plan::to_run(number, Direction::Apply)?;
    let order = Order { begun: Begun::here(), ..order(number, Direction::Apply, role) };
    let handle = register(&order);
    if let Some(process) = handle.wait_for_start() {
        return Some(process);
    }
    Ended::NotBegun { plan: number, running: None }.say(Direction::Apply);
    None
}

/// Applies a plan from a worker, where no transaction is open, and waits for its end; returns what became of it, for
/// people. With whose rights a plan is run, and by whom, was settled when it was made and when it was scheduled.
pub fn apply_scheduled(number: i64) -> Result<String, Failure> {
    let direction = Direction::Apply;
    let order = transaction(|| {
        as_owner(|| plan::to_run(number, direction).map(|role| order(number, direction, role)))
    })?;
    let Some(order) = order else { return Ok("there was nothing to do".to_owned()) };
    caught(|| register(&order).wait_for_end())?;
    transaction(|| {
        as_owner(|| {
            let ended = plan::ended(number, order.run);
            ended.say(direction);
            ended.status().to_owned()
        })
    })
}
