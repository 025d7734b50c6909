//! One step of a plan: looked at, written down, run, checked.

use std::ffi::CString;
use std::time::Duration;

use pgrx::pg_sys;

use super::statement::{is_true, run as run_statement, run_alone};
use super::store::{StoredStep, set_error, set_step};
use super::transaction::{Failure, caught, transaction};
use super::worker::{Outcome, Run};
use crate::catalog::LockMode;
use crate::change::plan::{Runs, Step, runs_alone};
use crate::change::run::{Before, StepStatus, before, is_worth_another_try};
use crate::pg::encoding;
use crate::pg::local_settings::set_for_process;
use crate::pg::random;
use crate::pg::sleep::sleep;

/// A failure of ours: the state of the database is not what the step needs.
fn prerequisite(message: String, detail: &str, hint: String) -> Failure {
    Failure { sqlstate: "55000".to_owned(), message, detail: detail.to_owned(), hint }
}

/// Carries out a step; fails where that cannot be written down.
pub fn apply(run: &Run, stored: &StoredStep) -> Result<Outcome, Failure> {
    let plan = run.order.plan;
    let mut attempts = u32::try_from(stored.attempts).unwrap_or(0);
    // A step of people's goes on waiting for them.
    let is_by_hand = stored.step.runs == Runs::ByHand;
    let failed = if is_by_hand { StepStatus::Waiting } else { StepStatus::Failed };
    patiently(run, stored, stored.status, || {
        attempt(run, stored, &mut attempts).map_err(|error| (error, failed))
    })
    .or_else(|(failure, status)| {
        pgrx::log!("dbmastery: step {} of plan {plan} failed: {}", stored.number, failure.text());
        transaction(|| set_error(plan, stored.number, status, &failure.sqlstate, &failure.text()))?;
        Ok(Outcome::Failed)
    })
}

/// Tries again while a lock is not to be had. `before`: what the step was at; a failure comes with what it is at then.
pub fn patiently(
    run: &Run,
    stored: &StoredStep,
    before: StepStatus,
    mut attempt: impl FnMut() -> Result<Outcome, (Failure, StepStatus)>,
) -> Result<Outcome, (Failure, StepStatus)> {
    let mut tries = 0;
    loop {
        let (failure, status) = match attempt() {
            Ok(outcome) => return Ok(outcome),
            Err(failure) => failure,
        };
        run.progress.again();
        tries += 1;
        let pause = run
            .order
            .patience
            .pause(tries, random::share())
            .filter(|_| is_worth_another_try(&failure.sqlstate));
        let Some(pause) = pause else { return Err((failure, status)) };
        let meanwhile = if status == StepStatus::Failed { StepStatus::Running } else { before };
        let said = transaction(|| {
            set_error(run.order.plan, stored.number, meanwhile, &failure.sqlstate, &failure.text());
        });
        run.progress.again();
        said.and_then(|()| caught(|| sleep(pause))).map_err(|failure| (failure, status))?;
    }
}

fn attempt(run: &Run, stored: &StoredStep, attempts: &mut u32) -> Result<Outcome, Failure> {
    let (plan, number, step) = (run.order.plan, stored.number, &stored.step);
    let say = |status| transaction(|| set_step(plan, number, status));
    settle(run, Some((step.runs, step.lock)), step.search_path.as_deref())?;
    let (verified, leftover) = look(step)?;
    match before(step.runs, stored.status, *attempts, verified, leftover) {
        Before::Skip => return say(StepStatus::Skipped).map(|()| Outcome::Over),
        Before::Finish => return say(StepStatus::Done).map(|()| Outcome::Over),
        Before::Ask => return say(StepStatus::Waiting).map(|()| Outcome::Waits),
        Before::NotConfirmed => return Err(not_so(step, "it was confirmed, but its check does not hold")),
        Before::InTheWay => {
            let removal = step.leftover.as_ref().map_or("", |(_, removal)| removal);
            return Err(prerequisite(
                "something is in its way that this plan did not make".to_owned(),
                &step
                    .leftover
                    .as_ref()
                    .map_or_else(String::new, |(query, _)| format!("This is true: {query}")),
                format!("If nobody needs it: {removal}"),
            ));
        }
        Before::Clean => {
            if let Some((_, removal)) = &step.leftover {
                run_either_way(removal, || ())?;
            }
        }
        Before::Run => {}
    }
    run.order.fault(number, "before");
    say(StepStatus::Running)?;
    *attempts += 1;
    run.order.fault(number, "recorded");
    match step.runs {
        Runs::Alone => {
            for sql in &step.sql {
                run_alone(sql)?;
            }
            run.order.fault(number, "uncommitted");
            transaction(|| finish(plan, number, step))?;
        }
        // The work and the record of it come and go together.
        Runs::InTransaction | Runs::ByHand => transaction(|| {
            for sql in &step.sql {
                run_statement(sql);
            }
            run.order.fault(number, "uncommitted");
            finish(plan, number, step);
        })?,
    }
    run.order.fault(number, "committed");
    Ok(Outcome::Over)
}

/// Checks a step and writes down that it is done, in the transaction that is open.
fn finish(plan: i64, number: i32, step: &Step) {
    if step.verify.as_ref().is_some_and(|query| !is_true(query)) {
        not_so(step, "it was run, but its check does not hold").raise();
    }
    set_step(plan, number, StepStatus::Done);
}

fn not_so(step: &Step, message: &str) -> Failure {
    let query = step.verify.as_deref().unwrap_or_default();
    prerequisite(message.to_owned(), &format!("This is not true: {query}"), String::new())
}

/// What the check says, and whether there is a leftover.
pub fn look(step: &Step) -> Result<(Option<bool>, bool), Failure> {
    if step.verify.is_none() && step.leftover.is_none() && step.asks_if.is_none() {
        return Ok((None, false));
    }
    transaction(|| {
        // There is nothing to look at.
        if step.asks_if.as_ref().is_some_and(|query| !is_true(query)) {
            return (Some(true), false);
        }
        let verified = step.verify.as_ref().map(|query| is_true(query));
        let has_leftover = || step.leftover.as_ref().is_some_and(|(query, _)| is_true(query));
        (verified, verified != Some(true) && has_leftover())
    })
}

/// Runs a statement alone if it has to be, or else in a transaction together with `record`.
pub fn run_either_way(sql: &str, record: impl FnOnce()) -> Result<(), Failure> {
    if runs_alone(sql) {
        run_alone(sql)?;
        transaction(record)
    } else {
        transaction(|| {
            run_statement(sql);
            record();
        })
    }
}

/// Puts the settings in force with which a step is run, whatever the step before it left.
///
/// `step`: how it is run and which lock it takes; `None` for work of ours. `search_path`: its own, if it has one.
pub fn settle(
    run: &Run,
    step: Option<(Runs, Option<LockMode>)>,
    search_path: Option<&str>,
) -> Result<(), Failure> {
    let lock_timeout = step.and_then(|(runs, lock)| run.order.patience.lock_timeout(runs, lock));
    // The server looks for a deadlock only after this time, and only then asks an autovacuum in the way to give way: it has
    // to come to it before the wait is given up.
    let deadlock_timeout =
        lock_timeout.map_or(run.deadlock_timeout, |timeout| run.deadlock_timeout.min(timeout / 2));
    let milliseconds = |span: Duration| span.as_millis().to_string();
    // With the rights of another role than the session's, a step cannot have changed it.
    let role = (run.order.login == run.order.role).then_some((c"role", "none"));
    transaction(|| {
        for (name, value) in role.into_iter().chain([
            (c"search_path", search_path.unwrap_or(&run.search_path)),
            (c"lock_timeout", &*milliseconds(lock_timeout.unwrap_or_default())),
            (c"deadlock_timeout", &*milliseconds(deadlock_timeout.max(Duration::from_millis(1)))),
            (c"statement_timeout", "0"),
            (c"default_transaction_isolation", "read committed"),
            (c"default_transaction_read_only", "off"),
        ]) {
            let value = CString::new(encoding::to_server(value).as_ref()).unwrap_or_default();
            set_for_process(name, &value);
        }
        // SAFETY: reads whose rights are in force.
        if unsafe { pg_sys::GetUserId() } != run.order.role {
            prerequisite("the plan is not run with the rights of its creator".to_owned(), "", String::new())
                .raise();
        }
    })
}
