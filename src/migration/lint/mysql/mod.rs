//! Migrations for MySQL with InnoDB: INSTANT, INPLACE or COPY, who waits, and what is lost.

mod action;
mod alter;
mod class;
mod judged;
mod memory;
mod rules;
mod statement;

pub use rules::ALL as RULES;

use action::{Alter, Created, Statement};
use class::Class;
use judged::{Asked, Judged};
use memory::Memory;
use rules::{algorithm, data, key, session, table};

use super::LintFinding;
use super::rule::Note;
use super::script::Piece;

/// Judges the statements of a file in their order.
pub fn lint(pieces: &[Piece<'_>]) -> Vec<LintFinding> {
    let mut script = Script::default();
    for (place, piece) in pieces.iter().enumerate() {
        script.read(place + 1, piece);
    }
    script.found
}

#[derive(Default)]
struct Script {
    memory: Memory,
    found: Vec<LintFinding>,
    tells_timeout: bool,
}

impl Script {
    fn read(&mut self, number: usize, piece: &Piece<'_>) {
        let statement = statement::read(piece);
        let mut notes = Vec::new();
        let mut lock_mode = String::new();
        if self.memory.is_in_transaction && statement.commits() {
            self.memory.is_in_transaction = false;
            notes.push(session::implicit_commit());
        }
        let takes_lock = self.takes_lock(&statement);
        match statement {
            Statement::Alter(alter) => lock_mode = self.alter(&alter, piece, &mut notes),
            Statement::Create(created) => self.create(&created, &mut notes),
            Statement::Rename(pairs) => self.rename(&pairs, &mut notes),
            Statement::DropTable(tables) => {
                for table in tables {
                    if !self.memory.is_own(&table) {
                        notes.push(data::drop_table(&table));
                    }
                    self.memory.drop(&table);
                }
            }
            Statement::DropDatabase(database) => notes.push(data::drop_database(&database)),
            Statement::Truncate(table) if !self.memory.is_own(&table) => notes.push(data::truncate(&table)),
            Statement::Delete(table, false) if !self.memory.is_own(&table) => {
                notes.push(data::delete(&table))
            }
            Statement::Update(table, false) if !self.memory.is_own(&table) => {
                notes.push(data::update(&table))
            }
            Statement::Fill(table) => self.memory.fill(&table),
            Statement::LockTables(how) => notes.push(session::lock_tables(how)),
            Statement::Begin => self.memory.is_in_transaction = true,
            Statement::End => self.memory.is_in_transaction = false,
            Statement::Set(pairs) => {
                for (name, value) in pairs {
                    self.memory.set(&name, &value);
                }
            }
            Statement::Unknown => notes.push(session::not_parsed()),
            _ => (),
        }
        if takes_lock && !self.memory.has_lock_wait_timeout && !self.tells_timeout {
            self.tells_timeout = true;
            notes.push(session::no_lock_wait_timeout());
        }
        self.found.extend(notes.into_iter().map(|note| note.finding(number, piece, &lock_mode)));
    }

    /// Whether the statement waits for others who use the same table.
    fn takes_lock(&self, statement: &Statement) -> bool {
        let is_old = |table: &String| !self.memory.is_own(table);
        match statement {
            Statement::Alter(alter) => is_old(&alter.table),
            Statement::Rename(pairs) => pairs.iter().any(|(old, _)| is_old(old)),
            Statement::DropTable(tables) => tables.iter().any(is_old),
            Statement::Truncate(table) => is_old(table),
            _ => false,
        }
    }

    fn create(&mut self, created: &Created, notes: &mut Vec<Note>) {
        for column in &created.columns {
            if let Some(other) = &column.references {
                notes.push(key::inline_references(&created.table, &column.name, other));
            }
        }
        self.memory.create(created);
    }

    fn rename(&mut self, pairs: &[(String, String)], notes: &mut Vec<Note>) {
        // Swapping another table in is what an online change ends with: the old name stays in use.
        let comes_back = |old: &str| pairs.iter().any(|(_, new)| super::script::same_name(new, old));
        let takes_over = |new: &str| pairs.iter().any(|(old, _)| super::script::same_name(old, new));
        for (old, new) in pairs {
            if !self.memory.is_own(old) && !comes_back(old) && !takes_over(new) {
                notes.push(table::rename_note(old, new));
            }
        }
        for (old, new) in pairs {
            self.memory.rename(old, new);
        }
    }

    fn alter(&mut self, alter: &Alter, piece: &Piece<'_>, notes: &mut Vec<Note>) -> String {
        let judged: Vec<Judged> = alter
            .actions
            .iter()
            .map(|action| rules::judge(&Asked { alter, action, memory: &self.memory }))
            .collect();
        let is_new = self.memory.is_new(&alter.table);
        let is_own = self.memory.is_own(&alter.table);
        let mut whole = algorithm::whole(alter, &judged, piece.text);
        let tells_costs = whole.tells_costs;
        let is_always_told =
            |note: &Note| [key::INLINE_REFERENCES.id, session::NOT_PARSED.id].contains(&note.rule.id);
        notes.extend(judged.into_iter().flat_map(|judged| judged.notes).filter(|note| {
            is_always_told(note) || if note.is_cost { !is_new && tells_costs } else { !is_own }
        }));
        if !is_new {
            notes.append(&mut whole.notes);
            if tells_costs
                && whole.class.is_some_and(Class::grows_with_rows)
                && self.memory.rebuild(&alter.table)
            {
                notes.push(algorithm::rebuilt_again(alter));
            }
        }
        self.memory.alter(alter);
        if is_new { String::new() } else { whole.lock_mode }
    }
}
