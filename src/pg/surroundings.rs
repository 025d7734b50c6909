//! One table with what stands around it, asked of the catalogs with the caller's rights.
//!
//! Deparsing takes ACCESS SHARE on the tables: changes are planned when somebody has time.

use pgrx::PgSqlErrorCode;
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys;

use super::error::raise;
use super::local_settings::with_empty_search_path;
use super::query::rows;
use super::value::Text;
use crate::catalog::Oid;
use crate::catalog::surroundings::Table;

const TABLE: &str = include_str!("surroundings/table.sql");

/// The table of that number, or an ERROR. `column`: the one by which it is or will be divided; may be empty.
pub fn surroundings(table: Oid, column: &str) -> Table {
    let document = with_empty_search_path(|| {
        let arguments = [DatumWithOid::from(pg_sys::Oid::from(table)), Text::from(column).into()];
        rows(TABLE, &arguments, |row| row.get::<Text>(1)).into_iter().flatten().map(Text::into_string).next()
    });
    let Some(document) = document else {
        raise(
            PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE,
            &format!("relation with OID {table} does not exist"),
            "",
            "",
        )
    };
    read(&document)
}

/// A document as what it is.
pub fn read<'a, T: serde::Deserialize<'a>>(document: &'a str) -> T {
    serde_json::from_str(document).unwrap_or_else(|error| {
        raise(
            PgSqlErrorCode::ERRCODE_INTERNAL_ERROR,
            "the catalogs could not be read for a plan",
            &error.to_string(),
            "",
        )
    })
}
