//! Transactions, timeouts, locks by hand, and what nobody understands.

use crate::finding::Severity;
use crate::migration::lint::LintRule;
use crate::migration::lint::mysql::judged::{Asked, Judged};
use crate::migration::lint::rule::Note;

/// What neither we nor the parser understand.
pub const NOT_PARSED: LintRule = LintRule {
    id: "mysql.not_parsed",
    severity: Severity::Warning,
    title: "A statement is not understood",
    why: "Nothing can be said of it, so that it must be read by a person.",
    reference: "https://dev.mysql.com/doc/refman/8.4/en/sql-statements.html",
};

/// DDL in a transaction.
pub const IMPLICIT_COMMIT: LintRule = LintRule {
    id: "mysql.implicit_commit",
    severity: Severity::Warning,
    title: "DDL inside a transaction",
    why: "DDL commits what stands before it and cannot be rolled back: where the migration fails in the middle, half of it \
          stays.",
    reference: "https://dev.mysql.com/doc/refman/8.4/en/implicit-commit.html",
};

/// Locks taken by hand.
pub const LOCK_TABLES: LintRule = LintRule {
    id: "mysql.lock_tables",
    severity: Severity::Error,
    title: "Tables are locked by hand",
    why: "Everybody else waits until they are unlocked, which is only when the migration is through.",
    reference: "https://dev.mysql.com/doc/refman/8.4/en/lock-tables.html",
};

/// DDL without `lock_wait_timeout`.
pub const NO_LOCK_WAIT_TIMEOUT: LintRule = LintRule {
    id: "mysql.no_lock_wait_timeout",
    severity: Severity::Info,
    title: "DDL waits for its lock for up to a year",
    why: "DDL waits until every open transaction on the table has ended, and all later queries of the table wait behind \
          it. The default of lock_wait_timeout is one year.",
    reference: "https://dev.mysql.com/doc/refman/8.4/en/server-system-variables.html#sysvar_lock_wait_timeout",
};

/// Says that a statement is not understood.
pub fn not_parsed() -> Note {
    Note::new(&NOT_PARSED, "not parsed: assume that the table is copied while writers wait")
}

/// Judges a part of ALTER TABLE that is not understood.
pub fn unknown_action(asked: &Asked<'_>, text: &str) -> Judged {
    let shown: String = text.split_whitespace().collect::<Vec<&str>>().join(" ").chars().take(60).collect();
    let message = format!("not parsed: {shown}; assume that {} is copied while writers wait", asked.table());
    Judged::unknown(shown).note(Note::new(&NOT_PARSED, message))
}

/// Says that DDL ends a transaction.
pub fn implicit_commit() -> Note {
    Note::new(
        &IMPLICIT_COMMIT,
        "this commits the open transaction: what was done before it cannot be rolled back",
    )
    .fix("take the DDL out of the transaction, and let each step be safe to run again")
}

/// Says that tables are locked by hand.
pub fn lock_tables(how: &str) -> Note {
    Note::new(&LOCK_TABLES, format!("{how} keeps everybody else waiting until the tables are unlocked"))
        .lock(how)
}

/// Says that DDL may wait for ever.
pub fn no_lock_wait_timeout() -> Note {
    Note::new(
        &NO_LOCK_WAIT_TIMEOUT,
        "the file sets no lock_wait_timeout: its DDL may wait for up to a year, with all queries of the table behind it",
    )
    .fix("SET SESSION lock_wait_timeout = 5;")
}
