//! The rules about MySQL, one file a subject.

pub mod algorithm;
pub mod column;
pub mod column_type;
pub mod data;
pub mod index;
pub mod key;
pub mod partition;
pub mod session;
pub mod table;

use super::action::Action;
use super::class::Class;
use super::judged::{Asked, Judged};
use crate::migration::lint::LintRule;

/// All of them.
pub const ALL: &[&LintRule] = &[
    &session::NOT_PARSED,
    &algorithm::COPY,
    &algorithm::NOT_SUPPORTED,
    &algorithm::IN_PLACE_REBUILDS,
    &algorithm::LOCK_OPTION,
    &algorithm::LOCK_NOT_SUPPORTED,
    &algorithm::NO_EXPLICIT_ALGORITHM,
    &algorithm::MIXED_ALGORITHMS,
    &algorithm::SEVERAL_REBUILDS,
    &column::NOT_INSTANT,
    &column::EXPRESSION_DEFAULT,
    &column::STORED_GENERATED,
    &column::NOT_NULL_WITHOUT_DEFAULT,
    &column::DROP_COLUMN,
    &column::RENAME_COLUMN,
    &column::REORDER_COLUMN,
    &column_type::CHANGE_TYPE,
    &column_type::VARCHAR_LENGTH_BYTES,
    &column_type::ENUM_MEMBERS,
    &column_type::CHANGE_NULL,
    &column_type::NOT_NULL_LENIENT,
    &column_type::UNKNOWN_COLUMN,
    &key::AUTO_INCREMENT,
    &key::ADD_PRIMARY_KEY,
    &key::DROP_PRIMARY_KEY,
    &key::ADD_FOREIGN_KEY,
    &key::FOREIGN_KEY_NOT_CHECKED,
    &key::INLINE_REFERENCES,
    &key::ADD_CHECK,
    &index::UNIQUE,
    &index::FULL_TEXT,
    &index::SPATIAL,
    &index::DROP_INDEX,
    &index::RENAME_INDEX,
    &table::CONVERT_CHARSET,
    &table::DEFAULT_CHARSET,
    &table::ENGINE,
    &table::ROW_FORMAT,
    &table::REBUILD,
    &table::ENCRYPTION,
    &table::ORDER_BY,
    &table::RENAME_TABLE,
    &partition::REPARTITION,
    &partition::EMPTY_PARTITION,
    &data::DROP_TABLE,
    &data::DROP_DATABASE,
    &data::TRUNCATE,
    &data::DELETE,
    &data::UPDATE,
    &session::IMPLICIT_COMMIT,
    &session::LOCK_TABLES,
    &session::NO_LOCK_WAIT_TIMEOUT,
];

/// How one action is done, and what should be known of it.
pub fn judge(asked: &Asked<'_>) -> Judged {
    match asked.action {
        Action::AddColumn(definition) => column::add(asked, definition),
        Action::DropColumn(name) => column::drop(asked, name),
        Action::RenameColumn(old, new) => column::rename(asked, old, new),
        Action::AlterColumn(name) => Judged::new(format!("ALTER COLUMN {name}"), Class::Instant),
        Action::ChangeColumn(old, definition) => column_type::change(asked, old, definition),
        Action::AddIndex(kind, name) => index::add(asked, *kind, name),
        Action::DropIndex(name) => index::drop(asked, name),
        Action::RenameIndex(old, new) => index::rename(asked, old, new),
        Action::AlterIndex => Judged::new("ALTER INDEX", Class::InPlace),
        Action::AddPrimaryKey => key::add_primary(asked),
        Action::DropPrimaryKey => key::drop_primary(asked),
        Action::AddForeignKey(table) => key::add_foreign(asked, table),
        Action::AddCheck(is_enforced) => key::add_check(asked, *is_enforced),
        Action::EnforceCheck(name, is_enforced) => key::enforce_check(asked, name, *is_enforced),
        Action::DropConstraint => Judged::new("DROP CONSTRAINT", Class::InPlace),
        Action::RenameTable(new) => table::rename(asked, new),
        Action::ConvertCharset(charset) => table::convert_charset(asked, charset),
        Action::DefaultCharset(charset) => table::default_charset(asked, charset),
        Action::Engine(engine) => table::engine(asked, engine),
        Action::RowFormat(format) => table::row_format(asked, format),
        Action::Encryption => table::encryption(asked),
        Action::Tablespace(space) => table::tablespace(asked, space),
        Action::Rebuild(how) => table::rebuild(asked, how),
        Action::OrderBy => table::order_by(asked),
        Action::Repartition(how) => partition::repartition(asked, how),
        Action::EmptyPartition(how) => partition::empty(asked, how),
        Action::Harmless => Judged::new("a change of metadata", Class::InPlace),
        Action::Unknown(text) => session::unknown_action(asked, text),
    }
}
