//! When a job is due, from what was scheduled and from the history of its runs.
//!
//! Nothing else is kept, so that no jump of the clock, no crash and no restore can leave a moment behind that never comes:
//! runs of the future are not looked at, and every answer is at most one interval ahead.

use crate::catalog::Moment;
use crate::change::retry::{back_off, spread};

/// Microseconds.
const SECOND: Moment = 1_000_000;

/// Microseconds.
pub const MINUTE: Moment = 60 * SECOND;

/// The shortest interval between two runs.
pub const SHORTEST: Moment = SECOND;

/// What was asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Schedule {
    /// From the start of one run to that of the next; `None` for one run only.
    pub every: Option<Moment>,
    /// When it was asked for: one run only does not count those before.
    pub since: Moment,
}

/// How a run came out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// It is at work.
    Running,
    /// It did what it is for.
    Done,
    /// An error ended it.
    Failed,
    /// Its worker was ended, or the server was.
    Crashed,
}

impl Outcome {
    /// As dbm.job_run has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Crashed => "crashed",
        }
    }

    /// What is written there.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Running, Self::Done, Self::Failed, Self::Crashed]
            .into_iter()
            .find(|known| known.name() == name)
    }
}

/// One run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Run {
    /// When it began.
    pub start: Moment,
    /// When it ended.
    pub end: Option<Moment>,
    /// How it came out.
    pub outcome: Outcome,
}

/// The last of a job's runs, and what came before it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct History {
    /// The last run that is not of the future.
    pub last: Run,
    /// How many runs in a row have not come to a good end, this one included.
    pub failures: u32,
}

impl History {
    /// Of these runs, the latest first. What began after `now` was written before the clock was set back.
    pub fn of(runs: &[Run], now: Moment) -> Option<Self> {
        let mut past = runs.iter().filter(|run| run.start <= now);
        let last = *past.next()?;
        let is_bad = |run: &Run| matches!(run.outcome, Outcome::Failed | Outcome::Crashed);
        let failures = if is_bad(&last) { 1 + past.take_while(|run| is_bad(run)).count() } else { 0 };
        Some(Self { last, failures: u32::try_from(failures).unwrap_or(u32::MAX) })
    }
}

/// A span that is up to an eighth longer or shorter, always the same for the same seed: databases, jobs and servers that
/// began together do not go on together.
pub fn jittered(span: Moment, seed: u64) -> Moment {
    // The finaliser of SplitMix64.
    let mut bits = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let share = ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64;
    spread(span, share)
}

/// When the job is to run next, a moment of the past for at once; `None` for one that is over. `seed`: any number that is
/// the job's own.
///
/// A job that is late runs once, however late it is.
pub fn next_run(schedule: Schedule, history: Option<History>, now: Moment, seed: u64) -> Option<Moment> {
    let Some(history) = history else { return Some(schedule.since.min(now)) };
    let Run { start, end, outcome } = history.last;
    let end = end.unwrap_or(start).clamp(start, now.max(start));
    let seed = seed ^ start as u64;
    let again = || match (outcome, history.failures) {
        // Most likely it was not to blame; if it was, it waits the next time.
        (Outcome::Crashed, ..=1) => end,
        (_, failures) => end.saturating_add(jittered(back_off(failures), seed)),
    };
    match (schedule.every, outcome) {
        // A server that went down under it does not count as its one run.
        (None, Outcome::Crashed) => Some(again()),
        (None, _) if start < schedule.since => Some(schedule.since.min(now)),
        (None, _) => None,
        (Some(_), Outcome::Failed | Outcome::Crashed) => Some(again()),
        (Some(every), Outcome::Done | Outcome::Running) => {
            let every = every.max(SHORTEST);
            Some(
                start
                    .saturating_add(jittered(every, seed))
                    .min(now.saturating_add(every.saturating_add(every / 8))),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::DAY;

    const HOUR: Moment = 60 * MINUTE;

    const NOW: Moment = 1_800_000_000 * SECOND;

    fn every(every: Moment) -> Schedule {
        Schedule { every: Some(every), since: NOW - 100 * DAY }
    }

    fn run(start: Moment, outcome: Outcome) -> Run {
        Run { start, end: Some(start + SECOND), outcome }
    }

    fn next(schedule: Schedule, runs: &[Run], now: Moment) -> Option<Moment> {
        next_run(schedule, History::of(runs, now), now, 7)
    }

    #[test]
    fn a_job_that_never_ran_is_due() {
        assert!(next(every(HOUR), &[], NOW).unwrap() <= NOW);
        assert!(next(Schedule { every: None, since: NOW + DAY }, &[], NOW).unwrap() <= NOW);
    }

    #[test]
    fn an_interval_counts_from_start_to_start_give_or_take_an_eighth() {
        let mut spans = Vec::new();
        for seconds in 0..1000 {
            let start = NOW - seconds * SECOND;
            let span = next(every(HOUR), &[run(start, Outcome::Done)], NOW).unwrap() - start;
            assert!((HOUR - HOUR / 8..=HOUR + HOUR / 8).contains(&span), "{span}");
            spans.push(span);
        }
        spans.sort_unstable();
        assert!(spans[0] < HOUR - HOUR / 10 && spans[999] > HOUR + HOUR / 10, "they differ");
        assert!((spans[500] - HOUR).abs() < HOUR / 40, "on average it is the interval");
    }

    #[test]
    fn a_late_job_runs_once() {
        let late = [run(NOW - 30 * DAY, Outcome::Done)];
        assert!(next(every(HOUR), &late, NOW).unwrap() <= NOW);
        let after = [run(NOW, Outcome::Done), late[0]];
        assert!(next(every(HOUR), &after, NOW + SECOND).unwrap() > NOW + HOUR / 2);
    }

    #[test]
    fn failures_wait_longer_and_longer_and_never_more_than_an_hour() {
        let failed = run(NOW - SECOND, Outcome::Failed);
        for (count, minutes) in [(1, 1), (2, 2), (3, 4), (12, 60)] {
            let wait = next(every(DAY), &vec![failed; count], NOW).unwrap() - NOW;
            let expected = minutes * MINUTE;
            assert!((wait - expected).abs() <= expected / 8, "{count}: {wait}");
        }
        let healed = [run(NOW, Outcome::Done), failed, failed];
        assert_eq!(History::of(&healed, NOW).unwrap().failures, 0);
        let mixed = [failed, run(NOW - MINUTE, Outcome::Crashed), run(NOW - HOUR, Outcome::Done), failed];
        assert_eq!(History::of(&mixed, NOW).unwrap().failures, 2);
    }

    #[test]
    fn what_crashed_is_run_again_at_once_but_one_time_only() {
        let crashed = run(NOW - SECOND, Outcome::Crashed);
        assert!(next(every(DAY), &[crashed], NOW).unwrap() <= NOW);
        assert!(next(every(DAY), &[crashed, crashed], NOW).unwrap() > NOW + MINUTE);
    }

    #[test]
    fn once_is_once() {
        let once = Schedule { every: None, since: NOW };
        assert_eq!(next(once, &[run(NOW + SECOND, Outcome::Done)], NOW + MINUTE), None);
        assert_eq!(next(once, &[run(NOW + SECOND, Outcome::Failed)], NOW + MINUTE), None);
        assert!(next(once, &[run(NOW + SECOND, Outcome::Crashed)], NOW + HOUR).unwrap() <= NOW + HOUR);
        let before = run(NOW - HOUR, Outcome::Done);
        assert!(
            next(once, &[before], NOW + MINUTE).unwrap() <= NOW + MINUTE,
            "asked for again, it runs again"
        );
    }

    #[test]
    fn a_clock_that_jumps_does_no_harm() {
        // Set back by ten years: the runs of the future count for nothing, and it runs at once, one time.
        let before = [run(NOW, Outcome::Done)];
        let now = NOW - 3650 * DAY;
        assert!(next(every(HOUR), &before, now).unwrap() <= now);
        let after = [run(NOW, Outcome::Done), run(now, Outcome::Done)];
        assert!(next(every(HOUR), &after, now + MINUTE).unwrap() > now + HOUR / 2);
        // The clock comes right again: late once, then on schedule.
        let now = NOW + 2 * HOUR;
        assert!(next(every(HOUR), &after, now).unwrap() <= now);
        let right = [run(now, Outcome::Done), after[0], after[1]];
        assert!(next(every(HOUR), &right, now).unwrap() > now);
        // A clock that is the end of time, or its beginning.
        for now in [Moment::MIN, 0, Moment::MAX] {
            assert!(next(every(HOUR), &before, now).is_some());
        }
    }

    #[test]
    fn an_end_in_the_future_does_not_keep_a_job_waiting() {
        let odd = Run { start: NOW - MINUTE, end: Some(NOW + 1000 * DAY), outcome: Outcome::Failed };
        assert!(next(every(DAY), &[odd], NOW).unwrap() <= NOW + 2 * MINUTE);
    }

    #[test]
    fn no_answer_is_further_away_than_one_interval() {
        let outcomes = [Outcome::Running, Outcome::Done, Outcome::Failed, Outcome::Crashed];
        for interval in [1, SECOND, MINUTE, HOUR, 400 * DAY, Moment::MAX / 2] {
            for ago in [0, SECOND, HOUR, 10_000 * DAY] {
                for outcome in outcomes {
                    let answer = next(every(interval), &[run(NOW - ago, outcome)], NOW).unwrap();
                    let longest = interval.max(HOUR).saturating_mul(2).min(Moment::MAX - NOW);
                    assert!(answer - NOW <= longest, "{interval} {ago} {outcome:?}");
                }
            }
        }
    }

    #[test]
    fn outcomes_are_read_as_they_are_written() {
        for outcome in [Outcome::Running, Outcome::Done, Outcome::Failed, Outcome::Crashed] {
            assert_eq!(Outcome::parse(outcome.name()), Some(outcome));
        }
        assert_eq!(Outcome::parse("skipped"), None);
    }
}
