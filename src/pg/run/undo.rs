//! One step of a plan taken back.

use super::step::{look, patiently, run_either_way, settle};
use super::store::{StoredStep, set_error, set_step, set_undo_done};
use super::transaction::{Failure, transaction};
use super::worker::{Outcome, Run};
use crate::change::plan::{Runs, runs_alone};
use crate::change::run::{Back, StepStatus, back, goes_back_at};

/// Takes a step back; fails where that cannot be written down.
pub fn undo(run: &Run, stored: &StoredStep) -> Result<Outcome, Failure> {
    let (plan, number) = (run.order.plan, stored.number);
    // The first statement that is not done yet.
    let mut place = if stored.status == StepStatus::Undoing { stored.undo_done } else { 0 };
    let mut status = stored.status;
    patiently(run, stored, stored.status, || {
        attempt(run, stored, &mut place, &mut status).map_err(|failure| (failure, status))
    })
    .or_else(|(failure, status)| {
        pgrx::log!("dbmastery: taking step {number} of plan {plan} back failed: {}", failure.text());
        // Of a way back that was not begun nothing has to be ended: the plan is what it was, and can be applied on.
        let is_whole = status == StepStatus::Undoing && place == 0 && is_still_done(stored)?;
        let status = if is_whole { StepStatus::Done } else { status };
        transaction(|| set_error(plan, number, status, &failure.sqlstate, &failure.text()))?;
        Ok(Outcome::Failed)
    })
}

/// Whether the step is done as before, though a statement that takes it back failed: in a transaction that changed nothing,
/// and alone its check knows.
fn is_still_done(stored: &StoredStep) -> Result<bool, Failure> {
    let first = stored.step.undo.first();
    Ok(!first.is_some_and(|sql| runs_alone(sql)) || look(&stored.step)?.0 == Some(true))
}

fn attempt(
    run: &Run,
    stored: &StoredStep,
    place: &mut usize,
    status: &mut StepStatus,
) -> Result<Outcome, Failure> {
    let (plan, number, step) = (run.order.plan, stored.number, &stored.step);
    let say = |status| transaction(|| set_step(plan, number, status));
    let search_path = step.search_path.as_deref();
    settle(run, Some((Runs::InTransaction, None)), search_path)?;
    let is_interrupted = step.runs == Runs::Alone
        && !matches!(stored.status, StepStatus::Done | StepStatus::Undoing | StepStatus::UndoWaiting);
    let (verified, leftover) = if is_interrupted { look(step)? } else { (None, false) };
    let has_undo = !step.undo.is_empty();
    let way = if step.asks_if.is_some() {
        // Somebody looked at something.
        Back::Nothing
    } else {
        back(step.phase, step.runs, *status, has_undo, verified, leftover)
    };
    match way {
        Back::Nothing => {}
        Back::Clean => {
            if let Some((_, removal)) = &step.leftover {
                run_either_way(removal, || ())?;
            }
        }
        Back::Ask => return say(StepStatus::UndoWaiting).map(|()| Outcome::Waits),
        Back::Never => {
            return Err(Failure {
                sqlstate: "55000".to_owned(),
                message: "nothing takes it back".to_owned(),
                detail: step.note.clone(),
                hint: String::new(),
            });
        }
        Back::Undo => {
            if *place == 0 {
                transaction(|| {
                    set_step(plan, number, StepStatus::Undoing);
                    set_undo_done(plan, number, 0);
                })?;
            }
            *status = StepStatus::Undoing;
            *place = goes_back_at(&step.undo, *place);
            run.order.fault(number, "undo_recorded");
            while let Some(sql) = step.undo.get(*place) {
                let runs = if runs_alone(sql) { Runs::Alone } else { Runs::InTransaction };
                settle(run, Some((runs, None)), search_path)?;
                run_either_way(sql, || set_undo_done(plan, number, *place + 1))?;
                *place += 1;
                run.order.fault(number, "undo_statement");
            }
        }
    }
    say(StepStatus::Undone)?;
    run.order.fault(number, "undo_committed");
    Ok(Outcome::Over)
}
