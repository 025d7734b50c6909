//! One change as the log has it.

use super::document::Members;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// INSERT.
    Insert,
    /// UPDATE.
    Update,
    /// DELETE.
    Delete,
    /// TRUNCATE.
    Truncate,
}

impl Operation {
    /// By the letter that the log has.
    pub fn of_letter(letter: &str) -> Option<Self> {
        match letter {
            "I" => Some(Self::Insert),
            "U" => Some(Self::Update),
            "D" => Some(Self::Delete),
            "T" => Some(Self::Truncate),
            _ => None,
        }
    }

    /// As SQL calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Truncate => "TRUNCATE",
        }
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Its number: the order in which changes took hold.
    pub id: i64,
    /// When it was made, in microseconds.
    pub at: i64,
    /// Its transaction.
    pub transaction: i64,
    /// The shape that its table had.
    pub shape: i32,
    /// What was done.
    pub operation: Operation,
    /// The key, before or after it.
    pub key: Members,
    /// Values before it.
    pub old: Members,
    /// Values after it.
    pub new: Members,
}
