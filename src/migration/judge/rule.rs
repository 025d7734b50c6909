//! What a rule of the judge is, what it is given, and what it may say.

use std::cell::OnceCell;

use crate::catalog::LockMode;
use crate::catalog::ddl::{Action, Session, Statement, Touched};
use crate::finding::{Severity, Threshold};

/// On which targets a rule has nothing to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exempt {
    /// What takes time by the size of the table: silent on targets that are private, empty, or below
    /// `dbm.ddl_small_table`.
    Small,
    /// What breaks others however small the table is: silent on private targets, and where it is only a lock for a
    /// moment on empty ones.
    Private,
    /// What fails or is a matter of style: never silent.
    Nothing,
}

/// What happens to those who use the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Every row is written anew while the lock is held.
    Rewrite,
    /// Every row is read while the lock is held.
    Scan,
    /// An index is built while the lock is held.
    IndexBuild,
    /// A lock that others wait for, held for a moment once it is granted.
    Lock,
    /// Clients or objects that use the old form fail.
    Breaks,
    /// Data is gone.
    Loses,
    /// The statement itself fails, or does not do what it says.
    Fails,
    /// Nothing at run time.
    Style,
}

/// What a rule is given.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// The whole statement.
    pub statement: &'a Statement,
    /// The action to be judged.
    pub action: &'a Action,
    /// The session in which it stands.
    pub session: &'a Session,
    /// The thresholds in force.
    pub threshold: &'a dyn Fn(&str) -> f64,
    /// Whether the whole statement says IF EXISTS: found out once, since it may be as long as its actions are many.
    pub says_if_exists: &'a OnceCell<bool>,
}

impl<'a> Asked<'a> {
    /// The relation to which it is done.
    pub fn target(&self) -> Option<&'a Touched> {
        self.action.target.as_ref()
    }

    /// The name of the target, quoted; the statement's own word where it is not there.
    pub fn target_name(&self) -> String {
        match (&self.action.target, &self.action.missing) {
            (Some(target), _) => target.qualified(),
            (None, Some(missing)) => missing.clone(),
            (None, None) => String::new(),
        }
    }
}

/// What a rule found in one action.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// What happens.
    pub effect: Effect,
    /// One sentence in lower case that names the object and says what happens, without numbers of rows and bytes: the
    /// doors add those.
    pub message: String,
    /// The safe way, statement by statement; the first is what HINT shows. Empty where there is no safer way, or only
    /// `note` can tell it.
    pub safe: Vec<String>,
    /// What the safe way needs beside SQL, e.g. that the application stops using a column. May be empty.
    pub note: String,
    /// The lock, where it is not that of the target.
    pub lock: Option<LockMode>,
    /// The relation that suffers, where it is not the target: the default partition, the referenced table.
    pub victim: Option<Touched>,
    /// Another severity than the rule's own.
    pub severity: Option<Severity>,
}

impl Found {
    /// With neither safe way nor note.
    pub fn new(effect: Effect, message: impl Into<String>) -> Self {
        Self {
            effect,
            message: message.into(),
            safe: Vec::new(),
            note: String::new(),
            lock: None,
            victim: None,
            severity: None,
        }
    }

    /// With one more statement of the safe way.
    pub fn safe(mut self, sql: impl Into<String>) -> Self {
        self.safe.push(sql.into());
        self
    }

    /// With a note.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }
}

/// A rule of the judge.
#[derive(Clone, Copy)]
pub struct DdlRule {
    /// `ddl.what_is_wrong`; never changes its meaning.
    pub id: &'static str,
    /// `error` and `critical` refuse where `dbm.ddl_guard` is `enforce`; `warning` warns; `info` is shown by the text
    /// doors only.
    pub severity: Severity,
    /// One line.
    pub title: &'static str,
    /// What it costs to ignore.
    pub why: &'static str,
    /// The numbers it compares with.
    pub thresholds: &'static [Threshold],
    /// A section of the PostgreSQL manual or a well-known page.
    pub reference: &'static str,
    /// Where it is silent.
    pub exempt: Exempt,
    /// Finds it; at most one finding an action.
    pub check: fn(&Asked<'_>) -> Option<Found>,
}

impl std::fmt::Debug for DdlRule {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("DdlRule").field(&self.id).finish()
    }
}
