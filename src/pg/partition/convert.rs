//! What a conversion has to know of a table, asked of the catalogs and of its rows with the caller's rights.
//!
//! Deparsing takes ACCESS SHARE on the tables: conversions are planned when somebody has time.

use pgrx::datum::DatumWithOid;
use pgrx::pg_sys;

use crate::catalog::Oid;
use crate::pg::local_settings::{PINNED_SEARCH_PATH, with_pinned_search_path, with_settings};
use crate::pg::query::rows;
use crate::pg::value::Text;

const TABLE: &str = include_str!("convert/table.sql");
const AROUND: &str = include_str!("convert/around.sql");

/// A file of more blocks (1 GB) is read only where an index leads to the answer.
const LARGE: i64 = 131_072;

fn texts(sql: &str, arguments: &[DatumWithOid<'_>]) -> Vec<String> {
    rows(sql, arguments, |row| row.get::<Text>(1)).into_iter().flatten().map(Text::into_string).collect()
}

/// The table, and what stands around it, as JSON documents; `None` where there is no such relation. `print` is the query
/// that tells what hangs on `{table}`.
pub fn documents(table: Oid, print: &str) -> Option<(String, String)> {
    let print = print.replace("{table}", "c.oid");
    let ask = |sql: &str| texts(sql, &[DatumWithOid::from(pg_sys::Oid::from(table))]).into_iter().next();
    with_pinned_search_path(|| Some((ask(&TABLE.replace("{print}", &print))?, ask(AROUND)?)))
}

/// The number of a table's owner.
pub fn owner_of(table: Oid) -> Oid {
    let sql = format!("SELECT c.relowner::pg_catalog.int8 FROM pg_catalog.pg_class c WHERE c.oid = {table}");
    let owners = rows(&sql, &[], |row| row.get::<i64>(1));
    owners.into_iter().flatten().next().and_then(|owner| Oid::try_from(owner).ok()).unwrap_or_default()
}

/// What a query of ours in the catalogs says: the first column of its first row.
pub fn said(sql: &str) -> Option<String> {
    with_pinned_search_path(|| texts(sql, &[])).into_iter().next()
}

/// The keys by which the rows of a table can be told apart, the best first, as [`crate::change::batch::key::keys`] asks for them:
/// their columns.
pub fn row_keys(sql: &str) -> Vec<String> {
    texts(&format!("SELECT k.columns::pg_catalog.text FROM ({sql}) AS k (name, columns)"), &[])
}

/// What the rows say of the column by which to partition.
pub struct Keys {
    /// The least, as text in ISO style and UTC; `None` where there is none or nobody looked.
    pub oldest: Option<String>,
    /// The greatest, likewise.
    pub newest: Option<String>,
    /// Whether a row has none.
    pub has_null: bool,
    /// Whether all that is known by looking at rows, and not by statistics.
    pub is_exact: bool,
}

/// Asks the rows, where that is cheap, else the statistics. Table and column are quoted; `is_indexed`: whether an index
/// begins with the column.
pub fn keys(table: &str, column: &str, is_nullable: bool, is_indexed: bool, blocks: i64) -> Keys {
    let settings = [(c"search_path", PINNED_SEARCH_PATH), (c"DateStyle", c"ISO, YMD"), (c"TimeZone", c"UTC")];
    with_settings(&settings, || {
        let is_exact = is_indexed || blocks <= LARGE;
        if is_exact {
            let end = |order: &str| {
                let sql = format!(
                    "SELECT x.{column}::text FROM ONLY {table} AS x WHERE x.{column} IS NOT NULL ORDER BY x.{column}{order} LIMIT 1"
                );
                texts(&sql, &[]).into_iter().next()
            };
            let nulls = format!("SELECT 'null' FROM ONLY {table} AS x WHERE x.{column} IS NULL LIMIT 1");
            let has_null = is_nullable && !texts(&nulls, &[]).is_empty();
            return Keys { oldest: end(""), newest: end(" DESC"), has_null, is_exact };
        }
        let arguments = [Text::from(table).into(), Text::from(column).into()];
        let bound = |end: &str| {
            let sql = format!(
                "SELECT (s.histogram_bounds::text::text[])[array_{end}(s.histogram_bounds::text::text[], 1)] FROM pg_stats s
                 WHERE format('%I.%I', s.schemaname, s.tablename) = $1 AND quote_ident(s.attname) = $2"
            );
            texts(&sql, &arguments).into_iter().next()
        };
        let (oldest, newest) = (bound("lower"), bound("upper"));
        let nulls = texts(
            "SELECT 'null' FROM pg_stats s
             WHERE format('%I.%I', s.schemaname, s.tablename) = $1 AND quote_ident(s.attname) = $2 AND s.null_frac > 0",
            &arguments,
        );
        Keys { oldest, newest, has_null: is_nullable && !nulls.is_empty(), is_exact }
    })
}
