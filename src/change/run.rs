//! How a plan is run: which step is next, what is to be done with it, how long it may wait for a lock and how often it
//! is tried. Pure; `pg::run` does it.
//!
//! What a step is at is written down before the step begins and, in one transaction with its own work, when it ends.
//! A step that runs alone cannot be recorded in its own transaction: its check tells whether an interrupted attempt
//! came to its end, and its leftover what has to be removed first.

use std::time::Duration;

use super::plan::{Phase, Runs};
use crate::catalog::LockMode;

/// What one step is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepStatus {
    /// Not begun.
    Pending,
    /// Begun; if nobody is at it, interrupted.
    Running,
    /// Waits for people to do it.
    Waiting,
    /// People say that it is done; its check has not been made.
    Confirmed,
    /// Done, by this plan.
    Done,
    /// What it should do was so before this plan came to it: not ours to take back.
    Skipped,
    /// Ended by an error.
    Failed,
    /// Being taken back.
    Undoing,
    /// Waits for people to take it back.
    UndoWaiting,
    /// Taken back.
    Undone,
}

impl StepStatus {
    const ALL: [Self; 10] = [
        Self::Pending,
        Self::Running,
        Self::Waiting,
        Self::Confirmed,
        Self::Done,
        Self::Skipped,
        Self::Failed,
        Self::Undoing,
        Self::UndoWaiting,
        Self::Undone,
    ];

    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Confirmed => "confirmed",
            Self::Done => "done",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::Undoing => "undoing",
            Self::UndoWaiting => "undo_waiting",
            Self::Undone => "undone",
        }
    }

    /// The status of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// Whether a plan goes on past it.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Skipped)
    }
}

/// What a plan as a whole is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanStatus {
    /// Not begun.
    Ready,
    /// Being applied; if nobody is at it, interrupted.
    Running,
    /// Waits for people.
    Waiting,
    /// Applied.
    Done,
    /// Stopped by an error.
    Failed,
    /// Being taken back.
    Undoing,
    /// Taken back.
    Undone,
}

impl PlanStatus {
    const ALL: [Self; 7] =
        [Self::Ready, Self::Running, Self::Waiting, Self::Done, Self::Failed, Self::Undoing, Self::Undone];

    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Undoing => "undoing",
            Self::Undone => "undone",
        }
    }

    /// The status of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// Whether it says that somebody is at it.
    pub fn is_under_way(self) -> bool {
        matches!(self, Self::Running | Self::Undoing)
    }
}

/// Where a plan is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// `dbm.apply`.
    Apply,
    /// `dbm.undo`.
    Undo,
}

impl Direction {
    /// Its name, as the function is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Undo => "undo",
        }
    }

    /// The direction of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Apply, Self::Undo].into_iter().find(|direction| direction.name() == name)
    }

    /// What the plan is called while it is carried there.
    pub fn under_way(self) -> PlanStatus {
        match self {
            Self::Apply => PlanStatus::Running,
            Self::Undo => PlanStatus::Undoing,
        }
    }

    /// What it is called in the end.
    pub fn finished(self) -> PlanStatus {
        match self {
            Self::Apply => PlanStatus::Done,
            Self::Undo => PlanStatus::Undone,
        }
    }
}

/// The step that comes next when the plan is applied, counted from 0; `None` when all are over.
pub fn next_to_apply(steps: &[StepStatus]) -> Option<usize> {
    steps.iter().position(|status| !status.is_over())
}

/// The step that comes next when the plan is taken back: the last of those of which there may be something.
pub fn next_to_undo(steps: &[StepStatus]) -> Option<usize> {
    steps
        .iter()
        .rposition(|status| !matches!(status, StepStatus::Pending | StepStatus::Skipped | StepStatus::Undone))
}

/// Where a way back that was interrupted at a statement goes on. A build that did not come to its end leaves an index
/// behind, so that what removes it is done again.
pub fn goes_back_at(undo: &[String], place: usize) -> usize {
    let starts = |place: Option<usize>, words: &str| {
        place.and_then(|place| undo.get(place)).is_some_and(|sql| sql.starts_with(words))
    };
    let before = place.checked_sub(1);
    let is_build = starts(Some(place), "CREATE INDEX CONCURRENTLY ")
        || starts(Some(place), "CREATE UNIQUE INDEX CONCURRENTLY ");
    match before {
        Some(before) if is_build && starts(Some(before), "DROP INDEX CONCURRENTLY IF EXISTS ") => before,
        _ => place,
    }
}

/// What is to be done with a step before it is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// Nothing: it was so before this plan came to it.
    Skip,
    /// Nothing: an attempt of this plan had done it.
    Finish,
    /// Remove what an attempt of this plan left behind, then run it.
    Clean,
    /// Run it.
    Run,
    /// Stop: what an interrupted attempt would leave behind is there, and no attempt of this plan was made.
    InTheWay,
    /// Stop: people have to do it.
    Ask,
    /// Stop: people say that it is done, and its check does not hold.
    NotConfirmed,
}

/// Decides what to do with the step that is next.
///
/// `verified`: what its check says, `None` where it has none. `leftover`: whether an interrupted attempt left something.
pub fn before(
    runs: Runs,
    status: StepStatus,
    attempts: u32,
    verified: Option<bool>,
    leftover: bool,
) -> Before {
    if runs == Runs::ByHand {
        return match (status, verified) {
            (StepStatus::Confirmed, None | Some(true)) => Before::Finish,
            (StepStatus::Confirmed, Some(false)) => Before::NotConfirmed,
            // Whoever did it has not told us, but it was done for this plan.
            (StepStatus::Waiting, Some(true)) => Before::Finish,
            (_, Some(true)) => Before::Skip,
            _ => Before::Ask,
        };
    }
    // What runs in a transaction is recorded as done in the same one: where it is not, we have not done it.
    let is_ours = runs == Runs::Alone && attempts > 0;
    match (verified, leftover) {
        (Some(true), _) if is_ours => Before::Finish,
        (Some(true), _) => Before::Skip,
        (_, true) if is_ours => Before::Clean,
        (_, true) => Before::InTheWay,
        _ => Before::Run,
    }
}

/// What is to be done with a step that is to be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Back {
    /// Nothing: it did not come to anything.
    Nothing,
    /// Remove what an attempt left behind.
    Clean,
    /// Run the statements that take it back.
    Undo,
    /// Stop: people have to take it back.
    Ask,
    /// Stop: nothing takes it back.
    Never,
}

/// Decides what to do with the step that is to be taken back next.
pub fn back(
    phase: Phase,
    runs: Runs,
    status: StepStatus,
    has_undo: bool,
    verified: Option<bool>,
    leftover: bool,
) -> Back {
    match (runs, status) {
        (Runs::ByHand, StepStatus::Waiting) => Back::Nothing,
        (Runs::ByHand, StepStatus::Undoing) => Back::Undo,
        (Runs::ByHand, _) => Back::Ask,
        (_, StepStatus::Done) => of_what_is_done(phase, has_undo),
        (_, StepStatus::Undoing) => Back::Undo,
        (Runs::InTransaction, _) => Back::Nothing,
        // An attempt that was interrupted: its check knows whether it came to its end.
        (Runs::Alone, _) => match verified {
            Some(true) => of_what_is_done(phase, has_undo),
            _ if leftover => Back::Clean,
            Some(false) => Back::Nothing,
            None => Back::Undo,
        },
    }
}

/// The last phase removes what was there before: without a way back it is gone.
fn of_what_is_done(phase: Phase, has_undo: bool) -> Back {
    if phase == Phase::Contract && !has_undo { Back::Never } else { Back::Undo }
}

/// How long a step waits for its locks, and how often it tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How long one attempt waits for a lock that others have to queue behind.
    pub lock_timeout: Duration,
    /// How many attempts there are in one run.
    pub tries: u32,
}

/// Attempts are at most so far apart.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

impl Patience {
    /// How long one attempt waits for a lock; `None` for as long as it takes.
    ///
    /// Whoever asks for a lock after us queues behind us while we wait, if the two conflict. So the wait is short where
    /// readers or writers would queue, longer where only maintenance would, and without end for what builds
    /// concurrently, which waits by design for whoever is older and lets all others pass.
    pub fn lock_timeout(self, runs: Runs, lock: Option<LockMode>) -> Option<Duration> {
        match (runs, lock) {
            (Runs::Alone, _) => None,
            (_, Some(lock)) if !lock.blocks_writes() => Some(self.lock_timeout * 10),
            _ => Some(self.lock_timeout),
        }
    }

    /// How long to pause after so many failed attempts, counted from 1; `None`: give up.
    ///
    /// Twice as long each time, so that others get more and more air, and by a random share (0 to 1) longer or shorter, so
    /// that two who hinder each other do not meet again.
    pub fn pause(self, failed: u32, random: f64) -> Option<Duration> {
        if failed >= self.tries {
            return None;
        }
        let doubled = 2_u32.saturating_pow(failed.saturating_sub(1).min(16));
        let pause = self.lock_timeout.max(Duration::from_millis(10)).saturating_mul(doubled);
        Some(pause.min(LONGEST_PAUSE).mul_f64(0.75 + 0.5 * random.clamp(0.0, 1.0)))
    }
}

/// Whether the same may succeed a little later: a lock was not to be had, or the server chose us to give way.
pub fn is_worth_another_try(sqlstate: &str) -> bool {
    // lock_not_available, deadlock_detected, serialization_failure.
    matches!(sqlstate, "55P03" | "40P01" | "40001")
}

#[cfg(test)]
mod tests;
