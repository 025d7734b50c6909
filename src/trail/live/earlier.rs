//! What was said of a table's columns when it was watched before: by itself, or as a partition of another. Whoever watches
//! it again without saying how is not to have that logged which was kept back.

use std::collections::{BTreeSet, HashMap};

use pgrx::datum::DatumWithOid;
use pgrx::spi::{SpiError, SpiHeapTupleData};

use super::facts::{self, Name, Table};
use crate::pg::error::warn;
use crate::pg::query;
use crate::pg::trail::home;
use crate::pg::value::{JsonText, RegClass, Text};
use crate::text::{quote_identifier, quote_qualified};
use crate::trail::survey::{IS_STALE, OID};
use crate::trail::watch::{Column, Earlier};

/// A row of the registry.
struct Row {
    is_watched: bool,
    settings: serde_json::Value,
    /// The table whose columns have the numbers of the settings; where that is another database's, names count.
    numbered: Option<u32>,
    /// Whether it is of another database.
    is_elsewhere: bool,
}

/// The columns of such a row.
fn columns() -> String {
    format!("r.removed_at IS NULL, r.settings, CASE WHEN NOT {IS_STALE} THEN r.relid END, r.home <> $1")
}

/// The row of the registry whose columns begin at that place.
fn read(row: &SpiHeapTupleData<'_>, place: usize) -> Result<Row, SpiError> {
    Ok(Row {
        is_watched: row.get::<bool>(place)?.unwrap_or(false),
        settings: row.get::<JsonText>(place + 1)?.map_or(serde_json::Value::Null, |json| json.value()),
        numbered: row.get::<RegClass>(place + 2)?.map(|relid| relid.oid().to_u32()),
        is_elsewhere: row.get::<bool>(place + 3)?.unwrap_or(false),
    })
}

const LAST_FIRST: &str = "ORDER BY r.removed_at DESC NULLS FIRST, r.relation_id DESC";

fn rows(condition: &str, arguments: &[DatumWithOid<'_>]) -> Vec<Row> {
    let sql = format!("SELECT {} FROM dbm_trail.relation r WHERE {condition} {LAST_FIRST}", columns());
    query::rows(&sql, arguments, |row| read(row, 1))
}

impl Row {
    /// What it says, by the names of now; what is gone is left out. `columns`: those of the tables of which rows have numbers.
    fn said(&self, columns: &HashMap<u32, Vec<Column>>) -> Earlier {
        let name = |setting: &serde_json::Value| -> Option<String> {
            let Some(numbered) = self.numbered else {
                return Some(setting.get("name")?.as_str()?.to_owned());
            };
            let number = setting.get("number")?.as_i64()?;
            let mut columns = columns.get(&numbered)?.iter();
            columns.find(|column| column.number == number).map(|column| column.name.clone())
        };
        let list = |list: &str| -> Option<Vec<String>> {
            Some(self.settings.get(list)?.as_array()?.iter().filter_map(name).collect())
        };
        Earlier {
            only: list("only"),
            exclude: list("exclude").unwrap_or_default(),
            redact: list("redact").unwrap_or_default(),
        }
    }
}

/// What the log knows of the columns of tables: asked once for all of them, which may be thousands of partitions.
#[derive(Default)]
pub struct Memory {
    /// The rows of each itself.
    own: HashMap<u32, Vec<Row>>,
    /// Those of tables of which it was a partition.
    above: HashMap<u32, Vec<Row>>,
    /// Those of a table of its name that is gone, or elsewhere, or of which one of its name was a partition.
    by_name: HashMap<u32, Vec<Row>>,
    /// Columns of the tables whose columns have the numbers of the settings.
    columns: HashMap<u32, Vec<Column>>,
}

/// The rows that are of a table.
fn of(rows: &HashMap<u32, Vec<Row>>, relid: u32) -> Vec<&Row> {
    rows.get(&relid).into_iter().flatten().collect()
}

impl Memory {
    /// Of these tables. `above`: the number in the log of a table of which they were partitions.
    pub fn of(tables: &[&Name], above: Option<i32>) -> Self {
        let relids: Vec<String> = tables.iter().map(|table| table.relid.to_string()).collect();
        let sql = format!(
            "WITH wanted AS MATERIALIZED (
                 SELECT * FROM ROWS FROM (pg_catalog.unnest('{{{}}}'::pg_catalog.oid[]),
                     pg_catalog.unnest($3::pg_catalog.text[]), pg_catalog.unnest($4::pg_catalog.text[]))
                     AS w (relid, schema_name, table_name)),
             found AS MATERIALIZED (
                 SELECT w.relid, 'own' AS way, r.relation_id
                 FROM wanted w JOIN dbm_trail.relation r ON r.relid = w.relid AND r.home = $1
                 UNION
                 SELECT w.relid, 'own', r.relation_id
                 FROM wanted w JOIN dbm_trail.relation r ON r.table_name = w.table_name
                     AND r.schema_name = w.schema_name AND r.removed_at IS NULL AND ({OID}) = w.relid
                 UNION
                 SELECT w.relid, 'above', r.relation_id
                 FROM wanted w JOIN dbm_trail.relation r ON r.relation_id = $2
                 UNION
                 SELECT w.relid, 'above', r.relation_id
                 FROM wanted w JOIN dbm_trail.shape s ON s.relid = w.relid AND s.home = $1 AND s.fingerprint <> 0
                 JOIN dbm_trail.relation r ON r.relation_id = s.relation_id
                 WHERE ({OID}) IS DISTINCT FROM w.relid
                 UNION
                 SELECT w.relid, 'name', r.relation_id
                 FROM wanted w JOIN dbm_trail.relation r ON r.table_name = w.table_name
                     AND r.schema_name = w.schema_name AND {IS_STALE}
                 UNION
                 SELECT w.relid, 'name', s.relation_id
                 FROM wanted w JOIN dbm_trail.shape s ON s.table_name = w.table_name AND s.schema_name = w.schema_name
                 WHERE s.fingerprint <> 0 AND (s.home <> $1 OR NOT EXISTS (SELECT FROM pg_catalog.pg_class p WHERE p.oid = s.relid)))
             SELECT f.relid, f.way, {} FROM found f JOIN dbm_trail.relation r ON r.relation_id = f.relation_id {LAST_FIRST}",
            relids.join(", "),
            columns()
        );
        let texts = |text: fn(&Name) -> &str| -> Vec<Text> {
            tables.iter().map(|table| Text::from(text(table))).collect()
        };
        let arguments = [
            Text::from(home()).into(),
            above.unwrap_or(0).into(),
            texts(|table| &table.schema).into(),
            texts(|table| &table.table).into(),
        ];
        let found = query::rows(&sql, &arguments, |row| {
            let relid = row.get::<RegClass>(1)?.map_or(0, |relid| relid.oid().to_u32());
            Ok((relid, row.get::<Text>(2)?.map_or_else(String::new, Text::into_string), read(row, 3)?))
        });
        let mut memory = Self::default();
        for (relid, way, row) in found {
            let of_way = match &*way {
                "own" => &mut memory.own,
                "above" => &mut memory.above,
                _ => &mut memory.by_name,
            };
            of_way.entry(relid).or_default().push(row);
        }
        let all = memory.own.values().chain(memory.above.values()).chain(memory.by_name.values());
        let numbered: BTreeSet<u32> = all.flatten().filter_map(|row| row.numbered).collect();
        memory.columns = facts::columns_of(&numbered.into_iter().collect::<Vec<u32>>());
        memory
    }

    /// Whether the table has a row of its own, and whether that says that it is watched.
    pub fn is_watched(&self, relid: u32) -> Option<bool> {
        self.own.get(&relid).map(|own| own.iter().any(|row| row.is_watched))
    }

    /// What was said of the columns of a table.
    pub fn earlier(&self, table: &Name, columns: &[Column]) -> Earlier {
        let of = |way| of(way, table.relid);
        let own: Vec<&Row> = of(&self.own);
        if let Some(now) = own.first().filter(|row| row.is_watched) {
            let said = now.said(&self.columns);
            tell_missing(table, &said, columns);
            return said.of(columns);
        }
        // As a partition its rows were logged as those of the table above.
        let mut all = own.clone();
        all.extend(of(&self.above));
        let mut by_name = of(&self.by_name);
        if all.is_empty() {
            // A table or partition of that name which is gone, or elsewhere: the history is another's, but what was kept back of
            // it is rather kept back too much.
            by_name.truncate(1);
            all = by_name;
        } else if own.is_empty() {
            // A restore made it, and it may have been watched, or a partition of another, before.
            all.extend(by_name.into_iter().filter(|row| row.is_elsewhere));
        }
        let said = all.iter().map(|row| row.said(&self.columns).of(columns));
        said.reduce(Earlier::and).unwrap_or_default()
    }
}

/// What was said of the columns of a table. `above`: the number in the log of a table of which it was a partition.
pub fn earlier(table: &Table, columns: &[Column], above: Option<i32>) -> Earlier {
    let name = table.name();
    Memory::of(&[&name], above).earlier(&name, columns)
}

/// What was said of the columns of a table on its own, and what is said of those of the watched table above it.
pub fn own_and_above(table: &Table, columns: &[Column], own: i32) -> (Earlier, Earlier) {
    let said = |condition: &str| {
        let found = rows(condition, &[Text::from(home()).into(), own.into()]);
        let numbered: Vec<u32> = found.iter().filter_map(|row| row.numbered).collect();
        let of_numbered = facts::columns_of(&numbered);
        found.first().map(|row| row.said(&of_numbered).of(columns)).unwrap_or_default()
    };
    let above = format!(
        "r.removed_at IS NULL AND r.home = $1 AND r.relation_id <> $2 AND r.relid IN (
             SELECT a.relid::pg_catalog.oid FROM pg_catalog.pg_partition_ancestors({}) a)",
        table.relid
    );
    (said("$1 IS NOT NULL AND r.relation_id = $2"), said(&above))
}

/// A restored table that lacks a column which was kept back may have it by another name.
fn tell_missing(table: &Name, said: &Earlier, columns: &[Column]) {
    let missing = said
        .exclude
        .iter()
        .chain(&said.redact)
        .find(|&name| columns.iter().all(|column| column.name != *name));
    if let Some(name) = missing {
        warn(
            &format!(
                "column {} of {} was kept out of the audit trail, and is not there",
                quote_identifier(name),
                quote_qualified(&table.schema, &table.table)
            ),
            "The table was restored from a dump that knows no such column: it may have another name now.",
            "SELECT dbm.install_audit_trigger(…, exclude => '{…}') keeps a column out.",
        );
    }
}
