//! Asks what the target is; ends with an ERROR for what cannot be filled in batches.

use pgrx::PgSqlErrorCode;

use super::{key, keys, leaves, other_kind, partition_columns, target};
use crate::migration::backfill::range::{Key, Part};
use crate::pg::backfill::conversation::{Conversation, Row};
use crate::pg::error::raise;
use crate::pg::local_settings::with_pinned_search_path;
use crate::text::{quote_identifier, quote_qualified};

/// A table to be filled.
pub struct Target {
    /// Its number.
    pub oid: u32,
    /// Qualified and quoted.
    pub name: String,
    /// Its bare name.
    pub bare: String,
    /// Whose security the caller meets there.
    has_row_security: bool,
}

/// A table that holds rows of the target.
pub struct Leaf {
    /// Its number.
    pub oid: u32,
    /// Its name and key.
    pub part: Part,
    /// An estimate of its rows.
    pub rows: u64,
}

/// The text of a column; empty for NULL.
pub fn text(row: &Row, column: usize) -> &str {
    row.get(column).and_then(Option::as_deref).unwrap_or_default()
}

/// The number in a column; the type's zero for NULL.
pub fn number<T: std::str::FromStr + Default>(row: &Row, column: usize) -> T {
    text(row, column).parse().unwrap_or_default()
}

/// Whether a column is true.
pub fn truth(row: &Row, column: usize) -> bool {
    text(row, column) == "t"
}

impl Target {
    /// Looks it up.
    pub fn of(talk: &Conversation, oid: u32) -> Self {
        let row = with_pinned_search_path(|| talk.row(&target(oid)));
        if row.is_empty() {
            let message = format!("there is no relation with number {oid}");
            raise(PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE, &message, "", "");
        }
        let is_temporary = text(&row, 1) == "t";
        let bare = text(&row, 3);
        let name = if is_temporary { quote_identifier(bare) } else { quote_qualified(text(&row, 2), bare) };
        let refuse = |detail: &str, hint: &str| -> ! {
            let message = format!("{name} cannot be filled in batches");
            raise(PgSqlErrorCode::ERRCODE_WRONG_OBJECT_TYPE, &message, detail, hint)
        };
        let kind = text(&row, 0);
        if !matches!(kind, "r" | "p") {
            let hint = if kind == "v" { "Name the table beneath it." } else { "" };
            refuse(&format!("It is {}.", other_kind(kind)), hint);
        }
        if truth(&row, 4) {
            refuse("It is a catalog of the system.", "");
        }
        if is_temporary {
            refuse("It is a temporary table, which no other session waits for.", "Run a plain UPDATE.");
        }
        if truth(&row, 6) {
            refuse("A rule rewrites what an UPDATE of it does.", "Name the table that the rule writes to.");
        }
        Self { oid, bare: text(&row, 3).to_owned(), has_row_security: truth(&row, 5), name }
    }

    /// The tables that hold its rows, each with the key by which it is cut: one that the assignment leaves alone.
    pub fn leaves(&self, talk: &Conversation, assigned: &[String]) -> Vec<Leaf> {
        let rows = with_pinned_search_path(|| talk.run(&leaves(self.oid)));
        let is_alone = rows.len() == 1 && number::<u32>(&rows[0], 0) == self.oid;
        if !is_alone {
            self.refuse_movement(talk, assigned);
            if self.has_row_security {
                let message = format!("{} cannot be filled in batches by this role", self.name);
                let detail = "Its row-level security holds for the role, and batches go to the partitions themselves, whose policies are others.";
                raise(
                    PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
                    &message,
                    detail,
                    "Run it as a role that bypasses row-level security.",
                );
            }
        }
        let alias = quote_identifier(&self.bare);
        rows.iter()
            .map(|row| {
                let (oid, name) = (number(row, 0), quote_qualified(text(row, 1), text(row, 2)));
                if text(row, 3) != "r" {
                    let message = format!("{} cannot be filled in batches", self.name);
                    let detail = format!("Its partition {name} is {}.", other_kind(text(row, 3)));
                    raise(
                        PgSqlErrorCode::ERRCODE_WRONG_OBJECT_TYPE,
                        &message,
                        &detail,
                        "Name the other partitions one by one.",
                    );
                }
                let key = leaf_key(talk, oid, &name, assigned);
                Leaf { oid, part: Part { name, alias: alias.clone(), key }, rows: number(row, 4) }
            })
            .collect()
    }

    fn refuse_movement(&self, talk: &Conversation, assigned: &[String]) {
        for row in with_pinned_search_path(|| talk.run(&partition_columns(self.oid))) {
            let column = text(&row, 0);
            if assigned.iter().any(|assigned| assigned == column) {
                let message = format!(
                    "column {} of {} cannot be filled in batches",
                    quote_identifier(column),
                    self.name
                );
                let detail =
                    "It decides to which partition a row belongs, and a row that moves could be met twice.";
                raise(PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED, &message, detail, "");
            }
        }
    }
}

fn leaf_key(talk: &Conversation, oid: u32, name: &str, assigned: &[String]) -> Key {
    let mut changed = None;
    for row in with_pinned_search_path(|| talk.run(&keys(oid))) {
        let key = key(text(&row, 1));
        match key.columns.iter().find(|column| assigned.contains(&column.name)) {
            None => return key,
            Some(column) => {
                changed = changed.or_else(|| Some((column.name.clone(), text(&row, 0).to_owned())))
            }
        }
    }
    let detail = match changed {
        Some((column, index)) => format!(
            "The assignment changes column {} of its key {}: a row that moves along the key could be met twice.",
            quote_identifier(&column),
            quote_identifier(&index)
        ),
        None => "Batches are cut along a primary key or another unique index on columns that are NOT NULL, without expressions or predicate.".to_owned(),
    };
    raise(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        &format!("table {name} has no key to cut batches along"),
        &detail,
        "Create a unique index CONCURRENTLY on other columns that are NOT NULL.",
    )
}
