//! What watched tables and schemas are called: the registry follows those that are renamed or restored.

use std::cell::RefCell;

use super::facts;
use super::scope::{any_of, around};
use super::{silence, steady};
use crate::pg::query;
use crate::pg::trail::{adopt, home, note_change};
use crate::pg::value::Text;
use crate::text::quote_literal;
use crate::trail::survey::IS_STALE;

thread_local! {
    /// Rows of the registry that could not be put right.
    static GIVEN_UP: RefCell<Vec<Row>> = const { RefCell::new(Vec::new()) };
}

/// Tables that a restore made are known by their names; from now on by their numbers. Only those that have all their
/// triggers: what pg_restore is still making is left alone. A row that cannot be put right, since it has a setting for a
/// column that is not there, is not tried again in this session until somebody changes it. `concerned`: only those that are called as
/// one of these tables or of what inherits from them, or stands above them.
pub fn adopt_restored(concerned: Option<&[u32]>) {
    let called = concerned.map_or_else(String::new, |tables| {
        format!(
            "AND r.table_name = ANY (ARRAY(SELECT c.relname::pg_catalog.text COLLATE pg_catalog.\"default\" FROM pg_catalog.pg_class c
                 WHERE c.oid = {}))",
            any_of(&around(tables))
        )
    });
    let stale = format!(
        "SELECT r.relation_id, r.xmin::pg_catalog.text FROM dbm_trail.relation r
         WHERE r.removed_at IS NULL {called} AND {IS_STALE}"
    );
    let home: [pgrx::datum::DatumWithOid<'static>; 1] = [Text::from(home()).into()];
    let mut stale = query::rows(&stale, &home, |row| Ok((row.get::<i32>(1)?, row.get::<Text>(2)?)));
    stale
        .retain(|row| GIVEN_UP.with_borrow(|given_up| given_up.iter().all(|other| !is_same_row(other, row))));
    if stale.is_empty() {
        return;
    }
    let numbers: Vec<String> = stale.iter().filter_map(|row| Some(row.0?.to_string())).collect();
    for (watched, _) in facts::survey(&format!("{IS_STALE} AND r.relation_id IN ({})", numbers.join(", "))) {
        if watched.is_complete() && !adopt(watched.relid, &watched.name.0, &watched.name.1) {
            let row = stale.iter().position(|row| row.0 == Some(watched.relation_id));
            GIVEN_UP.with_borrow_mut(|given_up| {
                given_up.retain(|other| other.0 != Some(watched.relation_id));
                given_up.extend(row.map(|place| stale.swap_remove(place)));
            });
        }
    }
}

/// The number of a row of the registry, and what wrote it.
type Row = (Option<i32>, Option<Text>);

fn is_same_row(one: &Row, other: &Row) -> bool {
    one.0 == other.0 && one.1.as_ref().map(Text::as_str) == other.1.as_ref().map(Text::as_str)
}

/// A schema that is watched as a whole stays that under its new name.
pub fn rename_schema(old: &str, new: &str) {
    steady::schemas(&format!("{}, {}", quote_literal(old), quote_literal(new)));
    query::write(
        "DELETE FROM dbm.audit_schema s WHERE s.schema_name = $2
             AND EXISTS (SELECT FROM dbm.audit_schema o WHERE o.schema_name = $1)",
        &[Text::from(old).into(), Text::from(new).into()],
    );
    query::write(
        "UPDATE dbm.audit_schema SET schema_name = $2 WHERE schema_name = $1",
        &[Text::from(old).into(), Text::from(new).into()],
    );
}

/// Another of that name is another's.
pub fn forget_schemas(schemas: &[String]) {
    for schema in schemas {
        steady::schemas(&quote_literal(schema));
        // Who only asks does not wait for those who make a log.
        if !silence::is_of_watched_schema(schema) {
            continue;
        }
        query::write(
            "DELETE FROM dbm.audit_schema WHERE schema_name = $1",
            &[Text::from(schema.as_str()).into()],
        );
    }
}

/// Whoever restores a dump finds tables by their names: those of today. Those that are not watched any more as well, since
/// what was kept back of them is to be kept back if they are watched again. `tables`: the query for those that may be called
/// otherwise now.
pub fn keep_names(tables: &str) {
    let those = any_of(&[tables.to_owned()]);
    steady::registry(&format!("r.relid = {those}"));
    let renamed = query::rows_mutable(
        &format!(
            "UPDATE dbm_trail.relation r SET schema_name = n.nspname, table_name = c.relname
             FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE r.home = $1 AND c.oid = r.relid AND r.relid = {those}
               AND (r.schema_name <> n.nspname OR r.table_name <> c.relname)
             RETURNING r.relation_id, pg_catalog.format('now %I.%I', r.schema_name, r.table_name)"
        ),
        &[Text::from(home()).into()],
        |row| Ok((row.get::<i32>(1)?, row.get::<Text>(2)?)),
    );
    for (relation, name) in renamed {
        note_change(relation.unwrap_or(0), "renamed", name.as_ref().map_or("", Text::as_str));
    }
    // Columns too: they are known by their numbers here and by their names elsewhere.
    let renamed = query::rows_mutable(
        &format!(
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
               WHERE o.home = $1 AND o.relid = {those}
                 AND EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = o.relid)
               GROUP BY o.relation_id) s
         WHERE s.relation_id = r.relation_id AND s.settings <> r.settings
         RETURNING r.relation_id"
        ),
        &[Text::from(home()).into()],
        |row| row.get::<i32>(1),
    );
    for relation in renamed.into_iter().flatten() {
        note_change(relation, "renamed", "columns that its settings name were renamed or dropped");
    }
}
