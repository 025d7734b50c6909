//! A table that is copied, dropped and renamed, because ALTER TABLE cannot change it.

use super::{WRITE_LOCK, name};
use crate::finding::Severity;
use crate::migration::lint::LintRule;
use crate::migration::lint::rule::Note;

const PROCEDURE: &str =
    "https://www.sqlite.org/lang_altertable.html#making_other_kinds_of_table_schema_changes";

/// The old table is dropped while foreign keys are on.
pub const WITH_FOREIGN_KEYS: LintRule = LintRule {
    id: "sqlite.copy_with_foreign_keys_on",
    severity: Severity::Error,
    title: "A table is dropped for its copy while foreign keys are on",
    why: "DROP TABLE deletes the rows first: ON DELETE CASCADE empties the tables that refer to it, and without it the \
          statement fails.",
    reference: PROCEDURE,
};

/// The old table is renamed before the new one stands.
pub const RENAME_FIRST: LintRule = LintRule {
    id: "sqlite.copy_renames_old_table_first",
    severity: Severity::Error,
    title: "The old table is renamed before its copy is made",
    why: "Since SQLite 3.26 triggers, views and foreign keys of other tables follow the old table to its new name, and \
          point nowhere once it is dropped.",
    reference: PROCEDURE,
};

/// Not in one transaction.
pub const OUTSIDE_TRANSACTION: LintRule = LintRule {
    id: "sqlite.copy_outside_transaction",
    severity: Severity::Warning,
    title: "A table is copied without a transaction",
    why: "Where the migration stops between DROP and RENAME, the table is missing.",
    reference: PROCEDURE,
};

/// No `foreign_key_check`.
pub const WITHOUT_CHECK: LintRule = LintRule {
    id: "sqlite.copy_without_foreign_key_check",
    severity: Severity::Info,
    title: "A table is copied and its foreign keys are not checked",
    why: "While foreign keys are off, nothing says that the copy lost a row to which another table refers.",
    reference: "https://www.sqlite.org/pragma.html#pragma_foreign_key_check",
};

/// Its indexes are gone.
pub const WITHOUT_INDEXES: LintRule = LintRule {
    id: "sqlite.copy_without_indexes",
    severity: Severity::Info,
    title: "A table is copied and gets no index or trigger again",
    why: "DROP TABLE takes all indexes and triggers of the table with it.",
    reference: PROCEDURE,
};

/// A column becomes NOT NULL on the way.
pub const NULL_INTO_NOT_NULL: LintRule = LintRule {
    id: "sqlite.copy_null_into_not_null",
    severity: Severity::Warning,
    title: "A column becomes NOT NULL by a copy that keeps its NULLs",
    why: "The copy fails at the first row that holds NULL.",
    reference: PROCEDURE,
};

/// Says that the drop reaches other tables.
pub fn with_foreign_keys(table: &str) -> Note {
    let table = name(table);
    let message = format!(
        "dropping {table} for its copy while foreign keys may be on deletes its rows first, and with ON DELETE CASCADE \
         those of other tables"
    );
    Note::new(&WITH_FOREIGN_KEYS, message)
        .fix("PRAGMA foreign_keys=OFF; before BEGIN, and PRAGMA foreign_keys=ON; after COMMIT")
        .lock(WRITE_LOCK)
}

/// Says that references follow the old table.
pub fn rename_first(old: &str, kept: &str) -> Note {
    let (old, kept) = (name(old), name(kept));
    let message = format!(
        "renaming {old} to {kept} before its copy is made takes triggers, views and foreign keys along"
    );
    let fix = format!("make the copy under a new name, DROP TABLE {old}, and rename the copy to {old}");
    Note::new(&RENAME_FIRST, message).fix(fix).lock(WRITE_LOCK)
}

/// Says that the copy is not one step.
pub fn outside_transaction(table: &str) -> Note {
    let message = format!(
        "between DROP TABLE and RENAME there is no table {}, and no transaction brings it back",
        name(table)
    );
    Note::new(&OUTSIDE_TRANSACTION, message)
        .fix("BEGIN IMMEDIATE; before the copy, COMMIT; behind it")
        .lock(WRITE_LOCK)
}

/// Says that nothing is checked.
pub fn without_check(table: &str) -> Note {
    let message = format!("nothing checks the foreign keys that refer to {} after the copy", name(table));
    Note::new(&WITHOUT_CHECK, message).fix("PRAGMA foreign_key_check; before COMMIT").lock("")
}

/// Says that its indexes are gone.
pub fn without_indexes(table: &str) -> Note {
    let message =
        format!("the indexes and triggers of {} go with the old table, and the file makes none", name(table));
    let fix = format!(
        "SELECT sql FROM sqlite_schema WHERE tbl_name = '{}' AND type IN ('index', 'trigger');",
        table.replace('\'', "''")
    );
    Note::new(&WITHOUT_INDEXES, message).fix(fix).lock("")
}

/// Says that NULLs stop the copy.
pub fn null_into_not_null(table: &str, column: &str) -> Note {
    let (table, column) = (name(table), name(column));
    let message =
        format!("copying into {table} fails if {column} is NULL in any old row: it is NOT NULL now");
    Note::new(&NULL_INTO_NOT_NULL, message)
        .fix(format!("COALESCE({column}, …) in the SELECT"))
        .lock(WRITE_LOCK)
}
