//! A copy as it is wanted, and how far it is.

use serde::{Deserialize, Serialize};

/// How far a copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Nothing is there but the wish, or some of the tables.
    Planned,
    /// The tables are made, and the journal is written.
    Prepared,
    /// Batches are copied, then what is done when all are.
    Copying,
    /// The journal is replayed.
    CatchingUp,
    /// What is copied was compared; the swap can be tried.
    Ready,
    /// The copy is in its place.
    Swapped,
    /// Both were compared again; only where there is a way back, and so both are still there.
    Verified,
    /// Nothing is left but the record.
    Cleaned,
    /// Given up or taken back; nothing is left but the record.
    Aborted,
}

impl Phase {
    const ALL: [(Self, &'static str); 9] = [
        (Self::Planned, "planned"),
        (Self::Prepared, "prepared"),
        (Self::Copying, "copying"),
        (Self::CatchingUp, "catching_up"),
        (Self::Ready, "ready"),
        (Self::Swapped, "swapped"),
        (Self::Verified, "verified"),
        (Self::Cleaned, "cleaned"),
        (Self::Aborted, "aborted"),
    ];

    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(phase, _)| *phase == self).map_or("", |(_, name)| name)
    }

    /// The phase of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(phase, _)| *phase)
    }

    /// Whether nothing more is to be done.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Cleaned | Self::Aborted)
    }

    /// Whether the copy is in the place of its source, and both are still there.
    pub fn is_swapped(self) -> bool {
        matches!(self, Self::Swapped | Self::Verified)
    }
}

/// What a copy is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Rows of a default partition move into partitions of their own.
    Drain,
    /// A table becomes partitioned.
    Convert,
}

impl Kind {
    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Drain => "drain",
            Self::Convert => "convert",
        }
    }
}

/// A column of the journal: by it rows are found in both tables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalColumn {
    /// Its bare name, the same in both tables.
    pub name: String,
    /// Its type, qualified and quoted, without a length.
    pub sql_type: String,
    /// The collation of the key's index where it is not the column's: qualified and quoted.
    pub collation: Option<String>,
    /// The schema of the operator `=` that tells keys apart.
    pub operator_schema: String,
    /// Whether it is part of the key; else it only tells in which partition the row lies, and may be null.
    pub is_key: bool,
}

/// A statement, and what takes it back while the copy can be given up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// What is run.
    pub sql: String,
    /// What takes it back; empty for nothing.
    pub undo: String,
}

impl Statement {
    /// With its way back.
    pub fn new(sql: impl Into<String>, undo: impl Into<String>) -> Self {
        Self { sql: sql.into(), undo: undo.into() }
    }
}

/// How a copy is handed over that is taken apart before the lock ([`Definition::before`]), so that less is done under it: its
/// parts become parts of the table through which rows then find their places.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handover {
    /// Keeps the rows that are still to be copied while the source is emptied.
    pub hold: String,
    /// Through which they go to their places after the statements of the swap.
    pub into: String,
    /// The parts of it where the copied rows are: what others have there, be it of the same key, is not ours.
    #[serde(default)]
    pub parts: Vec<String>,
}

/// How a copy that has taken the place of its source is taken back, until it is cleaned up: the journals then hold the keys of
/// the rows that change in it, and the source is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Back {
    /// The table, as it is called since the swap.
    pub table: String,
    /// What it took the place of, as that is called since the swap.
    pub old: String,
    /// As [`Definition::locks`].
    pub locks: Vec<String>,
    /// As [`Definition::swap`].
    pub swap: Vec<String>,
}

/// A copy as it is wanted. All names are qualified and quoted; all statements are run with the rights of the owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// What it is for.
    pub kind: Kind,
    /// The table whose rows are copied: a plain table, or a partition that is not itself partitioned.
    pub source: String,
    /// The table into which they are copied; it is made by `prepare`, if it is not there. Until the swap it must have
    /// neither triggers that matter nor foreign keys: none is fired or looked at here, but those of the tables that they
    /// name would see rows that are gone from the source.
    pub target: String,
    /// The columns that are copied, bare: all but generated ones.
    pub columns: Vec<String>,
    /// The key, and the columns that tell the partition; empty for a copy that is made in the swap itself.
    pub journal: Vec<JournalColumn>,
    /// Makes the tables. Each its own transaction.
    pub prepare: Vec<Statement>,
    /// The tables that are made for it and hold rows, or give access to them: in each transaction of `prepare` and `complete`
    /// whatever default privileges give others is taken away again. `before` opens what is to be open.
    #[serde(default)]
    pub closed: Vec<String>,
    /// What is done when all batches are copied: indexes. Each its own transaction.
    pub complete: Vec<String>,
    /// What is done in the transaction of the swap, before anything is locked.
    #[serde(default)]
    pub before: Vec<String>,
    /// Tables that are locked in ACCESS EXCLUSIVE mode for the swap, in this order, each `ONLY name` or `name`.
    pub locks: Vec<String>,
    /// A query that is true, under these locks, as long as the tables are to each other what they were; and what is said where
    /// it is not.
    #[serde(default)]
    pub holds: Option<(String, String)>,
    /// Swaps: in one transaction, while the tables are locked and the copy is complete.
    pub swap: Vec<String>,
    /// How the last rows are copied where the copy is not whole any more then.
    #[serde(default)]
    pub handover: Option<Handover>,
    /// How it is taken back after the swap.
    #[serde(default)]
    pub back: Option<Back>,
    /// What is done with what is left over. Each its own transaction.
    pub clean: Vec<String>,
    /// How many rows may be copied in the swap itself, where `journal` is empty.
    pub most_in_swap: u64,
    /// What the audit trail is told of it, where the table is watched; empty for nothing.
    #[serde(default)]
    pub told: String,
    /// Whether it is the way back of another: then the source is the partitioned table, and the target a plain one.
    #[serde(skip)]
    pub is_backwards: bool,
}

impl Definition {
    /// What FROM says to read the source.
    pub fn from(&self) -> String {
        if self.is_backwards { self.source.clone() } else { format!("ONLY {}", self.source) }
    }

    /// The way back, once it has taken the place of its source: what changes there is copied to where it came from. `None`
    /// where there is none.
    pub fn backwards(&self) -> Option<Self> {
        let back = self.back.clone()?;
        Some(Self {
            source: back.table,
            target: back.old,
            before: Vec::new(),
            locks: back.locks,
            swap: back.swap,
            holds: None,
            handover: None,
            is_backwards: true,
            ..self.clone()
        })
    }
}

/// A copy.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Its number.
    pub id: i64,
    /// The number of its source.
    pub source: u32,
    /// With whose rights it works: the owner of the source.
    pub owner: u32,
    /// What is wanted.
    pub wanted: Definition,
    /// How far it is.
    pub phase: Phase,
    /// How many statements of the phase are done.
    pub done: usize,
    /// The first block of the source that is not copied; `None`: all are.
    pub next_block: Option<u64>,
    /// The file in which the source was when copying began: in another one rows have other places.
    pub file: u32,
    /// What the source looked like then.
    pub shape: String,
}
