//! Partitions of watched tables: their triggers, and rows that come and go with them, which no change tells.

use std::collections::HashSet;

use super::ddl::truncate_trigger;
use super::facts::{self, Name};
use super::install::{self, run};
use super::scope::listed;
use crate::pg::query;
use crate::pg::trail::{
    ATTACHED, CAME, DETACHED, DROPPED, Happened, NAMED, Partition, WENT, home, note_partitions,
};
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
        "WITH watched AS MATERIALIZED (
             SELECT {OID} AS oid, CASE WHEN r.home = $1 THEN r.relid END AS relid
             FROM dbm_trail.relation r WHERE r.removed_at IS NULL),
         alone AS MATERIALIZED (
             SELECT t.tgrelid AS oid FROM pg_catalog.pg_trigger t
             WHERE t.tgfoid = 'dbm.write_audit_trail()'::pg_catalog.regprocedure AND t.tgname = '{PREFIX}truncate'
               AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger o WHERE o.tgrelid = t.tgrelid AND o.tgfoid = t.tgfoid
                   AND o.oid <> t.oid)),
         below AS MATERIALIZED (
             SELECT a.oid FROM alone a CROSS JOIN LATERAL pg_catalog.pg_partition_ancestors(a.oid) p
             JOIN watched w ON w.relid = p.relid::pg_catalog.oid)
         SELECT n.nspname::pg_catalog.text, c.relname::pg_catalog.text
         FROM alone a JOIN pg_catalog.pg_class c ON c.oid = a.oid
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE NOT EXISTS (SELECT FROM watched w WHERE w.oid = a.oid)
           AND NOT EXISTS (SELECT FROM below b WHERE b.oid = a.oid)"
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
    schema: String,
    table: String,
    kind: char,
    /// Whether the log has changes of it.
    is_known: bool,
    /// The last that was written down of it.
    last: Option<String>,
}

impl Part {
    fn name(&self) -> String {
        quote_qualified(&self.schema, &self.table)
    }

    /// Whether it went, by what was written down last; `None` where nothing was.
    fn has_gone(&self) -> Option<bool> {
        self.last.as_deref().map(|kind| kind == DETACHED || kind == WENT)
    }
}

/// The kinds of events that tell when partitions came and went.
const PASSAGES: [&str; 4] = [ATTACHED, DETACHED, CAME, WENT];

/// A list of those kinds for `IN (…)`.
fn passages() -> String {
    format!("'{}'", PASSAGES.join("', '"))
}

/// What was written down last of each table by its OID: `told`, for a query to go on with, of the events of some kinds that
/// meet a condition on `e`. What was there by some OID in another database, `$1` being this one, is here another: so only what
/// came after the last event from elsewhere counts.
fn told(kinds: &str, condition: &str) -> String {
    format!(
        "elsewhere AS MATERIALIZED (
             SELECT w.relation_id, pg_catalog.max(w.event_id) AS last FROM dbm_trail.event w
             WHERE w.state IS NOT NULL AND w.state->>'home' <> $1 GROUP BY 1),
         told AS MATERIALIZED (
             SELECT DISTINCT ON (e.relation_id, e.relid) e.relation_id, e.relid, e.event_id, e.kind, e.happened_at, e.detail
             FROM dbm_trail.event e LEFT JOIN elsewhere w ON w.relation_id = e.relation_id
             WHERE e.kind IN ({kinds}) AND e.event_id > COALESCE(w.last, 0) AND {condition}
             ORDER BY e.relation_id, e.relid, e.event_id DESC)"
    )
}

/// The partition and all below it, itself first.
fn parts(relation: i32, root: u32) -> Vec<Part> {
    let sql = format!(
        "WITH {},
         tree AS MATERIALIZED (
             SELECT {root}::pg_catalog.oid AS oid
             UNION SELECT p.relid::pg_catalog.oid FROM pg_catalog.pg_partition_tree({root}) p)
         SELECT c.oid, n.nspname::pg_catalog.text, c.relname::pg_catalog.text, c.relkind::pg_catalog.text,
             c.oid IN (SELECT s.relid FROM dbm_trail.shape s WHERE s.relation_id = $2 AND s.home = $1 AND s.fingerprint <> 0), t.kind
         FROM tree JOIN pg_catalog.pg_class c ON c.oid = tree.oid
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         LEFT JOIN told t ON t.relid = c.oid
         WHERE c.relkind IN ('r', 'p', 'f')
         ORDER BY c.oid <> {root}, 2, 3",
        told(&passages(), "e.relation_id = $2")
    );
    query::rows(&sql, &[Text::from(home()).into(), relation.into()], |row| {
        let text =
            |place| row.get::<Text>(place).map(|text| text.map_or_else(String::new, Text::into_string));
        Ok(Part {
            relid: row.get::<RegClass>(1)?.map_or(0, |oid| oid.oid().to_u32()),
            schema: text(2)?,
            table: text(3)?,
            kind: text(4)?.chars().next().unwrap_or('\0'),
            is_known: row.get::<bool>(5)?.unwrap_or(false),
            last: row.get::<Text>(6)?.map(Text::into_string),
        })
    })
}

/// Writes down that a partition came or went, with the tables below it: of each that has rows, and of each of which the log
/// knows already, since another may get its name and its keys.
pub fn note(partition: Partition) {
    let Some(relation) = watched_above(partition.parent) else { return };
    let parts = parts(relation, partition.partition);
    // One that is detached concurrently went when the statement began.
    let is_told = |part: &Part| !partition.comes && part.has_gone() == Some(true);
    if parts.iter().all(is_told) {
        return;
    }
    let with_rows = with_rows(&parts);
    let mut happened = Vec::new();
    for part in parts.iter().filter(|part| !is_told(part)) {
        let is_root = part.relid == partition.partition;
        let has_rows = if is_root { !with_rows.is_empty() } else { with_rows.contains(&part.relid) };
        let has_gone = part.has_gone();
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
        happened.push(Happened { relation, kind, detail: part.name(), partition: part.relid });
    }
    note_partitions(&happened);
}

/// Whether one of these tables is a partition.
pub fn are_there(tables: &[u32]) -> bool {
    let sql = format!(
        "SELECT 1 FROM pg_catalog.pg_class c WHERE c.oid = ANY ('{{{}}}'::pg_catalog.oid[]) AND c.relispartition",
        listed(tables)
    );
    !query::rows(&sql, &[], |_| Ok(())).is_empty()
}

/// Writes down of partitions of which the log has changes that they are called otherwise than it has it: after a restore they are
/// known by that.
pub fn note_names() {
    let sql = format!(
        "WITH {},
         shaped AS MATERIALIZED (
             SELECT DISTINCT ON (s.relation_id, s.relid) s.relation_id, s.relid, s.seen_at, s.schema_name, s.table_name
             FROM dbm_trail.shape s WHERE s.home = $1 AND s.fingerprint <> 0 ORDER BY s.relation_id, s.relid, s.shape_id DESC)
         SELECT s.relation_id, s.relid, n.nspname::pg_catalog.text, c.relname::pg_catalog.text, s.schema_name,
             s.table_name, t.detail
         FROM shaped s
         JOIN dbm_trail.relation r ON r.relation_id = s.relation_id AND r.home = $1 AND r.removed_at IS NULL
         JOIN pg_catalog.pg_class c ON c.oid = s.relid AND c.relispartition AND c.oid <> r.relid
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         LEFT JOIN told t ON t.relation_id = s.relation_id AND t.relid = s.relid AND t.happened_at > s.seen_at
         WHERE t.detail IS NOT NULL OR n.nspname <> s.schema_name OR c.relname <> s.table_name
         ORDER BY 1, 2",
        told(&format!("'{NAMED}'"), "true")
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
    let happened: Vec<Happened> = found
        .into_iter()
        .filter_map(|(relation, partition, name, known)| {
            let (relation, partition) = (relation?, partition?.oid().to_u32());
            (name != known).then_some(Happened { relation, kind: NAMED, detail: name, partition })
        })
        .collect();
    note_partitions(&happened);
}

/// What is kept back of a partition is so of the table that it is now, and of those below it: whoever has one watched, be it
/// after a restore or with columns of other names, is not to have that logged.
pub fn keep_back(partition: Partition) {
    let Some(above) = known_above(partition.parent) else { return };
    let parts = parts(above, partition.partition).into_iter().filter(|part| matches!(part.kind, 'r' | 'p'));
    let tables: Vec<Name> =
        parts.map(|Part { relid, schema, table, .. }| Name { relid, schema, table }).collect();
    install::keep_back(&tables, above);
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

/// So many tables are asked at once whether they have rows.
const ASKED: usize = 100;

/// Those that have rows. What is elsewhere is not asked, and counts as having some: by whatever it is reached, that would be
/// with the rights of the extension's owner.
fn with_rows(parts: &[Part]) -> HashSet<u32> {
    let of_kind = |kind: char| parts.iter().filter(move |part| part.kind == kind);
    let mut found: HashSet<u32> = of_kind('f').map(|part| part.relid).collect();
    let leaves: Vec<&Part> = of_kind('r').collect();
    for leaves in leaves.chunks(ASKED) {
        let asked: Vec<String> =
            leaves.iter().map(|leaf| format!("EXISTS (SELECT FROM ONLY {})", leaf.name())).collect();
        let sql = format!("SELECT ARRAY[{}]", asked.join(", "));
        let told = query::rows(&sql, &[], |row| row.get::<Vec<Option<bool>>>(1));
        let told = told.into_iter().flatten().flatten();
        found.extend(
            leaves.iter().zip(told).filter(|(_, told)| *told == Some(true)).map(|(leaf, _)| leaf.relid),
        );
    }
    found
}

/// Writes down of tables that were dropped that rows went with them, where they were partitions of watched ones: those
/// of which the log has changes, and that were not detached before. `tables`: number, schema, name.
pub fn note_dropped(tables: &[(u32, String, String)]) {
    let gone: Vec<String> = tables.iter().map(|table| table.0.to_string()).collect();
    let remains = format!(
        "SELECT 1 FROM dbm_trail.relation r JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = r.relid
         WHERE r.home = $1 AND r.removed_at IS NULL AND r.relid <> ALL ('{{{}}}'::pg_catalog.oid[]) LIMIT 1",
        gone.join(", ")
    );
    if tables.is_empty() || query::rows(&remains, &[Text::from(home()).into()], |_| Ok(())).is_empty() {
        return;
    }
    let sql = format!(
        "WITH {},
         gone AS MATERIALIZED (
             SELECT * FROM ROWS FROM (pg_catalog.unnest($2::pg_catalog.text[]), pg_catalog.unnest($3::pg_catalog.text[]),
                 pg_catalog.unnest($4::pg_catalog.text[]), pg_catalog.unnest('{{{}}}'::pg_catalog.oid[]))
                 AS t (schema_name, table_name, quoted, relid)),
         known AS MATERIALIZED (
             SELECT s.relation_id, g.relid, g.quoted, false AS by_name
             FROM gone g JOIN dbm_trail.shape s ON s.home = $1 AND s.relid = g.relid AND s.fingerprint <> 0
             UNION
             SELECT s.relation_id, g.relid, g.quoted, true
             FROM gone g JOIN dbm_trail.shape s
                 ON s.home <> $1 AND s.fingerprint <> 0 AND s.schema_name = g.schema_name AND s.table_name = g.table_name),
         named AS MATERIALIZED (
             SELECT DISTINCT ON (e.relation_id, e.detail) e.relation_id, e.detail, e.event_id, e.kind
             FROM dbm_trail.event e WHERE e.kind IN ({passages})
             ORDER BY e.relation_id, e.detail, e.event_id DESC)
         SELECT DISTINCT k.relation_id, k.quoted, k.relid
         FROM known k
         JOIN dbm_trail.relation r ON r.relation_id = k.relation_id
         JOIN pg_catalog.pg_class c ON c.oid = r.relid AND c.relkind = 'p'
         LEFT JOIN told t ON t.relation_id = k.relation_id AND t.relid = k.relid
         LEFT JOIN named n ON k.by_name AND n.relation_id = k.relation_id AND n.detail = k.quoted
         WHERE r.home = $1 AND r.removed_at IS NULL AND r.relid <> k.relid
           AND r.relid NOT IN (SELECT g.relid FROM gone g)
           AND COALESCE(CASE WHEN COALESCE(n.event_id, 0) > COALESCE(t.event_id, 0) THEN n.kind ELSE t.kind END, '')
               NOT IN ('{DETACHED}', '{WENT}')
         ORDER BY 2, 1",
        told(&passages(), "true"),
        gone.join(", "),
        passages = passages(),
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
    let happened: Vec<Happened> = found
        .into_iter()
        .filter_map(|(relation, name, partition)| {
            let detail = format!("{}{DROPPED}", name?.as_str());
            Some(Happened {
                relation: relation?,
                kind: DETACHED,
                detail,
                partition: partition?.oid().to_u32(),
            })
        })
        .collect();
    note_partitions(&happened);
}
