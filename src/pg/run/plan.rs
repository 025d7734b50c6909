//! Who may see and run a plan, what has to hold before it is run, and what is said at its end.

use pgrx::{PgSqlErrorCode, pg_sys};

use super::claim::runner_of;
use super::owner::as_owner;
use super::store::{self, StoredPlan, StoredStep};
use super::transaction::Failure;
use crate::change::plan::{Phase, Runs};
use crate::change::run::{Direction, PlanStatus, StepStatus, next_to_apply, next_to_undo};
use crate::pg;
use crate::pg::error::{code_of, raise};

/// `pg_monitor`, whose number is fixed; every version has it.
const MONITOR: pg_sys::Oid = pg_sys::Oid::from_u32(3373);

/// The plan of that number, or an ERROR.
fn existing(number: i64) -> StoredPlan {
    store::load(number).unwrap_or_else(|| {
        raise(
            PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
            &format!("plan {number} does not exist"),
            "",
            "dbm.migration_plan() makes plans; table dbm.plan lists them.",
        )
    })
}

/// Whether the caller can do whatever the creator of the plan can. The role must still be the one that made the plan: a
/// name can be given to another, and a restored plan brings a number that may be anybody's.
fn acts_for_its_creator(plan: &StoredPlan) -> bool {
    // SAFETY: look-ups in the catalogs of roles.
    is_its_creator_there(plan) && unsafe { pg_sys::has_privs_of_role(pg_sys::GetUserId(), plan.creator) }
}

fn is_its_creator_there(plan: &StoredPlan) -> bool {
    store::role_name(plan.creator).is_some_and(|name| name == plan.created_by)
}

fn refuse(number: i64, message: &str, creator: &str) -> ! {
    raise(
        PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
        &format!("permission denied to {message} plan {number}"),
        &format!("It belongs to role \"{creator}\"."),
        "",
    )
}

/// The plan of that number, for whoever may see it: its creator, who has its rights, and who watches the server.
pub fn seen(number: i64) -> StoredPlan {
    let plan = existing(number);
    // SAFETY: look-ups in the catalogs of roles.
    let watches = unsafe { pg_sys::has_privs_of_role(pg_sys::GetUserId(), MONITOR) };
    if !watches && !acts_for_its_creator(&plan) {
        refuse(number, "see", &plan.created_by);
    }
    plan
}

/// The plan of that number, for whoever may run it: its creator and who has its rights.
fn own(number: i64, message: &str) -> StoredPlan {
    let plan = existing(number);
    if !is_its_creator_there(&plan) {
        raise(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            &format!("plan {number} cannot be run: the role \"{}\" that made it is gone", plan.created_by),
            "A plan is run with the rights of the very role that made it, not of another of that name.",
            "Make the plan again with dbm.migration_plan().",
        );
    }
    if !acts_for_its_creator(&plan) {
        refuse(number, message, &plan.created_by);
    }
    plan
}

/// Refuses whoever may not have the plan run.
pub fn may_schedule(number: i64) {
    own(number, "schedule");
}

/// The role with whose rights the plan is to be run; `None` where there is nothing to do, which is said.
pub fn to_run(number: i64, direction: Direction) -> Option<pg_sys::Oid> {
    if pg::is_standby() {
        raise(
            PgSqlErrorCode::ERRCODE_READ_ONLY_SQL_TRANSACTION,
            &format!("plan {number} cannot be run on a standby"),
            "",
            "Run it on the primary.",
        );
    }
    let plan = own(number, direction.name());
    if let Some(process) = runner_of(number) {
        Ended::NotBegun { plan: number, running: Some(process) }.say(direction);
    }
    let statuses = plan.statuses();
    match direction {
        Direction::Apply => {
            let half = plan
                .steps
                .iter()
                .find(|step| matches!(step.status, StepStatus::Undoing | StepStatus::UndoWaiting));
            if let Some(step) = half {
                raise(
                    PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                    &format!("plan {number} cannot be applied: step {} is half taken back", step.number),
                    "",
                    &format!("CALL dbm.undo({number}) first."),
                );
            }
            if next_to_apply(&statuses).is_none() && plan.status == PlanStatus::Done {
                pgrx::notice!("plan {number} is applied already");
                return None;
            }
        }
        Direction::Undo => {
            // One that ended between its last step and the word for it has that word to say.
            if next_to_undo(&statuses).is_none() && plan.status != PlanStatus::Undoing {
                pgrx::notice!("of plan {number} there is nothing to take back");
                return None;
            }
            if let Some(step) = plan.steps.iter().rev().find(|step| is_for_ever(step)) {
                raise(
                    PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                    &format!("plan {number} cannot be taken back: nothing takes back step {}", step.number),
                    &step.step.note,
                    "",
                );
            }
        }
    }
    Some(plan.creator)
}

/// Whether the step is done and removed what was there before, without a way back.
fn is_for_ever(step: &StoredStep) -> bool {
    step.status == StepStatus::Done
        && step.step.phase == Phase::Contract
        && step.step.runs != Runs::ByHand
        && step.step.undo.is_empty()
}

/// In whose name a worker for this role begins. Before version 17 that must be a role that can log in: then it is the
/// session's.
#[cfg(any(feature = "pg15", feature = "pg16"))]
pub fn login_of(role: pg_sys::Oid) -> pg_sys::Oid {
    // SAFETY: a look-up in a system cache; the tuple is released before its copy is used.
    unsafe {
        let cache = pg_sys::SysCacheIdentifier::AUTHOID as i32;
        let tuple = pg_sys::SearchSysCache1(cache, role.into());
        if tuple.is_null() {
            return role;
        }
        let can_log_in = (*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_authid>()).rolcanlogin;
        pg_sys::ReleaseSysCache(tuple);
        if can_log_in { role } else { pg_sys::GetSessionUserId() }
    }
}

/// In whose name a worker for this role begins.
#[cfg(not(any(feature = "pg15", feature = "pg16")))]
pub fn login_of(role: pg_sys::Oid) -> pg_sys::Oid {
    role
}

/// Writes down that people have done a step, or taken it back.
pub fn confirm(number: i64, step: i32) {
    let plan = own(number, "confirm a step of");
    let wrong = |message: String, detail: &str, hint: String| -> ! {
        raise(PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, &message, detail, &hint)
    };
    let Some(stored) = plan.steps.iter().find(|stored| stored.number == step) else {
        raise(
            PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
            &format!("plan {number} has no step {step}"),
            &format!("It has {} steps.", plan.steps.len()),
            "",
        );
    };
    let status = match stored.status {
        _ if stored.step.runs != Runs::ByHand => wrong(
            format!("step {step} of plan {number} is not done by hand"),
            "",
            format!("CALL dbm.apply({number}) does it."),
        ),
        StepStatus::Waiting => StepStatus::Confirmed,
        StepStatus::UndoWaiting if stored.step.undo.is_empty() => StepStatus::Undone,
        StepStatus::UndoWaiting => StepStatus::Undoing,
        other => wrong(
            format!("step {step} of plan {number} does not wait for anybody"),
            &format!("It is {}.", other.name()),
            String::new(),
        ),
    };
    as_owner(|| store::set_step(number, step, status));
}

/// How a run came to its end.
pub enum Ended {
    /// As far as it could come.
    Run(Box<StoredPlan>),
    /// Not begun.
    NotBegun {
        /// The plan.
        plan: i64,
        /// Who runs it instead.
        running: Option<i32>,
    },
}

/// How the run of that number ended.
pub fn ended(number: i64, run: i64) -> Ended {
    match store::load(number) {
        Some(plan) if plan.run == Some(run) => Ended::Run(Box::new(plan)),
        _ => Ended::NotBegun { plan: number, running: runner_of(number) },
    }
}

impl Ended {
    /// In one word.
    pub fn status(&self) -> &'static str {
        match self {
            Self::Run(plan) => plan.status.name(),
            Self::NotBegun { .. } => "not begun",
        }
    }

    /// Says it: nothing, a NOTICE of what people have to do, or an ERROR.
    pub fn say(&self, direction: Direction) {
        let plan = match self {
            Self::Run(plan) => plan,
            Self::NotBegun { plan, running: Some(process) } => raise(
                PgSqlErrorCode::ERRCODE_OBJECT_IN_USE,
                &format!("plan {plan} is being run by process {process}"),
                "",
                "dbm.plan_status() shows how far it is.",
            ),
            Self::NotBegun { plan, running: None } => raise(
                PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                &format!("the background worker for plan {plan} could not begin"),
                "The server's log says why.",
                "",
            ),
        };
        let number = plan.number;
        let current = plan.current();
        let step = current.map_or(0, |step| step.number);
        let verb =
            if direction == Direction::Apply { "goes on from there" } else { "goes on taking it back" };
        let again = format!("CALL dbm.{}({number}) {verb}", direction.name());
        match plan.status {
            PlanStatus::Waiting => {
                let note = current.map_or("", |step| &step.step.note);
                let what = if direction == Direction::Apply { "done" } else { "taken back" };
                pgrx::notice!(
                    "plan {number} waits: step {step} has to be {what} by hand: {note}\n\
                     Then: SELECT dbm.confirm_step({number}, {step}); CALL dbm.{}({number});",
                    direction.name()
                );
            }
            PlanStatus::Failed if plan.error.is_some() => raise(
                PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                &format!("plan {number} failed: {}", plan.error.as_deref().unwrap_or_default()),
                "",
                &format!("When the cause is gone, {again}; CALL dbm.undo({number}) takes back what is done."),
            ),
            PlanStatus::Failed => {
                let said = Failure {
                    sqlstate: current.and_then(|step| step.sqlstate.clone()).unwrap_or_default(),
                    message: current.and_then(|step| step.error.clone()).unwrap_or_default(),
                    ..Failure::default()
                };
                let back = if direction == Direction::Apply {
                    format!("; CALL dbm.undo({number}) takes back what is done")
                } else {
                    String::new()
                };
                if current.is_some_and(|step| step.status == StepStatus::Done) {
                    raise(
                        code_of(if said.sqlstate.len() == 5 { &said.sqlstate } else { "XX000" }),
                        &format!(
                            "step {step} of plan {number} cannot be taken back: {}",
                            first_line(&said.message)
                        ),
                        &rest(&said.message),
                        &format!(
                            "It is done as before, and the plan with it: CALL dbm.apply({number}) goes on, and CALL dbm.undo({number}) \
                             tries again."
                        ),
                    );
                }
                raise(
                    code_of(if said.sqlstate.len() == 5 { &said.sqlstate } else { "XX000" }),
                    &format!("step {step} of plan {number} failed: {}", first_line(&said.message)),
                    &rest(&said.message),
                    &format!("When the cause is gone, {again}{back}."),
                );
            }
            status if status.is_under_way() => raise(
                PgSqlErrorCode::ERRCODE_ADMIN_SHUTDOWN,
                &format!("the background worker for plan {number} was ended at step {step}"),
                "What is done is done, and nothing is lost.",
                &format!("{again}."),
            ),
            _ => {}
        }
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn rest(text: &str) -> String {
    let rest = text.split_once('\n').map_or("", |(_, rest)| rest);
    rest.strip_prefix("DETAIL: ").unwrap_or(rest).to_owned()
}
