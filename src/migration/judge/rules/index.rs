//! CREATE INDEX, DROP INDEX and REINDEX.

use super::pieces::{alter_table, with_behind, without};
use super::words::{under, under_mode};
use crate::catalog::LockMode;
use crate::catalog::ddl::{
    Alteration, CreateIndex, DropObject, DroppedKind, Kind, ReindexScope, SameName, Touched, TouchedKind,
};
use crate::finding::{Severity, Threshold};
use crate::migration::judge::rule::{Asked, DdlRule, Effect, Exempt, Found};
use crate::text::identifier::{quote_identifier, quote_qualified};

const CONCURRENTLY: &str =
    "https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY";

/// CREATE INDEX without CONCURRENTLY.
pub const CREATE: DdlRule = DdlRule {
    id: "ddl.create_index_non_concurrent",
    severity: Severity::Error,
    title: "An index is built without CONCURRENTLY",
    why: "Writers wait for the whole build; on a partitioned table they wait on every partition until the last is done.",
    thresholds: &[],
    reference: CONCURRENTLY,
    exempt: Exempt::Small,
    check: create,
};

/// CREATE INDEX CONCURRENTLY on a partitioned table.
pub const CONCURRENTLY_PARTITIONED: DdlRule = DdlRule {
    id: "ddl.create_index_concurrently_partitioned",
    severity: Severity::Error,
    title: "An index of a partitioned table is asked for CONCURRENTLY",
    why: "The server refuses it; the way is an index ON ONLY the parent, one built CONCURRENTLY on each partition, and ATTACH.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-MAINTENANCE",
    exempt: Exempt::Nothing,
    check: concurrently_partitioned,
};

/// The name of an invalid index.
pub const INVALID_LEFTOVER: DdlRule = DdlRule {
    id: "ddl.invalid_index_leftover",
    severity: Severity::Error,
    title: "The index that is asked for is there, but invalid",
    why: "A build that failed keeps the name: IF NOT EXISTS then does nothing, and the index that nobody can use is kept up by every write.",
    thresholds: &[],
    reference: CONCURRENTLY,
    exempt: Exempt::Nothing,
    check: invalid_leftover,
};

/// Another index that does the same.
pub const TWIN: DdlRule = DdlRule {
    id: "ddl.duplicate_index",
    severity: Severity::Info,
    title: "An index like the new one is there already",
    why: "Every write keeps both; no query is faster for it.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/indexes-intro.html",
    exempt: Exempt::Nothing,
    check: twin,
};

/// Builds that run.
pub const BUILD_RUNNING: DdlRule = DdlRule {
    id: "ddl.index_build_running",
    severity: Severity::Warning,
    title: "Another index of the same table is being built now",
    why: "Builds of one table wait for each other: the second one only begins when the first has ended.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/progress-reporting.html#CREATE-INDEX-PROGRESS-REPORTING",
    exempt: Exempt::Private,
    check: build_running,
};

/// Many key columns.
pub const TOO_MANY_COLUMNS: DdlRule = DdlRule {
    id: "ddl.index_too_many_columns",
    severity: Severity::Info,
    title: "A new index has many columns",
    why: "Columns behind the third rarely narrow a search down, and each makes the index larger and writes dearer.",
    thresholds: &[Threshold {
        name: "columns",
        default: 3.0,
        range: (1.0, 32.0),
        meaning: "most key columns of an index that is not unique",
    }],
    reference: "https://www.postgresql.org/docs/current/indexes-multicolumn.html",
    exempt: Exempt::Nothing,
    check: too_many_columns,
};

/// Hash indexes before 10.
pub const HASH: DdlRule = DdlRule {
    id: "ddl.hash_index",
    severity: Severity::Error,
    title: "A hash index before PostgreSQL 10",
    why: "It is not written to the WAL: broken after a crash, and missing on standbys.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/hash-index.html",
    exempt: Exempt::Nothing,
    check: hash,
};

/// UNIQUE over what is there.
pub const DATA_DEPENDENT: DdlRule = DdlRule {
    id: "ddl.create_unique_index_data_dependent",
    severity: Severity::Info,
    title: "A unique index is built over rows that are there",
    why: "It fails at the first duplicate, perhaps only in production and after hours; CONCURRENTLY then leaves an invalid index behind.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/indexes-unique.html",
    exempt: Exempt::Small,
    check: data_dependent,
};

/// The index that was dropped before.
pub const REPLACE: DdlRule = DdlRule {
    id: "ddl.replace_index",
    severity: Severity::Warning,
    title: "An index is dropped before its successor is built",
    why: "Until the build ends queries do without either; large reads and lock waits are the usual result.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-reindex.html#SQL-REINDEX-CONCURRENTLY",
    exempt: Exempt::Small,
    check: replace,
};

/// DROP INDEX without CONCURRENTLY.
pub const DROP: DdlRule = DdlRule {
    id: "ddl.drop_index_non_concurrent",
    severity: Severity::Warning,
    title: "An index is dropped without CONCURRENTLY",
    why: "Its table is locked in ACCESS EXCLUSIVE for a moment; whoever comes while the statement waits for the lock queues behind it.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-dropindex.html",
    exempt: Exempt::Private,
    check: drop,
};

/// REINDEX without CONCURRENTLY.
pub const REINDEX: DdlRule = DdlRule {
    id: "ddl.reindex_non_concurrent",
    severity: Severity::Error,
    title: "REINDEX without CONCURRENTLY",
    why: "Writers wait for the whole build, and so do readers whose plans would look at the index.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-reindex.html#SQL-REINDEX-CONCURRENTLY",
    exempt: Exempt::Small,
    check: reindex,
};

/// A constraint over an invalid index.
pub const USING_INVALID: DdlRule = DdlRule {
    id: "ddl.constraint_using_invalid_index",
    severity: Severity::Error,
    title: "A constraint is added over an invalid index",
    why: "The server refuses it: the index does not hold all rows.",
    thresholds: &[],
    reference: CONCURRENTLY,
    exempt: Exempt::Nothing,
    check: using_invalid,
};

/// CREATE INDEX that is not made a no-op by IF NOT EXISTS.
fn built<'a>(asked: &Asked<'a>) -> Option<(&'a Touched, &'a CreateIndex)> {
    let Kind::CreateIndex(index) = &asked.action.kind else { return None };
    let is_no_op = index.if_not_exists && index.same_name != SameName::None;
    if is_no_op { None } else { Some((asked.target()?, index)) }
}

fn text<'a>(asked: &Asked<'a>) -> &'a str {
    if asked.statement.text.is_empty() { &asked.action.text } else { &asked.statement.text }
}

fn index_name(index: &CreateIndex) -> String {
    if index.name.is_empty() { "the index".into() } else { quote_identifier(&index.name) }
}

const PER_PARTITION: &str = "then CREATE INDEX CONCURRENTLY on each partition, and ALTER INDEX … ATTACH PARTITION for \
     each; with the last one the parent's index becomes valid";

/// The same index of the parent alone, which takes no time.
fn on_only(text: &str) -> String {
    with_behind(&without(text, "concurrently"), "on", "ONLY")
}

fn create(asked: &Asked<'_>) -> Option<Found> {
    let (table, index) = built(asked)?;
    let is_partitioned = table.kind == TouchedKind::PartitionedTable;
    if index.is_concurrent || (index.is_only && is_partitioned) {
        return None;
    }
    let mode = asked.action.lock_mode().unwrap_or(LockMode::Share);
    let mut message = format!("{} is built on {} {}", index_name(index), table.qualified(), under_mode(mode));
    if is_partitioned {
        message.push_str(" on every partition until the last is done");
    }
    let found = Found::new(Effect::IndexBuild, message);
    let text = text(asked);
    if is_partitioned {
        let found = found.note(PER_PARTITION);
        return Some(if text.is_empty() { found } else { found.safe(on_only(text)) });
    }
    let found = found.note(if asked.session.is_in_transaction_block {
        "CONCURRENTLY works outside of a transaction block only"
    } else {
        "should it fail, DROP INDEX CONCURRENTLY what it left before you try again"
    });
    Some(if text.is_empty() { found } else { found.safe(with_behind(text, "index", "CONCURRENTLY")) })
}

fn concurrently_partitioned(asked: &Asked<'_>) -> Option<Found> {
    let (table, index) = built(asked)?;
    if !index.is_concurrent || table.kind != TouchedKind::PartitionedTable {
        return None;
    }
    let message = format!(
        "{} is partitioned: the server cannot build {} on it concurrently and refuses",
        table.qualified(),
        index_name(index)
    );
    let found = Found::new(Effect::Fails, message).note(PER_PARTITION);
    let text = text(asked);
    let only = if index.is_only { without(text, "concurrently") } else { on_only(text) };
    Some(if text.is_empty() { found } else { found.safe(only) })
}

fn invalid_leftover(asked: &Asked<'_>) -> Option<Found> {
    let Kind::CreateIndex(index) = &asked.action.kind else { return None };
    if index.same_name != SameName::InvalidIndex {
        return None;
    }
    let table = asked.target()?;
    let name = quote_qualified(&table.schema, &index.name);
    let consequence = if index.if_not_exists {
        "IF NOT EXISTS takes it for the index that you ask for and does nothing"
    } else {
        "the statement fails because of its name"
    };
    let message = format!("{name} is there, but invalid since its build failed: {consequence}");
    let found = Found::new(Effect::Fails, message).safe(format!("DROP INDEX CONCURRENTLY {name}"));
    let text = text(asked);
    Some(if text.is_empty() { found } else { found.safe(text) })
}

fn twin(asked: &Asked<'_>) -> Option<Found> {
    let (table, index) = built(asked)?;
    let twin = index.twin.as_ref()?;
    let message = format!("{twin} of {} has the same keys as {}", table.qualified(), index_name(index));
    Some(Found::new(Effect::Style, message).note(
        "it is right only to replace a bloated one, which REINDEX INDEX CONCURRENTLY does in one statement",
    ))
}

fn build_running(asked: &Asked<'_>) -> Option<Found> {
    let (table, index) = built(asked)?;
    let (pid, other) = index.builds_running.first()?;
    let message = format!(
        "{other} of {} is being built by process {pid}: {} waits until that has ended",
        table.qualified(),
        index_name(index)
    );
    Some(Found::new(Effect::Lock, message).note("pg_stat_progress_create_index shows how far it is"))
}

fn too_many_columns(asked: &Asked<'_>) -> Option<Found> {
    let (table, index) = built(asked)?;
    if index.is_unique || f64::from(index.key_columns) <= (asked.threshold)("columns") {
        return None;
    }
    let message =
        format!("{} of {} has {} key columns", index_name(index), table.qualified(), index.key_columns);
    Some(Found::new(Effect::Style, message).note("dbm.advise says which columns a query needs"))
}

fn hash(asked: &Asked<'_>) -> Option<Found> {
    let (table, index) = built(asked)?;
    if index.method != "hash" || asked.session.server_version >= 100_000 {
        return None;
    }
    let message = format!(
        "{} of {} is a hash index and does not survive a crash",
        index_name(index),
        table.qualified()
    );
    Some(Found::new(Effect::Loses, message))
}

fn data_dependent(asked: &Asked<'_>) -> Option<Found> {
    let (table, index) = built(asked)?;
    if !index.is_unique {
        return None;
    }
    let message =
        format!("{} fails if {} has duplicates by its columns", index_name(index), table.qualified());
    Some(
        Found::new(Effect::Fails, message).note("count them first: GROUP BY the columns HAVING count(*) > 1"),
    )
}

fn replace(asked: &Asked<'_>) -> Option<Found> {
    let (table, index) = built(asked)?;
    let is_dropped = asked
        .session
        .dropped_indexes
        .iter()
        .any(|(schema, name)| *schema == table.schema && !index.name.is_empty() && *name == index.name);
    if !is_dropped {
        return None;
    }
    let message = format!(
        "{} of {} was dropped before it is built anew: queries do without it meanwhile",
        index_name(index),
        table.qualified()
    );
    Some(Found::new(Effect::Breaks, message).note(
        "build the new one under another name, drop the old one CONCURRENTLY, then ALTER INDEX … RENAME TO",
    ))
}

fn drop(asked: &Asked<'_>) -> Option<Found> {
    let Kind::Drop(dropped) = &asked.action.kind else { return None };
    let DropObject {
        kind: DroppedKind::Index, is_there: true, is_concurrent: false, constraint: None, ..
    } = dropped
    else {
        return None;
    };
    let table = asked.action.locks.iter().map(|lock| &lock.relation).find(|relation| {
        use TouchedKind as K;
        matches!(relation.kind, K::Table | K::PartitionedTable | K::MaterializedView)
    });
    let message = match table {
        Some(table) => format!("{} is dropped {} on {}", dropped.name, under(asked), table.qualified()),
        None => format!("{} is dropped {} on its table", dropped.name, under(asked)),
    };
    let mut found = Found::new(Effect::Lock, message);
    found.victim = table.cloned();
    if asked.target().is_some_and(|target| target.kind == TouchedKind::PartitionedIndex) {
        return Some(found.note("an index of a partitioned table cannot be dropped concurrently"));
    }
    Some(found.safe(format!("DROP INDEX CONCURRENTLY {}", dropped.name)))
}

fn reindex(asked: &Asked<'_>) -> Option<Found> {
    let Kind::Reindex { scope, is_concurrent: false } = &asked.action.kind else { return None };
    let (what, word) = match scope {
        ReindexScope::Index => (asked.target_name(), "index"),
        ReindexScope::Table => (format!("every index of {}", asked.target_name()), "table"),
        ReindexScope::Schema => ("every index of the schema".into(), "schema"),
        ReindexScope::Database => ("every index of the database".into(), "database"),
        ReindexScope::System => ("every index of the system catalogs".into(), "system"),
    };
    let message = format!(
        "{what} is built anew {}, as do readers whose plans would look at the index",
        under_mode(LockMode::Share)
    );
    let mut found = Found::new(Effect::IndexBuild, message);
    found.lock = Some(LockMode::Share);
    if *scope == ReindexScope::System {
        return Some(found.note("the system catalogs cannot be done concurrently: do it while nobody works"));
    }
    let text = text(asked);
    if text.is_empty() {
        return Some(found.note("REINDEX … CONCURRENTLY, outside of a transaction block"));
    }
    // Options between parentheses stay; one that says CONCURRENTLY false would contradict.
    let text = without_false_option(text);
    Some(found.safe(with_behind(&text, word, "CONCURRENTLY")).note("outside of a transaction block"))
}

/// `REINDEX (CONCURRENTLY false) INDEX i` without the option that says no.
fn without_false_option(text: &str) -> String {
    use crate::syntax::tokens::tokens;
    let found = tokens(text);
    let [first, open, ..] = found.as_slice() else { return text.to_owned() };
    if !open.is_sign("(") || !found.iter().any(|token| token.is("concurrently")) {
        return text.to_owned();
    }
    match found.iter().find(|token| token.is_sign(")")) {
        Some(close) => format!("{}{}", &text[..first.end()], &text[close.end()..]),
        None => text.to_owned(),
    }
}

fn using_invalid(asked: &Asked<'_>) -> Option<Found> {
    let Kind::Alter(Alteration::AddConstraint(added)) = &asked.action.kind else { return None };
    let using = added.using_index.as_ref()?;
    let table = asked.target()?;
    if using.is_valid || using.index.is_empty() {
        return None;
    }
    let message = format!(
        "{} is invalid since its build failed: the server refuses a constraint of {} over it",
        using.index,
        table.qualified()
    );
    let found =
        Found::new(Effect::Fails, message).safe(format!("REINDEX INDEX CONCURRENTLY {}", using.index));
    let text = &asked.action.text;
    Some(if text.is_empty() { found } else { found.safe(alter_table(&table.qualified(), text)) })
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
