//! Upkeep at work: what is due is carried out by a worker, each action in a transaction of its own and with the rights of
//! the set's owner; the session that asked waits and answers with what the worker wrote down.
//!
//! A worker, because DETACH CONCURRENTLY has to be no part of anything, and because the locks of an action are to be held
//! for that action alone. What was left half detached is ended by a session itself where one waits: the server lets it
//! wait for every older snapshot, and the session's own would be one.

mod act;
mod commission;
pub mod copy;
mod drain;
mod in_the_way;
mod pattern;
mod record;
mod survey;

use std::time::{Duration, Instant};

use pgrx::PgSqlErrorCode;

use act::{Outcome, Turn};
use commission::Commission;
pub use drain::{drain_errand, drain_now};
pub use record::Told;
use record::{Entry, Status};
use survey::{Found, Scope, Surveyed, name_or_number, survey};

use crate::catalog::{Moment, Oid};
use crate::change::retry;
use crate::partition::set::Partition;
use crate::partition::upkeep::Action;
use crate::partition::{bounds, ddl};
use crate::pg;
use crate::pg::background::{Errand, run_and_wait};
use crate::pg::error::raise;
use crate::pg::partition::{policy, set};
use crate::pg::random;
use crate::pg::run::{Failure, caught, transaction};
use crate::pg::upkeep::{self, Claim, Place, in_transaction};
use crate::pg::{guard, moment, planner, settings};

/// What a worker that nobody waits for came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Actions done.
    pub done: u32,
    /// Actions put off: a lock was not to be had.
    pub skipped: u32,
    /// Actions that failed.
    pub failed: u32,
    /// Actions that a guard stopped.
    pub stopped: u32,
}

impl Tally {
    fn count(&mut self, status: Status) {
        match status {
            Status::Done => self.done += 1,
            Status::Skipped | Status::Due => self.skipped += 1,
            Status::Failed => self.failed += 1,
            Status::Stopped => self.stopped += 1,
        }
    }

    fn add(&mut self, other: Self) {
        self.done += other.done;
        self.skipped += other.skipped;
        self.failed += other.failed;
        self.stopped += other.stopped;
    }

    /// `3 done, 1 failed`; `nothing due` where nothing was.
    pub fn text(self) -> String {
        let parts: Vec<String> = [
            (self.done, "done"),
            (self.skipped, "skipped"),
            (self.failed, "failed"),
            (self.stopped, "stopped"),
        ]
        .into_iter()
        .filter(|&(count, _)| count > 0)
        .map(|(count, name)| format!("{count} {name}"))
        .collect();
        if parts.is_empty() { "nothing due".to_owned() } else { parts.join(", ") }
    }
}

/// Runs upkeep for a session; `at` in microseconds since 2000-01-01 00:00 UTC.
pub fn maintain(parent: Option<Oid>, at: i64, is_dry_run: bool) -> Vec<Told> {
    if pg::is_standby() && !is_dry_run {
        raise(
            PgSqlErrorCode::ERRCODE_READ_ONLY_SQL_TRANSACTION,
            "partitions cannot be kept on a standby",
            "",
            "Run dbm.partition_maintain() on the primary; with dry_run => true it works here, too.",
        );
    }
    if let Some(parent) = parent {
        demand(parent);
    }
    let commission = Commission::of_session(parent, at);
    let Commission { run, scope, lock_timeout, .. } = commission;
    let found = survey(scope, at);
    let mut answer = Vec::new();
    let mut due: Vec<&Surveyed> = Vec::new();
    let mut has_work = false;
    for found in &found {
        match found {
            Found::Due(surveyed) if is_dry_run => answer.extend(forecast(surveyed)),
            Found::Due(surveyed) => {
                has_work = true;
                due.push(surveyed);
            }
            Found::Broken { name, reason, .. } if is_dry_run => {
                answer.push(told(name, "policy", "failed", reason.clone()));
            }
            Found::Idle { .. } if is_dry_run => {}
            Found::Broken { .. } | Found::Idle { .. } => has_work = true,
            Found::Uncommitted { name } => answer.push(told(
                name,
                "upkeep",
                "skipped",
                "it was put under upkeep or changed in this transaction: commit first".to_owned(),
            )),
            Found::Foreign { name, owner, .. } => {
                let owner = planner::role_name(*owner);
                let reason = format!("it belongs to role \"{owner}\", and you are no member of it");
                answer.push(told(name, "upkeep", "skipped", reason));
            }
        }
    }
    if is_dry_run || !has_work {
        return answer;
    }
    let payload = commission.write();
    let errand =
        Errand { kind: "upkeep", payload: &payload, login: Default::default(), name: "upkeep of partitions" };
    if run_and_wait(&errand).is_err() {
        for found in &found {
            let kept =
                guard::trusting(|| keep_found(Place::Session, scope.role, run, at, lock_timeout, found));
            if let Err(failure) = kept {
                failure.raise();
            }
        }
    }
    guard::trusting(|| finalize(run, at, &due));
    answer.extend(record::of_run(run));
    answer
}

fn told(parent: &str, action: &str, status: &str, detail: String) -> Told {
    Told {
        parent: parent.to_owned(),
        action: action.to_owned(),
        partition: None,
        status: status.to_owned(),
        detail,
        elapsed: None,
    }
}

/// Refuses a table that is not kept, is another's, or was changed in the transaction that is open.
fn demand(parent: Oid) {
    let Some(name) = upkeep::name_of(parent) else {
        raise(
            PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE,
            &format!("relation with OID {parent} does not exist"),
            "",
            "",
        );
    };
    let Some(set) = set::sets(&[parent]).pop() else {
        raise(
            PgSqlErrorCode::ERRCODE_WRONG_OBJECT_TYPE,
            &format!("{name} is not a partitioned table"),
            "",
            "dbm.partition_convert_plan() plans how a table becomes one.",
        );
    };
    let Some(stored) = policy::of(parent) else {
        raise(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            &format!("nobody said how the partitions of {name} are to be kept"),
            "",
            &format!(
                "SELECT dbm.partition_manage({}, 'month'); for example.",
                crate::text::quote_literal(&name)
            ),
        );
    };
    if !upkeep::can_act_for(upkeep::caller(), set.owner) {
        let owner = planner::role_name(set.owner);
        raise(
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            &format!("permission denied to keep the partitions of {name}"),
            &format!("It belongs to role \"{owner}\"."),
            "",
        );
    }
    if stored.is_uncommitted {
        raise(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            &format!("{name} was put under upkeep, or its policy changed, in this transaction"),
            "Partitions are made by another process, which sees only what is committed.",
            "COMMIT first.",
        );
    }
}

/// What would be done, and the locks that it would take.
fn forecast(surveyed: &Surveyed) -> Vec<Told> {
    let set = &surveyed.set;
    surveyed
        .actions
        .iter()
        .map(|action| {
            let (status, detail) = match action {
                Action::Stop { reason, .. } => ("stopped", reason.clone()),
                Action::Create { range, .. } => (
                    "due",
                    format!(
                        "takes {}; locks {}",
                        bounds::bounds(set, surveyed.policy.key, range),
                        ddl::locks(action, set)
                    ),
                ),
                _ => ("due", format!("locks {}", ddl::locks(action, set))),
            };
            let partition = match action {
                Action::Create { name, .. } | Action::CreateDefault { name } => {
                    Some(crate::text::quote_qualified(&set.schema, name))
                }
                Action::Finalize { partition, .. } | Action::Retire { partition, .. } => {
                    Some(name_or_number(*partition))
                }
                Action::DropDetached { name, .. } => Some(name.clone()),
                Action::DropConstraint { .. } => set.default_partition().map(Partition::qualified),
                Action::Drain | Action::Stop { .. } => None,
            };
            Told { partition, ..told(&set.qualified(), action.name(), status, detail) }
        })
        .collect()
}

/// The errand of a session that waits.
pub fn upkeep_errand(payload: &str) {
    let Some(commission) = Commission::read(payload) else { return };
    let began = upkeep::Rusage::start();
    match run_pass(Place::Worker { is_awaited: true }, commission) {
        Ok(tally) => pgrx::log!("dbmastery: upkeep: {} ({})", tally.text(), began.text()),
        Err(failure) => failure.raise(),
    }
}

/// Keeps all sets of this database, as of now, that the role of this process may keep.
pub fn keep_all() -> Result<Tally, Failure> {
    pass(moment::to_timestamp(moment::now()), upkeep::caller())
}

/// One run over all sets of this database that `role` may keep and that are to be tried, by a worker that nobody waits for.
/// `at` in microseconds since 2000-01-01 00:00 UTC. Begins and ends transactions of its own; an ERROR in a set is written
/// down and the others go on.
pub fn pass(at: i64, role: Oid) -> Result<Tally, Failure> {
    let scope = Scope { parent: None, role, is_impatient: false };
    let commission =
        Commission { run: random::number(), scope, at, lock_timeout: settings::upkeep_lock_timeout() };
    guard::trusting(|| run_pass(Place::Worker { is_awaited: false }, commission))
}

fn run_pass(place: Place, commission: Commission) -> Result<Tally, Failure> {
    let Commission { run, scope, at, lock_timeout } = commission;
    upkeep::asynchronously(|| {
        let found = transaction(|| survey(scope, at))?;
        let mut tally = Tally::default();
        if !found.is_empty() {
            transaction(record::forget_attached)?;
        }
        for found in &found {
            tally.add(keep_found(place, scope.role, run, at, lock_timeout, found)?);
        }
        if tally != Tally::default() {
            transaction(|| record::forget(settings::upkeep_log_retention()))?;
        }
        let idle: Vec<Oid> = found
            .iter()
            .filter_map(|found| match found {
                Found::Idle { parent } => Some(*parent),
                _ => None,
            })
            .collect();
        if !idle.is_empty() {
            transaction(|| policy::record_nothing_due(&idle, moment::from_timestamp(at)))?;
        }
        Ok(tally)
    })
}

fn keep_found(
    place: Place,
    role: Oid,
    run: i64,
    at: i64,
    limit: Duration,
    found: &Found,
) -> Result<Tally, Failure> {
    match found {
        Found::Due(surveyed) => keep(place, role, run, at, limit, surveyed),
        Found::Broken { parent, name, reason, sqlstate, owner, failures } => {
            let entry = Entry {
                parent_oid: *parent,
                parent: name.clone(),
                action: "policy".to_owned(),
                partition: None,
                status: Status::Failed,
                detail: reason.clone(),
                elapsed: Duration::ZERO,
                sqlstate: Some((*sqlstate).to_owned()),
            };
            in_transaction(place, *owner, limit, || {
                let failures = failures.saturating_add(1);
                record::write(run, &entry);
                conclude(*parent, at, reason, failures, Some(next_try(failures)));
            })?;
            Ok(Tally { failed: 1, ..Tally::default() })
        }
        Found::Foreign { .. } | Found::Uncommitted { .. } | Found::Idle { .. } => Ok(Tally::default()),
    }
}

/// Carries out what is due of one set.
fn keep(
    place: Place,
    role: Oid,
    run: i64,
    at: i64,
    lock_timeout: Duration,
    surveyed: &Surveyed,
) -> Result<Tally, Failure> {
    let (set, start) = (&surveyed.set, Instant::now());
    let mut tally = Tally::default();
    let claim = match place {
        Place::Worker { .. } => caught(|| Claim::for_process(set.parent))?,
        Place::Session => Claim::for_transaction(set.parent),
    };
    let Some(_claim) = claim else {
        let entry = |who: Option<i32>| Entry {
            parent_oid: set.parent,
            parent: set.qualified(),
            action: "upkeep".to_owned(),
            partition: None,
            status: Status::Skipped,
            detail: match who {
                Some(process) => format!("process {process} is at it"),
                None => "another process was at it".to_owned(),
            },
            elapsed: start.elapsed(),
            sqlstate: None,
        };
        in_transaction(place, set.owner, lock_timeout, || {
            record::write(run, &entry(upkeep::holder_of(set.parent)));
        })?;
        tally.count(Status::Skipped);
        return Ok(tally);
    };
    let turn = Turn { place, role, run, lock_timeout, surveyed };
    let is_awaited = place != Place::Worker { is_awaited: false };
    let has_pending = surveyed.actions.iter().any(|action| matches!(action, Action::Finalize { .. }));
    let (mut problem, mut is_failing_to_create) = (None::<String>, false);
    for action in &surveyed.actions {
        // The session does it that waits for us.
        if is_awaited && matches!(action, Action::Finalize { .. }) {
            continue;
        }
        // One at a time is detached concurrently.
        let waits_for_it =
            is_awaited && has_pending && matches!(action, Action::Retire { concurrently: true, .. });
        if waits_for_it || (is_failing_to_create && matches!(action, Action::Create { .. })) {
            continue;
        }
        let Outcome { status, detail, .. } = turn.carry_out(action)?;
        tally.count(status);
        if status == Status::Done {
            continue;
        }
        problem.get_or_insert_with(|| format!("{} {}: {detail}", action.name(), status.name()));
        match (status, action) {
            (Status::Skipped, Action::DropDetached { .. }) => {}
            // Whoever is in the way of one action is in the way of the next.
            (Status::Skipped, _) => break,
            (Status::Failed, Action::Create { .. }) => is_failing_to_create = true,
            _ => {}
        }
    }
    let result = problem.map_or_else(|| tally.text(), |problem| format!("{}; {problem}", tally.text()));
    let failures = if tally.failed > 0 { surveyed.failures.saturating_add(1) } else { 0 };
    let not_before = match (failures, tally.skipped) {
        (0, 0) => None,
        // Locks are let go of soon.
        (0, _) => Some(moment::now() + 10_000_000 + (random::share() * 5_000_000.0) as Moment),
        (failures, _) => Some(next_try(failures)),
    };
    in_transaction(place, set.owner, lock_timeout, || {
        conclude(set.parent, at, &result, failures, not_before)
    })?;
    Ok(tally)
}

/// When what failed so often in a row is tried again.
fn next_try(failures: i32) -> Moment {
    let pause = retry::back_off(failures.max(1).unsigned_abs());
    moment::now().saturating_add(retry::spread(pause, random::share()))
}

fn conclude(parent: Oid, at: i64, result: &str, failures: i32, not_before: Option<Moment>) {
    let now = moment::from_timestamp(at);
    policy::record(parent, &policy::Outcome { now, result, failures, not_before });
}

/// Ends what was left half detached, in the transaction of the session.
fn finalize(run: i64, at: i64, due: &[&Surveyed]) {
    let is_concerned = |action: &Action| {
        matches!(action, Action::Finalize { .. } | Action::Retire { concurrently: true, .. })
    };
    let due = due.iter().filter(|surveyed| surveyed.actions.iter().any(is_concerned));
    for surveyed in due {
        for (partition, name) in upkeep::pending_of(surveyed.set.parent) {
            let lock_timeout = settings::upkeep_lock_timeout();
            let Some(_claim) = Claim::for_transaction(surveyed.set.parent) else { continue };
            let role = upkeep::caller();
            let turn = Turn { place: Place::Session, role, run, lock_timeout, surveyed };
            match turn.carry_out(&Action::Finalize { partition, name }) {
                Ok(outcome) if outcome.status == Status::Done => {}
                Ok(outcome) => {
                    let result = format!("finalize {}: {}", outcome.status.name(), outcome.detail);
                    conclude(surveyed.set.parent, at, &result, surveyed.failures, None);
                }
                Err(failure) => failure.raise(),
            }
        }
    }
}
