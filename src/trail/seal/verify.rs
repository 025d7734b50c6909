//! The log against its seals.

use std::collections::VecDeque;

use super::leaves::{Leaf, root_of};
use super::merkle::Hash;
use super::record::{Kind, Seal};
use crate::text::hex::hex;

/// The table of seals.
pub const SEAL: &str = "seal";

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The row is not what it was when it was sealed.
    Altered,
    /// The row is gone.
    Removed,
    /// The row came after its transaction had been sealed.
    Added,
    /// The seal is not what it was.
    SealAltered,
    /// The seal is gone.
    SealRemoved,
}

impl Problem {
    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Altered => "altered",
            Self::Removed => "removed",
            Self::Added => "added",
            Self::SealAltered => "seal altered",
            Self::SealRemoved => "seal removed",
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What.
    pub problem: Problem,
    /// In which table of the log.
    pub table: &'static str,
    /// The number of the row, or of the seal.
    pub id: i64,
    /// The seal that says so; `None` where there is none.
    pub seal: Option<i64>,
    /// The moment of the row, in microseconds.
    pub at: Option<i64>,
    /// How it is seen.
    pub detail: String,
}

/// So many seals that are gone are named one by one.
const MOST_NAMED: i64 = 1_000;

/// The chain against itself, and against digests that were exported: number and digest in hexadecimal digits.
pub fn chain(seals: &[Seal], kept: &[Hash], exported: &[(i64, String)]) -> Vec<Found> {
    let mut found = Vec::new();
    let wrong =
        |problem, id, detail: String| Found { problem, table: SEAL, id, seal: Some(id), at: None, detail };
    let mut previous = [0; 32];
    let mut next: i64 = 1;
    for (seal, digest) in seals.iter().zip(kept) {
        // One seal that somebody made far behind is no reason to name millions that are not there.
        let named = seal.id.min(next.saturating_add(MOST_NAMED));
        for id in next..named {
            found.push(wrong(Problem::SealRemoved, id, format!("there is no seal {id}")));
        }
        if named < seal.id {
            let detail = format!("there are no seals {named} to {}", seal.id.saturating_sub(1));
            found.push(wrong(Problem::SealRemoved, named, detail));
        }
        let is_next = seal.id == next;
        next = seal.id.saturating_add(1);
        if seal.digest() != *digest {
            let detail = "its digest is not that of what it says".to_owned();
            found.push(wrong(Problem::SealAltered, seal.id, detail));
        } else if is_next && seal.previous != previous {
            let detail = "it does not continue the seal before it".to_owned();
            found.push(wrong(Problem::SealAltered, seal.id, detail));
        }
        previous = *digest;
    }
    for (id, digest) in exported {
        match seals.iter().zip(kept).find(|(seal, _)| seal.id == *id) {
            None if next <= *id => {
                found.push(wrong(Problem::SealRemoved, *id, "it was exported and is gone".to_owned()));
            }
            None => {}
            Some((_, kept)) if !hex(kept).eq_ignore_ascii_case(digest.trim().trim_start_matches("\\x")) => {
                found.push(wrong(
                    Problem::SealAltered,
                    *id,
                    "its digest is not the one that was exported".to_owned(),
                ));
            }
            Some(_) => {}
        }
    }
    found
}

/// The leaves of a seal that is being passed.
struct Passing {
    seal: i64,
    leaves: VecDeque<Leaf>,
}

/// A row of the log as it is now.
#[derive(Clone, Copy, Debug)]
pub struct Present {
    /// Its number, moment and hash.
    pub leaf: Leaf,
    /// Its transaction; `None` where the table has none.
    pub transaction: Option<i64>,
}

/// What is known of the transactions of the place where the log is.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Transactions below this are all sealed.
    pub until: Option<i64>,
    /// No transaction had this number or a higher one.
    pub next: Option<i64>,
    /// Of each seal the last number that a row had by then, and the transaction that would have come next: whoever came
    /// later took higher numbers. In the order of the seals.
    pub marks: Vec<(i64, i64)>,
}

impl Known {
    /// Why no row that is in no seal can have this number and be of this transaction.
    fn impossible(&self, id: i64, transaction: i64) -> Option<&'static str> {
        if self.until.is_some_and(|until| transaction < until) {
            return Some("is in no seal, though its transaction was over when the last was made");
        }
        if self.next.is_some_and(|next| transaction >= next) {
            return Some("is of a transaction that has not begun yet");
        }
        let place = self.marks.partition_point(|&(number, _)| number < id);
        let (_, next) = self.marks.get(place)?;
        (transaction >= *next).then_some("has a number that was taken before its transaction began")
    }
}

/// Passes the rows of one table, by number, along the leaves of the seals.
///
/// Seals hold rows in the order of their numbers, but for those of transactions that took long: so several are passed at
/// a time, and only these are in memory.
pub struct Pass {
    kind: Kind,
    /// Rows before this moment went with their partitions.
    oldest: i64,
    known: Known,
    passing: Vec<Passing>,
    /// What is wrong so far.
    pub found: Vec<Found>,
    /// How many rows were as they were when they were sealed.
    pub intact: i64,
    /// How many rows no seal has yet.
    pub unsealed: i64,
    /// How many sealed rows went with their partitions.
    pub retired: i64,
    last: Option<i64>,
}

impl Pass {
    /// Of this table, of which the partitions from `oldest` on are there.
    pub fn new(kind: Kind, oldest: i64, known: Known) -> Self {
        Self {
            kind,
            oldest,
            known,
            passing: Vec::new(),
            found: Vec::new(),
            intact: 0,
            unsealed: 0,
            retired: 0,
            last: None,
        }
    }

    /// Takes a seal along, whose first row is not before the rows that come.
    pub fn enter(&mut self, seal: &Seal, leaves: Vec<Leaf>) {
        let part = seal.part(self.kind);
        let is_sorted = leaves.is_sorted_by(|one, next| one.id < next.id);
        if root_of(&leaves) != part.root || i64::try_from(leaves.len()) != Ok(part.count) || !is_sorted {
            self.found.push(Found {
                problem: Problem::SealAltered,
                table: SEAL,
                id: seal.id,
                seal: Some(seal.id),
                at: None,
                detail: format!(
                    "what it keeps of the rows of {} is not what it was made of",
                    self.kind.name()
                ),
            });
        }
        self.passing.push(Passing { seal: seal.id, leaves: leaves.into() });
    }

    fn gone(&mut self, seal: i64, leaf: Leaf) {
        if leaf.at < self.oldest {
            self.retired += 1;
            return;
        }
        self.found.push(Found {
            problem: Problem::Removed,
            table: self.kind.name(),
            id: leaf.id,
            seal: Some(seal),
            at: Some(leaf.at),
            detail: format!("{} {} was sealed and is gone", self.kind.name(), leaf.id),
        });
    }

    /// Says of all leaves before a row that they are gone.
    fn pass_until(&mut self, id: i64) {
        let mut passing = std::mem::take(&mut self.passing);
        for each in &mut passing {
            while let Some(leaf) = each.leaves.pop_front_if(|leaf| leaf.id < id) {
                self.gone(each.seal, leaf);
            }
        }
        passing.retain(|each| !each.leaves.is_empty());
        self.passing = passing;
    }

    /// The next row.
    pub fn row(&mut self, row: Present) {
        let Leaf { id, at, hash } = row.leaf;
        self.pass_until(id);
        let is_again = self.last.replace(id) == Some(id);
        let name = self.kind.name();
        let place =
            self.passing.iter().position(|each| each.leaves.front().is_some_and(|leaf| leaf.id == id));
        let Some(place) = place else {
            let why = if is_again {
                Some("is there more than once")
            } else {
                row.transaction.and_then(|transaction| self.known.impossible(id, transaction))
            };
            if let Some(why) = why {
                self.found.push(Found {
                    problem: Problem::Added,
                    table: self.kind.name(),
                    id,
                    seal: None,
                    at: Some(at),
                    detail: format!("{name} {id} {why}"),
                });
            } else {
                self.unsealed += 1;
            }
            return;
        };
        let seal = self.passing[place].seal;
        let Some(leaf) = self.passing[place].leaves.pop_front() else { return };
        if leaf.hash == hash {
            self.intact += 1;
        } else {
            self.found.push(Found {
                problem: Problem::Altered,
                table: self.kind.name(),
                id,
                seal: Some(seal),
                at: Some(at),
                detail: format!("{name} {id} is not what it was when it was sealed"),
            });
        }
    }

    /// After the last row.
    pub fn finish(&mut self) {
        self.pass_until(i64::MAX);
        let rest: Vec<(i64, Leaf)> = std::mem::take(&mut self.passing)
            .into_iter()
            .flat_map(|each| each.leaves.into_iter().map(move |leaf| (each.seal, leaf)))
            .collect();
        for (seal, leaf) in rest {
            self.gone(seal, leaf);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::merkle::leaf as hash_of;
    use super::super::record::{Numbers, Part};
    use super::*;

    fn leaf(id: i64, value: &str) -> Leaf {
        Leaf { id, at: id * 10, hash: hash_of(value) }
    }

    fn seal(id: i64, previous: Hash, leaves: &[Leaf]) -> Seal {
        let none = Part { count: 0, root: root_of(&[]) };
        let part = Part { count: leaves.len() as i64, root: root_of(leaves) };
        Seal {
            id,
            at: 0,
            home: "h".into(),
            until: 100,
            next: 104,
            numbers: Numbers::default(),
            parts: [none, none, part, none],
            previous,
        }
    }

    /// Rows 1, 2, 4 in the first seal, 3 and 5, of a transaction that took long, in the second.
    fn sealed() -> Vec<(Seal, Vec<Leaf>)> {
        let first = vec![leaf(1, "a"), leaf(2, "b"), leaf(4, "d")];
        let second = vec![leaf(3, "c"), leaf(5, "e")];
        let one = seal(1, [0; 32], &first);
        let two = seal(2, one.digest(), &second);
        vec![(one, first), (two, second)]
    }

    /// When the second seal was made, 104 would have come next, and 100 was not over.
    fn known() -> Known {
        Known { until: Some(100), next: Some(200), marks: vec![(4, 90), (5, 104)] }
    }

    #[test]
    fn what_no_transaction_can_have_written() {
        let why = |id, transaction| known().impossible(id, transaction).map(|why| &why[..12]);
        assert_eq!(why(6, 150), None);
        assert_eq!(why(3, 99), Some("is in no sea"));
        assert_eq!(why(6, 200), Some("is of a tran"));
        // Taken before the second seal: by 100 to 103 alone.
        assert_eq!((why(5, 103), why(5, 104)), (None, Some("has a number")));
        // Before the first: by none that was not over at the second.
        assert_eq!(why(4, 100), Some("has a number"));
        assert_eq!(Known::default().impossible(1, 1), None);
    }

    fn passed(rows: &[(i64, &str)], oldest: i64) -> Pass {
        let mut pass = Pass::new(Kind::Change, oldest, known());
        for (seal, leaves) in sealed() {
            pass.enter(&seal, leaves);
        }
        for &(id, value) in rows {
            pass.row(Present { leaf: leaf(id, value), transaction: Some(if id > 5 { 100 } else { 50 }) });
        }
        pass.finish();
        pass
    }

    fn problems(rows: &[(i64, &str)]) -> Vec<(&'static str, i64)> {
        passed(rows, i64::MIN).found.iter().map(|found| (found.problem.name(), found.id)).collect()
    }

    #[test]
    fn an_untouched_log_is_intact() {
        let pass = passed(&[(1, "a"), (2, "b"), (3, "c"), (4, "d"), (5, "e"), (6, "f")], i64::MIN);
        assert_eq!((pass.found.len(), pass.intact, pass.unsealed, pass.retired), (0, 5, 1, 0));
    }

    #[test]
    fn each_wrong_row_is_named() {
        assert_eq!(problems(&[(1, "a"), (2, "x"), (3, "c"), (4, "d"), (5, "e")]), [("altered", 2)]);
        assert_eq!(problems(&[(1, "a"), (3, "c"), (4, "d")]), [("removed", 2), ("removed", 5)]);
        assert_eq!(problems(&[(0, "x"), (1, "a"), (2, "b"), (3, "c"), (4, "d"), (5, "e")]), [("added", 0)]);
        assert_eq!(problems(&[(1, "a"), (2, "b"), (2, "b"), (3, "c"), (4, "d"), (5, "e")]), [("added", 2)]);
        // Order swapped.
        assert_eq!(
            problems(&[(1, "b"), (2, "a"), (3, "c"), (4, "d"), (5, "e")]),
            [("altered", 1), ("altered", 2)]
        );
    }

    #[test]
    fn what_went_with_its_partition_is_not_missed() {
        let pass = passed(&[(3, "c"), (4, "d"), (5, "e")], 30);
        assert_eq!((pass.found.len(), pass.retired), (0, 2));
    }

    #[test]
    fn the_chain_holds_or_says_where_it_breaks() {
        let seals: Vec<Seal> = sealed().into_iter().map(|(seal, _)| seal).collect();
        let digests: Vec<Hash> = seals.iter().map(Seal::digest).collect();
        let exported = vec![(1, hex(&digests[0])), (2, hex(&digests[1]))];
        assert_eq!(chain(&seals, &digests, &exported), []);
        let names = |seals: &[Seal], digests: &[Hash]| -> Vec<(&'static str, i64)> {
            chain(seals, digests, &exported).iter().map(|found| (found.problem.name(), found.id)).collect()
        };
        assert_eq!(names(&seals[1..], &digests[1..]), [("seal removed", 1)]);
        assert_eq!(names(&seals[..1], &digests[..1]), [("seal removed", 2)]);
        // One that somebody made far behind.
        let far = vec![seals[0].clone(), Seal { id: i64::MAX, ..seals[1].clone() }];
        let found = chain(&far, &digests, &[]);
        assert!(
            found.len() < 1_100
                && found.iter().any(|found| found.detail.contains(&format!("to {}", i64::MAX - 1)))
        );
        // Written anew with a fitting digest: only the exported one tells, and the seal behind it.
        let forged = vec![Seal { until: 7, ..seals[0].clone() }, seals[1].clone()];
        let digests = vec![forged[0].digest(), digests[1]];
        assert_eq!(names(&forged, &digests), [("seal altered", 2), ("seal altered", 1)]);
        assert_eq!(names(&forged, &[seals[0].digest(), digests[1]]), [("seal altered", 1)],);
    }

    #[test]
    fn leaves_that_do_not_make_the_root_are_told() {
        let mut pass = Pass::new(Kind::Change, i64::MIN, known());
        let (seal, mut leaves) = sealed().remove(0);
        leaves.pop();
        pass.enter(&seal, leaves);
        assert_eq!(pass.found.len(), 1);
    }
}
