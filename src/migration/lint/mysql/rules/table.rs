//! Changes of a whole table.

use crate::finding::Severity;
use crate::migration::lint::LintRule;
use crate::migration::lint::mysql::class::Class;
use crate::migration::lint::mysql::judged::{Asked, Judged, name, online_tool};
use crate::migration::lint::rule::Note;

const TABLES: &str =
    "https://dev.mysql.com/doc/refman/8.4/en/innodb-online-ddl-operations.html#online-ddl-table-operations";
const TABLESPACES: &str = "https://dev.mysql.com/doc/refman/8.4/en/innodb-online-ddl-operations.html#online-ddl-tablespace-operations";

/// Another character set for all columns.
pub const CONVERT_CHARSET: LintRule = LintRule {
    id: "mysql.convert_character_set",
    severity: Severity::Error,
    title: "All columns are converted to another character set",
    why: "The table is copied while writers wait; columns may grow into a larger type, and indexes may become too long.",
    reference: TABLES,
};

/// Another default character set.
pub const DEFAULT_CHARSET: LintRule = LintRule {
    id: "mysql.default_character_set",
    severity: Severity::Warning,
    title: "A table gets another default character set",
    why: "The table is rebuilt if the character set is another one, and the columns that are there keep theirs.",
    reference: TABLES,
};

/// Another engine.
pub const ENGINE: LintRule = LintRule {
    id: "mysql.change_engine",
    severity: Severity::Error,
    title: "A table gets another storage engine",
    why: "The table is copied while writers wait, and the other engine may know neither transactions nor foreign keys.",
    reference: "https://dev.mysql.com/doc/refman/8.4/en/converting-tables-to-innodb.html",
};

/// Another row format.
pub const ROW_FORMAT: LintRule = LintRule {
    id: "mysql.row_format",
    severity: Severity::Warning,
    title: "A table gets another row format",
    why: "Every row is written anew in place; with COMPRESSED, no column can be added instantly any more.",
    reference: TABLES,
};

/// A rebuild for its own sake.
pub const REBUILD: LintRule = LintRule {
    id: "mysql.rebuild_table",
    severity: Severity::Warning,
    title: "A table is rebuilt",
    why: "Every row is written anew. Writers go on, unless the table has a FULLTEXT index: then it is copied while they wait.",
    reference: TABLES,
};

/// Encryption.
pub const ENCRYPTION: LintRule = LintRule {
    id: "mysql.change_encryption",
    severity: Severity::Error,
    title: "The encryption of a table changes",
    why: "The table is copied while writers wait.",
    reference: TABLESPACES,
};

/// ORDER BY
pub const ORDER_BY: LintRule = LintRule {
    id: "mysql.alter_order_by",
    severity: Severity::Error,
    title: "ALTER TABLE … ORDER BY copies the table",
    why: "The table is copied while writers wait, for an order that InnoDB does not keep.",
    reference: "https://dev.mysql.com/doc/refman/8.4/en/alter-table.html#alter-table-row-order",
};

/// Another name.
pub const RENAME_TABLE: LintRule = LintRule {
    id: "mysql.rename_table",
    severity: Severity::Warning,
    title: "A table gets another name",
    why: "Clients that use the old name fail from that moment, and those that use the new one fail before it.",
    reference: "https://dev.mysql.com/doc/refman/8.4/en/rename-table.html",
};

fn copies(asked: &Asked<'_>, what: String, rule: &'static LintRule) -> Judged {
    let table = asked.table();
    let message = format!("{what} copies {table} while writers wait");
    Judged::new(what, Class::Copy).note(Note::cost(rule, message).fix(online_tool(&table)))
}

fn rebuilds(asked: &Asked<'_>, what: String, rule: &'static LintRule) -> Judged {
    let table = asked.table();
    if asked.memory.table(&asked.alter.table).is_some_and(|known| known.has_full_text) {
        return copies(asked, what, rule);
    }
    let message = format!("{what} writes every row of {table} anew while writers go on");
    let fix = format!("run it when {table} is little used, or {}", online_tool(&table));
    Judged::new(what, Class::Rebuild).note(Note::cost(rule, message).fix(fix))
}

/// Judges CONVERT TO CHARACTER SET.
pub fn convert_charset(asked: &Asked<'_>, charset: &str) -> Judged {
    copies(asked, format!("CONVERT TO CHARACTER SET {charset}"), &CONVERT_CHARSET)
}

/// Judges CHARACTER SET.
pub fn default_charset(asked: &Asked<'_>, charset: &str) -> Judged {
    let table = asked.table();
    let message = format!(
        "CHARACTER SET {charset} writes every row of {table} anew if it had another one, and its columns keep theirs"
    );
    let fix = "give new columns their character set one by one";
    Judged::new(format!("CHARACTER SET {charset}"), Class::Rebuild)
        .note(Note::cost(&DEFAULT_CHARSET, message).fix(fix))
}

/// Judges ENGINE: that of InnoDB rebuilds a table of InnoDB, and copies one of another engine.
pub fn engine(asked: &Asked<'_>, engine: &str) -> Judged {
    let what = format!("ENGINE={engine}");
    if engine.eq_ignore_ascii_case("innodb") {
        return rebuilds(asked, what, &REBUILD);
    }
    copies(asked, what, &ENGINE)
}

/// Judges ROW_FORMAT and KEY_BLOCK_SIZE.
pub fn row_format(asked: &Asked<'_>, format: &str) -> Judged {
    rebuilds(asked, format.to_owned(), &ROW_FORMAT)
}

/// Judges ENCRYPTION.
pub fn encryption(asked: &Asked<'_>) -> Judged {
    copies(asked, "changing the ENCRYPTION".to_owned(), &ENCRYPTION)
}

/// Judges TABLESPACE.
pub fn tablespace(asked: &Asked<'_>, space: &str) -> Judged {
    rebuilds(asked, format!("TABLESPACE {space}"), &REBUILD)
}

/// Judges FORCE and OPTIMIZE TABLE.
pub fn rebuild(asked: &Asked<'_>, how: &str) -> Judged {
    rebuilds(asked, how.to_owned(), &REBUILD)
}

/// Judges ORDER BY.
pub fn order_by(asked: &Asked<'_>) -> Judged {
    copies(asked, "ORDER BY".to_owned(), &ORDER_BY)
}

/// Judges RENAME TO.
pub fn rename(asked: &Asked<'_>, new: &str) -> Judged {
    Judged::new("RENAME TO", Class::Instant).note(rename_note(&asked.alter.table, new))
}

/// Says that a table gets another name.
pub fn rename_note(old: &str, new: &str) -> Note {
    let (old, new) = (name(old), name(new));
    let message = format!("renaming {old} to {new} breaks every client that still uses the old name");
    let fix = format!(
        "RENAME TABLE {old} TO {new}; CREATE VIEW {old} AS SELECT * FROM {new}; until the clients have moved"
    );
    Note::new(&RENAME_TABLE, message).fix(fix)
}
