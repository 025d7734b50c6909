//! The statements that copy rows, and those that compare them.

use std::collections::BTreeMap;

use super::job::{Definition, JournalColumn};
use crate::text::{quote_identifier, quote_literal};

/// Keys that go into one statement.
pub const CHUNK: usize = 5_000;

/// A key as the journal has it: the text of each column, or null.
pub type Key = Vec<Option<String>>;

/// Whether it stands for a TRUNCATE.
pub fn is_gap(key: &Key) -> bool {
    key.iter().all(Option::is_none)
}

/// The keys as a table `k` whose columns are called `k0`, `k1`, …
fn table(columns: &[JournalColumn], keys: &[&Key]) -> String {
    let arrays: Vec<String> = columns
        .iter()
        .enumerate()
        .map(|(position, column)| {
            let values: Vec<String> =
                keys.iter().map(|key| element(key.get(position).and_then(Option::as_deref))).collect();
            let array = quote_literal(&format!("{{{}}}", values.join(",")));
            format!("pg_catalog.unnest({array}::{}[])", column.sql_type)
        })
        .collect();
    let names: Vec<String> = (0..columns.len()).map(|position| format!("k{position}")).collect();
    format!("ROWS FROM ({}) AS k ({})", arrays.join(", "), names.join(", "))
}

/// An element of an array as the server reads it.
fn element(value: Option<&str>) -> String {
    match value {
        None => "NULL".to_owned(),
        Some(value) => format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")),
    }
}

/// The condition that the row `alias` has the key in `k`. `by`: by which columns of the journal.
fn same(columns: &[JournalColumn], alias: &str, by: By<'_>) -> String {
    let conditions: Vec<String> = columns
        .iter()
        .enumerate()
        .filter(|(_, column)| column.is_key || matches!(by, By::Place(_)))
        .map(|(position, column)| {
            let name = quote_identifier(&column.name);
            if matches!(by, By::Place(key) if key.get(position).is_none_or(Option::is_none)) {
                return format!("{alias}.{name} IS NULL");
            }
            let collation =
                column.collation.as_ref().map_or_else(String::new, |name| format!(" COLLATE {name}"));
            let schema = quote_identifier(&column.operator_schema);
            format!("{alias}.{name}{collation} OPERATOR({schema}.=) k.k{position}")
        })
        .collect();
    conditions.join(" AND ")
}

/// By which columns a row is found.
#[derive(Clone, Copy)]
enum By<'a> {
    /// Those of the key.
    Key,
    /// All, which finds its partition, too: a row of nulls where this key has them.
    Place(&'a Key),
}

/// The columns, each of `alias` where one is given.
fn listed(columns: &[String], alias: &str) -> String {
    let columns: Vec<String> =
        columns.iter().map(|column| format!("{alias}{}", quote_identifier(column))).collect();
    columns.join(", ")
}

fn insert(wanted: &Definition) -> String {
    format!(
        "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {} AS s",
        wanted.target,
        listed(&wanted.columns, ""),
        listed(&wanted.columns, "s."),
        wanted.from()
    )
}

/// Copies the rows in blocks from `first` up to, without, `end`, or in all that follow; without those whose keys stand in
/// the journal: they are copied when it is replayed.
pub fn copy(wanted: &Definition, first: u64, end: Option<u64>, without: &[Key]) -> String {
    let mut sql = format!("{} WHERE s.ctid >= '({first},0)'::pg_catalog.tid", insert(wanted));
    if let Some(end) = end {
        sql.push_str(&format!(" AND s.ctid < '({end},0)'::pg_catalog.tid"));
    }
    if let Some(excluded) = excluded(wanted, "s", without) {
        sql.push_str(&format!(" AND {excluded}"));
    }
    sql
}

/// Copies all rows.
pub fn copy_all(wanted: &Definition) -> String {
    insert(wanted)
}

/// That a row has none of the keys; `None` where there is no key.
fn excluded(wanted: &Definition, alias: &str, keys: &[Key]) -> Option<String> {
    let keys: Vec<&Key> = keys.iter().filter(|key| !is_gap(key)).collect();
    (!keys.is_empty()).then(|| {
        format!(
            "NOT EXISTS (SELECT FROM {} WHERE {})",
            table(&wanted.journal, &keys),
            same(&wanted.journal, alias, By::Key)
        )
    })
}

/// Deletes the rows of keys from the copy, each where the journal says that it was: a null tells the partition as any other
/// value does, and a row of the same key in another partition is another row. `alone`: the keys without what is beside them,
/// each once ([`alone`]); by them alone where the copy has no partitions.
pub fn delete(wanted: &Definition, keys: &[Key], alone: &[Key]) -> Vec<String> {
    let keys = if wanted.is_backwards { alone } else { keys };
    let mut alike: BTreeMap<Vec<bool>, Vec<&Key>> = BTreeMap::new();
    for key in keys.iter().filter(|key| !is_gap(key)) {
        alike.entry(key.iter().map(Option::is_none).collect()).or_default().push(key);
    }
    alike
        .into_values()
        .flat_map(|keys| {
            let by = keys.first().filter(|_| !wanted.is_backwards).map_or(By::Key, |key| By::Place(key));
            let statements: Vec<String> = keys
                .chunks(CHUNK)
                .map(|keys| {
                    format!(
                        "DELETE FROM {} AS t USING {} WHERE {}{}",
                        wanted.target,
                        table(&wanted.journal, keys),
                        same(&wanted.journal, "t", by),
                        only_ours(wanted)
                    )
                })
                .collect();
            statements
        })
        .collect()
}

/// The condition that a row lies where rows of the copy are; nothing where the whole target is the copy's.
fn only_ours(wanted: &Definition) -> String {
    let Some(handover) = wanted.handover.as_ref().filter(|handover| handover.into == wanted.target) else {
        return String::new();
    };
    let parts: Vec<String> = handover
        .parts
        .iter()
        .map(|part| format!("pg_catalog.to_regclass({})", quote_literal(part)))
        .collect();
    if parts.is_empty() {
        return String::new();
    }
    format!(
        " AND t.tableoid = ANY (ARRAY(SELECT COALESCE(p.relid, x.part)::pg_catalog.oid FROM pg_catalog.unnest(ARRAY[{}]) AS x (part) \
         LEFT JOIN LATERAL pg_catalog.pg_partition_tree(x.part) p ON true))",
        parts.join(", ")
    )
}

/// The keys without what is beside them, each once, and without those that tell of a TRUNCATE.
pub fn alone(wanted: &Definition, keys: &[Key]) -> Vec<Key> {
    let mut only: Vec<Key> =
        keys.iter().filter(|key| !is_gap(key)).map(|key| key_alone(wanted, key)).collect();
    only.sort_unstable();
    only.dedup();
    only
}

/// Deletes the rows of keys from the copy where they are now.
///
/// The journal names where a row was and where it came to; but the journals take turns, and an older entry can be read
/// after a newer one: then the row is where no entry in hand says. Nothing to do where the key itself tells the partition, or
/// where there are none. `alone` as for [`delete`].
pub fn delete_current(wanted: &Definition, alone: &[Key]) -> Vec<String> {
    if wanted.is_backwards || wanted.journal.iter().all(|column| column.is_key) {
        return Vec::new();
    }
    let beside = wanted.journal.iter().filter(|column| !column.is_key).count();
    // One column that is null or not is told apart by two statements, of which each finds its partitions; of several columns
    // any may be.
    let condition = |is_null: bool| -> String {
        let conditions: Vec<String> = wanted
            .journal
            .iter()
            .map(|column| {
                let name = quote_identifier(&column.name);
                let collation =
                    column.collation.as_ref().map_or_else(String::new, |name| format!(" COLLATE {name}"));
                let schema = quote_identifier(&column.operator_schema);
                let equal = format!("t.{name}{collation} OPERATOR({schema}.=) s.{name}");
                match (column.is_key || !is_null, beside) {
                    (true, _) => equal,
                    (false, 1) => format!("t.{name} IS NULL"),
                    (false, _) => format!("({equal} OR t.{name} IS NULL AND s.{name} IS NULL)"),
                }
            })
            .collect();
        conditions.join(" AND ")
    };
    let nulls: Vec<String> = wanted
        .journal
        .iter()
        .filter(|column| !column.is_key)
        .map(|column| format!("s.{} IS NULL", quote_identifier(&column.name)))
        .collect();
    let alone: Vec<&Key> = alone.iter().collect();
    alone
        .chunks(CHUNK)
        .flat_map(|keys| {
            let using = format!(
                "DELETE FROM {} AS t USING {}, {} AS s WHERE {}{}",
                wanted.target,
                table(&wanted.journal, keys),
                wanted.from(),
                same(&wanted.journal, "s", By::Key),
                only_ours(wanted)
            );
            [
                format!("{using} AND {}", condition(false)),
                format!("{using} AND ({}) AND {}", nulls.join(" OR "), condition(true)),
            ]
        })
        .collect()
}

/// Copies the rows of keys as they are now, each once: keys that are equal can be written in several ways, as 1.0 and 1.00, and
/// then several of them name one row. `before`: only those in blocks before it, for others will be copied later. `alone` as
/// for [`delete`].
pub fn insert_again(wanted: &Definition, alone: &[Key], before: Option<u64>) -> Vec<String> {
    let alone: Vec<&Key> = alone.iter().collect();
    alone
        .chunks(CHUNK)
        .map(|keys| {
            let mut sql = format!(
                "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT DISTINCT ON (s.tableoid, s.ctid) {} FROM {}, {} AS s WHERE {}",
                wanted.target,
                listed(&wanted.columns, ""),
                listed(&wanted.columns, "s."),
                table(&wanted.journal, keys),
                wanted.from(),
                same(&wanted.journal, "s", By::Key)
            );
            if let Some(before) = before {
                sql.push_str(&format!(" AND s.ctid < '({before},0)'::pg_catalog.tid"));
            }
            sql
        })
        .collect()
}

/// Copies all rows of one table into another.
pub fn pour(wanted: &Definition, from: &str, into: &str) -> String {
    let columns = listed(&wanted.columns, "");
    format!("INSERT INTO {into} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM {from}")
}

/// The key without what is beside it.
fn key_alone(wanted: &Definition, key: &Key) -> Key {
    key.iter().zip(&wanted.journal).map(|(value, column)| value.clone().filter(|_| column.is_key)).collect()
}

/// How many rows the two tables have, and one number made of all their values, without the rows that the journal names.
/// `by_hash`: by the values' own hashes, or by their texts where a type has none.
pub fn compared(wanted: &Definition, without: &[Key], by_hash: bool) -> String {
    let side = |relation: &str, alias: &str| {
        let columns = listed(&wanted.columns, &format!("{alias}."));
        let hash = if by_hash {
            format!("pg_catalog.hash_record_extended(ROW({columns}), 0)")
        } else {
            format!("pg_catalog.hashtextextended(ROW({columns})::pg_catalog.text, 0)")
        };
        let without = excluded(wanted, alias, without)
            .map_or_else(String::new, |excluded| format!(" WHERE {excluded}"));
        format!(
            "(SELECT pg_catalog.count(*), COALESCE(pg_catalog.sum({hash}), 0) FROM {relation} AS {alias}{without})"
        )
    };
    format!(
        "SELECT a.rows, b.rows, a.total = b.total FROM {} AS a (rows, total), {} AS b (rows, total)",
        side(&wanted.from(), "s"),
        side(&wanted.target, "t")
    )
}

/// How large a table is with its indexes, and in which tablespace it lies, 0 for that of the database.
pub fn size(oid: u32) -> String {
    format!(
        "SELECT pg_catalog.pg_total_relation_size(c.oid), c.reltablespace FROM pg_catalog.pg_class c WHERE c.oid = {oid}"
    )
}

/// Whether what is copied into is emptied by a crash, in whole or in part.
pub fn is_emptied_by_crash(target: &str) -> String {
    format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_partition_tree(pg_catalog.to_regclass({})) p
             JOIN pg_catalog.pg_class c ON c.oid = p.relid WHERE c.relpersistence = 'u')",
        quote_literal(target)
    )
}

/// The number of a table of that name.
pub fn number(qualified: &str) -> String {
    format!("SELECT pg_catalog.to_regclass({})::pg_catalog.oid", quote_literal(qualified))
}

/// What the source is now: its file, its blocks, its shape; of a partitioned table the shape alone.
pub fn source(oid: u32) -> String {
    format!(
        "SELECT pg_catalog.pg_relation_filenode({oid}), pg_catalog.pg_relation_size({oid}) / \
                pg_catalog.current_setting('block_size')::pg_catalog.int8,
                (SELECT pg_catalog.md5(pg_catalog.string_agg(pg_catalog.format('%s %s %s %s', a.attname, a.atttypid,
                        a.atttypmod, a.attgenerated), ',' ORDER BY a.attnum))
                 FROM pg_catalog.pg_attribute a
                 WHERE a.attrelid = {oid} AND a.attnum > 0 AND NOT a.attisdropped)"
    )
}

/// Whether rows of a table can be looked up by an index that begins with the first column of the key.
pub fn is_indexed(wanted: &Definition, table: &str) -> String {
    let column = wanted.journal.first().map_or("", |column| &*column.name);
    format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_index i
             JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
             WHERE i.indrelid = pg_catalog.to_regclass({}) AND i.indisvalid AND i.indpred IS NULL
               AND a.attname = {})",
        quote_literal(table),
        quote_literal(column)
    )
}

/// The rules of tables that fire whatever writes, and the tables.
pub fn always_ruled(tables: &[&str]) -> String {
    let tables: Vec<String> = tables
        .iter()
        .map(|table| format!("pg_catalog.to_regclass({})::pg_catalog.oid", quote_literal(table)))
        .collect();
    format!(
        "SELECT pg_catalog.quote_ident(w.rulename), w.ev_class::pg_catalog.regclass
         FROM pg_catalog.pg_rewrite w
         WHERE w.ev_class IN ({}) AND w.ev_enabled IN ('A', 'R') ORDER BY 1",
        tables.join(", ")
    )
}

/// The bare name of the index by which rows of a copy are found before it has its own.
fn index_name(job: i64) -> String {
    format!("dbm_copy_{job}_key")
}

/// Indexes the copy by its key; not uniquely, for rows by that key can be in the way of each other until all are copied.
pub fn create_index(job: i64, wanted: &Definition) -> String {
    let columns: Vec<String> = wanted
        .journal
        .iter()
        .filter(|column| column.is_key)
        .map(|column| {
            let collation =
                column.collation.as_ref().map_or_else(String::new, |name| format!(" COLLATE {name}"));
            format!("{}{collation}", quote_identifier(&column.name))
        })
        .collect();
    format!(
        "CREATE INDEX {} ON {} ({})",
        quote_identifier(&index_name(job)),
        wanted.target,
        columns.join(", ")
    )
}

/// The statement that takes it away, as a query for it: no row where it is not there.
pub fn drop_index(job: i64, wanted: &Definition) -> String {
    format!(
        "SELECT pg_catalog.format('DROP INDEX %I.%I', n.nspname, x.relname)
         FROM pg_catalog.pg_index i
         JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
         JOIN pg_catalog.pg_namespace n ON n.oid = x.relnamespace
         WHERE i.indrelid = pg_catalog.to_regclass({}) AND x.relname = {}",
        quote_literal(&wanted.target),
        quote_literal(&index_name(job))
    )
}

/// Whether rows can be in each other's way by another unique index or an exclusion constraint than the key.
pub fn has_other_keys(source: u32) -> String {
    format!(
        "SELECT pg_catalog.count(*) > 1 FROM pg_catalog.pg_index i
         WHERE i.indrelid = {source} AND (i.indisunique OR i.indisexclusion)"
    )
}
