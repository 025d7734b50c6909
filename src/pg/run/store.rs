//! Plans as rows of `dbm.plan` and `dbm.plan_step`.

use pgrx::PgSqlErrorCode;
use pgrx::datum::{DatumWithOid, TimestampWithTimeZone};
use pgrx::pg_sys;
use pgrx::spi::{SpiError, SpiHeapTupleData};

use super::owner::as_owner;
use crate::catalog::LockMode;
use crate::change::plan::{Phase, Plan, Risk, Runs, Step};
use crate::change::run::{PlanStatus, StepStatus};
use crate::pg::error::raise;
use crate::pg::query;
use crate::pg::value::Text;

/// A plan as it is kept.
pub struct StoredPlan {
    /// Its number.
    pub number: i64,
    /// What it does, without its steps.
    pub plan: Plan,
    /// What it is at.
    pub status: PlanStatus,
    /// The number of its last run.
    pub run: Option<i64>,
    /// The name of the role with whose rights it is run.
    pub created_by: String,
    /// The number of that role.
    pub creator: pg_sys::Oid,
    /// When it was first applied.
    pub started: Option<TimestampWithTimeZone>,
    /// When it was done or undone.
    pub finished: Option<TimestampWithTimeZone>,
    /// What was wrong in the end though every step was done.
    pub error: Option<String>,
    /// Its steps, in order.
    pub steps: Vec<StoredStep>,
}

/// A step as it is kept.
pub struct StoredStep {
    /// Its place in the plan, from 1.
    pub number: i32,
    /// What it does.
    pub step: Step,
    /// What it is at.
    pub status: StepStatus,
    /// How often it was begun.
    pub attempts: i32,
    /// How many of its undo statements are done.
    pub undo_done: usize,
    /// When it was last begun.
    pub started: Option<TimestampWithTimeZone>,
    /// When it was done, skipped or undone.
    pub finished: Option<TimestampWithTimeZone>,
    /// The code of its last error.
    pub sqlstate: Option<String>,
    /// Its last error.
    pub error: Option<String>,
}

impl StoredPlan {
    /// What its steps are at.
    pub fn statuses(&self) -> Vec<StepStatus> {
        self.steps.iter().map(|step| step.status).collect()
    }

    /// The step that is not over and is being done, or was last.
    pub fn current(&self) -> Option<&StoredStep> {
        let begun = self.steps.iter().find(|step| {
            matches!(
                step.status,
                StepStatus::Running | StepStatus::Failed | StepStatus::Waiting | StepStatus::Confirmed
            ) || matches!(step.status, StepStatus::Undoing | StepStatus::UndoWaiting)
        });
        // One whose way back failed before it began is done as it was, and says why.
        let refused = || self.steps.iter().rev().find(|step| step.error.is_some());
        begun.or_else(|| if self.status == PlanStatus::Failed { refused() } else { None })
    }

    /// The plan as it was made.
    pub fn into_plan(self) -> Plan {
        let steps = self.steps.into_iter().map(|step| step.step).collect();
        Plan { steps, ..self.plan }
    }
}

/// Writes a plan down in the name of the role whose rights are in force, and returns its number.
pub fn store(plan: &Plan) -> i64 {
    refuse_without_language(plan);
    // SAFETY: whose rights are in force, before they change.
    let creator = unsafe { pg_sys::GetUserId() };
    let created_by = role_name(creator).unwrap_or_default();
    as_owner(|| {
        let texts = |texts: &[String]| texts.iter().map(|text| Text::from(&**text)).collect::<Vec<_>>();
        let numbers = query::rows_mutable(
            "INSERT INTO dbm.plan (title, change, risk, requires, seconds_low, seconds_high, search_path, verify,
                 created_by, created_by_oid)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING plan",
            &[
                Text::from(&*plan.title).into(),
                Text::from(&*plan.change).into(),
                Text::from(plan.risk.name()).into(),
                texts(&plan.requires).into(),
                plan.seconds.map(|(low, _)| low).into(),
                plan.seconds.map(|(_, high)| high).into(),
                Text::from(&*plan.search_path).into(),
                texts(&plan.verify).into(),
                Text::from(&*created_by).into(),
                creator.into(),
            ],
            |row| row.get::<i64>(1),
        );
        let Some(number) = numbers.into_iter().flatten().next() else {
            raise(PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, "the plan was not stored", "", "");
        };
        for (position, step) in plan.steps.iter().enumerate() {
            let optional = |text: Option<&String>| text.map(|text| Text::from(&**text));
            query::write(
                "INSERT INTO dbm.plan_step
                     (plan, step, phase, runs, sql, lock_mode, undo, verify, leftover_query, leftover_sql, asks_if,
                      search_path, note)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
                &[
                    number.into(),
                    i32::try_from(position + 1).unwrap_or(i32::MAX).into(),
                    Text::from(step.phase.name()).into(),
                    Text::from(step.runs.name()).into(),
                    texts(&step.sql).into(),
                    step.lock.map(|lock| Text::from(lock.name())).into(),
                    texts(&step.undo).into(),
                    optional(step.verify.as_ref()).into(),
                    optional(step.leftover.as_ref().map(|(query, _)| query)).into(),
                    optional(step.leftover.as_ref().map(|(_, sql)| sql)).into(),
                    optional(step.asks_if.as_ref()).into(),
                    optional(step.search_path.as_ref()).into(),
                    Text::from(&*step.note).into(),
                ],
            );
        }
        number
    })
}

/// The name of a role.
pub fn role_name(role: pg_sys::Oid) -> Option<String> {
    // SAFETY: returns a C string or null.
    unsafe { crate::pg::scan::text_of_c_string(pg_sys::GetUserNameFromId(role, true)) }.map(String::from)
}

/// The plan of that number; needs a snapshot.
pub fn load(number: i64) -> Option<StoredPlan> {
    as_owner(|| {
        let plans = query::rows(
            "SELECT p.title, p.change, p.risk, p.requires, p.seconds_low, p.seconds_high, p.status, p.run, p.created_by,
                    p.created_by_oid, p.started_at, p.finished_at, p.search_path, p.verify, p.error
             FROM dbm.plan p WHERE p.plan = $1",
            &[number.into()],
            |row| plan_of(number, row),
        );
        let mut plan = plans.into_iter().next()?;
        plan.steps = query::rows(
            "SELECT s.step, s.phase, s.runs, s.sql, s.lock_mode, s.undo, s.verify, s.leftover_query, s.leftover_sql, s.note,
                    s.status, s.attempts, s.undo_done, s.started_at, s.finished_at, s.sqlstate, s.error,
                    s.search_path, s.asks_if
             FROM dbm.plan_step s WHERE s.plan = $1 ORDER BY s.step",
            &[number.into()],
            step_of,
        );
        Some(plan)
    })
}

fn text(row: &SpiHeapTupleData<'_>, place: usize) -> Result<Option<String>, SpiError> {
    Ok(row.get::<Text>(place)?.map(Text::into_string))
}

fn texts(row: &SpiHeapTupleData<'_>, place: usize) -> Result<Vec<String>, SpiError> {
    let texts = row.get::<Vec<Option<Text>>>(place)?.unwrap_or_default();
    Ok(texts.into_iter().flatten().map(Text::into_string).collect())
}

fn plan_of(number: i64, row: &SpiHeapTupleData<'_>) -> Result<StoredPlan, SpiError> {
    let required = |place| Ok::<_, SpiError>(text(row, place)?.unwrap_or_default());
    let risk = required(3)?;
    Ok(StoredPlan {
        number,
        plan: Plan {
            title: required(1)?,
            change: required(2)?,
            risk: [Risk::Low, Risk::Medium]
                .into_iter()
                .find(|known| known.name() == risk)
                .unwrap_or(Risk::High),
            requires: texts(row, 4)?,
            seconds: row.get::<f64>(5)?.zip(row.get::<f64>(6)?),
            search_path: required(13)?,
            steps: Vec::new(),
            verify: texts(row, 14)?,
        },
        status: PlanStatus::parse(&required(7)?).unwrap_or(PlanStatus::Failed),
        run: row.get(8)?,
        created_by: required(9)?,
        creator: row.get::<pg_sys::Oid>(10)?.unwrap_or(pg_sys::InvalidOid),
        started: row.get(11)?,
        finished: row.get(12)?,
        error: text(row, 15)?,
        steps: Vec::new(),
    })
}

fn step_of(row: &SpiHeapTupleData<'_>) -> Result<StoredStep, SpiError> {
    let required = |place| Ok::<_, SpiError>(text(row, place)?.unwrap_or_default());
    let lock = text(row, 5)?;
    Ok(StoredStep {
        number: row.get::<i32>(1)?.unwrap_or(0),
        step: Step {
            phase: Phase::parse(&required(2)?).unwrap_or(Phase::Prepare),
            runs: Runs::parse(&required(3)?).unwrap_or(Runs::ByHand),
            sql: texts(row, 4)?,
            lock: lock.and_then(|name| LockMode::ALL.into_iter().find(|mode| mode.name() == name)),
            undo: texts(row, 6)?,
            verify: text(row, 7)?,
            leftover: text(row, 8)?.zip(text(row, 9)?),
            asks_if: text(row, 19)?,
            search_path: text(row, 18)?,
            note: required(10)?,
        },
        status: StepStatus::parse(&required(11)?).unwrap_or(StepStatus::Failed),
        attempts: row.get::<i32>(12)?.unwrap_or(0),
        undo_done: usize::try_from(row.get::<i32>(13)?.unwrap_or(0)).unwrap_or(0),
        started: row.get(14)?,
        finished: row.get(15)?,
        sqlstate: text(row, 16)?,
        error: text(row, 17)?,
    })
}

/// Refuses a plan that would stop half-way for want of its language.
fn refuse_without_language(plan: &Plan) {
    // SAFETY: a look-up by a C string; 0 where there is none.
    let is_there = || unsafe { pg_sys::get_language_oid(c"plpgsql".as_ptr(), true) } != pg_sys::InvalidOid;
    if plan.needs_plpgsql() && !is_there() {
        raise(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "the plan needs the language plpgsql, which this database does not have",
            "Some of its steps are code in it.",
            "CREATE EXTENSION plpgsql, and ask for the plan again.",
        );
    }
}

/// Says what a plan is at, and what is wrong with it as a whole; `run` is the number of the run that says so.
pub fn set_plan(number: i64, status: PlanStatus, run: i64, error: Option<&str>) {
    as_owner(|| {
        query::write(
            "UPDATE dbm.plan SET status = $2, run = $3, error = $4,
                 started_at = coalesce(started_at, CASE WHEN $2 = 'running' THEN clock_timestamp() END),
                 finished_at = CASE WHEN $2 IN ('done', 'undone') THEN clock_timestamp() END
             WHERE plan = $1",
            &[number.into(), Text::from(status.name()).into(), run.into(), error.map(Text::from).into()],
        );
    });
}

/// Says what a step is at. Its last error goes when it is over.
pub fn set_step(plan: i64, step: i32, status: StepStatus) {
    let change = match status {
        StepStatus::Running => {
            "attempts = attempts + 1, started_at = clock_timestamp(), finished_at = NULL, undo_done = 0"
        }
        StepStatus::Done | StepStatus::Skipped => {
            "finished_at = clock_timestamp(), sqlstate = NULL, error = NULL"
        }
        // From here it is as if this plan had never come to it.
        StepStatus::Undone => {
            "finished_at = clock_timestamp(), sqlstate = NULL, error = NULL, attempts = 0, undo_done = 0"
        }
        _ => "finished_at = NULL",
    };
    update_step(plan, step, &format!("status = $3, {change}"), vec![Text::from(status.name()).into()]);
}

/// Writes the last error of a step down, and what it is at now.
pub fn set_error(plan: i64, step: i32, status: StepStatus, sqlstate: &str, error: &str) {
    update_step(
        plan,
        step,
        "status = $3, sqlstate = $4, error = $5",
        vec![Text::from(status.name()).into(), Text::from(sqlstate).into(), Text::from(error).into()],
    );
}

/// Writes down how many of the statements that take a step back are done.
pub fn set_undo_done(plan: i64, step: i32, count: usize) {
    update_step(plan, step, "undo_done = $3", vec![i32::try_from(count).unwrap_or(i32::MAX).into()]);
}

fn update_step(plan: i64, step: i32, change: &str, values: Vec<DatumWithOid<'_>>) {
    let mut arguments: Vec<DatumWithOid<'_>> = vec![plan.into(), step.into()];
    arguments.extend(values);
    as_owner(|| {
        query::write(&format!("UPDATE dbm.plan_step SET {change} WHERE plan = $1 AND step = $2"), &arguments);
    });
}
