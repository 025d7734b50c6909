//! One table with what stands around it, asked of the catalogs with the caller's rights.
//!
//! Deparsing takes ACCESS SHARE on the tables: changes are planned when somebody has time.

use pgrx::PgSqlErrorCode;
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys;

use super::error::raise;
use super::local_settings::with_pinned_search_path;
use super::query::rows;
use super::scan::{text_of_c_string, text_of_name};
use super::value::Text;
use crate::catalog::Oid;
use crate::catalog::surroundings::Table;
use crate::text::quote_identifier;

const TABLE: &str = include_str!("surroundings/table.sql");

/// The table of that number, or an ERROR. `column`: the one by which it is or will be divided; may be empty.
pub fn surroundings(table: Oid, column: &str) -> Table {
    let document = with_pinned_search_path(|| {
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
    let mut table: Table = read(&document);
    for column in &mut table.columns {
        column.equality = equality(column.r#type.into());
    }
    table
}

/// What says that two values of a type are equal, qualified, as its default operator class for indexes has it: a name alone
/// would be looked up in a search_path in which the type's own may not be. `None` where nothing does.
pub fn equality(type_oid: pg_sys::Oid) -> Option<String> {
    // SAFETY: look-ups in the caches of types and operators; the tuple is released once its fields are copied.
    unsafe {
        let entry = pg_sys::lookup_type_cache(type_oid, pg_sys::TYPECACHE_EQ_OPR as i32);
        let operator = (*entry).eq_opr;
        if operator == pg_sys::InvalidOid {
            return None;
        }
        let cache = pg_sys::SysCacheIdentifier::OPEROID as i32;
        let tuple = pg_sys::SearchSysCache1(cache, operator.into());
        if tuple.is_null() {
            return None;
        }
        let form = &*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_operator>();
        let name = text_of_name(&form.oprname);
        let schema = text_of_c_string(pg_sys::get_namespace_name(form.oprnamespace));
        pg_sys::ReleaseSysCache(tuple);
        Some(format!("OPERATOR({}.{name})", quote_identifier(&schema?)))
    }
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
