//! Begins a job or takes it up, and goes over the table as often as is needed.

use std::time::Duration;

use pgrx::PgSqlErrorCode;

use super::batches::live::{Flow, Run};
use super::range::{Change, Part, Place};
use super::record;
use super::target::live::{Leaf, Target, number, text, truth};
use crate::pg::backfill::conversation::Conversation;
use crate::pg::backfill::lock::{CLASS, TargetLock};
use crate::pg::backfill::owner::as_owner;
use crate::pg::backfill::{attempt, differs, shape};
use crate::pg::encoding::message_to_server;
use crate::pg::error::raise;
use crate::pg::local_settings::with_pinned_search_path;
use crate::pg::procedure::{Call, may_commit};
use crate::text::quote_literal;
use crate::text::size::grouped;

/// After so many passes rows still come in that the predicate picks: writers make them.
const MOST_PASSES: i32 = 5;

/// What is wanted.
pub struct Wanted {
    /// The table's number.
    pub target: u32,
    /// What stands between SET and WHERE.
    pub assignment: String,
    /// Which rows; all where none.
    pub predicate: Option<String>,
    /// How long a batch should take.
    pub batch_time: Duration,
    /// Rows of the first batch.
    pub batch_rows: u64,
    /// The share of the time that is work.
    pub duty: f64,
    /// How far a standby may be behind.
    pub max_lag: Option<Duration>,
    /// Bytes of WAL a second.
    pub max_wal_per_second: Option<u64>,
    /// Whether to wait while autovacuum is at the table.
    pub waits_for_autovacuum: bool,
    /// How long to wait for a lock.
    pub lock_timeout: Duration,
    /// How long to go on without getting any further.
    pub give_up_after: Duration,
}

/// A part with its cursor.
pub struct State {
    /// Its table.
    pub leaf: Leaf,
    /// The cursor.
    pub after: Option<Place>,
    /// Up to where this pass goes.
    pub bound: Option<Place>,
    /// Whether this pass is through with it.
    pub is_done: bool,
    /// Rows gone over in this pass.
    pub seen: u64,
}

/// The job as it is found or made.
pub struct Job {
    /// Its number.
    pub id: i64,
    /// The pass.
    pub pass: i32,
    /// Whether the predicate still picks rows that were changed.
    pub repeats: bool,
    /// Rows changed in this pass.
    pub changed_in_pass: u64,
}

/// Runs a backfill to its end, or until it is paused, cancelled or fails.
pub fn backfill(call: Call, wanted: &Wanted) {
    if !may_commit(call) {
        raise(
            PgSqlErrorCode::ERRCODE_ACTIVE_SQL_TRANSACTION,
            "dbm.backfill() cannot run inside a transaction block",
            "It commits after each batch.",
            "CALL it by itself: without BEGIN, not in a function, and with the client's autocommit on.",
        );
    }
    let talk = Conversation::open();
    let assigned = shape::assigned_columns(&wanted.assignment);
    if let Some(predicate) = &wanted.predicate {
        shape::check_predicate(predicate);
    }
    let target = Target::of(&talk, wanted.target);
    let leaves = target.leaves(&talk, &assigned);
    let alias = crate::text::quote_identifier(&target.bare);
    // With a predicate the caller has said which rows.
    let differs = match &wanted.predicate {
        None => attempt::attempt(wanted.lock_timeout, wanted.give_up_after, || {
            differs::differs(target.oid.into(), &target.name, &alias, &target.bare, &wanted.assignment)
        })
        .unwrap_or_else(|refusal| refusal.raise()),
        Some(_) => None,
    };
    let change = Change {
        assignment: &wanted.assignment,
        predicate: wanted.predicate.as_deref(),
        differs: differs.as_deref(),
    };
    for leaf in &leaves {
        attempt::attempt(wanted.lock_timeout, wanted.give_up_after, || talk.run(&leaf.part.checked(&change)))
            .unwrap_or_else(|refusal| refusal.raise());
    }
    let Some(_lock) = TargetLock::take(target.oid) else { refuse_second(&talk, &target) };
    let (job, states) = job(&talk, wanted, &target, leaves);
    talk.commit();
    run(&talk, wanted, &target, change, &assigned, job, states);
}

fn run(
    talk: &Conversation,
    wanted: &Wanted,
    target: &Target,
    change: Change<'_>,
    assigned: &[String],
    job: Job,
    states: Vec<State>,
) {
    let mut run = Run::new(talk, wanted, &target.name, change, job, states);
    loop {
        match run.pass() {
            Flow::Stopped(request) => return stopped(&run, request),
            Flow::Done => {}
        }
        // Rows that came in behind the cursor. They can be told only where a row that was changed is no longer picked.
        let is_left = change.predicate.is_some()
            && !run.job.repeats
            && (run.job.pass == 1 || run.job.changed_in_pass > 0);
        if !is_left || run.job.pass >= MOST_PASSES {
            return finished(&run, is_left);
        }
        let leaves = target.leaves(talk, assigned);
        run.next_pass(leaves);
    }
}

fn refuse_second(talk: &Conversation, target: &Target) -> ! {
    let pid = as_owner(|| talk.row(&record::holder(CLASS, target.oid)));
    raise(
        PgSqlErrorCode::ERRCODE_OBJECT_IN_USE,
        &format!("table {} is being filled by another session", target.name),
        &format!("Process {} is at it.", pid.first().and_then(Option::as_deref).unwrap_or("unknown")),
        "See dbm.backfill_status(); dbm.backfill_pause() ends it after its batch.",
    )
}

/// Finds the unfinished job that does the same, or begins one.
fn job(talk: &Conversation, wanted: &Wanted, target: &Target, leaves: Vec<Leaf>) -> (Job, Vec<State>) {
    let predicate = wanted.predicate.as_deref();
    let caller = with_pinned_search_path(|| talk.row("SELECT current_user"));
    let found =
        as_owner(|| talk.run(&record::unfinished(target.oid, &target.name, &wanted.assignment, predicate)));
    if let Some(row) = found.first().filter(|row| truth(row, 5)) {
        let id = number(row, 0);
        refuse_stranger(talk, id, text(row, 1));
        as_owner(|| talk.run(&record::resumed(id, target.oid, &target.name)));
        let states = taken_up(talk, id, leaves);
        let job = Job { id, pass: number(row, 2), repeats: truth(row, 3), changed_in_pass: number(row, 4) };
        pgrx::notice!("{}", message_to_server(&format!("job {id} goes on where it stopped")));
        return (job, states);
    }
    for row in &found {
        // Nobody is at it, or the lock of the table would not be ours.
        if text(row, 7) == "running" {
            as_owner(|| talk.run(&record::stopped(number(row, 0), "paused", None)));
        }
        let message = format!(
            "job {} of {} is unfinished and sets other columns or rows: {}; call it again as it was to finish it, or \
             dbm.backfill_cancel({})",
            text(row, 0),
            target.name,
            text(row, 6),
            text(row, 0)
        );
        pgrx::warning!("{}", message_to_server(&message));
    }
    as_owner(|| {
        let sql = record::new_job(target.oid, &target.name, &wanted.assignment, predicate, text(&caller, 0));
        let id = number(&talk.row(&sql), 0);
        for leaf in &leaves {
            talk.run(&new_part(id, leaf));
        }
        let states = leaves.into_iter().map(State::new).collect();
        (Job { id, pass: 1, repeats: false, changed_in_pass: 0 }, states)
    })
}

/// The statement that adds a table to a job.
pub fn new_part(job: i64, leaf: &Leaf) -> String {
    record::new_part(job, &leaf.part.name, leaf.oid, &key_columns(&leaf.part), leaf.rows)
}

fn key_columns(part: &Part) -> Place {
    part.key.columns.iter().map(|column| column.name.clone()).collect()
}

impl State {
    /// At its beginning.
    pub fn new(leaf: Leaf) -> Self {
        Self { leaf, after: None, bound: None, is_done: false, seen: 0 }
    }
}

/// Only its creator goes on with a job, and who may act as its creator.
pub fn refuse_stranger(talk: &Conversation, job: i64, creator: &str) {
    let may = with_pinned_search_path(|| {
        talk.row(&format!(
            "SELECT pg_catalog.bool_or(c.rolsuper OR pg_catalog.pg_has_role(c.oid, r.oid, 'USAGE'))
             FROM pg_catalog.pg_roles c LEFT JOIN pg_catalog.pg_roles r ON r.rolname = {}
             WHERE c.rolname = current_user",
            quote_literal(creator)
        ))
    });
    if !truth(&may, 0) {
        raise(
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            &format!("job {job} belongs to role {creator}"),
            "It runs with the rights of whoever calls it.",
            &format!("Call it as {creator} or as a superuser."),
        );
    }
}

/// The parts of a job as they were left, with the tables as they are now.
fn taken_up(talk: &Conversation, job: i64, leaves: Vec<Leaf>) -> Vec<State> {
    let mut leaves: Vec<Option<Leaf>> = leaves.into_iter().map(Some).collect();
    let array = |json: &str| serde_json::from_str::<Place>(json).ok();
    let rows = as_owner(|| talk.run(&record::parts(job)));
    let mut states = Vec::new();
    for row in rows {
        let (name, oid): (&str, u32) = (text(&row, 0), number(&row, 1));
        // The job was just taken up, so that its origin is this database; its parts may still be another's.
        let found = leaves
            .iter_mut()
            .find(|leaf| leaf.as_ref().is_some_and(|leaf| leaf.part.name == name || leaf.oid == oid));
        let Some(leaf) = found.and_then(Option::take) else {
            as_owner(|| talk.run(&record::gone_part(job, name)));
            continue;
        };
        if leaf.part.name != name || leaf.oid != oid {
            as_owner(|| talk.run(&record::renamed_part(job, name, &leaf.part.name, leaf.oid)));
        }
        let after = array(text(&row, 3));
        if after.is_some() && array(text(&row, 2)) != Some(key_columns(&leaf.part)) {
            raise(
                PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                &format!(
                    "job {job} cannot go on: the key of {} is another one than when it began",
                    leaf.part.name
                ),
                &format!("It was cut along {}.", text(&row, 2)),
                &format!("Restore that key, or dbm.backfill_cancel({job}) and begin anew with a predicate."),
            );
        }
        states.push(State {
            leaf: Leaf { rows: number(&row, 7), ..leaf },
            after,
            bound: array(text(&row, 4)),
            is_done: truth(&row, 5),
            seen: number(&row, 6),
        });
    }
    states
}

fn stopped(run: &Run<'_>, request: &'static str) {
    let state = if request == "cancel" { "cancelled" } else { "paused" };
    as_owner(|| run.talk.run(&record::stopped(run.job.id, state, None)));
    run.talk.commit();
    pgrx::notice!("{}", message_to_server(&format!("job {} of {} is {state}", run.job.id, run.name)));
}

fn finished(run: &Run<'_>, is_left: bool) {
    let row = as_owner(|| run.talk.row(&record::stopped(run.job.id, "done", None)));
    run.talk.commit();
    if is_left {
        let message = format!(
            "rows of {} that the predicate picks still come in, {} in the last pass: see that what writes them sets \
             the column, or run the same again later",
            run.name,
            grouped(i64::try_from(run.job.changed_in_pass).unwrap_or(i64::MAX))
        );
        pgrx::warning!("{}", message_to_server(&message));
    }
    let message = format!(
        "job {} is done: {} rows of {} changed in {} batches",
        run.job.id,
        grouped(number(&row, 0)),
        run.name,
        grouped(number(&row, 1)),
    );
    pgrx::notice!("{}", message_to_server(&message));
}
