//! How many rows a batch takes, and how long to rest after it.

use std::time::Duration;

use crate::text::size::pretty_bytes;

/// No batch takes more, however fast it is: so many row locks are held until its end.
const MOST_ROWS: f64 = 50_000.0;
/// How much the newest batch counts for what a row costs.
const NEWEST: f64 = 0.4;
/// The part of the target that is aimed at, so that a slower batch still meets it.
const AIM: f64 = 0.95;
/// How fast a batch that went well grows: at first, and once it may be near the target.
const STEEP_GROWTH: f64 = 2.0;
const GROWTH: f64 = 1.2;
/// What a batch shrinks to at once when it took too long or others waited for it.
const SHRINKING: f64 = 0.5;
/// What a changed row is taken to cost, in milliseconds, before one was changed.
const ASSUMED_COST: f64 = 0.1;

/// What a batch did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Batch {
    /// Rows that it looked at.
    pub seen: u64,
    /// Rows that it changed.
    pub changed: u64,
    /// How long it took.
    pub took: Duration,
    /// Bytes of WAL written on the server meanwhile.
    pub wal_bytes: u64,
    /// Sessions that waited for it at its end.
    pub victims: u64,
}

/// The size of the next batch, led by those before.
#[derive(Clone, Debug)]
pub struct Pace {
    rows: f64,
    target: f64,
    /// Milliseconds for a row looked at, smoothed.
    cost: Option<f64>,
    /// Milliseconds for a row changed, smoothed.
    cost_changed: Option<f64>,
    /// Below this size growth is steep.
    steep_below: f64,
    failed: bool,
}

impl Pace {
    /// Begins with batches of so many rows, to be led to that time.
    pub fn new(rows: u64, target: Duration) -> Self {
        Self {
            rows: (rows as f64).clamp(1.0, MOST_ROWS),
            target: milliseconds(target).max(1.0),
            cost: None,
            cost_changed: None,
            steep_below: MOST_ROWS,
            failed: false,
        }
    }

    /// How many rows the next batch takes.
    pub fn rows(&self) -> u64 {
        self.rows as u64
    }

    /// Learns from a batch that was committed.
    pub fn succeeded(&mut self, batch: &Batch) {
        self.failed = false;
        let took = milliseconds(batch.took);
        let cost = smoothed(self.cost, took / batch.seen.max(1) as f64);
        self.cost = Some(cost);
        if batch.changed > 0 {
            self.cost_changed = Some(smoothed(self.cost_changed, took / batch.changed as f64));
        }
        if took > self.target / 2.0 {
            self.steep_below = self.steep_below.min(self.rows);
        }
        let most_growth = if self.rows < self.steep_below { STEEP_GROWTH } else { GROWTH };
        let wanted = AIM * self.target / cost.max(f64::MIN_POSITIVE);
        let mut factor = (wanted / self.rows).clamp(SHRINKING, most_growth);
        if batch.victims > 0 {
            factor = SHRINKING;
            self.steep_below = self.steep_below.min(self.rows * SHRINKING);
        }
        let next = if factor > 1.0 { (self.rows * factor).ceil() } else { (self.rows * factor).floor() };
        // A stretch without a row to change says nothing of what comes after it.
        let changed = 2.0 * self.target / self.cost_changed.unwrap_or(ASSUMED_COST).max(f64::MIN_POSITIVE);
        self.rows = next.min(changed.floor()).clamp(1.0, MOST_ROWS);
    }

    /// Halves the batch after one that was rolled back; false when that was a single row.
    pub fn failed(&mut self) -> bool {
        if self.rows < 2.0 {
            return false;
        }
        self.rows = (self.rows * SHRINKING).floor();
        if !self.failed {
            self.steep_below = self.rows.max(2.0);
        }
        self.failed = true;
        true
    }
}

fn smoothed(before: Option<f64>, newest: f64) -> f64 {
    before.map_or(newest, |before| before + NEWEST * (newest - before))
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// How long to rest after a batch: so that work is that share of the time, and WAL stays below the rate.
pub fn rest(batch: &Batch, duty: f64, most_wal_per_second: Option<u64>) -> Rest {
    let took = batch.took.as_secs_f64();
    let duty = duty.clamp(0.001, 1.0);
    let for_duty = took * (1.0 - duty) / duty;
    let for_wal = most_wal_per_second.map_or(0.0, |most| batch.wal_bytes as f64 / most.max(1) as f64 - took);
    let seconds = for_duty.max(for_wal).clamp(0.0, 3_600.0);
    Rest { duration: Duration::from_secs_f64(seconds), is_for_wal: for_wal > for_duty }
}

/// How long to rest, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rest {
    /// How long.
    pub duration: Duration,
    /// Whether the batch's WAL asks for it, more than the share of work does.
    pub is_for_wal: bool,
}

/// Why a batch is followed by a rest for its WAL, for people.
pub fn told_of_wal(batch: &Batch, most_per_second: u64) -> String {
    let rate = batch.wal_bytes as f64 / batch.took.as_secs_f64().max(0.001);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let rate = pretty_bytes(rate as u64);
    format!(
        "the rate of WAL: the last batch wrote {rate} a second, more than {} a second",
        pretty_bytes(most_per_second)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TARGET: Duration = Duration::from_millis(500);

    fn batch(rows: u64, micros_a_row: u64) -> Batch {
        Batch {
            seen: rows,
            changed: rows,
            took: Duration::from_micros(micros_a_row * rows),
            ..Batch::default()
        }
    }

    /// Runs batches of rows that cost so much each and returns the sizes.
    fn sizes(pace: &mut Pace, batches: usize, micros_a_row: u64) -> Vec<u64> {
        (0..batches)
            .map(|_| {
                let rows = pace.rows();
                pace.succeeded(&batch(rows, micros_a_row));
                rows
            })
            .collect()
    }

    #[test]
    fn it_reaches_the_target_within_a_dozen_batches_and_stays() {
        let mut pace = Pace::new(1_000, TARGET);
        let sizes = sizes(&mut pace, 40, 20);
        for rows in &sizes[12..] {
            assert!((20_000..=25_000).contains(rows), "{sizes:?}");
        }
    }

    #[test]
    fn rows_that_become_dear_shrink_it_at_once() {
        let mut pace = Pace::new(1_000, TARGET);
        sizes(&mut pace, 20, 20);
        let before = pace.rows();
        pace.succeeded(&batch(before, 400));
        assert!(pace.rows() <= before / 2, "{} after {before}", pace.rows());
    }

    #[test]
    fn a_session_that_waited_halves_it_and_it_comes_back_slowly() {
        let mut pace = Pace::new(1_000, TARGET);
        sizes(&mut pace, 20, 20);
        let before = pace.rows();
        pace.succeeded(&Batch { victims: 1, ..batch(before, 20) });
        assert_eq!(pace.rows(), before / 2);
        let after = sizes(&mut pace, 2, 20);
        assert!(after[1] <= before / 2 * 12 / 10 + 1, "{after:?}");
    }

    #[test]
    fn failures_split_down_to_one_row_and_no_further() {
        let mut pace = Pace::new(1_000, TARGET);
        let mut splits = 0;
        while pace.failed() {
            splits += 1;
        }
        assert_eq!((splits, pace.rows()), (9, 1));
        // And it grows again once the row is passed.
        let sizes = sizes(&mut pace, 30, 20);
        assert!(sizes[9] >= 400, "{sizes:?}");
    }

    #[test]
    fn a_stretch_without_changes_does_not_make_the_next_batch_endless() {
        let mut pace = Pace::new(1_000, TARGET);
        for _ in 0..50 {
            let rows = pace.rows();
            pace.succeeded(&Batch { seen: rows, took: Duration::from_micros(rows / 10), ..Batch::default() });
        }
        assert_eq!(pace.rows(), 10_000);
        // A change costs a millisecond: a batch of nothing but changes would take twice the target.
        pace.succeeded(&Batch {
            seen: 10_000,
            changed: 100,
            took: Duration::from_millis(100),
            ..Batch::default()
        });
        assert_eq!(pace.rows(), 1_000);
    }

    #[test]
    fn rest_follows_the_share_of_work_and_the_rate_of_wal() {
        let second = Batch { took: Duration::from_secs(1), wal_bytes: 10 << 20, ..Batch::default() };
        let of = |duty, most| {
            let rest = rest(&second, duty, most);
            (rest.duration.as_secs(), rest.is_for_wal)
        };
        assert_eq!(of(1.0, None), (0, false));
        assert_eq!(of(0.5, None), (1, false));
        assert_eq!(of(0.25, None), (3, false));
        assert_eq!(of(1.0, Some(2 << 20)), (4, true));
        assert_eq!(of(0.5, Some(100 << 20)), (1, false));
        assert_eq!(
            told_of_wal(&second, 2 << 20),
            "the rate of WAL: the last batch wrote 10.0 MB a second, more than 2.0 MB a second"
        );
    }

    proptest! {
        #[test]
        fn whatever_happens_a_batch_has_between_one_row_and_the_most(
            first in 0_u64..1_000_000,
            events in prop::collection::vec((any::<bool>(), 0_u64..60_000, 0_u64..60_000, 0_u64..10_000_000, 0_u64..3), 0..60),
        ) {
            let mut pace = Pace::new(first, TARGET);
            for (fails, seen, changed, micros, victims) in events {
                let before = pace.rows();
                if fails {
                    pace.failed();
                    prop_assert!(pace.rows() < before || before == 1);
                } else {
                    let took = Duration::from_micros(micros);
                    pace.succeeded(&Batch { seen, changed: changed.min(seen), took, victims, wal_bytes: 0 });
                    prop_assert!(pace.rows() <= before * 2 + 1);
                }
                prop_assert!((1..=50_000).contains(&pace.rows()));
            }
        }
    }
}
