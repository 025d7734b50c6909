//! Taking changes back, as a plan: the statements, the last change first, each of which takes effect only where the row
//! still is what the change made of it. Pure, but for the door and what it asks.
//!
//! [`order`] sees to foreign keys.

#[cfg(feature = "postgres")]
pub mod api;
pub mod order;
mod plan;
mod statement;

#[cfg(test)]
mod tests;

pub use plan::plan;

/// A column of the table as it is now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type as SQL writes it, qualified.
    pub type_name: String,
    /// Whether a value is JSON as it stands in the log.
    pub is_jsonb: bool,
    /// Whether the system has an operator `=` for it.
    pub is_comparable: bool,
    /// Whether it is computed from others.
    pub is_generated: bool,
    /// Whether the log has its values as they are.
    pub is_logged: bool,
}

/// A foreign key that refers to the table, and does something to rows of its own when one here goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reference {
    /// The table that has it, qualified and quoted.
    pub table: String,
    /// Its columns, and those here to which they refer.
    pub columns: Vec<(String, String)>,
}

/// A table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Its qualified, quoted name.
    pub name: String,
    /// Whether it is partitioned.
    pub is_partitioned: bool,
    /// Its columns, in order.
    pub columns: Vec<Column>,
    /// The columns that tell its rows apart; none where the whole row does.
    pub key: Vec<String>,
    /// Who would lose rows with one of it.
    pub references: Vec<Reference>,
}

/// What was done to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// It was inserted.
    Inserted,
    /// It was updated.
    Updated,
    /// It was deleted.
    Deleted,
}

/// Values by the names that the columns have now, as the log writes them.
pub type Values = Vec<(String, String)>;

/// A change that is to be taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undone {
    /// Its number in the log.
    pub change: i64,
    /// Its table: the place in the list.
    pub table: usize,
    /// What was done.
    pub done: Done,
    /// What is known of the row before; of an update, key and what changed.
    pub before: Values,
    /// What is known of the row after.
    pub after: Values,
}

/// What the plan is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// `take back transaction 7`.
    pub title: String,
    /// The call as it was made.
    pub call: String,
}
