//! The rules of the judge, one file a subject.

mod add_column;
mod add_column_constraint;
mod column_type;
mod constraint;
mod drop;
mod foreign_key;
mod index;
mod not_null;
mod pieces;
mod rename;
mod words;

use super::DdlRule;

/// All of them, in the order in which the manual shows them.
pub const ALL: &[DdlRule] = &[
    add_column::VOLATILE_DEFAULT,
    add_column::SERIAL,
    add_column::IDENTITY,
    add_column::GENERATED_STORED,
    add_column::CONSTRAINED_DOMAIN,
    add_column::NOT_NULL_NO_DEFAULT,
    add_column::JSON,
    add_column_constraint::INLINE_UNIQUE,
    add_column_constraint::INLINE_PRIMARY_KEY,
    add_column_constraint::INLINE_CHECK,
    add_column_constraint::INLINE_FOREIGN_KEY,
    column_type::REWRITE,
    column_type::INDEX_REBUILD,
    column_type::RECHECK,
    column_type::DEPENDENTS,
    column_type::SET_EXPRESSION,
    column_type::TYPE_CASCADE,
    not_null::SET_NOT_NULL,
    not_null::ADD_NOT_NULL_CONSTRAINT,
    not_null::DROP_NOT_NULL,
    not_null::SET_DEFAULT,
    not_null::DROP_DEFAULT,
    constraint::CHECK,
    constraint::UNIQUE,
    constraint::PRIMARY_KEY,
    constraint::PRIMARY_KEY_NULLABLE,
    constraint::EXCLUSION,
    constraint::ENFORCED,
    constraint::DROP,
    foreign_key::NOT_VALID,
    foreign_key::MISSING_INDEX,
    foreign_key::TYPE_MISMATCH,
    foreign_key::MULTIPLE,
    index::CREATE,
    index::CONCURRENTLY_PARTITIONED,
    index::INVALID_LEFTOVER,
    index::USING_INVALID,
    index::BUILD_RUNNING,
    index::REPLACE,
    index::TWIN,
    index::TOO_MANY_COLUMNS,
    index::DATA_DEPENDENT,
    index::HASH,
    index::DROP,
    index::REINDEX,
    drop::TABLE,
    drop::TABLE_FOREIGN_KEYS,
    drop::COLUMN,
    drop::COLUMN_DEPENDENTS,
    drop::TRUNCATE,
    drop::TRUNCATE_CASCADE,
    drop::SCHEMA,
    drop::DATABASE,
    drop::OWNED,
    drop::EXTENSION,
    drop::CASCADE,
    drop::USED,
    rename::TABLE,
    rename::COLUMN,
    rename::SCHEMA,
    rename::SET_SCHEMA,
    rename::ENUM_VALUE,
    rename::OTHER,
];

/// The rule of that id.
pub fn find(id: &str) -> Option<&'static DdlRule> {
    ALL.iter().find(|rule| rule.id == id)
}
