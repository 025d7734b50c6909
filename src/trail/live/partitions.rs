//! Partitions of watched tables: their triggers, and rows that come and go with them, which no change tells.

use super::ddl::truncate_trigger;
use super::facts;
use super::install::{self, run};
use crate::pg::query;
use crate::pg::trail::{self, ATTACHED, CAME, DETACHED, DROPPED, NAMED, Partition, WENT, home};
use crate::pg::value::{RegClass, Text};
use crate::text::quote_qualified;
use crate::trail::survey::OID;
use crate::trail::triggers::{self, PREFIX};
use crate::trail::watch::Asked;

/// A partition that is about to come and has row triggers of its own, where the table above it has: both are called the
/// same, and the server would refuse it. With its owner, who the caller has to be.
pub fn in_the_way(coming: Partition) -> Option<(u32, u32)> {
    let Partition { parent, partition, .. } = coming;
    let sql = format!(
        "SELECT c.relowner FROM pg_catalog.pg_class c WHERE c.oid = {partition}
             AND EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = {parent} AND t.tgname = '{PREFIX}row'
                 AND t.tgfoid = 'dbm.write_audit_trail()'::pg_catalog.regprocedure)
             AND EXISTS (SELECT FROM pg_catalog.pg_trigger t
                 WHERE t.tgname = '{PREFIX}row' AND t.tgparentid = 0::pg_catalog.oid
                   AND t.tgfoid = 'dbm.write_audit_trail()'::pg_catalog.regprocedure
                   AND (t.tgrelid = {partition} OR t.tgrelid IN (
                       SELECT p.relid FROM pg_catalog.pg_partition_tree({partition}) p)))"
    );
    let owner = query::rows(&sql, &[], |row| row.get::<RegClass>(1)).into_iter().flatten().next()?;
    Some((partition, owner.oid().to_u32()))
}

/// The table above a partition by which it is watched, quoted.
pub fn kept_above(relid: u32) -> Option<String> {
    let sql = format!(
        "WITH RECURSIVE above AS (
             SELECT t.tgparentid FROM pg_catalog.pg_trigger t WHERE t.tgrelid = {relid} AND t.tgparentid <> 0::pg_catalog.oid
                 AND t.tgfoid = 'dbm.write_audit_trail()'::pg_catalog.regprocedure
             UNION
             SELECT p.tgparentid FROM above JOIN pg_catalog.pg_trigger p ON p.oid = above.tgparentid)
         SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) FROM above
         JOIN pg_catalog.pg_trigger t ON t.oid = above.tgparentid AND t.tgparentid = 0::pg_catalog.oid
         JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    );
    query::rows(&sql, &[], |row| row.get::<Text>(1)).into_iter().flatten().map(Text::into_string).next()
}

/// Whether the row trigger of a partitioned table above it is there.
pub fn is_kept_above(relid: u32) -> bool {
    let sql = format!(
        "SELECT 1 FROM pg_catalog.pg_trigger t WHERE t.tgrelid = {relid} AND t.tgparentid <> 0::pg_catalog.oid
             AND t.tgfoid = 'dbm.write_audit_trail()'::pg_catalog.regprocedure"
    );
    !query::rows(&sql, &[], |_| Ok(())).is_empty()
}

/// Partitions that lack the trigger for TRUNCATE.
pub fn bare(relid: u32) -> Vec<String> {
    let sql = format!(
        "SELECT n.nspname::pg_catalog.text, c.relname::pg_catalog.text FROM pg_catalog.pg_partition_tree({relid}) p
         JOIN pg_catalog.pg_class c ON c.oid = p.relid AND c.relkind IN ('r', 'p')
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE p.relid <> {relid} AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = p.relid
             AND t.tgname = '{PREFIX}truncate') ORDER BY 1, 2"
    );
    facts::names(&sql, &[])
}

/// A partition that was detached, and what is below it, is watched no more: the trigger for TRUNCATE that was made there would
/// refuse it.
pub fn release_detached() {
    let sql = format!(
        "SELECT n.nspname::pg_catalog.text, c.relname::pg_catalog.text
         FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE t.tgfoid = 'dbm.write_audit_trail()'::pg_catalog.regprocedure AND t.tgname = '{PREFIX}truncate'
             AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger o WHERE o.tgrelid = t.tgrelid AND o.tgfoid = t.tgfoid
                 AND o.oid <> t.oid)
             AND NOT EXISTS (SELECT FROM dbm_trail.relation r WHERE r.removed_at IS NULL
                 AND ({OID} = c.oid OR r.home = $1 AND r.relid IN (
                     SELECT a.relid::pg_catalog.oid FROM pg_catalog.pg_partition_ancestors(c.oid) a)))"
    );
    for table in facts::names(&sql, &[Text::from(home()).into()]) {
        for statement in triggers::drop(&table, &[truncate_trigger()]) {
            run(&statement);
        }
    }
}

/// The watched table that a partitioned table is, or belongs to.
pub fn watched_above(relid: u32) -> Option<i32> {
    let sql = format!(
        "SELECT r.relation_id FROM dbm_trail.relation r WHERE r.removed_at IS NULL AND r.home = $1
             AND (r.relid = {relid} OR r.relid IN (
                 SELECT a.relid::pg_catalog.oid FROM pg_catalog.pg_partition_ancestors({relid}) a))
         ORDER BY r.relation_id LIMIT 1"
    );
    query::rows(&sql, &[Text::from(home()).into()], |row| row.get::<i32>(1)).into_iter().flatten().next()
}

/// The partitioned table itself or one above it, as the log knows it: also one that is watched no more.
fn known_above(relid: u32) -> Option<i32> {
    let sql = format!(
        "SELECT r.relation_id FROM dbm_trail.relation r WHERE r.home = $1
             AND (r.relid = {relid} OR r.relid IN (
                 SELECT a.relid::pg_catalog.oid FROM pg_catalog.pg_partition_ancestors({relid}) a))
         ORDER BY r.removed_at DESC NULLS FIRST, r.relation_id LIMIT 1"
    );
    query::rows(&sql, &[Text::from(home()).into()], |row| row.get::<i32>(1)).into_iter().flatten().next()
}

/// A table that came or went with a partition: that itself, or one below it.
struct Part {
    relid: u32,
    name: String,
    is_partitioned: bool,
    /// Whether the log has changes of it.
    is_known: bool,
    /// The last that was written down of it.
    last: Option<String>,
}

/// The kinds of events that tell when partitions came and went.
const PASSAGES: [&str; 4] = [ATTACHED, DETACHED, CAME, WENT];

/// The number of the last event of a table, the number of which in the log is `relation` in SQL, that is of another database:
/// what was there by some OID is here another.
fn last_of_elsewhere(relation: &str) -> String {
    format!(
        "COALESCE((SELECT pg_catalog.max(w.event_id) FROM dbm_trail.event w WHERE w.relation_id = {relation}
             AND w.state IS NOT NULL AND w.state->>'home' <> $1), 0)"
    )
}

/// The partition and all below it, itself first.
fn parts(relation: i32, root: u32) -> Vec<Part> {
    let sql = format!(
        "WITH told AS MATERIALIZED (
             SELECT DISTINCT ON (e.relid) e.relid, e.kind FROM dbm_trail.event e
             WHERE e.relation_id = $2 AND e.kind IN ('{}') AND e.event_id > {}
             ORDER BY e.relid, e.event_id DESC)
         SELECT c.oid, n.nspname::pg_catalog.text, c.relname::pg_catalog.text, c.relkind = 'p',
             c.oid IN (SELECT s.relid FROM dbm_trail.shape s WHERE s.relation_id = $2 AND s.home = $1), t.kind
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         LEFT JOIN told t ON t.relid = c.oid
         WHERE c.relkind IN ('r', 'p', 'f') AND (c.oid = {root}
             OR c.oid IN (SELECT p.relid::pg_catalog.oid FROM pg_catalog.pg_partition_tree({root}) p))
         ORDER BY c.oid <> {root}, 2, 3",
        PASSAGES.join("', '"),
        last_of_elsewhere("$2")
    );
    query::rows(&sql, &[Text::from(home()).into(), relation.into()], |row| {
        let text =
            |place| row.get::<Text>(place).map(|text| text.map_or_else(String::new, Text::into_string));
        Ok(Part {
            relid: row.get::<RegClass>(1)?.map_or(0, |oid| oid.oid().to_u32()),
            name: quote_qualified(&text(2)?, &text(3)?),
            is_partitioned: row.get::<bool>(4)?.unwrap_or(false),
            is_known: row.get::<bool>(5)?.unwrap_or(false),
            last: row.get::<Text>(6)?.map(Text::into_string),
        })
    })
}

/// Writes down that a partition came or went, with the tables below it: of each that has rows, and of each of which the log
/// knows already, since another may get its name and its keys.
pub fn note(partition: Partition) {
    let Some(relation) = watched_above(partition.parent) else { return };
    for part in parts(relation, partition.partition) {
        let has_gone = part.last.as_deref().map(|kind| kind == DETACHED || kind == WENT);
        // One that is detached concurrently went when the statement began.
        if !partition.comes && has_gone == Some(true) {
            continue;
        }
        let is_root = part.relid == partition.partition;
        let has_rows = (is_root || !part.is_partitioned) && has_rows(part.relid);
        let is_known =
            if partition.comes { has_gone == Some(true) } else { has_gone.is_some() || part.is_known };
        if !has_rows && !is_known {
            continue;
        }
        let kind = match (partition.comes, is_root && has_rows) {
            (true, true) => ATTACHED,
            (false, true) => DETACHED,
            (true, false) => CAME,
            (false, false) => WENT,
        };
        trail::note_partition(relation, kind, &part.name, part.relid);
    }
}

/// Writes down of partitions of which the log has changes that they are called otherwise than it has it: after a restore they are
/// known by that.
pub fn note_names() {
    let sql = format!(
        "WITH elsewhere AS MATERIALIZED (
             SELECT w.relation_id, pg_catalog.max(w.event_id) AS last FROM dbm_trail.event w
             WHERE w.state IS NOT NULL AND w.state->>'home' <> $1 GROUP BY 1),
         named AS MATERIALIZED (
             SELECT DISTINCT ON (e.relation_id, e.relid) e.relation_id, e.relid, e.happened_at, e.detail
             FROM dbm_trail.event e LEFT JOIN elsewhere w ON w.relation_id = e.relation_id
             WHERE e.kind = '{NAMED}' AND e.event_id > COALESCE(w.last, 0)
             ORDER BY e.relation_id, e.relid, e.event_id DESC),
         shaped AS MATERIALIZED (
             SELECT DISTINCT ON (s.relation_id, s.relid) s.relation_id, s.relid, s.seen_at, s.schema_name, s.table_name
             FROM dbm_trail.shape s WHERE s.home = $1 ORDER BY s.relation_id, s.relid, s.shape_id DESC)
         SELECT s.relation_id, s.relid, n.nspname::pg_catalog.text, c.relname::pg_catalog.text, s.schema_name,
             s.table_name, t.detail
         FROM shaped s
         JOIN dbm_trail.relation r ON r.relation_id = s.relation_id AND r.home = $1 AND r.removed_at IS NULL
         JOIN pg_catalog.pg_class c ON c.oid = s.relid AND c.relispartition AND c.oid <> r.relid
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         LEFT JOIN named t ON t.relation_id = s.relation_id AND t.relid = s.relid AND t.happened_at > s.seen_at
         WHERE t.detail IS NOT NULL OR n.nspname <> s.schema_name OR c.relname <> s.table_name
         ORDER BY 1, 2"
    );
    let found = query::rows(&sql, &[Text::from(home()).into()], |row| {
        let text =
            |place| row.get::<Text>(place).map(|text| text.map_or_else(String::new, Text::into_string));
        let name = quote_qualified(&text(3)?, &text(4)?);
        let known = match row.get::<Text>(7)? {
            Some(named) => named.into_string(),
            None => quote_qualified(&text(5)?, &text(6)?),
        };
        Ok((row.get::<i32>(1)?, row.get::<RegClass>(2)?, name, known))
    });
    for (relation, partition, name, known) in found {
        if let (Some(relation), Some(partition)) = (relation, partition)
            && name != known
        {
            trail::note_partition(relation, NAMED, &name, partition.oid().to_u32());
        }
    }
}

/// What is kept back of a partition is so of the table that it is now, and of those below it: whoever has one watched, be it
/// after a restore or with columns of other names, is not to have that logged.
pub fn keep_back(partition: Partition) {
    let Some(above) = known_above(partition.parent) else { return };
    for part in parts(above, partition.partition) {
        let table = facts::table(part.relid);
        if matches!(table.kind, 'r' | 'p') {
            install::keep_back(&table, above);
        }
    }
}

/// A table that was watched on its own until it came under a watched one is so again, as it was.
pub fn let_go(partition: Partition) {
    let sql = format!(
        "SELECT r.mode, r.store, COALESCE((r.settings->>'query')::pg_catalog.bool, false)
         FROM dbm_trail.relation r WHERE r.home = $1 AND r.relid = {} AND r.removed_at IS NOT NULL
             AND (SELECT e.kind FROM dbm_trail.event e WHERE e.relation_id = r.relation_id
                      AND e.kind IN ('installed', 'removed', 'joined') ORDER BY e.event_id DESC LIMIT 1) = 'joined'",
        partition.partition
    );
    let found = query::rows(&sql, &[Text::from(home()).into()], |row| {
        let text =
            |place| row.get::<Text>(place).map(|text| text.map_or_else(String::new, Text::into_string));
        // Triggers of others may have come: statements would be refused then.
        let mode = if text(1)? == "row" { "row" } else { "auto" };
        Ok(Asked {
            mode: mode.to_owned(),
            store: text(2)?,
            query: row.get::<bool>(3)?.unwrap_or(false),
            ..Asked::default()
        })
    });
    for asked in found {
        let above = known_above(partition.parent);
        install::watch(&facts::table(partition.partition), &asked, above);
    }
}

/// Whether a table, or one below it, has rows. What is elsewhere is not asked, and counts as having some: by whatever it is
/// reached, that would be with the rights of the extension's owner.
fn has_rows(relid: u32) -> bool {
    let leaves = |kind: char| {
        format!(
            "SELECT n.nspname::pg_catalog.text, c.relname::pg_catalog.text
             FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE c.relkind = '{kind}' AND (c.oid = {relid}
                 OR c.oid IN (SELECT p.relid::pg_catalog.oid FROM pg_catalog.pg_partition_tree({relid}) p))
             ORDER BY 1, 2"
        )
    };
    !facts::names(&leaves('f'), &[]).is_empty()
        || facts::names(&leaves('r'), &[]).iter().any(|leaf| {
            !query::rows(&format!("SELECT 1 FROM ONLY {leaf} LIMIT 1"), &[], |_| Ok(())).is_empty()
        })
}

/// Writes down of tables that were dropped that rows went with them, where they were partitions of watched ones: those
/// of which the log has changes, and that were not detached before. `tables`: number, schema, name.
pub fn note_dropped(tables: &[(u32, String, String)]) {
    let gone: Vec<String> = tables.iter().map(|table| table.0.to_string()).collect();
    let remains = format!(
        "SELECT 1 FROM dbm_trail.relation r JOIN pg_catalog.pg_class c ON c.oid = r.relid AND c.relkind = 'p'
         WHERE r.home = $1 AND r.removed_at IS NULL AND r.relid <> ALL ('{{{}}}'::pg_catalog.oid[]) LIMIT 1",
        gone.join(", ")
    );
    if tables.is_empty() || query::rows(&remains, &[Text::from(home()).into()], |_| Ok(())).is_empty() {
        return;
    }
    let sql = format!(
        "SELECT DISTINCT r.relation_id, t.quoted, t.relid
         FROM ROWS FROM (pg_catalog.unnest($2::pg_catalog.text[]), pg_catalog.unnest($3::pg_catalog.text[]),
             pg_catalog.unnest($4::pg_catalog.text[]), pg_catalog.unnest('{{{}}}'::pg_catalog.oid[]))
             AS t (schema_name, table_name, quoted, relid)
         JOIN dbm_trail.shape s ON s.home = $1 AND s.relid = t.relid
             OR s.home <> $1 AND s.schema_name = t.schema_name AND s.table_name = t.table_name
         JOIN dbm_trail.relation r ON r.relation_id = s.relation_id
         JOIN pg_catalog.pg_class c ON c.oid = r.relid AND c.relkind = 'p'
         WHERE r.home = $1 AND r.removed_at IS NULL AND r.relid <> t.relid
           AND COALESCE((SELECT e.kind FROM dbm_trail.event e
                         WHERE e.relation_id = r.relation_id AND e.kind IN ('{}')
                           AND (e.relid = t.relid AND e.event_id > {} OR s.home <> $1 AND e.detail = t.quoted)
                         ORDER BY e.event_id DESC LIMIT 1), '') NOT IN ('{DETACHED}', '{WENT}')
           AND r.relid <> ALL ('{{{}}}'::pg_catalog.oid[])
         ORDER BY 2, 1",
        gone.join(", "),
        PASSAGES.join("', '"),
        last_of_elsewhere("r.relation_id"),
        gone.join(", ")
    );
    let texts = |text: fn(&(u32, String, String)) -> String| {
        tables.iter().map(|table| Text::from(text(table))).collect::<Vec<Text>>()
    };
    let arguments = [
        Text::from(home()).into(),
        texts(|table| table.1.clone()).into(),
        texts(|table| table.2.clone()).into(),
        texts(|table| quote_qualified(&table.1, &table.2)).into(),
    ];
    let found = query::rows(&sql, &arguments, |row| {
        Ok((row.get::<i32>(1)?, row.get::<Text>(2)?, row.get::<RegClass>(3)?))
    });
    for (relation, name, partition) in found {
        if let (Some(relation), Some(name), Some(partition)) = (relation, name, partition) {
            let told = format!("{}{DROPPED}", name.as_str());
            trail::note_partition(relation, DETACHED, &told, partition.oid().to_u32());
        }
    }
}
