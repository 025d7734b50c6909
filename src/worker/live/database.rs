//! The worker in one database: runs what is due, each job at most once, says when the next is due, and goes.

use std::time::Instant;

use super::{jobs, store};
use crate::catalog::Moment;
use crate::pg::background::{self, board};
use crate::pg::claim::{Claim, Class};
use crate::pg::moment;
use crate::pg::run::owner::as_owner;
use crate::pg::run::{Failure, transaction};
use crate::worker::job::Job;
use crate::worker::roster::Found;
use crate::worker::schedule::MINUTE;

/// Looks what is due, runs it and reports. `payload`: where the board is, and the seat there.
pub fn run(payload: &str) {
    let Some((handle, seat)) = payload.split_once(' ') else { return };
    let (Ok(handle), Ok(seat)) = (handle.parse(), seat.parse()) else { return };
    let Some(board) = board::at(handle) else { return };
    board.come(seat);
    match look() {
        Ok((found, due)) => board.report(seat, found.code(), due),
        Err(failure) => pgrx::log!("dbmastery: jobs cannot be run: {}", failure.text()),
    }
}

/// What there is to do, or why there is nothing.
enum View {
    Nothing,
    Later,
    Jobs(Vec<(Job, bool, Option<Moment>)>),
}

fn view() -> Result<View, Failure> {
    transaction(|| {
        if !background::has_jobs() {
            return View::Nothing;
        }
        as_owner(|| {
            if store::is_being_restored() {
                return View::Later;
            }
            let jobs = store::scheduled().into_iter();
            View::Jobs(jobs.map(|each| (each.job, store::is_open(each.job), each.next_run)).collect())
        })
    })
}

fn look() -> Result<(Found, Moment), Failure> {
    let mut done = Vec::new();
    loop {
        let jobs = match view()? {
            View::Nothing => return Ok((Found::Nothing, Moment::MAX)),
            View::Later => return Ok((Found::Extension, moment::now().saturating_add(MINUTE))),
            View::Jobs(jobs) => jobs,
        };
        let now = moment::now();
        let next = jobs
            .iter()
            .filter(|(job, is_open, due)| {
                !done.contains(job) && (*is_open || due.is_some_and(|due| due <= now))
            })
            .min_by_key(|(_, is_open, due)| (!is_open, *due));
        let Some(&(job, is_open, _)) = next else {
            let due = jobs.iter().filter_map(|(_, _, due)| *due).min().unwrap_or(Moment::MAX);
            return Ok((Found::Extension, due));
        };
        let claim = Claim::here(Class::Job, job.key());
        if !claim.take() {
            // Another runs it.
            done.push(job);
            continue;
        }
        if is_open {
            transaction(|| store::close_crashed(job))?;
        } else {
            done.push(job);
            run_job(job)?;
        }
        claim.release();
        background::reload();
    }
}

/// Runs a job between two entries in its history; fails where these cannot be made.
fn run_job(job: Job) -> Result<(), Failure> {
    let start = transaction(|| store::begin(job))?;
    let begun = Instant::now();
    let result = background::showing(&format!("dbmastery: {}", job.name()), || jobs::run(job));
    if let Err(failure) = &result {
        pgrx::warning!("dbmastery: job \"{}\" failed: {}", job.name(), failure.text());
    }
    let elapsed = i64::try_from(begun.elapsed().as_micros()).ok().and_then(moment::interval);
    background::settle()?;
    transaction(|| store::end(job, &start, elapsed, &result))
}
