//! Time zones: the server's own rules stand behind them live (`pg::zone`); tests bring theirs.

/// A time zone: what the clock on the wall shows at a moment, and which moment a clock shows.
///
/// Both count microseconds since 2000-01-01 00:00, one of the clock on the wall and one in UTC.
pub trait Zone {
    /// What the clock shows at a moment: `AT TIME ZONE` of a timestamptz.
    fn wall(&self, moment: i64) -> i64;
    /// The moment at which the clock shows this: `AT TIME ZONE` of a timestamp. Of two the one that the server takes
    /// (standard time); in a gap the one that the clock would show had it not been put forward.
    fn moment(&self, wall: i64) -> i64;
}

/// The zone of those who need none.
#[derive(Clone, Copy, Debug)]
pub struct Utc;

impl Zone for Utc {
    fn wall(&self, moment: i64) -> i64 {
        moment
    }

    fn moment(&self, wall: i64) -> i64 {
        wall
    }
}
