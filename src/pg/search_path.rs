//! The search_path that a plan takes along, for words of the caller's own and for triggers that look names up in it.

use super::query::rows;
use super::value::Text;

/// The schemas in which the caller's names are looked up, as a value of the setting; empty for none. `pg_catalog` is left
/// out, so that it is always looked up first.
pub fn of_caller() -> String {
    let sql = "SELECT pg_catalog.string_agg(pg_catalog.quote_ident(name), ', ' ORDER BY place)
         FROM pg_catalog.unnest(pg_catalog.current_schemas(false)) WITH ORDINALITY AS path(name, place)
         WHERE NOT pg_catalog.starts_with(name::pg_catalog.text, 'pg_')";
    let found = rows(sql, &[], |row| row.get::<Text>(1));
    found.into_iter().flatten().next().map(Text::into_string).unwrap_or_default()
}
