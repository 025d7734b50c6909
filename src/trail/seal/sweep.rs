//! What is to be sealed next, by the seals that there are.
//!
//! All transactions below a number that are over are sealed by one sweep, of as many seals as it takes. Each of them is of use by
//! itself, but only the last says that it came so far; the others keep where they were going, for whoever has to go on.

use super::merkle::Hash;
use super::record::{Kind, Seal};
use super::verify::Known;

/// A seal as it is kept.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The seal.
    pub seal: Seal,
    /// The digest that is kept with it.
    pub digest: Hash,
    /// Where others follow that together with it seal all transactions below a number: that number.
    pub target: Option<i64>,
}

/// What a sweep is to seal.
pub struct Sweep<'a> {
    /// The seals of it that are made.
    pub begun: &'a [Kept],
    /// All transactions below this were sealed before it: a row of theirs that no seal has is none that they wrote.
    pub before: i64,
    /// All below this are to be.
    pub target: i64,
    /// Whether transactions count as they did at the seal before it. In another cluster they count anew: whatever is there when
    /// it is sealed first has come with the dump.
    pub is_home: bool,
    /// The seal from whose numbers on rows of transactions can be that are not below `before`.
    pub mark: Option<&'a Seal>,
}

impl<'a> Sweep<'a> {
    /// With these seals, here, where all transactions below a number are over.
    pub fn of(kept: &'a [Kept], home: &str, over: i64) -> Self {
        let is_of_it = |each: &Kept, target: i64| each.seal.home == home && each.target == Some(target);
        let begun = kept
            .last()
            .and_then(|last| last.target)
            .map_or(0, |target| kept.iter().rev().take_while(|each| is_of_it(each, target)).count());
        let begun = &kept[kept.len() - begun..];
        let here = last_here(kept, home);
        let before = here.map_or(0, |last| last.until);
        let target = begun.last().and_then(|last| last.target).map_or(over, |target| target.min(over));
        // Rows of transactions that were not over at the last seal have higher numbers than there were before the first of
        // these began.
        let mark = here.and_then(|_| {
            kept.iter().rev().map(|each| &each.seal).find(|seal| seal.home == home && seal.next <= before)
        });
        Self { begun, before, target: target.max(before), is_home: here.is_some() || kept.is_empty(), mark }
    }
}

/// The last seal, if what it says of transactions holds here: not in another cluster, where they count anew, nor as long as of the
/// first seals that are made after a move not all are there. By nothing that is in no digest.
fn last_here<'a>(kept: &'a [Kept], home: &str) -> Option<&'a Seal> {
    let last = kept.last().map(|last| &last.seal).filter(|last| last.home == home)?;
    (last.until > 0 || kept.iter().all(|each| each.seal.home == home)).then_some(last)
}

/// What is known, by the seals that were made here, of the transactions here, of which none has the number `next` or a higher one.
pub fn known(kept: &[Kept], home: &str, kind: Kind, next: i64) -> Known {
    let Some(last) = last_here(kept, home) else { return Known::default() };
    let here = kept.iter().map(|each| &each.seal).filter(|seal| seal.home == home);
    Known {
        until: Some(last.until),
        next: Some(next),
        marks: here.filter_map(|seal| Some((seal.numbers.of(kind)?, seal.next))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::leaves::root_of;
    use super::super::record::{Numbers, Part};
    use super::*;

    /// Of a home, `until`, `next`, the number of the last change by then, and where the sweep was going if it was not the last.
    fn kept(seals: &[(&str, i64, i64, i64, Option<i64>)]) -> Vec<Kept> {
        (1..)
            .zip(seals)
            .map(|(id, &(home, until, next, change, target))| Kept {
                seal: Seal {
                    id,
                    at: 0,
                    home: home.to_owned(),
                    until,
                    next,
                    numbers: Numbers { change, event: 0 },
                    parts: [Part { count: 0, root: root_of(&[]) }; 4],
                    previous: [0; 32],
                },
                digest: [0; 32],
                target,
            })
            .collect()
    }

    /// How many seals of it there are, from which transaction to which it goes, whether these count here, and above which change.
    fn sweep(
        seals: &[(&str, i64, i64, i64, Option<i64>)],
        over: i64,
    ) -> (usize, i64, i64, bool, Option<i64>) {
        let kept = kept(seals);
        let sweep = Sweep::of(&kept, "here", over);
        let mark = sweep.mark.map(|mark| mark.numbers.change);
        (sweep.begun.len(), sweep.before, sweep.target, sweep.is_home, mark)
    }

    #[test]
    fn a_new_one_goes_on_where_the_last_ended() {
        assert_eq!(sweep(&[], 50), (0, 0, 50, true, None));
        // 40 to 44 were not over, so that their rows may have numbers of before.
        assert_eq!(sweep(&[("here", 40, 45, 300, None)], 50), (0, 40, 50, true, None));
        let seals = [("here", 40, 45, 300, None), ("here", 48, 60, 700, None)];
        assert_eq!(sweep(&seals, 70), (0, 48, 70, true, Some(300)));
        assert_eq!(sweep(&[seals[0], ("here", 60, 60, 700, None)], 70), (0, 60, 70, true, Some(700)));
    }

    #[test]
    fn one_that_was_begun_goes_to_where_it_was_going() {
        let begun = [("here", 0, 60, 500, Some(55)), ("here", 0, 62, 520, Some(55))];
        assert_eq!(sweep(&begun, 70), (2, 0, 55, true, None));
        let done = ("here", 40, 40, 300, None);
        let seals = [done, ("here", 40, 60, 500, Some(55)), ("here", 40, 62, 520, Some(55))];
        assert_eq!(sweep(&seals, 70), (2, 40, 55, true, Some(300)));
        // What is not over is never sealed, whatever somebody wrote there.
        assert_eq!(sweep(&seals, 50), (2, 40, 50, true, Some(300)));
        // Its last seal is made.
        let ended = [seals[0], seals[1], ("here", 55, 62, 520, None)];
        assert_eq!(sweep(&ended, 70), (0, 55, 70, true, Some(300)));
        // Of another that came to its end.
        let other =
            [("here", 0, 30, 100, Some(20)), ("here", 20, 30, 100, None), ("here", 20, 60, 500, Some(55))];
        assert_eq!(sweep(&other, 70), (1, 20, 55, true, None));
    }

    #[test]
    fn whoever_forges_where_one_was_going_has_nothing_sealed_that_was_not() {
        let seals = [("here", 40, 45, 300, None), ("here", 50, 50, 400, None)];
        for target in [0, 45, 60, 999] {
            let forged = [seals[0], ("here", 50, 50, 400, Some(target))];
            let (_, before, until, is_home, _) = sweep(&forged, 70);
            assert!(before == 50 && (50..=70).contains(&until) && is_home, "{before} {until}");
        }
        let moved = [("there", 9000, 9000, 300, None), ("here", 40, 46, 410, Some(60))];
        let (_, before, _, is_home, _) = sweep(&moved, 70);
        assert_eq!((before, is_home), (40, true));
    }

    #[test]
    fn elsewhere_transactions_count_anew() {
        let there = ("there", 9000, 9000, 300, None);
        assert_eq!(sweep(&[there], 50), (0, 0, 50, false, None));
        // Begun there, and brought here by a dump: here it is none.
        assert_eq!(sweep(&[there, ("there", 9000, 9100, 400, Some(9050))], 50), (0, 0, 50, false, None));
        assert_eq!(sweep(&[there, ("here", 0, 45, 400, Some(40))], 50), (1, 0, 40, false, None));
        let back = [there, ("here", 0, 45, 400, Some(40)), ("here", 40, 46, 410, None)];
        assert_eq!(sweep(&back, 50), (0, 40, 50, true, None));
    }

    #[test]
    fn nothing_is_known_of_transactions_before_all_that_came_along_is_sealed() {
        let until = |seals: &[(&str, i64, i64, i64, Option<i64>)]| {
            known(&kept(seals), "here", Kind::Change, 99).until
        };
        let there = ("there", 9000, 9000, 300, None);
        assert_eq!(until(&[]), None);
        assert_eq!(until(&[there]), None);
        assert_eq!(until(&[there, ("here", 0, 45, 400, Some(40))]), None);
        assert_eq!(until(&[there, ("here", 0, 45, 400, Some(40)), ("here", 40, 46, 410, None)]), Some(40));
        assert_eq!(until(&[("here", 0, 45, 400, Some(40))]), Some(0));
        let seals = kept(&[there, ("here", 40, 46, 410, None)]);
        let known = known(&seals, "here", Kind::Change, 99);
        assert_eq!((known.next, known.marks), (Some(99), vec![(410, 46)]));
    }
}
