//! What was said of a table's columns when it was watched before: by itself, or as a partition of another. Whoever watches
//! it again without saying how is not to have that logged which was kept back.

use super::facts::{self, Table};
use crate::pg::error::warn;
use crate::pg::query;
use crate::pg::trail::home;
use crate::pg::value::{RegClass, Text};
use crate::text::quote_identifier;
use crate::trail::survey::{IS_STALE, OID};
use crate::trail::watch::{Column, Earlier};

/// A row of the registry.
struct Row {
    is_watched: bool,
    settings: serde_json::Value,
    /// The table whose columns have the numbers of the settings; where that is another database's, names count.
    numbered: Option<u32>,
}

/// Whether the row `r` is of a table of which one of that name was a partition that is gone, or elsewhere.
const WAS_PART: &str = "r.relation_id IN (SELECT s.relation_id FROM dbm_trail.shape s
    WHERE s.schema_name = $2 AND s.table_name = $3
      AND (s.home <> $1 OR NOT EXISTS (SELECT FROM pg_catalog.pg_class p WHERE p.oid = s.relid)))";

fn rows(condition: &str, arguments: &[pgrx::datum::DatumWithOid<'_>]) -> Vec<Row> {
    let sql = format!(
        "SELECT r.removed_at IS NULL, r.settings, CASE WHEN NOT {IS_STALE} THEN r.relid END
         FROM dbm_trail.relation r WHERE {condition} ORDER BY r.removed_at DESC NULLS FIRST, r.relation_id DESC"
    );
    query::rows(&sql, arguments, |row| {
        Ok(Row {
            is_watched: row.get::<bool>(1)?.unwrap_or(false),
            settings: row.get::<pgrx::JsonB>(2)?.map_or(serde_json::Value::Null, |json| json.0),
            numbered: row.get::<RegClass>(3)?.map(|relid| relid.oid().to_u32()),
        })
    })
}

impl Row {
    /// What it says, by the names of now; what is gone is left out.
    fn said(&self) -> Earlier {
        let columns = self.numbered.map(facts::columns);
        let name = |setting: &serde_json::Value| -> Option<String> {
            let Some(columns) = &columns else { return Some(setting.get("name")?.as_str()?.to_owned()) };
            let number = setting.get("number")?.as_i64()?;
            columns.iter().find(|column| column.number == number).map(|column| column.name.clone())
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

/// What was said of the columns of a table. `above`: the number in the log of a table of which it was a partition.
pub fn earlier(table: &Table, columns: &[Column], above: Option<i32>) -> Earlier {
    let home = || -> pgrx::datum::DatumWithOid<'static> { Text::from(home()).into() };
    let own = rows(&format!("{OID} = {}", table.relid), &[home()]);
    if let Some(now) = own.first().filter(|row| row.is_watched) {
        let said = now.said();
        tell_missing(table, &said, columns);
        return said.of(columns);
    }
    // As a partition its rows were logged as those of the table above.
    let above = rows(
        &format!(
            "r.relation_id = $2 OR ({OID}) IS DISTINCT FROM {relid}::pg_catalog.oid AND r.relation_id IN (
                 SELECT s.relation_id FROM dbm_trail.shape s WHERE s.home = $1 AND s.relid = {relid})",
            relid = table.relid
        ),
        &[home(), above.unwrap_or(0).into()],
    );
    let by_name = |condition: &str| {
        rows(
            &format!(
                "({condition}) AND (({IS_STALE}) AND r.schema_name = $2 AND r.table_name = $3 OR {WAS_PART})"
            ),
            &[home(), Text::from(table.schema.as_str()).into(), Text::from(table.name.as_str()).into()],
        )
    };
    let is_new = own.is_empty();
    let mut all: Vec<Row> = own.into_iter().chain(above).collect();
    if all.is_empty() {
        // A table or partition of that name which is gone, or elsewhere: the history is another's, but what was kept back of it
        // is rather kept back too much.
        all = by_name("true");
        all.truncate(1);
    } else if is_new {
        // A restore made it, and it may have been watched, or a partition of another, before.
        all.extend(by_name("r.home <> $1"));
    }
    all.iter().map(|row| row.said().of(columns)).reduce(Earlier::and).unwrap_or_default()
}

/// What was said of the columns of a table on its own, and what is said of those of the watched table above it.
pub fn own_and_above(table: &Table, columns: &[Column], own: i32) -> (Earlier, Earlier) {
    let said = |condition: &str| {
        let found = rows(condition, &[Text::from(home()).into(), own.into()]);
        found.first().map(|row| row.said().of(columns)).unwrap_or_default()
    };
    let above = format!(
        "r.removed_at IS NULL AND r.home = $1 AND r.relation_id <> $2 AND r.relid IN (
             SELECT a.relid::pg_catalog.oid FROM pg_catalog.pg_partition_ancestors({}) a)",
        table.relid
    );
    (said("$1 IS NOT NULL AND r.relation_id = $2"), said(&above))
}

/// A restored table that lacks a column which was kept back may have it by another name.
fn tell_missing(table: &Table, said: &Earlier, columns: &[Column]) {
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
                table.quoted()
            ),
            "The table was restored from a dump that knows no such column: it may have another name now.",
            "SELECT dbm.install_audit_trigger(…, exclude => '{…}') keeps a column out.",
        );
    }
}
