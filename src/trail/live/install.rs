//! Puts tables under the audit trail and takes them out of it.
//!
//! What is asked is looked at with the caller's rights; then the extension's owner makes the triggers, since nobody else
//! may call their function.

use std::collections::HashMap;

use pgrx::PgSqlErrorCode;
use pgrx::datum::DatumWithOid;

use super::ddl::hand_over_below;
use super::earlier::{Memory, earlier};
use super::facts::{self, Name, Table};
use super::scope::{among, tree};
use super::{partitions, silence, steady};
use crate::pg::closed::close;
use crate::pg::error::{raise, warn};
use crate::pg::local_settings::with_bounded_waits;
use crate::pg::partition::copy::session::as_extension;
use crate::pg::trail::{
    Happened, are_new, home, is_ours, is_there, note_change, note_changes, note_shape, unnoticed,
};
use crate::pg::upkeep::name_of;
use crate::pg::value::{Document, RegClass, Text};
use crate::pg::{guard, lock, moment, query, roles};
use crate::text::{quote_identifier, quote_literal, quote_qualified};
use crate::trail::triggers::{self, Level};
use crate::trail::watch::{self, Asked, Earlier, Refusal};
use crate::trail::{log, survey};

fn refused(table: &Table, refusal: &Refusal) -> ! {
    let name = table.quoted();
    match refusal {
        Refusal::Unknown(argument, given, possible) => raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            &format!("{argument} of an audit trail cannot be \"{given}\""),
            &format!("Possible are {possible}."),
            &format!("SELECT dbm.install_audit_trigger('{name}', {argument} => '…');"),
        ),
        Refusal::NoColumn(argument, column) => raise(
            PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
            &format!("table {name} has no column {}", quote_identifier(column)),
            &format!("It is named in {argument}."),
            "Names are taken as they are: no quotes, and capitals count.",
        ),
        Refusal::Key(column) => raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            &format!("column {} of {name} cannot be left out of its audit trail", quote_identifier(column)),
            "It is part of the primary key, without which nobody knows which row a change was made to.",
            "Name it in redact to have a hash of it logged.",
        ),
        Refusal::Twice(column) => raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            &format!("two arguments contradict each other on column {}", quote_identifier(column)),
            "A column is logged, left out or redacted.",
            "Name it in one of columns and redact, or in exclude.",
        ),
        Refusal::Statement => raise(
            PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
            &format!("triggers for statements would miss changes of table {name}"),
            "Rows come by partitions, inheritance or logical replication, or triggers for rows change them again.",
            &format!("SELECT dbm.install_audit_trigger('{name}', mode => 'auto');"),
        ),
    }
}

fn check(table: &Table) {
    let name = table.quoted();
    if !matches!(table.kind, 'r' | 'p') {
        raise(
            PgSqlErrorCode::ERRCODE_WRONG_OBJECT_TYPE,
            &format!("{name} is not a table"),
            "Only tables and partitioned tables have an audit trail.",
            "",
        );
    }
    if table.persistence == 't' {
        raise(
            PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
            &format!("temporary table {name} cannot have an audit trail"),
            "It is gone at the end of the session, and its history would be of nothing.",
            "",
        );
    }
    if is_of_server_or_ours(&table.schema) {
        raise(
            PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
            &format!("table {name} cannot have an audit trail"),
            "It belongs to the server or to the trail itself.",
            "",
        );
    }
}

/// Whether nothing in a schema has a trail.
pub fn is_of_server_or_ours(schema: &str) -> bool {
    is_ours(schema)
        || matches!(schema, "pg_catalog" | "information_schema" | "pg_toast")
        || schema.starts_with("pg_temp_")
}

fn check_rights(table: &Table) {
    if !roles::owns(table.relid.into()) {
        raise(
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            &format!("must be owner of table {}", table.quoted()),
            "",
            "",
        );
    }
}

/// `dbm.install_audit_trigger()`: returns what was done.
pub fn install(relid: u32, asked: &Asked) -> String {
    let table = facts::table(relid);
    check(&table);
    check_rights(&table);
    with_bounded_waits(|| {
        let table = locked(&table);
        check(&table);
        refuse_part(&table, "Whatever is changed in it is logged as the table above it is.", |above| {
            format!("SELECT dbm.install_audit_trigger({above}, …); changes how.")
        });
        if table.persistence == 'u' {
            warn(
                &format!("{} is unlogged", table.quoted()),
                "A crash of the server empties it, which no change tells.",
                &format!("ALTER TABLE {} SET LOGGED;", table.quoted()),
            );
        }
        watch(&table, asked, None)
    })
}

/// Refuses a partition of a watched table. `hint`: what to do, by the name of that table as SQL takes it.
fn refuse_part(table: &Table, detail: &str, hint: impl Fn(&str) -> String) {
    let Some(above) = partitions::kept_above(table.relid) else { return };
    raise(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        &format!("{} is watched as a partition of {above}", table.quoted()),
        detail,
        &hint(&quote_literal(&above)),
    )
}

/// The table as it is once nobody else writes to it or alters it; an ERROR where it is somebody else's by then. It is locked
/// by its number: meanwhile something else may have got its name, to be locked with the rights of the extension's owner.
fn locked(table: &Table) -> Table {
    lock::tree_against_writers(table.relid.into());
    check_rights(table);
    let now = facts::table(table.relid);
    if name_of(table.relid).as_ref() != Some(&now.quoted())
        || facts::needs_rows_now(table.relid) != now.needs_rows
    {
        raise(
            PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE,
            &format!("table {} was altered meanwhile", now.quoted()),
            "",
            "Do it again in another transaction.",
        );
    }
    now
}

/// Has a table watched, whoever asks. `above`: the number in the log of the table of which it was a partition.
pub fn watch(table: &Table, asked: &Asked, above: Option<i32>) -> String {
    let columns = facts::columns(table.relid);
    // What is asked is looked at before anything is locked, or made.
    let (said, _) = watch::continued(asked, &Earlier::default(), &columns);
    if let Err(refusal) = watch::settings(&said, &columns) {
        refused(table, &refusal);
    }
    as_extension(|| {
        guard::trusting(|| {
            unnoticed(|| {
                make_log();
                // Nobody writes between what is found out here and the triggers.
                lock::tree_against_writers(table.relid.into());
                let now = facts::table(table.relid);
                let needed = if now.needs_rows { Level::Row } else { Level::Statement };
                let level =
                    watch::level(&asked.mode, needed).unwrap_or_else(|refusal| refused(table, &refusal));
                let columns = facts::columns(now.relid);
                let (asked, as_before) = watch::continued(asked, &earlier(&now, &columns, above), &columns);
                let settings =
                    watch::settings(&asked, &columns).unwrap_or_else(|refusal| refused(table, &refusal));
                steady::registry(&among(&[tree(now.relid)]));
                steady::partitions(now.relid);
                // Before triggers are made it shows which were gone.
                silence::tell_unseen(&format!("c.oid = {}", now.relid), true);
                let relation = register(&now, &asked, level, settings);
                remake(&now, level);
                if now.kind == 'p' {
                    hand_over_below(now.relid);
                }
                note_shape(now.relid);
                note_change(
                    relation,
                    "installed",
                    &format!(
                        "{}: {} triggers, mode {}, store {}{as_before}",
                        now.quoted(),
                        level.name(),
                        asked.mode,
                        asked.store
                    ),
                );
                format!("{} is watched by {} triggers{as_before}", now.quoted(), level.name())
            })
        })
    })
}

/// Makes the triggers of a table anew.
pub fn remake(table: &Table, level: Level) {
    drop_triggers(table.relid);
    let partitions = if table.kind == 'p' { facts::partitions(table.relid) } else { Vec::new() };
    for statement in triggers::create(&table.quoted(), level, &partitions) {
        run(&statement);
    }
}

/// Takes ours away from a table and from those below it.
pub fn drop_triggers(relid: u32) {
    for (table, name) in facts::triggers(relid) {
        for statement in triggers::drop(&table, &[name]) {
            run(&statement);
        }
    }
}

/// Runs a statement of ours.
pub fn run(statement: &str) {
    query::write(statement, &[]);
}

fn make_log() {
    if is_there() {
        return;
    }
    // One of two who come at once makes it.
    run("LOCK TABLE dbm.audit_schema IN SHARE ROW EXCLUSIVE MODE");
    if is_there() {
        return;
    }
    let schemas =
        query::rows("SELECT 1 FROM pg_catalog.pg_namespace n WHERE n.nspname = 'dbm_trail'", &[], |_| Ok(()));
    if !schemas.is_empty() {
        raise(
            PgSqlErrorCode::ERRCODE_DUPLICATE_SCHEMA,
            "schema dbm_trail exists and is not the log of dbmastery",
            "The log of the audit trail is made by dbmastery, and nobody else may write to it.",
            "Rename that schema, or drop it.",
        );
    }
    for statement in log::statements(moment::now()) {
        run(&statement);
    }
    are_new();
    let made = query::rows_mutable(
        "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_class c
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'dbm_trail' AND c.relkind IN ('r', 'p')",
        &[],
        |row| row.get::<Text>(1),
    );
    close(&made.into_iter().flatten().map(Text::into_string).collect::<Vec<_>>());
    for statement in log::upkeep() {
        query::rows_mutable(&statement, &[], |_| Ok(()));
    }
}

/// Whether the row `r` of the registry is that of a table, in SQL. `$1`: the database.
fn is_of(table: &Table) -> String {
    let oid = format!("{}::pg_catalog.oid", table.relid);
    survey::is_of(&oid, &quote_literal(&table.schema), &quote_literal(&table.name))
}

fn register(table: &Table, asked: &Asked, level: Level, settings: serde_json::Value) -> i32 {
    let home = home();
    let text = |text: &str| -> DatumWithOid<'static> { Text::from(text).into() };
    // Where it was watched before, it is the same relation; where it still is, it was all the while.
    let known = format!(
        "SELECT r.relation_id FROM dbm_trail.relation r WHERE {} ORDER BY r.removed_at DESC NULLS FIRST LIMIT 1",
        is_of(table)
    );
    let known = query::rows(&known, &[text(&home)], |row| row.get::<i32>(1)).into_iter().flatten().next();
    let arguments = [
        text(&home),
        text(&table.schema),
        text(&table.name),
        text(&asked.mode),
        text(level.name()),
        text(&asked.store),
        Document::from(settings).into(),
    ];
    let relid = table.relid;
    let sql = match known {
        Some(known) => format!(
            "UPDATE dbm_trail.relation SET home = $1, relid = {relid}, schema_name = $2, table_name = $3, mode = $4, \
                 level = $5, store = $6, settings = $7, removed_at = NULL, installed_at = CASE WHEN removed_at IS NULL \
                 THEN installed_at ELSE pg_catalog.clock_timestamp() END \
             WHERE relation_id = {known} RETURNING relation_id"
        ),
        None => format!(
            "INSERT INTO dbm_trail.relation (relation_id, home, relid, schema_name, table_name, mode, level, store, \
                 settings, installed_at) \
             SELECT pg_catalog.nextval('dbm_trail.relation_id')::pg_catalog.int4, $1, {relid}, $2, $3, $4, $5, $6, $7, \
                 pg_catalog.clock_timestamp() RETURNING relation_id"
        ),
    };
    let numbers = query::rows_mutable(&sql, &arguments, |row| row.get::<i32>(1));
    numbers.into_iter().flatten().next().unwrap_or(0)
}

/// What is kept back of a table, as the registry has it.
struct KeptBack<'a> {
    table: &'a Name,
    settings: String,
    told: String,
}

/// Remembers what is kept back of tables that were part of a watched one, whose number in the log is `above`: as of ones that
/// were watched, though they never were.
pub fn keep_back(tables: &[Name], above: i32) {
    let memory = Memory::of(&tables.iter().collect::<Vec<_>>(), Some(above));
    let columns = facts::columns_of(&tables.iter().map(|table| table.relid).collect::<Vec<_>>());
    let (mut new, mut known) = (Vec::new(), Vec::new());
    for table in tables {
        let is_watched = memory.is_watched(table.relid);
        let columns = columns.get(&table.relid).map_or(&[][..], Vec::as_slice);
        if is_watched == Some(true) {
            continue;
        }
        let kept = memory.earlier(table, columns);
        if kept == Earlier::default() {
            continue;
        }
        let (asked, told) = watch::continued(&Asked::as_before(), &kept, columns);
        let Ok(settings) = watch::settings(&asked, columns) else { continue };
        let kept = KeptBack { table, settings: settings.to_string(), told };
        if is_watched.is_none() { new.push(kept) } else { known.push(kept) }
    }
    write_kept_back(
        &new,
        "INSERT INTO dbm_trail.relation (relation_id, home, relid, schema_name, table_name, mode, level, store, \
             settings, installed_at, removed_at) \
         SELECT pg_catalog.nextval('dbm_trail.relation_id')::pg_catalog.int4, $1, k.relid, k.schema_name, k.table_name, \
             'auto', 'row', 'diff', k.settings::pg_catalog.jsonb, t.now, t.now \
         FROM (SELECT pg_catalog.clock_timestamp() AS now OFFSET 0) t CROSS JOIN {kept} k ORDER BY k.place \
         RETURNING relation_id, relid",
    );
    write_kept_back(
        &known,
        "UPDATE dbm_trail.relation r SET schema_name = k.schema_name, table_name = k.table_name, \
             settings = k.settings::pg_catalog.jsonb \
         FROM {kept} k WHERE r.home = $1 AND r.relid = k.relid AND r.removed_at IS NOT NULL \
         RETURNING r.relation_id, r.relid",
    );
}

/// Runs a statement with these as `{kept}`, and writes down what it says it wrote.
fn write_kept_back(kept: &[KeptBack<'_>], sql: &str) {
    if kept.is_empty() {
        return;
    }
    let relids: Vec<String> = kept.iter().map(|kept| kept.table.relid.to_string()).collect();
    let those = format!(
        "(SELECT * FROM ROWS FROM (pg_catalog.unnest('{{{}}}'::pg_catalog.oid[]), \
             pg_catalog.unnest($2::pg_catalog.text[]), pg_catalog.unnest($3::pg_catalog.text[]), \
             pg_catalog.unnest($4::pg_catalog.text[])) \
             WITH ORDINALITY AS k (relid, schema_name, table_name, settings, place))",
        relids.join(", ")
    );
    let texts = |text: for<'a> fn(&'a KeptBack<'a>) -> &'a str| -> Vec<Text> {
        kept.iter().map(|kept| Text::from(text(kept))).collect()
    };
    let arguments = [
        Text::from(home()).into(),
        texts(|kept| &kept.table.schema).into(),
        texts(|kept| &kept.table.table).into(),
        texts(|kept| &kept.settings).into(),
    ];
    let written = query::rows_mutable(&sql.replace("{kept}", &those), &arguments, |row| {
        Ok((row.get::<i32>(1)?, row.get::<RegClass>(2)?))
    });
    let of_table: HashMap<u32, &KeptBack<'_>> = kept.iter().map(|kept| (kept.table.relid, kept)).collect();
    let happened = written.into_iter().filter_map(|(relation, relid)| {
        let kept = of_table.get(&relid?.oid().to_u32())?;
        let name = quote_qualified(&kept.table.schema, &kept.table.table);
        let detail = format!("{name}{}", kept.told);
        Some(Happened { relation: relation?, kind: "kept", detail, partition: 0 })
    });
    note_changes(&happened.collect::<Vec<_>>());
}

/// `dbm.remove_audit_trigger()`: whether it was watched.
pub fn remove(relid: u32) -> bool {
    let table = facts::table(relid);
    check_rights(&table);
    with_bounded_waits(|| {
        let table = locked(&table);
        refuse_part(&table, "No partition of a watched table is left out of its history.", |above| {
            format!("SELECT dbm.remove_audit_trigger({above}); ends it for all of them.")
        });
        end(&table)
    })
}

fn end(table: &Table) -> bool {
    let relid = table.relid;
    as_extension(|| {
        guard::trusting(|| {
            unnoticed(|| {
                let had_triggers = !facts::triggers(relid).is_empty();
                if is_there() {
                    steady::registry(&among(&[tree(relid)]));
                    steady::partitions(relid);
                    silence::tell_unseen(&format!("c.oid = {relid}"), true);
                }
                drop_triggers(relid);
                // Where the log is gone, they would refuse every change.
                if !is_there() {
                    return had_triggers;
                }
                let sql = format!(
                    "UPDATE dbm_trail.relation r SET removed_at = pg_catalog.clock_timestamp() \
                     WHERE r.removed_at IS NULL AND {} RETURNING r.relation_id",
                    is_of(table)
                );
                let removed =
                    query::rows_mutable(&sql, &[Text::from(home()).into()], |row| row.get::<i32>(1));
                for relation in removed.iter().flatten() {
                    note_change(*relation, "removed", &table.quoted());
                }
                had_triggers || !removed.is_empty()
            })
        })
    })
}
