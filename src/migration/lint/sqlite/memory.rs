//! What the file has said so far.

use super::statement::{Change, Created};
use crate::migration::lint::script::{Definition, KnownTables, same_name};

/// What is known of a table.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// Whether the file has made it.
    pub is_made_here: bool,
    /// Whether the file has put rows into it.
    pub is_filled: bool,
    /// The columns that the file has defined.
    pub columns: Vec<Definition>,
    /// Words that its keys, constraints and generated columns use.
    pub held: Vec<String>,
    /// Indexes of it, with the words that they use.
    pub indexes: Vec<(String, Vec<String>)>,
}

/// Everything that the statements before have said.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    tables: KnownTables<Table>,
    /// Whether a transaction is open.
    pub is_in_transaction: bool,
    /// Whether foreign keys were turned off, outside a transaction.
    pub ignores_foreign_keys: bool,
    /// Whether RENAME leaves references to the old name alone.
    pub renames_as_of_old: bool,
    /// Whether `busy_timeout` was set.
    pub has_busy_timeout: bool,
}

impl Memory {
    /// What is known of a table.
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.get(name)
    }

    /// Whether the file has made the table, so that nobody else uses it.
    pub fn is_new(&self, name: &str) -> bool {
        self.table(name).is_some_and(|table| table.is_made_here)
    }

    /// Whether the file has made the table and put nothing into it.
    pub fn is_empty(&self, name: &str) -> bool {
        self.table(name).is_some_and(|table| table.is_made_here && !table.is_filled)
    }

    /// A table was made.
    pub fn create(&mut self, created: &Created) {
        self.tables.add(
            &created.table,
            Table {
                is_made_here: true,
                is_filled: created.is_filled,
                columns: created.columns.clone(),
                held: created.held.clone(),
                indexes: Vec::new(),
            },
        );
    }

    /// An index was made.
    pub fn index(&mut self, name: &str, table: &str, words: &[String]) {
        self.tables.edit(table).indexes.push((name.to_owned(), words.to_vec()));
    }

    /// An index is gone.
    pub fn drop_index(&mut self, name: &str) {
        for table in self.tables.all_mut() {
            table.indexes.retain(|(known, _)| !same_name(known, name));
        }
    }

    /// Rows were put into a table.
    pub fn fill(&mut self, name: &str) {
        self.tables.edit(name).is_filled = true;
    }

    /// A table is gone.
    pub fn drop(&mut self, name: &str) {
        self.tables.drop(name);
    }

    /// A table was changed.
    pub fn alter(&mut self, name: &str, change: &Change) {
        let table = self.tables.edit(name);
        match change {
            Change::AddColumn(definition) => table.columns.push(definition.clone()),
            Change::DropColumn(column) => table.columns.retain(|known| !same_name(&known.name, column)),
            Change::RenameColumn(old, new) => {
                let words = table.indexes.iter_mut().flat_map(|(_, words)| words).chain(&mut table.held);
                for word in words.filter(|word| same_name(word, old)) {
                    word.clone_from(new);
                }
                for column in table.columns.iter_mut().filter(|column| same_name(&column.name, old)) {
                    column.name.clone_from(new);
                }
            }
            Change::RenameTable(new) => self.tables.rename(name, new),
            Change::NeedsCopy(_) | Change::Refused(..) | Change::YoungReleases(_) => (),
        }
    }

    /// A pragma was set; `foreign_keys` does nothing inside a transaction.
    pub fn set(&mut self, name: &str, value: &str) {
        let is_off = matches!(value, "0" | "off" | "false" | "no");
        match name {
            "foreign_keys" if !self.is_in_transaction => self.ignores_foreign_keys = is_off,
            "legacy_alter_table" => self.renames_as_of_old = !is_off,
            "busy_timeout" => self.has_busy_timeout = true,
            _ => (),
        }
    }
}
