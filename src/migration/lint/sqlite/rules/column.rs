//! Columns that come, go, or get another name.

use super::{WRITE_LOCK, by_copy, name};
use crate::finding::Severity;
use crate::migration::lint::LintRule;
use crate::migration::lint::rule::Note;
use crate::migration::lint::script::{DefaultValue, Definition, Generated, same_name};
use crate::migration::lint::sqlite::memory::Memory;

const ADD: &str = "https://www.sqlite.org/lang_altertable.html#alter_table_add_column";
const DROP: &str = "https://www.sqlite.org/lang_altertable.html#alter_table_drop_column";

/// NOT NULL without a default.
pub const NOT_NULL_WITHOUT_DEFAULT: LintRule = LintRule {
    id: "sqlite.add_not_null_without_default",
    severity: Severity::Error,
    title: "A NOT NULL column is added without a default",
    why: "The statement fails as soon as the table holds a row: on the developer's empty database it works, on the \
          customer's it does not.",
    reference: ADD,
};

/// A default that is worked out.
pub const NON_CONSTANT_DEFAULT: LintRule = LintRule {
    id: "sqlite.add_non_constant_default",
    severity: Severity::Error,
    title: "A column is added with a default that is no constant",
    why: "CURRENT_TIMESTAMP and expressions in parentheses are refused as soon as the table holds a row: on the \
          developer's empty database it works, on the customer's it does not.",
    reference: ADD,
};

/// UNIQUE
pub const UNIQUE_COLUMN: LintRule = LintRule {
    id: "sqlite.add_unique_column",
    severity: Severity::Error,
    title: "A UNIQUE column is added",
    why: "The statement fails.",
    reference: ADD,
};

/// PRIMARY KEY
pub const PRIMARY_KEY_COLUMN: LintRule = LintRule {
    id: "sqlite.add_primary_key_column",
    severity: Severity::Error,
    title: "A PRIMARY KEY column is added",
    why: "The statement fails.",
    reference: ADD,
};

/// STORED
pub const STORED_GENERATED: LintRule = LintRule {
    id: "sqlite.add_stored_generated_column",
    severity: Severity::Error,
    title: "A STORED generated column is added",
    why: "The statement fails as soon as the table holds a row; a VIRTUAL one can be added.",
    reference: ADD,
};

/// REFERENCES with a default.
pub const REFERENCES_WITH_DEFAULT: LintRule = LintRule {
    id: "sqlite.add_references_with_default",
    severity: Severity::Error,
    title: "A column with REFERENCES is added with a default other than NULL",
    why: "While foreign keys are on, the statement fails; while they are off, every old row refers to one that may not be \
          there.",
    reference: ADD,
};

/// CHECK
pub const CHECKED_COLUMN: LintRule = LintRule {
    id: "sqlite.add_checked_column",
    severity: Severity::Warning,
    title: "A column with a CHECK is added",
    why: "Every row is read under the write lock, and the statement fails if the default breaks the CHECK. Before 3.38 the \
          rows were not read, and the table then held what its own CHECK forbids.",
    reference: ADD,
};

/// A column is dropped.
pub const DROP_COLUMN: LintRule = LintRule {
    id: "sqlite.drop_column",
    severity: Severity::Warning,
    title: "A column is dropped",
    why: "Every row is written anew under the write lock, the data is gone, clients that still use it fail, and before \
          3.35 the statement does not exist.",
    reference: DROP,
};

/// A column that something holds.
pub const HELD_COLUMN: LintRule = LintRule {
    id: "sqlite.drop_column_in_use",
    severity: Severity::Error,
    title: "A column is dropped that a key, an index or a constraint uses",
    why: "The statement fails.",
    reference: DROP,
};

/// A column gets another name.
pub const RENAME_COLUMN: LintRule = LintRule {
    id: "sqlite.rename_column",
    severity: Severity::Warning,
    title: "A column gets another name",
    why: "Indexes, triggers and views follow; the programs that use the old name do not.",
    reference: "https://www.sqlite.org/lang_altertable.html#alter_table_rename_column",
};

/// Judges ADD COLUMN.
pub fn add(table: &str, definition: &Definition, memory: &Memory, notes: &mut Vec<Note>) {
    let column = format!("{}.{}", name(table), name(&definition.name));
    let mut fails = |rule, why: &str, fix: String| {
        notes.push(Note::new(rule, format!("adding {column} fails: {why}")).fix(fix).lock(""));
    };
    let is_empty = memory.is_empty(table);
    let has_value = matches!(&definition.default, Some(default) if *default != DefaultValue::Null);
    if definition.is_primary {
        fails(&PRIMARY_KEY_COLUMN, "a PRIMARY KEY cannot be added", by_copy(table));
    } else if definition.is_unique {
        let index = name(&format!("{}_{}_key", table.rsplit('.').next().unwrap_or(table), definition.name));
        let fix = format!(
            "add it without UNIQUE, then CREATE UNIQUE INDEX {index} ON {} ({});",
            name(table),
            name(&definition.name)
        );
        fails(&UNIQUE_COLUMN, "a UNIQUE column cannot be added", fix);
    }
    if definition.is_not_null
        && !has_value
        && definition.generated.is_none()
        && !definition.is_primary
        && !is_empty
    {
        let fix = format!("give {column} a DEFAULT other than NULL");
        fails(&NOT_NULL_WITHOUT_DEFAULT, "a NOT NULL column needs a default other than NULL", fix);
    }
    if definition.generated == Some(Generated::Stored) && !is_empty {
        let fix = format!("make {column} VIRTUAL; or {}", by_copy(table));
        fails(&STORED_GENERATED, "a STORED generated column cannot be added", fix);
    }
    let is_worked_out = matches!(definition.default, Some(DefaultValue::Now | DefaultValue::Expression));
    if is_worked_out && !is_empty {
        let fix = format!(
            "add {column} with a constant default or none, and UPDATE old rows; or {}",
            by_copy(table)
        );
        fails(&NON_CONSTANT_DEFAULT, "its default is no constant, and the table may hold rows", fix);
    }
    if definition.references.is_some() && has_value && !is_empty {
        let message = format!(
            "adding {column} fails while foreign keys are on: with REFERENCES, its default must be NULL"
        );
        let fix = format!("add {column} without the default, and UPDATE old rows");
        notes.push(Note::new(&REFERENCES_WITH_DEFAULT, message).fix(fix));
    }
    if definition.has_enforced_check && !is_empty {
        let message = format!("adding {column} reads every row, and fails if its default breaks the CHECK");
        notes.push(Note::new(&CHECKED_COLUMN, message));
    }
}

/// Judges DROP COLUMN.
pub fn drop(table: &str, dropped: &str, memory: &Memory, notes: &mut Vec<Note>) {
    let column = format!("{}.{}", name(table), name(dropped));
    if let Some(holder) = holder(table, dropped, memory) {
        let message = format!("dropping {column} fails: {holder} uses it");
        let fix = match holder.strip_prefix("index ") {
            Some(index) => format!("DROP INDEX {index}; first"),
            None => by_copy(table),
        };
        notes.push(Note::new(&HELD_COLUMN, message).fix(fix).lock(""));
    } else if !memory.is_new(table) {
        let message = format!(
            "dropping {column} writes every row anew and loses its data; it fails before SQLite 3.35, or if an index, \
             trigger, view, key or CHECK uses it"
        );
        let fix = format!("let no client use {column} first, and keep the file as it was");
        notes.push(Note::new(&DROP_COLUMN, message).fix(fix).lock(WRITE_LOCK));
    }
}

/// What of the file's own statements uses a column.
fn holder(table: &str, column: &str, memory: &Memory) -> Option<String> {
    let known = memory.table(table)?;
    let uses = |words: &[String]| words.iter().any(|word| same_name(word, column));
    if uses(&known.held) {
        return Some("a key or constraint of the table".to_owned());
    }
    let (index, _) = known.indexes.iter().find(|(_, words)| uses(words))?;
    Some(format!("index {}", name(index)))
}

/// Judges RENAME COLUMN.
pub fn rename(table: &str, old: &str, new: &str) -> Note {
    let column = format!("{}.{}", name(table), name(old));
    let message =
        format!("renaming {column} to {} breaks every program that still uses the old name", name(new));
    Note::new(&RENAME_COLUMN, message)
        .fix(format!("ship the program that uses {} together with this migration", name(new)))
        .lock(WRITE_LOCK)
}
