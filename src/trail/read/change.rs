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
    /// The command within it.
    pub statement: i32,
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

/// Puts changes of one row in order, which are in that of their numbers: where a trigger changed the row again before the
/// statement that set it off was logged, the commands of the transaction tell. `of` gives transaction, command, number.
pub fn settle<T, Transaction: PartialEq>(changes: &mut [T], of: impl Fn(&T) -> (Transaction, i32, i64)) {
    for block in changes.chunk_by_mut(|one, next| of(one).0 == of(next).0) {
        block.sort_by_key(|change| {
            let (_, statement, id) = of(change);
            (statement, id)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::settle;

    #[test]
    fn commands_tell_the_order_within_a_transaction() {
        let mut changes = [(1, 1, 1), (2, 3, 2), (2, 1, 3), (1, 0, 4)];
        settle(&mut changes, |&change| change);
        assert_eq!(changes, [(1, 1, 1), (2, 1, 3), (2, 3, 2), (1, 0, 4)]);
    }
}
