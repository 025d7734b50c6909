//! Taking changes back, as a plan: the statements, the last change first, each of which takes effect only where the row
//! still is what the change made of it. Pure, but for the door and what it asks.
//!
//! [`order`] sees to foreign keys, [`triggered`] to tables whose own triggers have a say in what is written.

#[cfg(feature = "postgres")]
pub mod api;
pub mod order;
mod plan;
pub mod range;
mod rows;
mod statement;
mod triggered;

#[cfg(test)]
mod tests;

pub use plan::{plan, told_of_triggers};

/// A column of the table as it is now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type as SQL writes it, qualified, without length, precision and scale.
    pub type_name: String,
    /// The same with them, where it has any and the system's `=` tells whether they cost a value something.
    pub held_as: Option<String>,
    /// Whether a value is JSON as it stands in the log.
    pub is_jsonb: bool,
    /// Whether the system has an operator `=` for it.
    pub is_comparable: bool,
    /// Whether it is computed from others.
    pub is_generated: bool,
    /// Whether the log has its values as they are.
    pub is_logged: bool,
    /// Whether `dbm.row_version()` keeps it, and refuses an UPDATE that says another version than the row has.
    pub is_version: bool,
}

/// A foreign key that refers to the table, and does something to rows of its own when one here goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reference {
    /// The table that has it, qualified and quoted.
    pub table: String,
    /// Its columns, and those here to which they refer.
    pub columns: Vec<Referring>,
}

/// A column that refers to one here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Referring {
    /// The column.
    pub theirs: String,
    /// The one here.
    pub ours: String,
    /// What the server compares the two by, ours on the left: `OPERATOR(pg_catalog.=)`.
    pub equals: String,
}

/// A trigger of a table, or of one of its partitions, that may make something else of a row before it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trigger {
    /// Its name.
    pub name: String,
    /// Whether it is called for INSERT.
    pub on_insert: bool,
    /// Whether it is called for UPDATE.
    pub on_update: bool,
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
    /// Whether its rows may go with those to which they refer.
    pub goes_along: bool,
    /// Who may make something else of its rows as they are written.
    pub triggers: Vec<Trigger>,
}

impl Table {
    /// Whether something else than what an INSERT says may come to be in the table.
    pub fn may_change_inserts(&self) -> bool {
        self.triggers.iter().any(|trigger| trigger.on_insert)
    }

    /// Whether something else than what an UPDATE says may come to be in the table; one that goes to another partition is
    /// inserted there.
    pub fn may_change_updates(&self) -> bool {
        self.triggers.iter().any(|trigger| trigger.on_update || self.is_partitioned)
    }
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
    /// Where triggers of the tables look names up: the search_path of whoever asks, as values of the setting.
    pub search_path: String,
}
