//! Names of tables, columns, keys, indexes and constraints.
//!
//! A naming convention is worth having because it is one. So each rule first looks for the style that prevails in this
//! database, says so once where it is not the project's own, and then reports only the names that break it.

mod boolean;
mod case;
mod constraint;
mod foreign_key;
mod index;
mod length;
mod number;
mod primary_key;
mod reserved;
mod style;
mod suggestion;
mod timestamp;

use crate::finding::Rule;

/// The rules of this room.
pub const RULES: &[Rule] = &[
    case::TABLE_NAME_CASE,
    number::TABLE_NAME_NUMBER,
    case::COLUMN_NAME_CASE,
    primary_key::PRIMARY_KEY_NAME,
    foreign_key::FOREIGN_KEY_NAME,
    index::INDEX_NAME,
    constraint::CONSTRAINT_NAME,
    boolean::BOOLEAN_NAME,
    timestamp::TIMESTAMP_NAME,
    reserved::RESERVED_WORD_NAME,
    length::NAME_AT_LENGTH_LIMIT,
];
