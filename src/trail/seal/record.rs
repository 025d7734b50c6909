//! One seal: what it says, and its digest.

use super::merkle::{Hash, of_text};
use crate::text::hex::hex;

/// How many kinds there are.
pub const KINDS: usize = 4;

/// What is sealed. Each has its own tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What the rows of tables looked like: without it a change's meaning is lost.
    Shape,
    /// Who and from where.
    Activity,
    /// What was changed.
    Change,
    /// What became of the watching: without it nobody knows of what was not logged.
    Event,
}

impl Kind {
    /// All, in the order in which a seal names their roots.
    pub const ALL: [Self; KINDS] = [Self::Shape, Self::Activity, Self::Change, Self::Event];

    /// Its table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Shape => "shape",
            Self::Activity => "activity",
            Self::Change => "change",
            Self::Event => "event",
        }
    }

    /// Several of them.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Shape => "shapes",
            Self::Activity => "activities",
            Self::Change => "changes",
            Self::Event => "events",
        }
    }

    /// Its place in [`Self::ALL`].
    pub fn place(self) -> usize {
        self as usize
    }

    /// Whether its rows go with old partitions.
    pub fn is_partitioned(self) -> bool {
        matches!(self, Self::Activity | Self::Change)
    }
}

/// How many rows of one kind a seal has, and their root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// How many.
    pub count: i64,
    /// Their root.
    pub root: Hash,
}

/// The numbers that rows had at most at some moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Of changes.
    pub change: i64,
    /// Of events.
    pub event: i64,
}

impl Numbers {
    /// That of a kind, where it is taken by transactions that are known.
    pub fn of(self, kind: Kind) -> Option<i64> {
        match kind {
            Kind::Shape => None,
            // An activity has the number of its first change.
            Kind::Activity | Kind::Change => Some(self.change),
            Kind::Event => Some(self.event),
        }
    }
}

/// A seal, without its leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    /// Its number; the first is 1 and none is left out.
    pub id: i64,
    /// When it was made, in microseconds.
    pub at: i64,
    /// In which cluster and database the transactions count.
    pub home: String,
    /// All transactions below this were over: what they had written is in this seal or in one before.
    pub until: i64,
    /// The transaction that would have come next.
    pub next: i64,
    /// The numbers of the log: whoever came later took higher ones, so that rows which are put in front are found.
    pub numbers: Numbers,
    /// The rows, in the order of [`Kind::ALL`].
    pub parts: [Part; KINDS],
    /// The digest of the seal before; of the first, zeros.
    pub previous: Hash,
}

impl Seal {
    /// What it has of a kind.
    pub fn part(&self, kind: Kind) -> Part {
        self.parts[kind.place()]
    }

    /// The hash of all that it says, a line each, which `sha256sum` gives as well.
    pub fn digest(&self) -> Hash {
        of_text(&self.text())
    }

    fn text(&self) -> String {
        let mut text = format!(
            "dbmastery seal 1\nid {}\nat {}\nhome {}\nuntil {}\nnext {}\nchange_number {}\nevent_number {}\nprevious {}\n",
            self.id,
            self.at,
            self.home,
            self.until,
            self.next,
            self.numbers.change,
            self.numbers.event,
            hex(&self.previous)
        );
        for (kind, part) in Kind::ALL.into_iter().zip(&self.parts) {
            text.push_str(&format!("{} {} {}\n", kind.name(), part.count, hex(&part.root)));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::super::merkle::root;
    use super::*;

    #[test]
    fn kinds_are_in_their_places() {
        assert_eq!(Kind::ALL.map(Kind::place), [0, 1, 2, 3]);
    }

    #[test]
    fn whatever_it_says_is_in_its_digest() {
        let part = Part { count: 0, root: root(&[]) };
        let numbers = Numbers { change: 5, event: 6 };
        let seal = Seal {
            id: 1,
            at: 2,
            home: "h".into(),
            until: 3,
            next: 4,
            numbers,
            parts: [part; KINDS],
            previous: [0; 32],
        };
        let mut digests = vec![seal.digest()];
        for other in [
            Seal { id: 2, ..seal.clone() },
            Seal { at: 3, ..seal.clone() },
            Seal { home: "i".into(), ..seal.clone() },
            Seal { until: 4, ..seal.clone() },
            Seal { next: 5, ..seal.clone() },
            Seal { numbers: Numbers { change: 6, ..numbers }, ..seal.clone() },
            Seal { numbers: Numbers { event: 7, ..numbers }, ..seal.clone() },
            Seal { parts: [part, part, part, Part { count: 1, ..part }], ..seal.clone() },
            Seal { parts: [part, part, Part { root: [1; 32], ..part }, part], ..seal.clone() },
            Seal { previous: [1; 32], ..seal.clone() },
        ] {
            digests.push(other.digest());
        }
        let count = digests.len();
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), count);
    }
}
