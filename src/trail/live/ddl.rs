//! What is done at the end of DDL: watched tables keep their names and their triggers, new ones of watched schemas are put
//! under the trail, and whoever switches a trigger off is written down.

use pgrx::{PgLogLevel, PgSqlErrorCode};

use super::facts;
use super::install::{drop_triggers, note, remake, run, watch};
use super::list::unwatched;
use crate::pg::local_settings::with_empty_search_path;
use crate::pg::partition::copy::session::as_extension;
use crate::pg::trail::{LEFT, home, note_of_part};
use crate::pg::value::{RegClass, Text};
use crate::pg::{guard, query};
use crate::trail::survey::{OID, Watched};
use crate::trail::triggers::{self, PREFIX, create_on_partition};
use crate::trail::watch::Asked;

/// A statement of that tag ended.
pub fn ended(tag: &str) {
    // Before anything else: an operator of the user's would run with the rights of whoever runs DDL, or hide what was done.
    let touched = with_empty_search_path(touched);
    as_extension(|| {
        guard::trusting(|| {
            keep_names();
            if tag.starts_with("DROP") && tag != "DROP TRIGGER" {
                note_gone();
                return;
            }
            let list = touched.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
            let list = if list.is_empty() { "0".to_owned() } else { list };
            if tag.ends_with("SUBSCRIPTION") {
                keep_triggers("true");
                return;
            }
            // The table itself, what inherits from it, what it inherits from, and the partitioned table far above it.
            keep_triggers(&format!(
                "c.oid IN ({list}) OR EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid AND \
                 i.inhparent IN ({list}) OR i.inhparent = c.oid AND i.inhrelid IN ({list})) OR c.relkind = 'p' AND EXISTS (SELECT FROM pg_catalog.pg_partition_tree(c.oid) p \
                 WHERE p.relid IN ({list}))"
            ));
            if tag == "ALTER TABLE" {
                release_detached(&touched);
            }
            if tag.starts_with("CREATE TABLE") || tag == "SELECT INTO" || tag == "ALTER TABLE" {
                watch_new(&list);
            }
        });
    });
}

/// The tables that the statement touched.
fn touched() -> Vec<u32> {
    let sql = "SELECT DISTINCT CASE WHEN d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass THEN d.objid
                   ELSE (SELECT t.tgrelid FROM pg_catalog.pg_trigger t WHERE t.oid = d.objid) END
               FROM pg_catalog.pg_event_trigger_ddl_commands() d
               WHERE d.classid IN ('pg_catalog.pg_class'::pg_catalog.regclass, 'pg_catalog.pg_trigger'::pg_catalog.regclass)";
    let found = query::rows(sql, &[], |row| row.get::<RegClass>(1));
    found.into_iter().flatten().map(|relation| relation.oid().to_u32()).collect()
}

/// Whoever restores a dump finds tables by their names: those of today.
fn keep_names() {
    query::write(
        "UPDATE dbm_trail.relation r SET schema_name = n.nspname, table_name = c.relname
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE r.home = $1 AND r.removed_at IS NULL AND c.oid = r.relid
           AND (r.schema_name <> n.nspname OR r.table_name <> c.relname)",
        &[Text::from(home()).into()],
    );
    // Columns too: they are known by their numbers here and by their names elsewhere.
    query::write(
        "UPDATE dbm_trail.relation r SET settings = s.settings
         FROM (SELECT o.relation_id, pg_catalog.jsonb_object_agg(e.key, CASE
                   WHEN pg_catalog.jsonb_typeof(e.value) = 'array' THEN (
                       SELECT COALESCE(pg_catalog.jsonb_agg(
                           pg_catalog.jsonb_build_object('number', a.attnum, 'name', a.attname) ORDER BY c.place), '[]')
                       FROM pg_catalog.jsonb_array_elements(e.value) WITH ORDINALITY AS c (value, place)
                       JOIN pg_catalog.pg_attribute a ON a.attrelid = o.relid AND NOT a.attisdropped
                           AND a.attnum = (c.value->>'number')::pg_catalog.int2)
                   ELSE e.value END) AS settings
               FROM dbm_trail.relation o, pg_catalog.jsonb_each(o.settings) e
               WHERE o.home = $1 AND o.removed_at IS NULL
                 AND EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = o.relid)
               GROUP BY o.relation_id) s
         WHERE s.relation_id = r.relation_id AND s.settings <> r.settings",
        &[Text::from(home()).into()],
    );
}

fn note_gone() {
    let gone = query::rows_mutable(
        "UPDATE dbm_trail.relation r SET removed_at = pg_catalog.clock_timestamp()
         WHERE r.home = $1 AND r.removed_at IS NULL
           AND NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = r.relid)
         RETURNING r.relation_id",
        &[Text::from(home()).into()],
        |row| row.get::<i32>(1),
    );
    for relation in gone.into_iter().flatten() {
        note(relation, "removed", "the table was dropped");
    }
}

/// What pg_restore is still making is left alone: there it is not known yet which tables are which.
fn keep_triggers(condition: &str) {
    for (watched, _) in facts::survey(&format!("r.home = $1 AND ({condition})")) {
        if watched.relid == 0 {
            continue;
        }
        if watched.is_outgrown() && is_kept_above(watched.relid) {
            hand_over(&watched);
        } else if watched.is_outgrown() {
            remake(&facts::table(watched.relid), watched.needed());
            query::write(
                "UPDATE dbm_trail.relation SET level = $2 WHERE relation_id = $1",
                &[watched.relation_id.into(), Text::from(watched.needed().name()).into()],
            );
            note(watched.relation_id, "changed", &format!("now {} triggers", watched.needed().name()));
        } else if watched.bare_partitions > 0 {
            for partition in bare(watched.relid) {
                for statement in create_on_partition(&partition) {
                    run(&statement);
                }
            }
        }
        for silenced in &watched.silenced {
            note(watched.relation_id, "disabled", silenced);
            pgrx::ereport!(
                PgLogLevel::WARNING,
                PgSqlErrorCode::ERRCODE_WARNING,
                format!("audit trigger {silenced}"),
                "Changes are not logged any more; this is."
            );
        }
    }
}

/// Whether the row trigger of a partitioned table above it is there.
fn is_kept_above(relid: u32) -> bool {
    let sql = format!(
        "SELECT 1 FROM pg_catalog.pg_trigger t WHERE t.tgrelid = {relid} AND t.tgparentid <> 0::pg_catalog.oid
             AND t.tgfoid = 'dbm.write_audit_trail()'::pg_catalog.regprocedure"
    );
    !query::rows(&sql, &[], |_| Ok(())).is_empty()
}

/// A watched table became a partition of a watched one, which keeps its changes from now on.
fn hand_over(watched: &Watched) {
    drop_triggers(watched.relid);
    for statement in create_on_partition(&facts::table(watched.relid).quoted()) {
        run(&statement);
    }
    query::write(
        "UPDATE dbm_trail.relation SET removed_at = pg_catalog.clock_timestamp() WHERE relation_id = $1",
        &[watched.relation_id.into()],
    );
    note(
        watched.relation_id,
        "changed",
        "a partition of a watched table, which keeps its changes from now on",
    );
}

/// A partition that was detached is watched no more: the trigger for TRUNCATE that was made there would refuse it. Its rows left
/// the table without a change, and the log is told so.
fn release_detached(touched: &[u32]) {
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
        for statement in triggers::drop(&table, &[format!("{PREFIX}truncate")]) {
            run(&statement);
        }
        let told = format!("partition {table} was detached, and its rows with it");
        touched.iter().for_each(|&parent| note_of_part(parent, LEFT, &told));
    }
}

fn bare(relid: u32) -> Vec<String> {
    let sql = format!(
        "SELECT n.nspname::pg_catalog.text, c.relname::pg_catalog.text FROM pg_catalog.pg_partition_tree({relid}) p
         JOIN pg_catalog.pg_class c ON c.oid = p.relid AND c.relkind IN ('r', 'p')
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE p.relid <> {relid} AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = p.relid
             AND t.tgname = '{PREFIX}truncate') ORDER BY 1, 2"
    );
    facts::names(&sql, &[])
}

/// New tables of schemas that are watched as a whole.
fn watch_new(list: &str) {
    let sql = unwatched(&format!(
        "c.oid IN ({list}) AND n.nspname IN (SELECT s.schema_name FROM dbm.audit_schema s) AND NOT EXISTS (
             SELECT FROM dbm_trail.relation r WHERE {OID} = c.oid)"
    ));
    let asked = Asked { mode: "auto".to_owned(), store: "diff".to_owned(), ..Asked::default() };
    let found = query::rows(&sql, &[Text::from(home()).into()], |row| row.get::<RegClass>(1));
    for relation in found.into_iter().flatten() {
        watch(&facts::table(relation.oid().to_u32()), &asked);
    }
}
