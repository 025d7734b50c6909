//! Columns that come, go, or get another name.

use crate::finding::Severity;
use crate::migration::lint::LintRule;
use crate::migration::lint::mysql::class::Class;
use crate::migration::lint::mysql::judged::{Asked, Judged, name, online_tool};
use crate::migration::lint::rule::Note;
use crate::migration::lint::script::{DefaultValue, Definition, Generated};

use super::{index, key};

const COLUMNS: &str =
    "https://dev.mysql.com/doc/refman/8.4/en/innodb-online-ddl-operations.html#online-ddl-column-operations";

/// A column that is added to a table on which INSTANT does not work.
pub const NOT_INSTANT: LintRule = LintRule {
    id: "mysql.add_column_not_instant",
    severity: Severity::Warning,
    title: "A column cannot be added instantly",
    why: "Tables with ROW_FORMAT=COMPRESSED or a FULLTEXT index take no instant column: every row is written anew.",
    reference: COLUMNS,
};

/// A column whose default must be worked out row by row.
pub const EXPRESSION_DEFAULT: LintRule = LintRule {
    id: "mysql.add_column_expression_default",
    severity: Severity::Error,
    title: "A column is added with an expression as default",
    why: "The value is worked out for every row, even where the expression is constant, by copying the table while \
          writers wait.",
    reference: "https://dev.mysql.com/doc/refman/8.4/en/data-type-defaults.html#data-type-defaults-explicit",
};

/// A stored generated column.
pub const STORED_GENERATED: LintRule = LintRule {
    id: "mysql.stored_generated_column",
    severity: Severity::Error,
    title: "A STORED generated column is added",
    why: "Its value is written into every row by copying the table while writers wait; a VIRTUAL one is instant.",
    reference: "https://dev.mysql.com/doc/refman/8.4/en/innodb-online-ddl-operations.html\
                #online-ddl-generated-column-operations",
};

/// NOT NULL without a default.
pub const NOT_NULL_WITHOUT_DEFAULT: LintRule = LintRule {
    id: "mysql.add_not_null_without_default",
    severity: Severity::Warning,
    title: "A NOT NULL column is added without a default",
    why: "Old rows get the implicit default of the type (0, an empty string), and an INSERT that does not name the column \
          fails from then on.",
    reference: "https://dev.mysql.com/doc/refman/8.4/en/data-type-defaults.html#data-type-defaults-implicit",
};

/// A column is dropped.
pub const DROP_COLUMN: LintRule = LintRule {
    id: "mysql.drop_column",
    severity: Severity::Warning,
    title: "A column is dropped",
    why: "Its data is gone, no transaction brings it back, and every client that still names it fails.",
    reference: COLUMNS,
};

/// A column gets another name.
pub const RENAME_COLUMN: LintRule = LintRule {
    id: "mysql.rename_column",
    severity: Severity::Warning,
    title: "A column gets another name",
    why: "Clients that use the old name fail from that moment, and those that use the new one fail before it.",
    reference: COLUMNS,
};

/// A column moves.
pub const REORDER_COLUMN: LintRule = LintRule {
    id: "mysql.reorder_column",
    severity: Severity::Warning,
    title: "A column moves to another place",
    why: "Every row is written anew, for an order that only SELECT * shows.",
    reference: COLUMNS,
};

/// Adds one.
pub fn add(asked: &Asked<'_>, definition: &Definition) -> Judged {
    let column = asked.column(&definition.name);
    let table = asked.table();
    let mut judged = Judged::new(format!("ADD COLUMN {}", name(&definition.name)), Class::Instant);
    if definition.generated.is_none() {
        judged = judged.in_place(Class::Rebuild);
    }
    if definition.generated == Some(Generated::Stored) {
        let message =
            format!("adding the STORED generated column {column} copies {table} while writers wait");
        judged = judged.at_least(Class::Copy).note(
            Note::cost(&STORED_GENERATED, message)
                .fix(format!("make {column} VIRTUAL, and index it if it must be searched")),
        );
    }
    if definition.default == Some(DefaultValue::Expression) {
        let message =
            format!("adding {column} with an expression as default copies {table} while writers wait");
        let fix = format!(
            "add {column} without the default, set the default by ALTER COLUMN … SET DEFAULT, and fill old rows in batches"
        );
        judged = judged.at_least(Class::Copy).note(Note::cost(&EXPRESSION_DEFAULT, message).fix(fix));
    }
    if definition.has_enforced_check {
        judged = judged.at_least(Class::Copy).note(key::check_note(asked, &definition.name));
    }
    if definition.is_auto_increment {
        judged =
            judged.at_least(Class::RebuildShared).note(key::auto_increment_note(asked, &definition.name));
    }
    if definition.is_primary && !definition.is_auto_increment {
        judged = judged.at_least(Class::Rebuild).note(key::primary_note(asked));
    }
    if definition.is_unique && !definition.is_auto_increment {
        judged = judged.at_least(Class::Rebuild).note(index::unique_note(asked, &definition.name));
    }
    if let Some(note) = not_instant(asked).filter(|_| judged.class == Some(Class::Instant)) {
        judged = judged.at_least(Class::Rebuild).note(note);
    }
    if let Some(note) = without_default(definition, &column) {
        judged = judged.note(note);
    }
    match &definition.references {
        Some(other) => judged.note(key::inline_note(asked, &definition.name, other)),
        None => judged,
    }
}

fn not_instant(asked: &Asked<'_>) -> Option<Note> {
    let known = asked.memory.table(&asked.alter.table)?;
    let why = match (known.is_compressed, known.has_full_text) {
        (true, _) => "its row format is COMPRESSED",
        (_, true) => "it has a FULLTEXT index",
        _ => return None,
    };
    let table = asked.table();
    let message =
        format!("no column can be added to {table} instantly, because {why}: every row is written anew");
    Some(Note::cost(&NOT_INSTANT, message).fix(online_tool(&table)))
}

fn without_default(definition: &Definition, column: &str) -> Option<Note> {
    let fills_itself =
        definition.is_auto_increment || definition.generated.is_some() || definition.is_primary;
    if !definition.is_not_null || definition.default.is_some() || fills_itself {
        return None;
    }
    let has_zero = matches!(definition.kind.as_str(), "date" | "datetime" | "timestamp");
    let (message, severity) = if has_zero {
        let message = format!(
            "adding {column} NOT NULL without a default fails where rows exist: they would hold the date 0000-00-00, \
             which NO_ZERO_DATE refuses"
        );
        (message, Severity::Error)
    } else {
        let message = format!(
            "{column} is NOT NULL without a default: old rows get an implicit value, and every INSERT that does not name \
             it fails"
        );
        (message, Severity::Warning)
    };
    let fix =
        format!("give {column} a DEFAULT, or add it NULL and make it NOT NULL once every client fills it");
    Some(Note::new(&NOT_NULL_WITHOUT_DEFAULT, message).severity(severity).fix(fix))
}

/// Drops one.
pub fn drop(asked: &Asked<'_>, dropped: &str) -> Judged {
    let column = asked.column(dropped);
    let class = match asked.memory.column(&asked.alter.table, dropped).and_then(|known| known.generated) {
        Some(Generated::Stored) => Class::Rebuild,
        _ => Class::Instant,
    };
    let message = format!("dropping {column} loses its data for good, and clients that still use it fail");
    let fix = format!(
        "make {column} INVISIBLE first (ALTER TABLE {} ALTER COLUMN {} SET INVISIBLE;), and drop it once no client uses it",
        asked.table(),
        name(dropped)
    );
    Judged::new(format!("DROP COLUMN {}", name(dropped)), class)
        .in_place(Class::Rebuild)
        .note(Note::new(&DROP_COLUMN, message).fix(fix))
}

/// Gives one another name.
pub fn rename(asked: &Asked<'_>, old: &str, new: &str) -> Judged {
    Judged::new(format!("RENAME COLUMN {}", name(old)), Class::Instant).note(rename_note(asked, old, new))
}

/// Says that a column gets another name.
pub fn rename_note(asked: &Asked<'_>, old: &str, new: &str) -> Note {
    let (column, new) = (asked.column(old), name(new));
    let message = format!("renaming {column} to {new} breaks every client that still uses the old name");
    let fix = format!("add {new} beside {column}, write both, move the clients, and drop {column}");
    Note::new(&RENAME_COLUMN, message).fix(fix)
}
