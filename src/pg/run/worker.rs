//! The background worker that carries one plan to its end or as far as it gets, and then goes.

use std::time::Duration;

use pgrx::{pg_guard, pg_sys};

use super::claim::claim;
use super::start::Order;
use super::statement::is_true;
use super::store::{self, StoredPlan, StoredStep};
use super::transaction::{Failure, caught, transaction, work_for};
use super::{step, undo};
use crate::change::plan::Phase;
use crate::change::run::{Direction, PlanStatus, next_to_apply, next_to_undo};
use crate::pg::background::begin;
use crate::pg::guard;
use crate::pg::progress::{APPLY, Progress, UNDO};

/// How a step came out.
pub enum Outcome {
    /// The next may come.
    Over,
    /// People have to do something first.
    Waits,
    /// It failed, and that is written down.
    Failed,
}

/// What the worker was told, and as whom it works.
pub struct Run {
    /// The plan, the direction, how long to wait.
    pub order: Order,
    /// The server's own waiting time before it looks for deadlocks.
    pub deadlock_timeout: Duration,
    /// The search_path of the plan.
    pub search_path: String,
    /// Shows others how far the plan is.
    pub progress: Progress,
}

/// The beginning of the worker; the server finds it by its name.
#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn dbmastery_run_plan(_argument: pg_sys::Datum) {
    let told = begin();
    let Some(order) = Order::read(&told) else { return };
    told.connect();
    if order.login != order.role {
        work_for(order.role);
    }
    // SAFETY: reads a setting.
    let deadlock_timeout =
        Duration::from_millis(unsafe { pg_sys::DeadlockTimeout }.try_into().unwrap_or(1000));
    let plan = order.plan;
    let progress = Progress::begin(match order.direction {
        Direction::Apply => &APPLY,
        Direction::Undo => &UNDO,
    });
    let mut run = Run { order, deadlock_timeout, search_path: String::new(), progress };
    // What the steps do was judged when the plan was made.
    if let Err(failure) = guard::trusting(|| work(&mut run)) {
        pgrx::log!("dbmastery: plan {plan} stopped: {}", failure.text());
    }
}

fn work(run: &mut Run) -> Result<(), Failure> {
    step::settle(run, None, None)?;
    let order = &run.order;
    order.begun.wait()?;
    if !claim_it(order.plan)? {
        return Ok(());
    }
    // Whoever asked may have rolled the plan back.
    let Some(plan) = load(order.plan)? else { return Ok(()) };
    say(order, order.direction.under_way())?;
    run.search_path = plan.plan.search_path;
    let (run, order) = (&*run, &run.order);
    loop {
        // A statement of a step can have given the lock up.
        if !claim_it(order.plan)? {
            return Ok(());
        }
        let Some(plan) = load(order.plan)? else { return Ok(()) };
        let Some(next) = next(&plan, order.direction) else {
            return end(run, &plan);
        };
        show(&run.progress, &plan, next, order.direction);
        let outcome = match order.direction {
            Direction::Apply => step::apply(run, next)?,
            Direction::Undo => undo::undo(run, next)?,
        };
        match outcome {
            Outcome::Over => {}
            Outcome::Waits => return say(order, PlanStatus::Waiting),
            Outcome::Failed => return say(order, PlanStatus::Failed),
        }
    }
}

fn claim_it(plan: i64) -> Result<bool, Failure> {
    caught(|| claim(plan))
}

fn load(plan: i64) -> Result<Option<StoredPlan>, Failure> {
    transaction(|| store::load(plan))
}

fn say(order: &Order, status: PlanStatus) -> Result<(), Failure> {
    transaction(|| store::set_plan(order.plan, status, order.run, None))
}

/// Looks whether what the plan is for has come about, and says that it has come to its end.
fn end(run: &Run, plan: &StoredPlan) -> Result<(), Failure> {
    let order = &run.order;
    let checks: &[String] = if order.direction == Direction::Apply { &plan.plan.verify } else { &[] };
    step::settle(run, None, None)?;
    let wrong = transaction(|| checks.iter().find(|query| !is_true(query)).cloned());
    let error = match wrong {
        Ok(None) => return say(order, order.direction.finished()),
        Ok(Some(query)) => format!("every step is done, but this is not true: {query}"),
        Err(failure) => failure.text(),
    };
    pgrx::log!("dbmastery: plan {} failed: {error}", order.plan);
    transaction(|| store::set_plan(order.plan, PlanStatus::Failed, order.run, Some(&error)))
}

fn next(plan: &StoredPlan, direction: Direction) -> Option<&StoredStep> {
    let statuses = plan.statuses();
    let position = match direction {
        Direction::Apply => next_to_apply(&statuses),
        Direction::Undo => next_to_undo(&statuses),
    };
    plan.steps.get(position?)
}

fn show(progress: &Progress, plan: &StoredPlan, next: &StoredStep, direction: Direction) {
    let place = usize::try_from(next.number).unwrap_or(0);
    let done = match direction {
        Direction::Apply => place.saturating_sub(1),
        Direction::Undo => plan.steps.len().saturating_sub(place),
    };
    let phase = Phase::ALL.into_iter().position(|phase| phase == next.step.phase);
    progress.step(phase.unwrap_or(0), plan.steps.len());
    progress.done(done);
}
