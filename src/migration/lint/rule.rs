//! What a rule of the lint is, and what it says.

use super::LintFinding;
use super::script::Piece;
use crate::finding::Severity;

/// A rule about statements of another server than ours.
#[derive(Clone, Copy, Debug)]
pub struct LintRule {
    /// `mysql.what_is_wrong` or `sqlite.what_is_wrong`; never changes its meaning.
    pub id: &'static str,
    /// Its severity unless a finding says otherwise.
    pub severity: Severity,
    /// One line.
    pub title: &'static str,
    /// What it costs to ignore.
    pub why: &'static str,
    /// The page of that server's manual.
    pub reference: &'static str,
}

/// What a rule says of one action of a statement.
#[derive(Clone, Debug)]
pub(super) struct Note {
    /// The rule.
    pub rule: &'static LintRule,
    /// How bad it is.
    pub severity: Severity,
    /// One sentence in lower case that names the object.
    pub message: String,
    /// What to run instead.
    pub fix: String,
    /// The lock, where it is not that of the whole statement.
    pub lock_mode: Option<String>,
    /// Whether it tells what the statement costs others while it runs, rather than what it does.
    pub is_cost: bool,
}

impl Note {
    /// Says what the statement does.
    pub fn new(rule: &'static LintRule, message: impl Into<String>) -> Self {
        Self {
            rule,
            severity: rule.severity,
            message: message.into(),
            fix: String::new(),
            lock_mode: None,
            is_cost: false,
        }
    }

    /// Says what it costs others while it runs.
    pub fn cost(rule: &'static LintRule, message: impl Into<String>) -> Self {
        Self { is_cost: true, ..Self::new(rule, message) }
    }

    /// With what to run instead.
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = fix.into();
        self
    }

    /// With another severity.
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// With a lock of its own.
    pub fn lock(mut self, lock: impl Into<String>) -> Self {
        self.lock_mode = Some(lock.into());
        self
    }

    /// As a row of the result; `number` counts statements from 1.
    pub fn finding(self, number: usize, piece: &Piece<'_>, lock_mode: &str) -> LintFinding {
        LintFinding {
            statement_no: number,
            line: piece.line,
            rule: self.rule.id.to_owned(),
            severity: self.severity,
            message: self.message,
            statement: piece.text.to_owned(),
            lock_mode: self.lock_mode.unwrap_or_else(|| lock_mode.to_owned()),
            fix: self.fix,
        }
    }
}
