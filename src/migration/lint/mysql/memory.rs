//! What the file has said so far: new tables, columns whose definition is known, settings of the session.

use super::action::{Action, Alter, Created};
use crate::migration::lint::script::{Definition, KnownTables, same_name};

/// What is known of a table.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// Whether the file has made it, so that nobody else uses it.
    is_own: bool,
    /// Whether, besides, nothing is in it.
    is_new: bool,
    /// The columns that the file has defined.
    pub columns: Vec<Definition>,
    /// Its default character set, where the file says it.
    pub charset: Option<String>,
    /// Whether its row format is COMPRESSED.
    pub is_compressed: bool,
    /// Whether it has a FULLTEXT index.
    pub has_full_text: bool,
}

/// Everything that the statements before have said.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    tables: KnownTables<Table>,
    /// Whether foreign keys are checked.
    pub ignores_foreign_keys: bool,
    /// Whether `sql_mode` was set to one that is not strict.
    pub is_lenient: bool,
    /// Whether `lock_wait_timeout` was set.
    pub has_lock_wait_timeout: bool,
    /// Whether a transaction is open.
    pub is_in_transaction: bool,
    /// Tables that a statement of the file has rebuilt or copied.
    rebuilt: Vec<String>,
}

impl Memory {
    /// What is known of a table.
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.get(name)
    }

    /// Whether the file has made the table and nothing is in it.
    pub fn is_new(&self, name: &str) -> bool {
        self.table(name).is_some_and(|table| table.is_new)
    }

    /// Whether the file has made the table, whatever is in it.
    pub fn is_own(&self, name: &str) -> bool {
        self.table(name).is_some_and(|table| table.is_own)
    }

    /// The definition of a column, where the file has it.
    pub fn column(&self, table: &str, column: &str) -> Option<&Definition> {
        self.table(table)?.columns.iter().find(|definition| same_name(&definition.name, column))
    }

    /// A table was made.
    pub fn create(&mut self, created: &Created) {
        self.tables.add(
            &created.table,
            Table {
                is_own: true,
                is_new: !created.is_filled,
                columns: created.columns.clone(),
                charset: created.charset.clone(),
                is_compressed: created.row_format.as_deref() == Some("compressed"),
                has_full_text: created.has_full_text,
            },
        );
    }

    /// Rows were put into a table.
    pub fn fill(&mut self, name: &str) {
        if self.table(name).is_some() {
            self.tables.edit(name).is_new = false;
        }
    }

    /// A table has another name now.
    pub fn rename(&mut self, old: &str, new: &str) {
        self.tables.rename(old, new);
    }

    /// A table is gone.
    pub fn drop(&mut self, name: &str) {
        self.tables.drop(name);
    }

    /// Remembers that a table was rebuilt; whether it had been before.
    pub fn rebuild(&mut self, name: &str) -> bool {
        let is_known = self.rebuilt.iter().any(|known| same_name(known, name));
        if !is_known {
            self.rebuilt.push(name.to_owned());
        }
        is_known
    }

    /// What a statement leaves behind.
    pub fn alter(&mut self, alter: &Alter) {
        for action in &alter.actions {
            let table = self.tables.edit(&alter.table);
            match action {
                Action::AddColumn(definition) => table.columns.push(definition.clone()),
                Action::DropColumn(name) => table.columns.retain(|column| !same_name(&column.name, name)),
                Action::ChangeColumn(old, definition) => {
                    table.columns.retain(|column| !same_name(&column.name, old));
                    table.columns.push(definition.clone());
                }
                Action::RenameColumn(old, new) => {
                    for column in table.columns.iter_mut().filter(|column| same_name(&column.name, old)) {
                        column.name.clone_from(new);
                    }
                }
                Action::AddIndex(kind, _) => {
                    table.has_full_text |= *kind == super::action::IndexKind::FullText;
                }
                Action::RowFormat(format) => {
                    table.is_compressed = format.to_lowercase().ends_with("=compressed");
                }
                Action::ConvertCharset(charset) => {
                    table.charset = Some(charset.to_lowercase());
                    for column in &mut table.columns {
                        column.charset = None;
                    }
                }
                Action::DefaultCharset(charset) => {
                    // Columns that stand already keep theirs.
                    let old = table.charset.replace(charset.to_lowercase());
                    for column in table.columns.iter_mut().filter(|column| column.charset.is_none()) {
                        column.charset.clone_from(&old);
                    }
                }
                _ => (),
            }
        }
        for action in &alter.actions {
            if let Action::RenameTable(new) = action {
                self.rename(&alter.table, new);
            }
        }
    }

    /// A variable of the session was set.
    pub fn set(&mut self, name: &str, value: &str) {
        let is_off = matches!(value.to_ascii_lowercase().as_str(), "0" | "off" | "false");
        match name {
            "foreign_key_checks" => self.ignores_foreign_keys = is_off,
            "lock_wait_timeout" => self.has_lock_wait_timeout = true,
            // Restoring a mode that was saved in a variable is no judgement on it.
            "sql_mode" if !value.starts_with('@') => {
                let value = value.to_ascii_uppercase();
                self.is_lenient = !value.contains("STRICT_") && !value.contains("TRADITIONAL");
            }
            "autocommit" => self.is_in_transaction = is_off,
            _ => (),
        }
    }
}
