//! What each job does, in a worker where no transaction is open.

use super::store;
use crate::partition::live;
use crate::pg::run::{self, Failure, transaction};
use crate::trail::live::sealing;
use crate::worker::job::Job;

/// Runs it; returns what to say of it, which may be nothing.
pub fn run(job: Job) -> Result<String, Failure> {
    match job {
        Job::Upkeep => live::keep_all().map(|tally| tally.text()),
        Job::Audit => transaction(store::keep_score).map(|()| String::new()),
        Job::Seal => sealing::seal_if_any(),
        Job::Plan(number) => run::apply_scheduled(number),
    }
}
