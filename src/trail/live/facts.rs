//! What the catalogs and the log say of a table.

use std::collections::HashMap;

use pgrx::PgSqlErrorCode;
use pgrx::datum::DatumWithOid;
use pgrx::spi::{SpiError, SpiHeapTupleData};

use crate::pg::error::raise;
use crate::pg::query;
use crate::pg::trail::home;
use crate::pg::upkeep::latest_rows;
use crate::pg::value::{JsonText, RegClass, Text};
use crate::text::quote_qualified;
use crate::trail::survey::{self, NEEDS_ROWS, Watched};
use crate::trail::triggers::PREFIX;
use crate::trail::watch::Column;

/// A table by its number and its names.
pub struct Name {
    pub relid: u32,
    pub schema: String,
    pub table: String,
}

/// A table that may be watched.
pub struct Table {
    pub relid: u32,
    pub schema: String,
    pub name: String,
    pub kind: char,
    pub persistence: char,
    pub needs_rows: bool,
}

impl Table {
    /// By its number and its names alone.
    pub fn name(&self) -> Name {
        Name { relid: self.relid, schema: self.schema.clone(), table: self.name.clone() }
    }

    /// Its name as SQL takes it.
    pub fn quoted(&self) -> String {
        quote_qualified(&self.schema, &self.name)
    }
}

fn text(row: &SpiHeapTupleData<'_>, place: usize) -> Result<String, SpiError> {
    Ok(row.get::<Text>(place)?.map_or_else(String::new, Text::into_string))
}

/// A text that is one character.
fn letter(row: &SpiHeapTupleData<'_>, place: usize) -> Result<char, SpiError> {
    Ok(text(row, place)?.chars().next().unwrap_or('\0'))
}

/// A relation by its number.
pub fn table(relid: u32) -> Table {
    let sql = format!(
        "SELECT n.nspname::pg_catalog.text, c.relname::pg_catalog.text, c.relkind::pg_catalog.text, \
             c.relpersistence::pg_catalog.text, {NEEDS_ROWS} \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = {relid}"
    );
    let found = query::rows(&sql, &[], |row| {
        Ok(Table {
            relid,
            schema: text(row, 1)?,
            name: text(row, 2)?,
            kind: letter(row, 3)?,
            persistence: letter(row, 4)?,
            needs_rows: row.get::<bool>(5)?.unwrap_or(false),
        })
    });
    found.into_iter().next().unwrap_or_else(|| {
        raise(PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE, &format!("relation {relid} does not exist"), "", "")
    })
}

/// Whether rows of a table need triggers of their own, by what is committed now, whatever the snapshot of the transaction.
pub fn needs_rows_now(relid: u32) -> bool {
    let sql =
        format!("SELECT COALESCE({NEEDS_ROWS}, false) FROM pg_catalog.pg_class c WHERE c.oid = {relid}");
    let found = latest_rows(&sql);
    found.first().and_then(|row| row.first()).is_some_and(|needs| needs.as_deref() == Some("t"))
}

/// The columns of a table.
pub fn columns(relid: u32) -> Vec<Column> {
    columns_of(&[relid]).remove(&relid).unwrap_or_default()
}

/// The columns of tables, by these.
pub fn columns_of(relids: &[u32]) -> HashMap<u32, Vec<Column>> {
    let relids: Vec<String> = relids.iter().map(u32::to_string).collect();
    let sql = format!(
        "SELECT a.attrelid, a.attnum::pg_catalog.int8, a.attname::pg_catalog.text, EXISTS (SELECT FROM pg_catalog.pg_index i \
             WHERE i.indrelid = a.attrelid AND i.indisprimary AND a.attnum = ANY (i.indkey)) \
         FROM pg_catalog.pg_attribute a WHERE a.attrelid = ANY ('{{{}}}'::pg_catalog.oid[]) AND a.attnum > 0 \
             AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum",
        relids.join(", ")
    );
    let found = query::rows(&sql, &[], |row| {
        let column = Column {
            number: row.get::<i64>(2)?.unwrap_or(0),
            name: text(row, 3)?,
            is_key: row.get::<bool>(4)?.unwrap_or(false),
        };
        Ok((row.get::<RegClass>(1)?.map_or(0, |relid| relid.oid().to_u32()), column))
    });
    let mut columns: HashMap<u32, Vec<Column>> = HashMap::new();
    for (relid, column) in found {
        columns.entry(relid).or_default().push(column);
    }
    columns
}

/// Names of relations, quoted, that a query returns as schema and name.
pub fn names(sql: &str, arguments: &[DatumWithOid<'_>]) -> Vec<String> {
    query::rows(sql, arguments, |row| Ok(quote_qualified(&text(row, 1)?, &text(row, 2)?)))
}

/// The tables below a partitioned table.
pub fn partitions(relid: u32) -> Vec<String> {
    let sql = format!(
        "SELECT n.nspname::pg_catalog.text, c.relname::pg_catalog.text FROM pg_catalog.pg_partition_tree({relid}) p
         JOIN pg_catalog.pg_class c ON c.oid = p.relid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE p.relid <> {relid} AND c.relkind IN ('r', 'p') ORDER BY 1, 2"
    );
    names(&sql, &[])
}

/// The triggers of ours on a table, and on those below it the ones that were made there; and what has their names.
pub fn triggers(relid: u32) -> Vec<(String, String)> {
    let sql = format!(
        "SELECT n.nspname::pg_catalog.text, c.relname::pg_catalog.text, t.tgname::pg_catalog.text
         FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE (t.tgfoid = 'dbm.write_audit_trail()'::pg_catalog.regprocedure
                OR pg_catalog.starts_with(t.tgname, '{PREFIX}')) AND t.tgparentid = 0
           AND t.tgrelid = ANY ({})
         ORDER BY 1, 2, 3",
        survey::tree(&format!("{relid}::pg_catalog.oid"))
    );
    query::rows(&sql, &[], |row| Ok((quote_qualified(&text(row, 1)?, &text(row, 2)?), text(row, 3)?)))
}

/// The watched tables that `condition` on `r` and `c` picks, each with what is stored of it.
pub fn survey(condition: &str) -> Vec<(Watched, Stored)> {
    let sql = survey::query(condition);
    query::rows(&sql, &[Text::from(home()).into()], |row| {
        let list = |place: usize| -> Result<Vec<String>, SpiError> {
            let texts = row.get::<Vec<Option<Text>>>(place)?.unwrap_or_default();
            Ok(texts.into_iter().flatten().map(Text::into_string).collect())
        };
        let watched = Watched {
            relation_id: row.get::<i32>(1)?.unwrap_or(0),
            relid: row.get::<RegClass>(2)?.map_or(0, |relid| relid.oid().to_u32()),
            name: (text(row, 3)?, text(row, 4)?),
            mode: text(row, 5)?,
            level: text(row, 6)?,
            needs_rows: row.get::<bool>(7)?.unwrap_or(false),
            triggers: list(8)?,
            silenced: list(9)?,
            bare_partitions: row.get::<i64>(10)?.unwrap_or(0),
            is_unlogged: row.get::<bool>(11)?.unwrap_or(false),
        };
        let stored = Stored {
            store: text(row, 12)?,
            settings: row.get::<JsonText>(13)?.map_or(serde_json::Value::Null, |json| json.value()),
            installed_at: row.get::<pgrx::datum::TimestampWithTimeZone>(14)?,
        };
        Ok((watched, stored))
    })
}

/// How a table is watched.
pub struct Stored {
    pub store: String,
    pub settings: serde_json::Value,
    pub installed_at: Option<pgrx::datum::TimestampWithTimeZone>,
}

impl Stored {
    /// The names in a list of the settings; `None` where there is no such list.
    pub fn names(&self, list: &str) -> Option<Vec<String>> {
        let columns = self.settings.get(list)?.as_array()?;
        let names = columns.iter().filter_map(|column| column.get("name")?.as_str());
        Some(names.map(str::to_owned).collect())
    }

    /// Whether the text of queries is kept.
    pub fn keeps_query(&self) -> bool {
        self.settings.get("query").and_then(serde_json::Value::as_bool).unwrap_or(false)
    }
}
