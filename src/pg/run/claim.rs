//! One plan is run by one worker at a time.

use crate::pg::claim::{Claim, Class, holders};

/// Takes the plan, or finds that another process has it. Taking it again does no harm.
pub fn claim(plan: i64) -> bool {
    Claim::here(Class::Plan, plan).take()
}

/// The process that runs the plan now.
pub fn runner_of(plan: i64) -> Option<i32> {
    holders(Class::Plan).into_iter().find_map(|(key, process)| (key == plan).then_some(process))
}
