//! Migration files, read without running them.

use crate::finding::Severity;

/// What somebody should know of one statement of a migration file.
#[derive(Clone, Debug, PartialEq)]
pub struct LintFinding {
    /// Which statement of the file, 1-based.
    pub statement_no: usize,
    /// The line on which it begins, 1-based.
    pub line: usize,
    /// `ddl.…`, `mysql.…` or `sqlite.…`; never changes its meaning.
    pub rule: String,
    /// How bad it is.
    pub severity: Severity,
    /// One sentence in lower case that names the object.
    pub message: String,
    /// The statement without its semicolon.
    pub statement: String,
    /// The lock, in the dialect's own words; empty where nothing is locked or nobody knows.
    pub lock_mode: String,
    /// What to run instead; empty where there is nothing better.
    pub fix: String,
}
