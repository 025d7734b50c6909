//! Whose log it is, and who may see what of it: the rows are users' data, so whoever may not read a table may not read
//! what became of it either.

use std::collections::HashSet;

use pgrx::PgSqlErrorCode;

use super::rows::rows;
use crate::catalog::Oid;
use crate::pg::error::raise;
use crate::pg::roles;

/// The owner of the log; `None` where there is none. Its tables are nobody else's: a schema of that name which somebody
/// else made is read with his rights.
pub fn owner() -> Option<Oid> {
    let found = rows(
        None,
        "SELECT n.nspowner::pg_catalog.int8 FROM pg_catalog.pg_namespace n
         WHERE n.nspname = 'dbm_trail' AND 4 = (
             SELECT count(*) FROM pg_catalog.pg_class c
             WHERE c.relnamespace = n.oid AND c.relowner = n.nspowner AND c.relkind IN ('r', 'p')
               AND c.relname IN ('relation', 'shape', 'activity', 'change'))",
        &[],
    );
    found.first()?.first()?.as_deref()?.parse().ok()
}

/// The owner of the log, or an ERROR.
pub fn must_owner() -> Oid {
    owner().unwrap_or_else(|| {
        raise(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "this database has no audit log",
            "",
            "SELECT dbm.install_audit_trigger('…') makes it with the first table that is watched.",
        )
    })
}

/// Whether the caller sees everything: who has the rights of the log's owner.
pub fn sees_everything(owner: Oid) -> bool {
    roles::is_member(owner.into())
}

/// What the caller may see of a table's changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Visible {
    /// Everything, also of columns that are gone.
    All,
    /// All columns that the table has now.
    Table,
    /// Those columns, by their numbers now.
    Columns(HashSet<i32>),
    /// Nothing.
    Nothing,
}

/// What the caller may see of the changes of a table, by the rights that he has on it now; of one that is gone, nothing.
/// A policy of row security says which rows a role may see now, and nothing of those of then: only who bypasses it sees
/// any.
pub fn visible(table: Option<Oid>, sees_everything: bool) -> Visible {
    if sees_everything {
        return Visible::All;
    }
    let Some(table) = table else { return Visible::Nothing };
    let found = rows(
        None,
        "SELECT pg_catalog.has_table_privilege(c.oid, 'SELECT'), pg_catalog.row_security_active(c.oid),
                a.attnum, pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT')
         FROM pg_catalog.pg_class c
         LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
         WHERE c.oid = $1::pg_catalog.oid
           AND pg_catalog.has_schema_privilege(c.relnamespace, 'USAGE')",
        &[Some(table.to_string())],
    );
    let is = |row: &[Option<String>], place: usize| {
        row.get(place).and_then(|value| value.as_deref()).is_some_and(|value| value == "t")
    };
    let Some(first) = found.first() else { return Visible::Nothing };
    if is(first, 1) {
        return Visible::Nothing;
    }
    // Of columns that are gone nobody says who might have seen them.
    if is(first, 0) {
        return Visible::Table;
    }
    let columns: HashSet<i32> = found
        .iter()
        .filter(|row| is(row, 3))
        .filter_map(|row| row.get(2).and_then(Option::as_deref)?.parse().ok())
        .collect();
    if columns.is_empty() { Visible::Nothing } else { Visible::Columns(columns) }
}
