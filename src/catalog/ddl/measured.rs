//! How fast this server does what holds a lock for long, from what it did before.

use super::session::Rates;

/// Work that grows with a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkKind {
    /// Every row is read and tested.
    Scan,
    /// The table and its indexes are written anew.
    Rewrite,
    /// An index is built.
    IndexBuild,
}

impl WorkKind {
    /// All.
    pub const ALL: [Self; 3] = [Self::Scan, Self::Rewrite, Self::IndexBuild];

    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scan => "scan",
            Self::Rewrite => "rewrite",
            Self::IndexBuild => "index build",
        }
    }

    /// The kind of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// One statement that was run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// What it did.
    pub kind: WorkKind,
    /// To how many bytes.
    pub bytes: f64,
    /// In how many seconds.
    pub seconds: f64,
}

/// So many of each kind count, the newest: an old disk says nothing of a new one.
const NEWEST: usize = 20;

/// A range that a single measurement stands for: half and twice of it.
const SPREAD: f64 = 2.0;

impl Rates {
    /// From measurements, oldest first; what was never measured keeps its default.
    pub fn of(measured: &[Measured]) -> Self {
        let mut rates = Self::default();
        for kind in WorkKind::ALL {
            let newest: Vec<f64> = measured
                .iter()
                .rev()
                .filter(|one| one.kind == kind && one.bytes > 0.0 && one.seconds > 0.0)
                .take(NEWEST)
                .map(|one| one.bytes / one.seconds)
                .collect();
            let slowest = newest.iter().copied().fold(f64::INFINITY, f64::min);
            let fastest = newest.iter().copied().fold(0.0, f64::max);
            if newest.is_empty() {
                continue;
            }
            let range = match kind {
                WorkKind::Scan => &mut rates.scan,
                WorkKind::Rewrite => &mut rates.rewrite,
                WorkKind::IndexBuild => &mut rates.index_build,
            };
            // Few measurements say little of how much they vary.
            let spread = SPREAD.powf(1.0 / newest.len() as f64);
            *range = (slowest / spread, fastest * spread);
            rates.measured += u32::try_from(newest.len()).unwrap_or(0);
        }
        rates
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(kind: WorkKind, seconds: f64) -> Measured {
        Measured { kind, bytes: 1e6, seconds }
    }

    #[test]
    fn what_was_measured_takes_the_place_of_the_default() {
        let rates = Rates::of(&[measured(WorkKind::Rewrite, 0.5)]);
        assert_eq!(rates.rewrite, (1e6, 4e6));
        assert_eq!(rates.scan, Rates::default().scan);
        assert_eq!(rates.measured, 1);
        assert_eq!(Rates::of(&[]), Rates::default());
    }

    #[test]
    fn several_make_a_range_and_the_newest_count() {
        let mut all = vec![measured(WorkKind::Scan, 1000.0)];
        all.extend((0..NEWEST).map(|place| measured(WorkKind::Scan, if place == 3 { 2.0 } else { 1.0 })));
        let (slow, fast) = Rates::of(&all).scan;
        assert!((4e5..=5e5).contains(&slow) && (1e6..=1.1e6).contains(&fast), "{slow} {fast}");
    }

    #[test]
    fn names_parse_back() {
        assert!(WorkKind::ALL.into_iter().all(|kind| WorkKind::parse(kind.name()) == Some(kind)));
    }
}
