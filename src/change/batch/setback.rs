//! What a batch that was rolled back calls for.

use std::time::Duration;

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Response {
    /// Somebody was in the way: the same again a little later, in smaller batches.
    Retry,
    /// A row is to blame: smaller batches, until it stands alone.
    Split,
    /// It would fail again however small the batch is.
    GiveUp,
}

/// By the SQLSTATE of the batch's ERROR.
pub fn response(sqlstate: &str) -> Response {
    match sqlstate {
        // A lock or the time of a batch; serialization and deadlocks.
        "55P03" | "57014" | "40001" | "40P01" => Response::Retry,
        _ => match sqlstate.get(..2) {
            // Values, constraints, and what triggers and functions raise of a row.
            Some("21" | "22" | "23" | "P0" | "38" | "44") => Response::Split,
            _ => Response::GiveUp,
        },
    }
}

/// How long to wait before the next attempt, of which `attempts` were in vain; spread by `chance`, 0 to 1, so that two
/// that met do not meet again.
pub fn back_off(attempts: u32, chance: f64) -> Duration {
    let milliseconds = 20.0 * f64::from(attempts.min(20)).exp2();
    Duration::from_secs_f64(milliseconds.min(5_000.0) * (0.5 + chance.clamp(0.0, 1.0) / 2.0) / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_in_the_way_is_waited_for_and_a_bad_row_is_looked_for() {
        for (sqlstate, expected) in [
            ("55P03", Response::Retry),
            ("40P01", Response::Retry),
            ("40001", Response::Retry),
            ("57014", Response::Retry),
            ("23505", Response::Split),
            ("23514", Response::Split),
            ("22012", Response::Split),
            ("P0001", Response::Split),
            ("42501", Response::GiveUp),
            ("42703", Response::GiveUp),
            ("53100", Response::GiveUp),
            ("XX000", Response::GiveUp),
            ("", Response::GiveUp),
        ] {
            assert_eq!(response(sqlstate), expected, "{sqlstate}");
        }
    }

    #[test]
    fn waits_double_up_to_five_seconds() {
        assert_eq!(back_off(0, 1.0), Duration::from_millis(20));
        assert_eq!(back_off(3, 1.0), Duration::from_millis(160));
        assert_eq!(back_off(3, 0.0), Duration::from_millis(80));
        assert_eq!(back_off(30, 1.0), Duration::from_secs(5));
    }
}
