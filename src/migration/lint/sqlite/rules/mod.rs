//! The rules about SQLite, one file a subject.

pub mod change;
pub mod column;
pub mod copy;
pub mod rows;
pub mod session;

use crate::migration::lint::Dialect;
use crate::migration::lint::LintRule;
use crate::migration::lint::script::quote;

/// All of them.
pub const ALL: &[&LintRule] = &[
    &session::NOT_PARSED,
    &session::NOT_SUPPORTED,
    &session::NESTED_BEGIN,
    &session::FOREIGN_KEYS_IN_TRANSACTION,
    &session::VACUUM_IN_TRANSACTION,
    &session::VACUUM,
    &session::WRITABLE_SCHEMA,
    &session::NO_BUSY_TIMEOUT,
    &column::NOT_NULL_WITHOUT_DEFAULT,
    &column::NON_CONSTANT_DEFAULT,
    &column::UNIQUE_COLUMN,
    &column::PRIMARY_KEY_COLUMN,
    &column::STORED_GENERATED,
    &column::REFERENCES_WITH_DEFAULT,
    &column::CHECKED_COLUMN,
    &column::DROP_COLUMN,
    &column::HELD_COLUMN,
    &column::RENAME_COLUMN,
    &change::NEEDS_COPY,
    &change::YOUNG_RELEASES,
    &change::RENAME_TABLE,
    &change::DROP_TABLE,
    &change::LONG_WRITE_LOCK,
    &change::UNIQUE_INDEX,
    &change::DROP_INDEX,
    &copy::WITH_FOREIGN_KEYS,
    &copy::RENAME_FIRST,
    &copy::OUTSIDE_TRANSACTION,
    &copy::WITHOUT_CHECK,
    &copy::WITHOUT_INDEXES,
    &copy::NULL_INTO_NOT_NULL,
    &rows::DELETE,
    &rows::UPDATE,
];

/// The whole file is locked, whatever is written.
pub const WRITE_LOCK: &str = "write lock on the database file";

/// A name as SQL.
pub fn name(text: &str) -> String {
    quote(text, Dialect::Sqlite)
}

/// How a table is changed in every way that ALTER TABLE does not know.
pub fn by_copy(table: &str) -> String {
    let old = name(table);
    let new = name(&format!("new_{}", table.rsplit('.').next().unwrap_or(table)));
    format!(
        "PRAGMA foreign_keys=OFF; BEGIN IMMEDIATE; CREATE TABLE {new} (…); INSERT INTO {new} (…) SELECT … FROM {old}; \
         DROP TABLE {old}; ALTER TABLE {new} RENAME TO {old}; then its indexes, triggers and views again; \
         PRAGMA foreign_key_check; COMMIT; PRAGMA foreign_keys=ON;"
    )
}
