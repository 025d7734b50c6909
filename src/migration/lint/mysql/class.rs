//! How MySQL does a change: what is copied, and who waits.

use super::action::{Algorithm, Lock};

/// How a change is done, mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Only the data dictionary changes.
    Instant,
    /// In place, without writing the rows; writers go on.
    InPlace,
    /// In place, but every row is written anew; writers go on.
    Rebuild,
    /// In place; writers wait.
    InPlaceShared,
    /// In place, every row is written anew, and writers wait.
    RebuildShared,
    /// Every row is copied into a new table, and writers wait.
    Copy,
}

impl Class {
    /// As `lock_mode` shows it.
    pub fn lock_mode(self) -> &'static str {
        match self {
            Self::Instant => "INSTANT",
            Self::InPlace => "INPLACE, LOCK=NONE",
            Self::Rebuild => "INPLACE (rebuild), LOCK=NONE",
            Self::InPlaceShared => "INPLACE, LOCK=SHARED",
            Self::RebuildShared => "INPLACE (rebuild), LOCK=SHARED",
            Self::Copy => "COPY, LOCK=SHARED",
        }
    }

    /// What it means for others, to be put behind "the statement".
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Instant => "is a matter of metadata only",
            Self::InPlace => "works in place while writers go on",
            Self::Rebuild => "writes every row anew in place while writers go on",
            Self::InPlaceShared => "works in place while writers wait",
            Self::RebuildShared => "writes every row anew in place while writers wait",
            Self::Copy => "copies every row into a new table while writers wait",
        }
    }

    /// The mildest ALGORITHM that can do it.
    pub fn algorithm(self) -> Algorithm {
        match self {
            Self::Instant => Algorithm::Instant,
            Self::Copy => Algorithm::Copy,
            _ => Algorithm::InPlace,
        }
    }

    /// The mildest LOCK under which it can be done.
    pub fn lock(self) -> Lock {
        match self {
            Self::Instant | Self::InPlace | Self::Rebuild => Lock::None,
            _ => Lock::Shared,
        }
    }

    /// Whether it takes longer, the more rows there are.
    pub fn grows_with_rows(self) -> bool {
        self > Self::InPlace
    }
}

/// What the file asks for in so many words.
pub fn algorithm_name(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Instant => "INSTANT",
        Algorithm::InPlace => "INPLACE",
        Algorithm::Copy => "COPY",
    }
}

/// What the file asks for in so many words.
pub fn lock_name(lock: Lock) -> &'static str {
    match lock {
        Lock::None => "NONE",
        Lock::Shared => "SHARED",
        Lock::Exclusive => "EXCLUSIVE",
    }
}
