//! Statements that lose rows, or write all of them.

use crate::finding::Severity;
use crate::migration::lint::LintRule;
use crate::migration::lint::mysql::judged::name;
use crate::migration::lint::rule::Note;

/// A table is dropped.
pub const DROP_TABLE: LintRule = LintRule {
    id: "mysql.drop_table",
    severity: Severity::Warning,
    title: "A table is dropped",
    why: "Its data is gone, no transaction brings it back, and every client that still uses it fails.",
    reference: "https://dev.mysql.com/doc/refman/8.4/en/drop-table.html",
};

/// A database is dropped.
pub const DROP_DATABASE: LintRule = LintRule {
    id: "mysql.drop_database",
    severity: Severity::Critical,
    title: "A database is dropped",
    why: "All its tables are gone, and no transaction brings them back.",
    reference: "https://dev.mysql.com/doc/refman/8.4/en/drop-database.html",
};

/// A table is emptied.
pub const TRUNCATE: LintRule = LintRule {
    id: "mysql.truncate_table",
    severity: Severity::Error,
    title: "A table is truncated",
    why: "All rows are gone, no transaction brings them back, and no trigger sees it.",
    reference: "https://dev.mysql.com/doc/refman/8.4/en/truncate-table.html",
};

/// DELETE of every row.
pub const DELETE: LintRule = LintRule {
    id: "mysql.delete_without_where",
    severity: Severity::Error,
    title: "DELETE without WHERE",
    why: "Every row is locked, logged and removed in one transaction, which replicas then repeat in one piece.",
    reference: "https://dev.mysql.com/doc/refman/8.4/en/delete.html",
};

/// UPDATE of every row.
pub const UPDATE: LintRule = LintRule {
    id: "mysql.update_without_where",
    severity: Severity::Warning,
    title: "UPDATE without WHERE",
    why: "Every row stays locked until the transaction ends, and replicas repeat it in one piece and lag behind.",
    reference: "https://dev.mysql.com/doc/refman/8.4/en/update.html",
};

/// Says that a table is dropped.
pub fn drop_table(table: &str) -> Note {
    let table = name(table);
    let message = format!("dropping {table} loses its data for good, and clients that still use it fail");
    let fix = format!("rename {table} out of the way first, keep it for a while, and drop it then");
    Note::new(&DROP_TABLE, message).fix(fix).lock("exclusive metadata lock")
}

/// Says that a database is dropped.
pub fn drop_database(database: &str) -> Note {
    Note::new(&DROP_DATABASE, format!("dropping database {} loses all its tables for good", name(database)))
}

/// Says that a table is emptied.
pub fn truncate(table: &str) -> Note {
    let message = format!("truncating {} loses all its rows for good", name(table));
    Note::new(&TRUNCATE, message).lock("exclusive metadata lock")
}

/// Says that every row is removed.
pub fn delete(table: &str) -> Note {
    let table = name(table);
    let message = format!("DELETE without WHERE locks and removes every row of {table} in one transaction");
    let fix = format!("DELETE FROM {table} WHERE … LIMIT 1000; again and again until no row is left");
    Note::new(&DELETE, message).fix(fix).lock("row locks on every row")
}

/// Says that every row is written.
pub fn update(table: &str) -> Note {
    let table = name(table);
    let message = format!("UPDATE without WHERE locks and writes every row of {table} in one transaction");
    let fix = format!("update {table} in ranges of its primary key, each in a transaction of its own");
    Note::new(&UPDATE, message).fix(fix).lock("row locks on every row")
}
