//! MODIFY and CHANGE: what a new definition does to a column.

use crate::finding::Severity;
use crate::migration::lint::LintRule;
use crate::migration::lint::mysql::class::Class;
use crate::migration::lint::mysql::judged::{Asked, Judged, name, online_tool};
use crate::migration::lint::rule::Note;
use crate::migration::lint::script::{Definition, same_name};

use super::{column, key};

const COLUMNS: &str =
    "https://dev.mysql.com/doc/refman/8.4/en/innodb-online-ddl-operations.html#online-ddl-column-operations";

/// Another type.
pub const CHANGE_TYPE: LintRule = LintRule {
    id: "mysql.change_column_type",
    severity: Severity::Error,
    title: "A column gets another type",
    why: "The table is copied row by row, and nobody can write until it is done.",
    reference: COLUMNS,
};

/// A VARCHAR that grows over 255 bytes.
pub const VARCHAR_LENGTH_BYTES: LintRule = LintRule {
    id: "mysql.varchar_crosses_255_bytes",
    severity: Severity::Error,
    title: "A VARCHAR grows over 255 bytes",
    why: "Up to 255 bytes the length takes one byte and beyond that two, so that every row is copied while writers wait.",
    reference: COLUMNS,
};

/// Members of an ENUM or SET that move or go.
pub const ENUM_MEMBERS: LintRule = LintRule {
    id: "mysql.enum_members_change",
    severity: Severity::Error,
    title: "Members of an ENUM or SET change other than at the end",
    why: "Rows hold the number of a member: unless members are only added at the end, and within the same storage size, \
          every row is copied while writers wait.",
    reference: COLUMNS,
};

/// NULL to NOT NULL, and back.
pub const CHANGE_NULL: LintRule = LintRule {
    id: "mysql.change_null",
    severity: Severity::Warning,
    title: "A column becomes NULL or NOT NULL",
    why: "Every row is written anew in place. Writers go on, but the server needs the space and the time, and its replicas \
          lag behind.",
    reference: COLUMNS,
};

/// NOT NULL without a strict mode.
pub const NOT_NULL_LENIENT: LintRule = LintRule {
    id: "mysql.not_null_without_strict_mode",
    severity: Severity::Error,
    title: "NOT NULL while sql_mode is not strict",
    why: "Without STRICT_TRANS_TABLES or STRICT_ALL_TABLES, NULLs become 0 or an empty string without an error.",
    reference: COLUMNS,
};

/// A definition that may or may not copy the table.
pub const UNKNOWN_COLUMN: LintRule = LintRule {
    id: "mysql.change_of_unknown_column",
    severity: Severity::Warning,
    title: "A column is defined anew, and the file does not say what it is today",
    why: "If its type, length class, character set or members change, the table is copied while writers wait; if only its \
          default or comment changes, nothing is.",
    reference: COLUMNS,
};

/// Judges MODIFY and CHANGE.
pub fn change(asked: &Asked<'_>, old: &str, new: &Definition) -> Judged {
    let what = format!("MODIFY COLUMN {}", name(old));
    let mut judged = match asked.memory.column(&asked.alter.table, old) {
        Some(known) => compare(asked, what, known, new),
        None => unknown(asked, what, old, new),
    };
    if !same_name(old, &new.name) {
        judged = judged.note(column::rename_note(asked, old, &new.name));
    }
    if new.is_placed {
        let message = format!("moving {} writes every row of {} anew", asked.column(old), asked.table());
        let class = if new.generated.is_some() { Class::Copy } else { Class::Rebuild };
        judged = judged
            .at_least(class)
            .note(Note::cost(&column::REORDER_COLUMN, message).fix("leave FIRST and AFTER out".to_owned()));
    }
    if new.has_enforced_check {
        judged = judged.at_least(Class::Copy).note(key::check_note(asked, old));
    }
    if new.is_not_null && asked.memory.is_lenient {
        let message = format!(
            "{} becomes NOT NULL while sql_mode is not strict: NULLs turn into 0 or an empty string",
            asked.column(old)
        );
        let fix = "SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_TRANS_TABLES');";
        judged = judged.note(Note::new(&NOT_NULL_LENIENT, message).fix(fix));
    }
    judged
}

fn unknown(asked: &Asked<'_>, what: String, old: &str, new: &Definition) -> Judged {
    let column = asked.column(old);
    let table = asked.table();
    let mut judged = Judged::unknown(what);
    if new.is_auto_increment {
        judged = judged.at_least(Class::Copy);
    }
    let message = format!(
        "whether {column} can become {} without copying {table} depends on what it is today, which the file does not say",
        new.type_name()
    );
    let fix = format!(
        "SHOW CREATE TABLE {table}; then add ALGORITHM=INPLACE, LOCK=NONE, so that the statement fails rather than copies"
    );
    judged.note(Note::cost(&UNKNOWN_COLUMN, message).fix(fix))
}

/// Both definitions are known.
fn compare(asked: &Asked<'_>, what: String, old: &Definition, new: &Definition) -> Judged {
    let column = asked.column(&old.name);
    let table = asked.table();
    let judged = match of_type(asked, old, new) {
        Change::Copies(rule, how) => {
            let message = format!("{column} {how}: {table} is copied while writers wait");
            let note = Note::cost(rule, message).fix(online_tool(&table));
            Judged::new(what, Class::Copy).note(note)
        }
        Change::Unknown(how) => {
            let message = format!("{column} {how}: whether {table} is copied depends on its character set");
            let fix = "add ALGORITHM=INPLACE, LOCK=NONE, so that the statement fails rather than copies";
            Judged::unknown(what).note(Note::cost(&UNKNOWN_COLUMN, message).fix(fix))
        }
        Change::Grows => Judged::new(what, Class::InPlace),
        Change::Nothing => Judged::new(what, Class::Instant),
    };
    if new.is_auto_increment && !old.is_auto_increment {
        return judged.at_least(Class::Copy).note(key::auto_increment_note(asked, &old.name));
    }
    if old.is_not_null == new.is_not_null || judged.class == Some(Class::Copy) {
        return judged;
    }
    let state = if new.is_not_null { "NOT NULL" } else { "NULL" };
    let message = format!("making {column} {state} writes every row of {table} anew while writers go on");
    judged.at_least(Class::Rebuild).note(Note::cost(&CHANGE_NULL, message).fix(online_tool(&table)))
}

/// What happens to the values of a column.
enum Change {
    Nothing,
    Grows,
    Unknown(String),
    Copies(&'static LintRule, String),
}

fn of_type(asked: &Asked<'_>, old: &Definition, new: &Definition) -> Change {
    let default = asked.memory.table(&asked.alter.table).and_then(|table| table.charset.clone());
    let charset = |definition: &Definition| definition.charset.clone().or_else(|| default.clone());
    let becomes = || format!("changes from {} to {}", old.type_name(), new.type_name());
    if old.generated != new.generated {
        return Change::Copies(&CHANGE_TYPE, "changes between stored, virtual and ordinary".to_owned());
    }
    if old.kind != new.kind || old.is_unsigned != new.is_unsigned {
        return Change::Copies(&CHANGE_TYPE, becomes());
    }
    if is_text(&old.kind)
        && let (Some(before), Some(after)) = (charset(old), charset(new))
        && before != after
    {
        return Change::Copies(&CHANGE_TYPE, format!("changes its character set from {before} to {after}"));
    }
    match old.kind.as_str() {
        "varchar" | "varbinary" => of_length(old, new, charset(old).as_deref(), becomes),
        "enum" | "set" => of_members(old, new),
        _ if old.arguments != new.arguments => Change::Copies(&CHANGE_TYPE, becomes()),
        _ => Change::Nothing,
    }
}

fn is_text(kind: &str) -> bool {
    matches!(kind, "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "enum" | "set")
}

fn of_length(
    old: &Definition,
    new: &Definition,
    charset: Option<&str>,
    becomes: impl Fn() -> String,
) -> Change {
    let length =
        |definition: &Definition| definition.arguments.first().and_then(|text| text.parse::<u64>().ok());
    let (Some(before), Some(after)) = (length(old), length(new)) else { return Change::Unknown(becomes()) };
    if after < before {
        return Change::Copies(
            &CHANGE_TYPE,
            format!("shrinks from {} to {}", old.type_name(), new.type_name()),
        );
    }
    if after == before {
        return Change::Nothing;
    }
    let crosses = |bytes: u64| (before * bytes > 255) != (after * bytes > 255);
    let bytes = if old.kind == "varbinary" { Some(1) } else { charset.and_then(bytes_of) };
    let crosses = match bytes {
        Some(bytes) => Some(crosses(bytes)),
        // Whatever the character set is, a character takes one to four bytes.
        None if (1..=4).all(crosses) => Some(true),
        None if !(1..=4).any(crosses) => Some(false),
        None => None,
    };
    match crosses {
        Some(true) => Change::Copies(
            &VARCHAR_LENGTH_BYTES,
            format!("grows from {} to {}, over 255 bytes", old.type_name(), new.type_name()),
        ),
        Some(false) => Change::Grows,
        None => Change::Unknown(format!("grows from {} to {}", old.type_name(), new.type_name())),
    }
}

/// The most bytes that a character takes.
fn bytes_of(charset: &str) -> Option<u64> {
    match charset {
        "utf8mb4" | "utf16" | "utf16le" | "utf32" | "gb18030" => Some(4),
        "utf8" | "utf8mb3" | "eucjpms" | "ujis" => Some(3),
        "ucs2" | "big5" | "cp932" | "euckr" | "gb2312" | "gbk" | "sjis" => Some(2),
        "latin1" | "latin2" | "latin5" | "latin7" | "ascii" | "binary" | "cp1250" | "cp1251" | "cp1256"
        | "cp1257" | "cp850" | "cp852" | "cp866" | "greek" | "hebrew" | "koi8r" | "koi8u" | "tis620" => {
            Some(1)
        }
        _ => None,
    }
}

fn of_members(old: &Definition, new: &Definition) -> Change {
    // ENUM: one byte up to 255 members. SET: one byte for eight members, then 2, 3, 4 and 8.
    let size = |definition: &Definition| match (definition.kind.as_str(), definition.arguments.len()) {
        ("enum", ..256) => 1,
        ("enum", _) => 2,
        (_, ..9) => 1,
        (_, ..17) => 2,
        (_, ..25) => 3,
        (_, ..33) => 4,
        _ => 8,
    };
    let kind = old.kind.to_uppercase();
    if !new.arguments.starts_with(&old.arguments) {
        return Change::Copies(&ENUM_MEMBERS, format!("loses or moves members of its {kind}"));
    }
    if size(old) != size(new) {
        return Change::Copies(&ENUM_MEMBERS, format!("needs more bytes for the members of its {kind}"));
    }
    Change::Nothing
}
