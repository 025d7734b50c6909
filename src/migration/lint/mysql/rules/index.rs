//! Indexes.

use crate::finding::Severity;
use crate::migration::lint::LintRule;
use crate::migration::lint::mysql::action::{Action, IndexKind};
use crate::migration::lint::mysql::class::Class;
use crate::migration::lint::mysql::judged::{Asked, Judged, name, online_tool};
use crate::migration::lint::rule::Note;
use crate::migration::lint::script::same_name;

const INDEXES: &str =
    "https://dev.mysql.com/doc/refman/8.4/en/innodb-online-ddl-operations.html#online-ddl-index-operations";

/// A unique index.
pub const UNIQUE: LintRule = LintRule {
    id: "mysql.add_unique_index",
    severity: Severity::Warning,
    title: "A unique index is added",
    why: "It is built while writers go on, but one duplicate, there before or written meanwhile, makes it fail at the end; \
          and clients that write duplicates fail from then on.",
    reference: "https://dev.mysql.com/doc/refman/8.4/en/innodb-online-ddl-limitations.html",
};

/// A full-text index.
pub const FULL_TEXT: LintRule = LintRule {
    id: "mysql.add_fulltext_index",
    severity: Severity::Error,
    title: "A FULLTEXT index is added",
    why: "Writers wait until it is built, and the first one of a table writes every row anew unless there is an \
          FTS_DOC_ID column.",
    reference: INDEXES,
};

/// A spatial index.
pub const SPATIAL: LintRule = LintRule {
    id: "mysql.add_spatial_index",
    severity: Severity::Error,
    title: "A SPATIAL index is added",
    why: "Writers wait until it is built.",
    reference: INDEXES,
};

/// An index is dropped.
pub const DROP_INDEX: LintRule = LintRule {
    id: "mysql.drop_index",
    severity: Severity::Warning,
    title: "An index is dropped",
    why: "It is gone at once, and a query that needed it scans the table; building it again takes as long as it took.",
    reference: "https://dev.mysql.com/doc/refman/8.4/en/invisible-indexes.html",
};

/// An index gets another name.
pub const RENAME_INDEX: LintRule = LintRule {
    id: "mysql.rename_index",
    severity: Severity::Info,
    title: "An index gets another name",
    why: "A query that names it in USE INDEX or FORCE INDEX fails.",
    reference: "https://dev.mysql.com/doc/refman/8.4/en/index-hints.html",
};

/// Says that a unique index is added.
pub fn unique_note(asked: &Asked<'_>, index: &str) -> Note {
    let table = asked.table();
    let message = format!(
        "the unique index {} on {table} fails on any duplicate, even one written while it is built",
        shown(index)
    );
    let fix = format!("look for duplicates in {table} first, and stop the application from writing new ones");
    Note::new(&UNIQUE, message).fix(fix)
}

/// An index without a name goes by its columns.
fn shown(index: &str) -> String {
    if index.starts_with('(') { index.to_owned() } else { name(index) }
}

/// Judges ADD INDEX and CREATE INDEX.
pub fn add(asked: &Asked<'_>, kind: IndexKind, index: &str) -> Judged {
    let table = asked.table();
    let what = format!("ADD INDEX {}", shown(index));
    match kind {
        IndexKind::Plain => Judged::new(what, Class::InPlace),
        IndexKind::Unique => Judged::new(what, Class::InPlace).note(unique_note(asked, index)),
        IndexKind::FullText => {
            let has_one = asked.memory.table(&asked.alter.table).is_some_and(|table| table.has_full_text);
            let class = if has_one { Class::InPlaceShared } else { Class::RebuildShared };
            let message =
                format!("building the FULLTEXT index {} keeps writers of {table} waiting", shown(index));
            Judged::new(what, class).note(Note::cost(&FULL_TEXT, message).fix(online_tool(&table)))
        }
        IndexKind::Spatial => {
            let message =
                format!("building the SPATIAL index {} keeps writers of {table} waiting", shown(index));
            Judged::new(what, Class::InPlaceShared)
                .note(Note::cost(&SPATIAL, message).fix(online_tool(&table)))
        }
    }
}

/// Judges DROP INDEX: what the same statement builds again is only changed.
pub fn drop(asked: &Asked<'_>, index: &str) -> Judged {
    let what = format!("DROP INDEX {}", name(index));
    if index.eq_ignore_ascii_case("PRIMARY") {
        return super::key::drop_primary(asked);
    }
    let is_replaced = asked.alter.actions.iter().any(|action| match action {
        Action::AddIndex(_, new) => same_name(new, index),
        _ => false,
    });
    if is_replaced {
        return Judged::new(what, Class::InPlace);
    }
    let (table, index) = (asked.table(), name(index));
    let message = format!("dropping index {index} of {table} takes it from queries that may still need it");
    let fix = format!(
        "ALTER TABLE {table} ALTER INDEX {index} INVISIBLE; and drop it once nothing has become slow"
    );
    Judged::new(what, Class::InPlace).note(Note::new(&DROP_INDEX, message).fix(fix))
}

/// Judges RENAME INDEX.
pub fn rename(asked: &Asked<'_>, old: &str, new: &str) -> Judged {
    let message = format!(
        "queries of {} that name index {} in a hint fail once it is called {}",
        asked.table(),
        name(old),
        name(new)
    );
    Judged::new(format!("RENAME INDEX {}", name(old)), Class::InPlace).note(Note::new(&RENAME_INDEX, message))
}
