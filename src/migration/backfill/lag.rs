//! How far a standby is behind in time, reckoned by ourselves: what the server shows stays as it was last measured
//! while a standby does not replay at all.

use std::collections::VecDeque;
use std::time::Duration;

/// So many positions are remembered; one for each look.
const REMEMBERED: usize = 4_096;

/// When the WAL was where.
#[derive(Debug, Default)]
pub struct Positions {
    seen: VecDeque<(Duration, u64)>,
}

impl Positions {
    /// Remembers that the WAL has come to `position` by `now`, counted from any beginning.
    pub fn remember(&mut self, now: Duration, position: u64) {
        if self.seen.back().is_some_and(|&(_, last)| last >= position) {
            return;
        }
        if self.seen.len() == REMEMBERED {
            // Every other one: what lies far back may be coarse.
            let mut keep = false;
            self.seen.retain(|_| {
                keep = !keep;
                keep
            });
        }
        self.seen.push_back((now, position));
    }

    /// For how long a standby that has replayed up to `replayed` has been behind, at least.
    pub fn lag(&self, now: Duration, replayed: u64) -> Duration {
        let ahead = self.seen.iter().find(|&&(_, position)| position > replayed);
        ahead.map_or(Duration::ZERO, |&(since, _)| now.saturating_sub(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_standby_that_stands_still_falls_behind_by_the_clock() {
        let mut positions = Positions::default();
        for second in 0..10 {
            positions.remember(seconds(second), 100 * second);
        }
        assert_eq!(positions.lag(seconds(9), 900), Duration::ZERO);
        assert_eq!(positions.lag(seconds(9), 450), seconds(4));
        assert_eq!(positions.lag(seconds(60), 450), seconds(55));
    }

    #[test]
    fn nothing_written_is_no_lag() {
        let mut positions = Positions::default();
        positions.remember(seconds(0), 100);
        positions.remember(seconds(50), 100);
        assert_eq!(positions.lag(seconds(100), 100), Duration::ZERO);
        assert_eq!(positions.lag(seconds(100), 200), Duration::ZERO);
    }

    #[test]
    fn it_forgets_every_other_position_and_never_the_order() {
        let mut positions = Positions::default();
        for second in 0..20_000 {
            positions.remember(seconds(second), second);
        }
        assert!(positions.seen.len() <= REMEMBERED);
        let lag = positions.lag(seconds(20_000), 10_000).as_secs();
        assert!((9_900..=10_000).contains(&lag), "{lag}");
    }
}
