//! Partitions of watched tables: their triggers, and rows that come and go with them, which no change tells.

use super::ddl::truncate_trigger;
use super::facts;
use super::install::run;
use crate::pg::query;
use crate::pg::trail::{self, ATTACHED, DETACHED, Partition, home};
use crate::pg::value::{RegClass, Text};
use crate::text::quote_qualified;
use crate::trail::survey::OID;
use crate::trail::triggers::{self, PREFIX};

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

/// A partition that was detached is watched no more: the trigger for TRUNCATE that was made there would refuse it.
pub fn release_detached() {
    let sql = format!(
        "SELECT n.nspname::pg_catalog.text, c.relname::pg_catalog.text
         FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid AND NOT c.relispartition
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE t.tgfoid = 'dbm.write_audit_trail()'::pg_catalog.regprocedure AND t.tgname = '{PREFIX}truncate'
             AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger o WHERE o.tgrelid = t.tgrelid AND o.tgfoid = t.tgfoid
                 AND o.oid <> t.oid)
             AND NOT EXISTS (SELECT FROM dbm_trail.relation r WHERE r.removed_at IS NULL AND {OID} = c.oid)"
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

/// Writes down that rows came or went with a partition, if it has any.
pub fn note(partition: Partition) {
    let Some(relation) = watched_above(partition.parent) else { return };
    if has_rows(partition.partition) {
        let name = facts::table(partition.partition).quoted();
        let kind = if partition.comes { ATTACHED } else { DETACHED };
        trail::note_partition(relation, kind, &name, partition.partition);
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
                         WHERE e.relation_id = r.relation_id AND (e.relid = t.relid OR s.home <> $1 AND e.detail = t.quoted)
                           AND e.kind IN ('{ATTACHED}', '{DETACHED}')
                         ORDER BY e.event_id DESC LIMIT 1), '') <> '{DETACHED}'
           AND r.relid <> ALL ('{{{}}}'::pg_catalog.oid[])
         ORDER BY 2, 1",
        gone.join(", "),
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
            let told = format!("{}, dropped", name.as_str());
            trail::note_partition(relation, DETACHED, &told, partition.oid().to_u32());
        }
    }
}
