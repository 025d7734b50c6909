//! What is asked of a rule, and what comes back.

use super::action::{Action, Alter};
use super::class::Class;
use super::memory::Memory;
use crate::migration::lint::Dialect;
use crate::migration::lint::rule::Note;
use crate::migration::lint::script::quote;

/// One action of a statement.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// The statement.
    pub alter: &'a Alter,
    /// The action.
    pub action: &'a Action,
    /// What the file has said before.
    pub memory: &'a Memory,
}

impl Asked<'_> {
    /// The table, as SQL.
    pub fn table(&self) -> String {
        name(&self.alter.table)
    }

    /// A column of the table, as SQL.
    pub fn column(&self, column: &str) -> String {
        format!("{}.{}", self.table(), name(column))
    }
}

/// A name as SQL.
pub fn name(text: &str) -> String {
    quote(text, Dialect::MySql)
}

/// How one action is done.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The action in a few words.
    pub what: String,
    /// How it is done; `None` where that depends on what the file does not say.
    pub class: Option<Class>,
    /// How it is done where the file forbids INSTANT.
    pub in_place: Class,
    /// What should be known.
    pub notes: Vec<Note>,
}

impl Judged {
    /// Without anything that should be known.
    pub fn new(what: impl Into<String>, class: Class) -> Self {
        Self { what: what.into(), class: Some(class), in_place: class.max(Class::InPlace), notes: Vec::new() }
    }

    /// Where nobody can say how it is done.
    pub fn unknown(what: impl Into<String>) -> Self {
        Self { class: None, ..Self::new(what, Class::InPlace) }
    }

    /// With how it is done where the file forbids INSTANT.
    pub fn in_place(mut self, class: Class) -> Self {
        self.in_place = class;
        self
    }

    /// With something that should be known.
    pub fn note(mut self, note: Note) -> Self {
        self.notes.push(note);
        self
    }

    /// With a class that is at least that bad.
    pub fn at_least(mut self, class: Class) -> Self {
        self.class = self.class.map(|own| own.max(class));
        self.in_place = self.in_place.max(class);
        self
    }
}

/// What to do instead of a change that stops writers.
pub fn online_tool(table: &str) -> String {
    format!(
        "run it on {table} with an online schema change tool (gh-ost, pt-online-schema-change): it copies in small steps \
         while writers go on"
    )
}
