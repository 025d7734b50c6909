//! How long what failed waits before it is tried again.

use crate::catalog::Moment;

/// Microseconds.
const MINUTE: Moment = 60_000_000;

/// After so many failures in a row: one minute, two, four, up to an hour.
pub fn back_off(failures: u32) -> Moment {
    let minutes = 1_i64.checked_shl(failures.saturating_sub(1)).filter(|&minutes| (1..60).contains(&minutes));
    minutes.unwrap_or(60) * MINUTE
}

/// A span that is up to an eighth longer or shorter, by chance from 0 to 1: what failed together does not come back
/// together.
pub fn spread(span: Moment, chance: f64) -> Moment {
    span.saturating_add((span as f64 * (chance.clamp(0.0, 1.0) - 0.5) / 4.0) as Moment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_wait_longer_and_longer_and_never_more_than_an_hour() {
        assert_eq!(
            [0, 1, 2, 3, 6, 7, 8, 64, u32::MAX].map(|failures| back_off(failures) / MINUTE),
            [1, 1, 2, 4, 32, 60, 60, 60, 60]
        );
    }

    #[test]
    fn a_span_is_spread_by_an_eighth() {
        assert_eq!([0.0, 0.5, 1.0, 7.0].map(|chance| spread(800, chance)), [700, 800, 900, 900]);
        assert_eq!(spread(Moment::MAX, 1.0), Moment::MAX);
    }
}
