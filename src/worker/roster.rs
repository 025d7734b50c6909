//! What the launcher keeps in mind: the databases, when to look into each, and who is there just now.
//!
//! Moments are the server's clock, which may jump; spans are counted by one that does not.

use std::time::Duration;

use super::schedule::{MINUTE, jittered};
use crate::catalog::Moment;
use crate::change::retry::back_off;

/// However far away its next job is, each database that has the extension is looked into this often: a clock that was set
/// back does not keep it waiting for longer.
const LONGEST: Duration = Duration::from_secs(3600);

/// Nobody needs to know sooner.
const SOONEST_AGAIN: Moment = MINUTE / 60;

/// What a worker found in a database.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Found {
    /// Nobody has looked yet.
    #[default]
    Unknown,
    /// The extension, at work.
    Extension,
    /// No extension, or one of a version without jobs.
    Nothing,
    /// The worker came to no answer.
    Failure,
}

impl Found {
    /// As a number, for shared memory.
    pub fn code(self) -> u32 {
        match self {
            Self::Unknown => 0,
            Self::Extension => 1,
            Self::Nothing => 2,
            Self::Failure => 3,
        }
    }

    /// What the number means.
    pub fn of_code(code: u32) -> Self {
        [Self::Extension, Self::Nothing, Self::Failure]
            .into_iter()
            .find(|found| found.code() == code)
            .unwrap_or_default()
    }
}

/// One database.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its number.
    pub database: u32,
    /// When its next job is due.
    pub due: Moment,
    /// What was found there.
    pub found: Found,
    /// When a worker was last there, by the launcher's own clock.
    looked: Option<Duration>,
    /// How often in a row it came to no answer.
    failures: u32,
    /// Whether a worker is there.
    pub is_at_work: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Roster {
    /// In the order in which they were found.
    pub entries: Vec<Entry>,
    /// Until then no worker is asked for, since there was none.
    no_worker_until: Duration,
    /// How often in a row there was none.
    refusals: u32,
}

/// Both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// The server's.
    pub moment: Moment,
    /// How long the launcher lives.
    pub age: Duration,
}

impl Entry {
    fn new(database: u32, now: Now) -> Self {
        Self {
            database,
            due: now.moment,
            found: Found::Unknown,
            looked: None,
            failures: 0,
            is_at_work: false,
        }
    }

    /// How long until somebody has to look. `discovery`: how often to look where there is no extension.
    fn wait(&self, now: Now, discovery: Duration) -> Duration {
        let Some(looked) = self.looked else { return Duration::ZERO };
        let rest = |span: Duration| span.saturating_sub(now.age.saturating_sub(looked));
        match self.found {
            Found::Nothing => rest(discovery).min(until(self.due, now)),
            _ => rest(LONGEST).min(until(self.due, now)),
        }
    }
}

fn until(due: Moment, now: Now) -> Duration {
    Duration::from_micros(u64::try_from(due.saturating_sub(now.moment)).unwrap_or(0))
}

impl Roster {
    /// Takes in what databases there are now, and forgets those that are gone; one where a worker still is stays.
    pub fn discover(&mut self, there: &[u32], now: Now) {
        self.entries.retain(|entry| entry.is_at_work || there.contains(&entry.database));
        for &database in there {
            if self.position(database).is_none() {
                self.entries.push(Entry::new(database, now));
            }
        }
    }

    /// Where a database stands.
    pub fn position(&self, database: u32) -> Option<usize> {
        self.entries.iter().position(|entry| entry.database == database)
    }

    /// The databases into which somebody has to look now, the one that waits longest first.
    pub fn ready(&self, now: Now, discovery: Duration) -> Vec<u32> {
        if now.age < self.no_worker_until {
            return Vec::new();
        }
        let mut ready: Vec<&Entry> = self
            .entries
            .iter()
            .filter(|entry| !entry.is_at_work && entry.wait(now, discovery).is_zero())
            .collect();
        ready.sort_by_key(|entry| (entry.looked, entry.due));
        ready.into_iter().map(|entry| entry.database).collect()
    }

    /// How long there is nothing to do, unless somebody comes.
    pub fn rest(&self, now: Now, discovery: Duration) -> Duration {
        let waits =
            self.entries.iter().filter(|entry| !entry.is_at_work).map(|entry| entry.wait(now, discovery));
        waits.min().unwrap_or(LONGEST).max(self.no_worker_until.saturating_sub(now.age))
    }

    /// A worker was registered for it.
    pub fn began(&mut self, database: u32, now: Now) {
        self.refusals = 0;
        if let Some(position) = self.position(database) {
            let entry = &mut self.entries[position];
            entry.is_at_work = true;
            entry.looked = Some(now.age);
        }
    }

    /// There was no worker to be had; returns how long none is asked for. `random`: from 0 to 1.
    pub fn refused(&mut self, now: Now, random: f64) -> Duration {
        let most = 2_u64.checked_shl(self.refusals).map_or(58, |most| most.min(58));
        self.refusals = self.refusals.saturating_add(1).min(16);
        let wait = Duration::from_secs(2) + Duration::from_secs(most).mul_f64(random.clamp(0.0, 1.0));
        self.no_worker_until = now.age + wait;
        wait
    }

    /// Its worker is gone. `report`: what it found and when the next job is due; `None` if it was ended before it came to
    /// an answer. `is_called`: somebody asked for it meanwhile.
    pub fn ended(&mut self, database: u32, report: Option<(Found, Moment)>, is_called: bool, now: Now) {
        let Some(position) = self.position(database) else { return };
        let entry = &mut self.entries[position];
        entry.is_at_work = false;
        entry.looked = Some(now.age);
        match report {
            Some((found, due)) => {
                entry.failures = 0;
                entry.found = found;
                entry.due = due.max(now.moment.saturating_add(SOONEST_AGAIN));
            }
            None => {
                entry.failures = entry.failures.saturating_add(1);
                entry.found = Found::Failure;
                let wait = jittered(back_off(entry.failures), u64::from(database) ^ now.moment as u64);
                entry.due = now.moment.saturating_add(wait);
            }
        }
        if is_called {
            entry.due = now.moment;
        }
    }

    /// It cannot be looked into just now, because somebody needs it alone.
    pub fn put_off(&mut self, database: u32, now: Now) {
        if let Some(position) = self.position(database) {
            let entry = &mut self.entries[position];
            entry.due = now.moment.saturating_add(5 * SOONEST_AGAIN);
            entry.looked = Some(now.age);
            entry.found = if entry.found == Found::Nothing { Found::Unknown } else { entry.found };
        }
    }

    /// Somebody asks for it.
    pub fn called(&mut self, database: u32, now: Now) {
        if let Some(position) = self.position(database) {
            self.entries[position].due = now.moment;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::DAY;

    const DISCOVERY: Duration = Duration::from_secs(900);
    const START: Moment = 1_800_000_000_000_000;

    /// Both clocks go on alike.
    fn at(seconds: u64) -> Now {
        Now { moment: START + seconds as Moment * 1_000_000, age: Duration::from_secs(seconds) }
    }

    fn due(seconds: u64) -> Option<(Found, Moment)> {
        Some((Found::Extension, at(seconds).moment))
    }

    fn two() -> Roster {
        let mut roster = Roster::default();
        roster.discover(&[1, 2], at(0));
        roster
    }

    #[test]
    fn a_new_database_is_looked_into_at_once() {
        let roster = two();
        assert_eq!(roster.ready(at(0), DISCOVERY), [1, 2]);
        assert_eq!(roster.rest(at(0), DISCOVERY), Duration::ZERO);
    }

    #[test]
    fn nobody_goes_where_nothing_is_due() {
        let mut roster = two();
        for database in [1, 2] {
            roster.began(database, at(0));
        }
        assert!(roster.ready(at(1), DISCOVERY).is_empty(), "somebody is there");
        roster.ended(1, due(600), false, at(1));
        roster.ended(2, Some((Found::Nothing, Moment::MAX)), false, at(1));
        assert!(roster.ready(at(599), DISCOVERY).is_empty());
        assert_eq!(roster.rest(at(100), DISCOVERY), Duration::from_secs(500));
        assert_eq!(roster.ready(at(600), DISCOVERY), [1]);
        // Without the extension it is looked into at the interval of discovery.
        assert_eq!(roster.ready(at(901), DISCOVERY), [1, 2], "the one that waits longest comes first");
    }

    #[test]
    fn a_call_is_heard_also_while_somebody_is_there() {
        let mut roster = two();
        roster.began(1, at(0));
        roster.ended(1, due(5000), true, at(2));
        roster.began(2, at(0));
        roster.ended(2, due(5000), false, at(2));
        assert_eq!(roster.ready(at(2), DISCOVERY), [1]);
        roster.called(2, at(3));
        assert_eq!(roster.ready(at(3), DISCOVERY).len(), 2);
    }

    #[test]
    fn who_comes_to_no_answer_waits_longer_each_time() {
        let mut roster = two();
        let mut now = 0;
        for (failure, minutes) in [1_u64, 2, 4, 8, 16, 32, 60, 60].into_iter().enumerate() {
            roster.began(1, at(now));
            roster.ended(1, None, false, at(now));
            assert_eq!(roster.entries[0].found, Found::Failure);
            let wait = until(roster.entries[0].due, at(now)).as_secs_f64() / 60.0;
            assert!((wait / minutes as f64 - 1.0).abs() <= 0.126, "{failure}: {wait}");
            now += 4000;
        }
        roster.began(1, at(now));
        roster.ended(1, due(now), false, at(now));
        assert_eq!(roster.entries[0].failures, 0);
    }

    #[test]
    fn a_clock_set_back_costs_an_hour_at_most() {
        let mut roster = two();
        roster.discover(&[1], at(0));
        roster.began(1, at(0));
        roster.ended(1, due(600), false, at(1));
        let back = |seconds: u64| Now { moment: at(seconds).moment - 3650 * DAY, age: at(seconds).age };
        assert!(roster.ready(back(700), DISCOVERY).is_empty());
        assert_eq!(roster.rest(back(601), DISCOVERY), Duration::from_secs(3000));
        assert_eq!(roster.ready(back(3601), DISCOVERY), [1]);
        // Forward, everything is due.
        let forward = Now { moment: at(2).moment + 3650 * DAY, age: at(2).age };
        assert_eq!(roster.ready(forward, DISCOVERY), [1]);
    }

    #[test]
    fn without_workers_all_wait_and_not_too_long() {
        let mut roster = two();
        for (random, least, most) in [(0.0, 2, 2), (1.0, 6, 6), (0.5, 6, 6), (1.0, 18, 18)] {
            let wait = roster.refused(at(0), random).as_secs();
            assert!((least..=most).contains(&wait), "{wait}");
        }
        for _ in 0..100 {
            assert!(roster.refused(at(0), 1.0) <= Duration::from_secs(60));
        }
        assert!(roster.ready(at(59), DISCOVERY).is_empty());
        assert_eq!(roster.rest(at(10), DISCOVERY), Duration::from_secs(50));
        assert_eq!(roster.ready(at(60), DISCOVERY), [1, 2]);
        roster.began(1, at(60));
        assert_eq!(roster.refused(at(60), 1.0), Duration::from_secs(4), "it begins anew");
    }

    #[test]
    fn what_is_gone_is_forgotten_unless_somebody_is_there() {
        let mut roster = two();
        roster.began(2, at(0));
        roster.discover(&[3], at(1));
        let databases =
            |roster: &Roster| roster.entries.iter().map(|entry| entry.database).collect::<Vec<_>>();
        assert_eq!(databases(&roster), [2, 3]);
        roster.ended(2, None, false, at(2));
        roster.discover(&[3], at(3));
        assert_eq!(databases(&roster), [3]);
        roster.ended(2, None, true, at(3));
        roster.called(2, at(3));
        assert_eq!(databases(&roster), [3]);
    }

    #[test]
    fn what_somebody_needs_alone_is_looked_into_soon_after() {
        let mut roster = two();
        roster.put_off(1, at(0));
        assert_eq!(roster.ready(at(4), DISCOVERY), [2]);
        assert_eq!(roster.ready(at(5), DISCOVERY), [2, 1]);
    }

    #[test]
    fn a_report_that_is_due_at_once_lets_others_go_first() {
        let mut roster = two();
        roster.began(1, at(10));
        roster.ended(1, due(0), false, at(10));
        assert_eq!(roster.ready(at(10), DISCOVERY), [2]);
        assert_eq!(roster.ready(at(11), DISCOVERY), [2, 1]);
    }

    #[test]
    fn what_was_found_is_read_as_it_was_written() {
        for found in [Found::Unknown, Found::Extension, Found::Nothing, Found::Failure] {
            assert_eq!(Found::of_code(found.code()), found);
        }
        assert_eq!(Found::of_code(99), Found::Unknown);
    }
}
