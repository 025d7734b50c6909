//! Statements that write every row.

use super::{WRITE_LOCK, name};
use crate::finding::Severity;
use crate::migration::lint::LintRule;
use crate::migration::lint::rule::Note;

/// DELETE of every row.
pub const DELETE: LintRule = LintRule {
    id: "sqlite.delete_without_where",
    severity: Severity::Error,
    title: "DELETE without WHERE",
    why: "Every row is gone, and nobody else can write to the file until it is done.",
    reference: "https://www.sqlite.org/lang_delete.html",
};

/// UPDATE of every row.
pub const UPDATE: LintRule = LintRule {
    id: "sqlite.update_without_where",
    severity: Severity::Warning,
    title: "UPDATE without WHERE",
    why: "Every row is written, and nobody else can write to the file until it is done.",
    reference: "https://www.sqlite.org/lang_update.html",
};

/// Says that every row is removed.
pub fn delete(table: &str) -> Note {
    let message = format!("DELETE without WHERE removes every row of {}", name(table));
    Note::new(&DELETE, message).lock(WRITE_LOCK)
}

/// Says that every row is written.
pub fn update(table: &str) -> Note {
    let table = name(table);
    let message =
        format!("UPDATE without WHERE writes every row of {table} while nobody else can write to the file");
    let fix = format!("update {table} in ranges of its rowid, each in a transaction of its own");
    Note::new(&UPDATE, message).fix(fix).lock(WRITE_LOCK)
}
