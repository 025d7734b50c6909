//! Transactions, pragmas, VACUUM, and what nobody understands.

use super::WRITE_LOCK;
use crate::finding::Severity;
use crate::migration::lint::LintRule;
use crate::migration::lint::rule::Note;

/// What neither we nor the parser understand.
pub const NOT_PARSED: LintRule = LintRule {
    id: "sqlite.not_parsed",
    severity: Severity::Warning,
    title: "A statement is not understood",
    why: "Nothing can be said of it, so that it must be read by a person.",
    reference: "https://www.sqlite.org/lang.html",
};

/// What SQLite does not have.
pub const NOT_SUPPORTED: LintRule = LintRule {
    id: "sqlite.not_supported",
    severity: Severity::Error,
    title: "SQLite has no such statement",
    why: "It is a syntax error, and the migration stops there.",
    reference: "https://www.sqlite.org/omitted.html",
};

/// BEGIN within a transaction.
pub const NESTED_BEGIN: LintRule = LintRule {
    id: "sqlite.nested_begin",
    severity: Severity::Error,
    title: "BEGIN inside a transaction",
    why: "The statement fails: transactions do not nest, savepoints do.",
    reference: "https://www.sqlite.org/lang_transaction.html",
};

/// `PRAGMA foreign_keys` within a transaction.
pub const FOREIGN_KEYS_IN_TRANSACTION: LintRule = LintRule {
    id: "sqlite.foreign_keys_pragma_in_transaction",
    severity: Severity::Error,
    title: "PRAGMA foreign_keys inside a transaction",
    why: "It does nothing there, and says nothing: foreign keys stay as they were.",
    reference: "https://www.sqlite.org/pragma.html#pragma_foreign_keys",
};

/// VACUUM within a transaction.
pub const VACUUM_IN_TRANSACTION: LintRule = LintRule {
    id: "sqlite.vacuum_in_transaction",
    severity: Severity::Error,
    title: "VACUUM inside a transaction",
    why: "The statement fails.",
    reference: "https://www.sqlite.org/lang_vacuum.html",
};

/// VACUUM
pub const VACUUM: LintRule = LintRule {
    id: "sqlite.vacuum",
    severity: Severity::Warning,
    title: "The whole file is written anew",
    why: "Nobody can write until it is done, and up to twice the size of the file is needed beside it.",
    reference: "https://www.sqlite.org/lang_vacuum.html",
};

/// `PRAGMA writable_schema`
pub const WRITABLE_SCHEMA: LintRule = LintRule {
    id: "sqlite.writable_schema",
    severity: Severity::Error,
    title: "The schema is edited as text",
    why: "One slip makes the file unreadable.",
    reference: "https://www.sqlite.org/pragma.html#pragma_writable_schema",
};

/// No `busy_timeout`.
pub const NO_BUSY_TIMEOUT: LintRule = LintRule {
    id: "sqlite.no_busy_timeout",
    severity: Severity::Info,
    title: "Nothing says how long to wait for the file",
    why: "The default is not to wait: while anybody else writes, the migration fails with SQLITE_BUSY.",
    reference: "https://www.sqlite.org/pragma.html#pragma_busy_timeout",
};

/// Says that a statement is not understood.
pub fn not_parsed() -> Note {
    Note::new(
        &NOT_PARSED,
        "not parsed: assume that it fails, or that the table is copied under the write lock",
    )
}

/// Says that SQLite does not have it.
pub fn not_supported(what: &str, instead: &str) -> Note {
    Note::new(&NOT_SUPPORTED, format!("SQLite has no {what}")).fix(instead)
}

/// Says that transactions do not nest.
pub fn nested_begin() -> Note {
    Note::new(&NESTED_BEGIN, "this BEGIN fails: a transaction is open").fix("SAVEPOINT …; and RELEASE …;")
}

/// Says that the pragma does nothing.
pub fn foreign_keys_in_transaction() -> Note {
    Note::new(&FOREIGN_KEYS_IN_TRANSACTION, "PRAGMA foreign_keys does nothing inside a transaction")
        .fix("put it before BEGIN")
}

/// Says that VACUUM fails, or what it costs.
pub fn vacuum(is_in_transaction: bool, is_into: bool) -> Option<Note> {
    if is_in_transaction {
        return Some(
            Note::new(&VACUUM_IN_TRANSACTION, "VACUUM fails inside a transaction")
                .fix("put it behind COMMIT"),
        );
    }
    let message = "VACUUM writes the whole file anew, and nobody can write to it meanwhile";
    (!is_into).then(|| {
        Note::new(&VACUUM, message)
            .fix("VACUUM INTO 'copy.db'; or PRAGMA incremental_vacuum;")
            .lock(WRITE_LOCK)
    })
}

/// Says that the schema is in danger.
pub fn writable_schema() -> Note {
    Note::new(&WRITABLE_SCHEMA, "PRAGMA writable_schema lets one slip make the file unreadable")
        .fix("copy the table instead, as the manual of ALTER TABLE tells")
}

/// Says that nothing waits.
pub fn no_busy_timeout() -> Note {
    let message =
        "the file sets no busy_timeout: while anybody else writes, it fails with SQLITE_BUSY at once";
    Note::new(&NO_BUSY_TIMEOUT, message).fix("PRAGMA busy_timeout = 5000;").lock("")
}
