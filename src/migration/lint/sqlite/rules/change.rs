//! Changes of whole tables, and indexes.

use super::{WRITE_LOCK, by_copy, name};
use crate::finding::Severity;
use crate::migration::lint::LintRule;
use crate::migration::lint::rule::Note;

/// What ALTER TABLE does not know.
pub const NEEDS_COPY: LintRule = LintRule {
    id: "sqlite.alter_needs_copy",
    severity: Severity::Error,
    title: "ALTER TABLE cannot do it",
    why: "SQLite's ALTER TABLE renames, adds a column or drops one, one a statement. Types, keys and constraints change only \
          by copying the table, in the order that the manual gives.",
    reference: "https://www.sqlite.org/lang_altertable.html#making_other_kinds_of_table_schema_changes",
};

/// What only young releases know.
pub const YOUNG_RELEASES: LintRule = LintRule {
    id: "sqlite.alter_of_young_releases",
    severity: Severity::Warning,
    title: "ALTER TABLE in a form that few releases know",
    why: "SET NOT NULL, DROP NOT NULL, ADD CHECK and DROP CONSTRAINT are a syntax error up to SQLite 3.50, and the program \
          that opens the file brings its own release.",
    reference: "https://www.sqlite.org/draft/lang_altertable.html",
};

/// A table gets another name.
pub const RENAME_TABLE: LintRule = LintRule {
    id: "sqlite.rename_table",
    severity: Severity::Warning,
    title: "A table gets another name",
    why: "Triggers, views and foreign keys follow; the programs that use the old name do not.",
    reference: "https://www.sqlite.org/lang_altertable.html#alter_table_rename",
};

/// A table is dropped.
pub const DROP_TABLE: LintRule = LintRule {
    id: "sqlite.drop_table",
    severity: Severity::Warning,
    title: "A table is dropped",
    why: "Its data is gone with the commit. While foreign keys are on, its rows are deleted first, with all that ON DELETE \
          does to other tables.",
    reference: "https://www.sqlite.org/lang_droptable.html",
};

/// The file is locked for long.
pub const LONG_WRITE_LOCK: LintRule = LintRule {
    id: "sqlite.long_write_lock",
    severity: Severity::Info,
    title: "The file is locked while a whole table is worked through",
    why: "SQLite has one writer: everybody else who wants to write waits or gets SQLITE_BUSY until it is done.",
    reference: "https://www.sqlite.org/lang_transaction.html#read_transactions_versus_write_transactions",
};

/// A unique index.
pub const UNIQUE_INDEX: LintRule = LintRule {
    id: "sqlite.add_unique_index",
    severity: Severity::Warning,
    title: "A unique index is added",
    why: "One duplicate makes it fail, and programs that write duplicates fail from then on.",
    reference: "https://www.sqlite.org/lang_createindex.html#unique_indexes",
};

/// An index is dropped.
pub const DROP_INDEX: LintRule = LintRule {
    id: "sqlite.drop_index",
    severity: Severity::Warning,
    title: "An index is dropped",
    why: "A query that needed it scans the table, and one that names it in INDEXED BY fails.",
    reference: "https://www.sqlite.org/lang_dropindex.html",
};

/// Says that ALTER TABLE cannot do it.
pub fn needs_copy(table: &str, what: &str) -> Note {
    let message =
        format!("ALTER TABLE {} {} is a syntax error: the table must be copied", name(table), shown(what));
    Note::new(&NEEDS_COPY, message).fix(by_copy(table)).lock("")
}

/// Says that few releases can do it.
pub fn young_releases(table: &str, what: &str) -> Note {
    let message = format!("ALTER TABLE {} {} is a syntax error up to SQLite 3.50", name(table), shown(what));
    Note::new(&YOUNG_RELEASES, message).fix(by_copy(table)).lock(WRITE_LOCK)
}

fn shown(what: &str) -> String {
    what.split_whitespace().collect::<Vec<&str>>().join(" ").chars().take(60).collect()
}

/// Says that a table gets another name.
pub fn rename_table(old: &str, new: &str) -> Note {
    let (old, new) = (name(old), name(new));
    let message = format!("renaming {old} to {new} breaks every program that still uses the old name");
    Note::new(&RENAME_TABLE, message)
        .fix(format!("CREATE VIEW {old} AS SELECT * FROM {new};"))
        .lock(WRITE_LOCK)
}

/// Says that a table is dropped.
pub fn drop_table(table: &str) -> Note {
    let kept = name(&format!("old_{}", table.rsplit('.').next().unwrap_or(table)));
    let table = name(table);
    let message = format!("dropping {table} loses its data, and programs that still use it fail");
    Note::new(&DROP_TABLE, message)
        .fix(format!("ALTER TABLE {table} RENAME TO {kept}; and drop it later"))
        .lock(WRITE_LOCK)
}

/// Says that the file is locked for long.
pub fn long_write_lock(what: &str, table: &str) -> Note {
    let table = name(table);
    let message = format!("{what} works through all of {table} while nobody else can write to the file");
    Note::new(&LONG_WRITE_LOCK, message)
        .fix("run it when nobody writes, with PRAGMA busy_timeout set by all others")
        .lock(WRITE_LOCK)
}

/// Says that a unique index may fail.
pub fn unique_index(index: &str, table: &str) -> Note {
    let (index, table) = (name(index), name(table));
    let message = format!("the unique index {index} fails if {table} holds a duplicate");
    Note::new(&UNIQUE_INDEX, message).fix(format!("look for duplicates in {table} first")).lock(WRITE_LOCK)
}

/// Says that an index is dropped.
pub fn drop_index(index: &str) -> Note {
    let message = format!("dropping index {} takes it from queries that may still need it", name(index));
    Note::new(&DROP_INDEX, message)
        .fix("EXPLAIN QUERY PLAN of the queries that use its table")
        .lock(WRITE_LOCK)
}
