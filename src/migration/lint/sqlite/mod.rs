//! Migrations for SQLite: what ALTER TABLE refuses, what must be copied and in which order, and how long the file is locked.

mod memory;
mod rules;
mod statement;

pub use rules::ALL as RULES;

use memory::Memory;
use rules::{WRITE_LOCK, change, column, copy, rows, session};
use statement::{Change, Created, Statement};

use super::LintFinding;
use super::rule::Note;
use super::script::{Piece, same_name};

/// Judges the statements of a file in their order.
pub fn lint(pieces: &[Piece<'_>]) -> Vec<LintFinding> {
    let statements: Vec<Statement> = pieces.iter().map(statement::read).collect();
    let mut script = Script { statements: &statements, memory: Memory::default(), tells_timeout: false };
    let mut found = Vec::new();
    for (place, piece) in pieces.iter().enumerate() {
        let notes = script.judge(place);
        found.extend(notes.into_iter().map(|note| note.finding(place + 1, piece, "")));
    }
    found
}

struct Script<'a> {
    statements: &'a [Statement],
    memory: Memory,
    tells_timeout: bool,
}

impl Script<'_> {
    fn judge(&mut self, place: usize) -> Vec<Note> {
        let mut notes = Vec::new();
        let statements = self.statements;
        match &statements[place] {
            Statement::Alter(table, change) => self.alter(place, table, change, &mut notes),
            Statement::Create(created) => self.create(created),
            Statement::CreateIndex(is_unique, index, table, words) => {
                if !self.memory.is_empty(table) && !self.is_copy(place, table) {
                    notes.push(change::long_write_lock("CREATE INDEX", table));
                    if *is_unique {
                        notes.push(change::unique_index(index, table));
                    }
                }
                self.memory.index(index, table, words);
            }
            Statement::DropTable(table) => self.drop_table(place, table, &mut notes),
            Statement::DropIndex(index) => {
                notes.push(change::drop_index(index));
                self.memory.drop_index(index);
            }
            Statement::Insert(table, copies, fills) => self.insert(place, table, *copies, *fills, &mut notes),
            Statement::Update(table, false) if !self.memory.is_new(table) => notes.push(rows::update(table)),
            Statement::Delete(table, false) if !self.memory.is_new(table) => notes.push(rows::delete(table)),
            Statement::Begin if self.memory.is_in_transaction => notes.push(session::nested_begin()),
            Statement::Begin => self.memory.is_in_transaction = true,
            Statement::End => self.memory.is_in_transaction = false,
            Statement::Pragma(name, value) => self.pragma(name, value.as_deref(), &mut notes),
            Statement::Vacuum(is_into) => {
                notes.extend(session::vacuum(self.memory.is_in_transaction, *is_into));
            }
            Statement::Reindex => notes.push(change::long_write_lock("REINDEX", "the indexes")),
            Statement::NotSupported(what, instead) => notes.push(session::not_supported(what, instead)),
            Statement::Unknown => notes.push(session::not_parsed()),
            _ => (),
        }
        let takes_lock = notes.iter().any(|note| note.lock_mode.as_deref() == Some(WRITE_LOCK));
        if takes_lock && !self.memory.has_busy_timeout && !self.tells_timeout {
            self.tells_timeout = true;
            notes.push(session::no_busy_timeout());
        }
        notes
    }

    fn alter(&mut self, place: usize, table: &str, change: &Change, notes: &mut Vec<Note>) {
        match change {
            Change::AddColumn(definition) => column::add(table, definition, &self.memory, notes),
            Change::DropColumn(dropped) => column::drop(table, dropped, &self.memory, notes),
            Change::RenameColumn(old, new) if !self.memory.is_new(table) => {
                notes.push(column::rename(table, old, new));
            }
            Change::RenameTable(new) if !self.memory.is_new(table) => {
                if !self.is_made_again(place, table) {
                    notes.push(change::rename_table(table, new));
                } else if !self.memory.renames_as_of_old {
                    notes.push(copy::rename_first(table, new));
                }
            }
            Change::NeedsCopy(what) => notes.push(change::needs_copy(table, what)),
            Change::Refused(what, instead) => notes.push(session::not_supported(what, instead)),
            Change::YoungReleases(what) => notes.push(change::young_releases(table, what)),
            Change::RenameColumn(..) | Change::RenameTable(_) => (),
        }
        self.memory.alter(table, change);
    }

    /// Whether a table of that name is created further down.
    fn is_made_again(&self, place: usize, table: &str) -> bool {
        self.statements[place..]
            .iter()
            .any(|later| matches!(later, Statement::Create(created) if same_name(&created.table, table)))
    }

    /// Where a table is renamed to that name further down, if it is.
    fn replaced_at(&self, place: usize, table: &str) -> Option<usize> {
        let renames = |later: &Statement| matches!(later, Statement::Alter(_, Change::RenameTable(new)) if same_name(new, table));
        self.statements[place..].iter().position(renames).map(|distance| place + distance)
    }

    /// Whether the table is the copy of another one, or took its place.
    fn is_copy(&self, place: usize, table: &str) -> bool {
        self.memory.is_new(table) && self.statements.iter().take(place).any(|before| {
            matches!(before, Statement::Insert(filled, true, _) if same_name(filled, table))
                || matches!(before, Statement::Alter(_, Change::RenameTable(new)) if same_name(new, table))
        })
    }

    fn create(&mut self, created: &Created) {
        self.memory.create(created);
    }

    fn drop_table(&mut self, place: usize, table: &str, notes: &mut Vec<Note>) {
        let is_new = self.memory.is_new(table);
        match self.replaced_at(place, table) {
            Some(renamed) if !self.memory.is_empty(table) => {
                if !self.memory.ignores_foreign_keys {
                    notes.push(copy::with_foreign_keys(table));
                }
                if !self.memory.is_in_transaction {
                    notes.push(copy::outside_transaction(table));
                }
                self.after_copy(place, renamed, table, notes);
            }
            None if !is_new => {
                // What an earlier statement has put out of the way is a copy made the wrong way round, told there.
                notes.push(change::drop_table(table));
            }
            _ => (),
        }
        self.memory.drop(table);
    }

    /// What should follow once the copy has its name.
    fn after_copy(&self, place: usize, renamed: usize, table: &str, notes: &mut Vec<Note>) {
        let copied = match &self.statements[renamed] {
            Statement::Alter(from, _) => from.as_str(),
            _ => table,
        };
        let is_check =
            |later: &Statement| matches!(later, Statement::Pragma(name, _) if name == "foreign_key_check");
        if !self.statements[place..].iter().any(is_check) {
            notes.push(copy::without_check(table));
        }
        let makes = |later: &Statement| match later {
            Statement::CreateIndex(_, _, of, _) => same_name(of, table) || same_name(of, copied),
            Statement::CreateTrigger => true,
            _ => false,
        };
        if !self.statements.iter().any(makes) {
            notes.push(copy::without_indexes(table));
        }
    }

    fn insert(&mut self, place: usize, table: &str, copies: bool, fills: bool, notes: &mut Vec<Note>) {
        if copies && !self.memory.is_new(table) {
            notes.push(change::long_write_lock("INSERT … SELECT", table));
        }
        if copies && !fills {
            self.null_into_not_null(place, table, notes);
        }
        self.memory.fill(table);
    }

    /// A copy into columns that are NOT NULL now, from the table whose place it will take.
    fn null_into_not_null(&self, place: usize, table: &str, notes: &mut Vec<Note>) {
        let Some(Statement::Alter(_, Change::RenameTable(old))) =
            self.statements[place..].iter().find(|later| {
                matches!(later, Statement::Alter(renamed, Change::RenameTable(_)) if same_name(renamed, table))
            })
        else {
            return;
        };
        let (Some(old), Some(new)) = (self.memory.table(old), self.memory.table(table)) else { return };
        for column in new.columns.iter().filter(|column| column.is_not_null) {
            let was = old.columns.iter().find(|known| same_name(&known.name, &column.name));
            if was.is_some_and(|was| !was.is_not_null && !was.is_primary) {
                notes.push(copy::null_into_not_null(table, &column.name));
            }
        }
    }

    fn pragma(&mut self, name: &str, value: Option<&str>, notes: &mut Vec<Note>) {
        let Some(value) = value else { return };
        match name {
            "foreign_keys" if self.memory.is_in_transaction => {
                notes.push(session::foreign_keys_in_transaction())
            }
            "writable_schema" if !matches!(value, "0" | "off" | "false" | "no" | "reset") => {
                notes.push(session::writable_schema());
            }
            _ => (),
        }
        self.memory.set(name, value);
    }
}
