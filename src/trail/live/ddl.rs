//! What is done beside DDL: watched tables keep their names and their triggers, new ones of watched schemas are put under
//! the trail, and whoever takes a trigger away or out of force is written down.

use std::cell::RefCell;

use super::earlier;
use super::facts;
use super::install::{drop_triggers, remake, run, watch};
use super::list::left_out;
use super::names::{adopt_restored, forget_schemas, keep_names, rename_schema};
use super::partitions;
use super::rights;
use super::scope::{among, around, in_schema, inheriting, listed, tree, watching};
use super::shapes;
use super::silence::{self, When};
use super::steady;
use crate::pg::error::warn;
use crate::pg::local_settings::with_pinned_search_path;
use crate::pg::partition::copy::session::as_extension;
use crate::pg::trail::{Ddl, Partition, Stage, home, makes_triggers, note_change};
use crate::pg::upkeep::{keeps_snapshot, latest_rows};
use crate::pg::value::{RegClass, Text};
use crate::pg::{guard, query, roles};
use crate::trail::survey::Watched;
use crate::trail::triggers::{PREFIX, create_on_partition};
use crate::trail::watch::Asked;

thread_local! {
    /// Tables whose triggers made way for those of a table they were to come under, by their numbers: the names of a
    /// statement may mean others when it runs. What a statement that was rolled back left here has its triggers, and is
    /// looked at once more for nothing.
    static MADE_WAY: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
}

/// A moment of a statement.
pub fn noticed(ddl: &Ddl) {
    if makes_triggers(ddl.stage, &ddl.tag) {
        with_pinned_search_path(rights::refuse_triggers_of_others);
    }
    // Most statements need nothing before they begin: the log is not asked for.
    let is_moment = ddl.stage != Stage::Start
        || takes_away(ddl)
        || ddl.enables
        || !ddl.parents.is_empty()
        || ddl.partition.is_some();
    if !is_moment || !with_pinned_search_path(is_whole) {
        return;
    }
    match ddl.stage {
        Stage::Start => begins(ddl),
        Stage::Drop => dropped(),
        Stage::End => ended(ddl),
    }
}

/// Whether the log has what is asked here: one that a restore is taking away, or making, is left alone.
fn is_whole() -> bool {
    let sql = "SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
               WHERE n.nspname = 'dbm_trail' AND c.relname IN ('event', 'relation', 'shape') AND c.relkind = 'r'";
    // Somebody may have made it since this transaction began to see.
    if keeps_snapshot() { latest_rows(sql).len() == 3 } else { query::rows(sql, &[], |_| Ok(())).len() == 3 }
}

/// Whether names, or things, are gone once the statement is done.
fn takes_away(ddl: &Ddl) -> bool {
    ddl.renames || ddl.may_silence || ddl.drops
}

/// The partition that the statement attaches.
fn coming(ddl: &Ddl) -> Option<Partition> {
    ddl.partition.filter(|found| found.comes)
}

/// A statement begins: once it has given things other names, or taken them away, nobody knows what was meant.
fn begins(ddl: &Ddl) {
    for &parent in &ddl.parents {
        rights::let_take_over(parent, ddl.maker);
    }
    // Looked up as the extension: whoever attaches need not have any right on its schema. The owner has to be the caller.
    let in_the_way = coming(ddl)
        .and_then(|found| as_extension(|| guard::trusting(|| partitions::in_the_way(found))))
        .filter(|&(_, owner)| roles::is_member(owner.into()))
        .map(|(partition, _)| partition);
    let changes_triggers = takes_away(ddl) || ddl.enables || in_the_way.is_some();
    if !changes_triggers && ddl.partition.is_none() {
        return;
    }
    as_extension(|| {
        guard::trusting(|| {
            // Partitions come and go under tables that are known here.
            adopt_restored(ddl.concerned.as_deref().filter(|_| !ddl.touches_others));
            if let Some(gone) = ddl.partition.filter(|_| ddl.detaches_concurrently) {
                partitions::note(gone);
            }
            if !changes_triggers {
                return;
            }
            // Once the statement has put triggers back, or taken others away, nobody knows.
            tell_unseen(ddl);
            if ddl.drops_extension {
                silence::extension_goes();
            }
            if let Some(partition) = in_the_way {
                drop_triggers(partition);
                MADE_WAY.with_borrow_mut(|tables| tables.push(partition));
            }
        });
    });
}

/// Writes down which triggers are gone already of tables whose triggers the statement may take away, or put back.
fn tell_unseen(ddl: &Ddl) {
    let Some(concerned) = &ddl.concerned else {
        silence::tell_unseen("true", false);
        return;
    };
    if concerned.is_empty() {
        return;
    }
    silence::tell_unseen(&among(&around(concerned)), false);
}

/// Of tables that made way and did not come under the other, triggers were dropped.
fn keep_those_that_made_way() {
    for table in MADE_WAY.take() {
        keep_triggers(&among(&[tree(table)]), When::Dropped);
    }
}

/// Something was dropped, by whatever statement.
fn dropped() {
    // Before anything else: the server tells it here alone.
    let gone = with_pinned_search_path(silence::gone);
    if gone.is_empty() {
        return;
    }
    as_extension(|| {
        guard::trusting(|| {
            forget_schemas(&gone.schemas);
            if !gone.altered.is_empty() {
                keep_names(&inheriting(&gone.altered));
                shapes::tell(&gone.altered);
            }
            let list = listed(&gone.tables.iter().map(|table| table.0).collect::<Vec<_>>());
            steady::shapes(&list);
            partitions::note_dropped(&gone.tables);
            note_gone(&list);
            let tables = silence::without_triggers(&gone.triggers);
            if !tables.is_empty() {
                keep_triggers(&among(&[watching(&listed(&tables))]), When::Dropped);
            }
        });
    });
}

fn ended(ddl: &Ddl) {
    // Before anything else: an operator of the user's would run with the rights of whoever runs DDL, or hide what was done.
    let (touched, made) = with_pinned_search_path(touched);
    as_extension(|| {
        guard::trusting(|| {
            let typed = if ddl.tag == "ALTER TYPE" { shapes::of_types(&touched) } else { Vec::new() };
            if let Some((old, new)) = &ddl.renamed_schema {
                rename_schema(old, new);
            }
            if ddl.renames {
                // By then nothing is found by the names of the statement any more.
                keep_names(&match &ddl.renamed_schema {
                    Some((_, new)) => in_schema(new),
                    None => inheriting(&[&*touched, &typed].concat()),
                });
            }
            if ddl.renames_tables && (ddl.renamed_schema.is_some() || partitions::are_there(&touched)) {
                partitions::note_names();
            }
            if ddl.tag.ends_with("SUBSCRIPTION") {
                keep_triggers("true", When::Other);
                return;
            }
            // What a copy attaches holds rows that were in the table before; the copy says so itself.
            if let Some(partition) = ddl.partition.filter(|_| !crate::pg::silence::is_ours(true)) {
                partitions::note(partition);
            }
            let list = listed(&touched);
            let when = match ddl {
                Ddl { may_silence: true, .. } => When::Altered,
                Ddl { enables: true, .. } => When::Enabled,
                _ => When::Other,
            };
            let below = ddl.partition.map(|found| tree(found.partition));
            let tables: Vec<String> = [watching(&list)].into_iter().chain(below).collect();
            keep_triggers(&among(&tables), when);
            shapes::tell(&[&*touched, &typed].concat());
            if ddl.attaches {
                keep_those_that_made_way();
            }
            if ddl.detaches {
                partitions::release_detached();
            }
            if ddl.moves {
                watch_new(&list, None);
            } else if !made.is_empty() {
                watch_new(&listed(&made), None);
            }
            if let Some(gone) = ddl.partition.filter(|found| !found.comes) {
                partitions::keep_back(gone);
                partitions::let_go(gone);
                watch_new(&gone.partition.to_string(), partitions::watched_above(gone.parent));
            }
        });
    });
}

/// The tables that the statement touched, and those of them that it made.
fn touched() -> (Vec<u32>, Vec<u32>) {
    let sql = "SELECT CASE WHEN d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass THEN d.objid
                   ELSE (SELECT t.tgrelid FROM pg_catalog.pg_trigger t WHERE t.oid = d.objid) END AS relid,
                   pg_catalog.bool_or(d.command_tag IN ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO'))
               FROM pg_catalog.pg_event_trigger_ddl_commands() d
               WHERE d.classid IN ('pg_catalog.pg_class'::pg_catalog.regclass, 'pg_catalog.pg_trigger'::pg_catalog.regclass)
               GROUP BY 1";
    let found = query::rows(sql, &[], |row| Ok((row.get::<RegClass>(1)?, row.get::<bool>(2)?)));
    let (mut touched, mut made) = (Vec::new(), Vec::new());
    for (relation, is_made) in found {
        let Some(relation) = relation.map(|relation| relation.oid().to_u32()) else { continue };
        touched.push(relation);
        if is_made == Some(true) {
            made.push(relation);
        }
    }
    (touched, made)
}

/// Tables of that list are gone.
fn note_gone(list: &str) {
    steady::registry(&format!("r.relid IN ({list})"));
    let sql = format!(
        "UPDATE dbm_trail.relation r SET removed_at = pg_catalog.clock_timestamp()
         WHERE r.home = $1 AND r.removed_at IS NULL AND r.relid IN ({list})
         RETURNING r.relation_id"
    );
    let gone = query::rows_mutable(&sql, &[Text::from(home()).into()], |row| row.get::<i32>(1));
    for relation in gone.into_iter().flatten() {
        note_change(relation, "removed", "the table was dropped");
    }
}

/// What pg_restore is still making is left alone: there it is not known yet which tables are which.
fn keep_triggers(condition: &str, when: When) {
    steady::registry(&format!(
        "EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = r.relid AND ({condition}))"
    ));
    for (watched, _) in facts::survey(&format!("r.home = $1 AND c.oid = r.relid AND ({condition})")) {
        if partitions::is_kept_above(watched.relid) {
            hand_over(&watched);
            continue;
        }
        // Whether its triggers were taken away is asked before others are made.
        if silence::told(&watched, when) {
            continue;
        }
        if watched.is_outgrown() {
            silence::tell_unseen(&format!("c.oid = {}", watched.relid), true);
            remake(&facts::table(watched.relid), watched.needed());
            silence::end_of_silence(watched.relation_id);
            query::write(
                "UPDATE dbm_trail.relation SET level = $2 WHERE relation_id = $1",
                &[watched.relation_id.into(), Text::from(watched.needed().name()).into()],
            );
            note_change(watched.relation_id, "changed", &format!("now {} triggers", watched.needed().name()));
        } else if watched.bare_partitions > 0 {
            for partition in partitions::bare(watched.relid) {
                for statement in create_on_partition(&partition) {
                    run(&statement);
                }
            }
        }
    }
}

/// A watched table is a partition of a watched one, which keeps its changes from now on.
pub fn hand_over(watched: &Watched) {
    drop_triggers(watched.relid);
    for table in std::iter::once(facts::table(watched.relid).quoted()).chain(facts::partitions(watched.relid))
    {
        for statement in create_on_partition(&table) {
            run(&statement);
        }
    }
    query::write(
        "UPDATE dbm_trail.relation SET removed_at = pg_catalog.clock_timestamp() WHERE relation_id = $1",
        &[watched.relation_id.into()],
    );
    note_change(
        watched.relation_id,
        "joined",
        "a partition of a watched table, which keeps its changes from now on",
    );
    tell_lost(watched);
}

/// What was kept back of a table on its own, and is not as a partition.
fn tell_lost(watched: &Watched) {
    let (table, columns) = (facts::table(watched.relid), facts::columns(watched.relid));
    let (own, above) = earlier::own_and_above(&table, &columns, watched.relation_id);
    let lost = own.lost_in(&above, &columns);
    if !lost.is_empty() {
        warn(
            &format!(
                "columns of {} that its audit trail kept back are logged from now on: {}",
                table.quoted(),
                lost.join(", ")
            ),
            "It is a partition, and its rows are logged as those of the table above it.",
            "Call dbm.install_audit_trigger() for that table with these columns in exclude or redact.",
        );
    }
}

/// Those below a partitioned table that were watched on their own.
pub fn hand_over_below(relid: u32) {
    let condition =
        format!("r.home = $1 AND c.oid = r.relid AND r.relid <> {relid} AND {}", among(&[tree(relid)]));
    for (watched, _) in facts::survey(&condition) {
        if partitions::is_kept_above(watched.relid) {
            hand_over(&watched);
        }
    }
}

/// Of tables that are new in their schemas, those of schemas that are watched as a whole; none of which somebody ended the
/// watching. `above`: the number in the log of the table of which they were partitions.
fn watch_new(list: &str, above: Option<i32>) {
    steady::schemas(&format!(
        "SELECT n.nspname::pg_catalog.text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE c.oid IN ({list}) AND c.relpersistence <> 't'"
    ));
    let sql = left_out(&format!("c.oid IN ({list})"));
    let found = query::rows(&sql, &[Text::from(home()).into()], |row| row.get::<RegClass>(1));
    for relation in found.into_iter().flatten() {
        watch(&facts::table(relation.oid().to_u32()), &Asked::as_before(), above);
    }
}

/// What the trigger for TRUNCATE is called, which partitions do not take over.
pub fn truncate_trigger() -> String {
    format!("{PREFIX}truncate")
}
