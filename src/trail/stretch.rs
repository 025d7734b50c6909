//! From when to when a table was watched.

/// A stretch of watching, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Since when.
    pub from: i64,
    /// Until when; `None`: it lasts.
    pub until: Option<i64>,
}

impl Stretch {
    /// Whether the moment lies in it.
    pub fn has(&self, at: i64) -> bool {
        self.from <= at && self.until.is_none_or(|until| at <= until)
    }
}

/// The stretches of a table. `events`: whether watching began or ended, and when, the first first; whoever installs again
/// what is watched begins nothing. `installed_at`, `removed_at`: what the registry says, which is of the last stretch alone,
/// and without events of all.
pub fn stretches(
    events: impl Iterator<Item = (bool, i64)>,
    installed_at: i64,
    removed_at: Option<i64>,
) -> Vec<Stretch> {
    let mut stretches: Vec<Stretch> = Vec::new();
    let mut open: Option<i64> = None;
    for (begins, at) in events {
        if begins {
            open.get_or_insert(at);
        } else if let Some(from) = open.take() {
            stretches.push(Stretch { from, until: Some(at) });
        }
    }
    let ended = stretches.last().and_then(|stretch| stretch.until).unwrap_or(i64::MIN);
    let since = if installed_at > ended { installed_at } else { i64::MAX };
    if open.is_some() || removed_at.is_none() || stretches.is_empty() {
        // The registry's moment is that before the triggers were made, the event's the one after it.
        let from = open.map_or(installed_at, |open| open.min(since));
        stretches.push(Stretch { from, until: removed_at });
    }
    stretches
}

/// What lies between: from when to when nobody watched.
pub fn gaps(stretches: &[Stretch]) -> impl Iterator<Item = (i64, i64)> {
    stretches.windows(2).filter_map(|pair| Some((pair[0].until?, pair[1].from)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn stretch(from: i64, until: Option<i64>) -> Stretch {
        Stretch { from, until }
    }

    #[test]
    fn watched_once() {
        let of = |events: &[(bool, i64)], installed, removed| {
            stretches(events.iter().copied(), installed, removed)
        };
        assert_eq!(of(&[(true, 11)], 10, None), [stretch(10, None)]);
        assert_eq!(of(&[(true, 11), (true, 20)], 10, None), [stretch(10, None)]);
        assert_eq!(of(&[(true, 11), (false, 20)], 10, Some(19)), [stretch(11, Some(20))]);
        assert_eq!(of(&[], 10, None), [stretch(10, None)]);
        assert_eq!(of(&[], 10, Some(20)), [stretch(10, Some(20))]);
    }

    #[test]
    fn watched_again() {
        let events = [(true, 11), (false, 20), (true, 31)];
        let found = stretches(events.into_iter(), 30, None);
        assert_eq!(found, [stretch(11, Some(20)), stretch(30, None)]);
        assert_eq!(gaps(&found).collect::<Vec<_>>(), [(20, 30)]);
        assert!(found[0].has(15) && !found[0].has(25) && found[1].has(99));
        let ended = stretches(events.into_iter().chain([(false, 40)]), 30, Some(40));
        assert_eq!(ended, [stretch(11, Some(20)), stretch(31, Some(40))]);
    }
}
