//! Triggers that somebody takes away or out of force: it is said, written down, and where the schema is watched as a whole,
//! undone at once.

use std::collections::HashSet;

use super::facts;
use super::install::remake;
use crate::pg::error::warn;
use crate::pg::query;
use crate::pg::trail::{home, note, note_since};
use crate::pg::upkeep::latest_rows;
use crate::pg::value::{RegClass, Text};
use crate::text::{quote_literal, quote_qualified};
use crate::trail::survey::{SILENT, Watched, last_known, short_of_triggers};
use crate::trail::triggers::{Level, PREFIX};

/// After what a table is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// A trigger of it was dropped.
    Dropped,
    /// Its triggers may have been changed.
    Altered,
    /// They may be in force again.
    Enabled,
    /// Anything else: what it lacks was known before, or is still being made.
    Other,
}

/// What a statement dropped.
#[derive(Default)]
pub struct Gone {
    /// Triggers that are called like ours: schema and name of the table.
    pub triggers: Vec<(String, String)>,
    /// Tables: number, schema, name.
    pub tables: Vec<(u32, String, String)>,
    /// Schemas.
    pub schemas: Vec<String>,
    /// The tables from which columns went.
    pub altered: Vec<u32>,
}

impl Gone {
    /// Whether that is nothing that matters here.
    pub fn is_empty(&self) -> bool {
        self.triggers.is_empty()
            && self.tables.is_empty()
            && self.schemas.is_empty()
            && self.altered.is_empty()
    }
}

/// What the statement dropped; only within the event.
pub fn gone() -> Gone {
    let sql = format!(
        "SELECT d.objid, d.object_type, d.address_names[1], d.address_names[2]
         FROM pg_catalog.pg_event_trigger_dropped_objects() d
         WHERE NOT d.is_temporary AND (d.object_type IN ('table', 'schema', 'table column')
             OR d.object_type = 'trigger' AND pg_catalog.starts_with(d.address_names[3], '{PREFIX}'))"
    );
    let found = query::rows(&sql, &[], |row| {
        let text =
            |place| row.get::<Text>(place).map(|text| text.map_or_else(String::new, Text::into_string));
        Ok((row.get::<RegClass>(1)?.map_or(0, |oid| oid.oid().to_u32()), text(2)?, text(3)?, text(4)?))
    });
    let mut gone = Gone::default();
    for (oid, kind, first, second) in found {
        match &*kind {
            "table" => gone.tables.push((oid, first, second)),
            "schema" => gone.schemas.push(first),
            "table column" => gone.altered.push(oid),
            _ => gone.triggers.push((first, second)),
        }
    }
    gone.triggers.sort();
    gone.triggers.dedup();
    let tables: HashSet<(&str, &str)> =
        gone.tables.iter().map(|(_, schema, name)| (&**schema, &**name)).collect();
    gone.triggers.retain(|(schema, name)| !tables.contains(&(schema, name)));
    gone.altered.sort_unstable();
    gone.altered.dedup();
    gone
}

/// The tables of triggers that were dropped, of those that are still there.
pub fn without_triggers(triggers: &[(String, String)]) -> Vec<u32> {
    if triggers.is_empty() {
        return Vec::new();
    }
    let named: Vec<String> = triggers
        .iter()
        .map(|(schema, table)| format!("({}, {})", quote_literal(schema), quote_literal(table)))
        .collect();
    // A table may have been made since this transaction began to see.
    let found = latest_rows(&format!(
        "SELECT DISTINCT c.oid
         FROM (VALUES {}) AS t (schema_name, table_name)
         JOIN pg_catalog.pg_namespace n ON n.nspname = t.schema_name::pg_catalog.name
         JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = t.table_name::pg_catalog.name
             AND c.relkind IN ('r', 'p')
         ORDER BY 1",
        named.join(", ")
    ));
    found.into_iter().flatten().flatten().filter_map(|oid| oid.parse().ok()).collect()
}

/// Says what of a table's triggers is gone or out of force, writes it down, and puts it back where its schema is watched as
/// a whole; whether there was something and it was put back.
pub fn told(watched: &Watched, when: When) -> bool {
    if when == When::Other {
        return false;
    }
    let name = quote_qualified(&watched.name.0, &watched.name.1);
    let lacking = watched.lacking();
    let mut wrong: Vec<(&str, String)> =
        lacking.iter().map(|kind| ("dropped", format!("{PREFIX}{kind} on {name}: dropped"))).collect();
    if when == When::Dropped && watched.bare_partitions > 0 {
        wrong.push(("dropped", format!("{PREFIX}truncate on partitions of {name}: dropped")));
    }
    wrong.extend(watched.silenced.iter().map(|silenced| ("disabled", silenced.clone())));
    if wrong.is_empty() {
        end_of_silence(watched.relation_id);
    }
    if wrong.is_empty() || when == When::Enabled {
        return false;
    }
    // Triggers for TRUNCATE of partitions are made anew in any case.
    let is_kept = is_of_watched_schema(&watched.name.0) || lacking.is_empty() && watched.silenced.is_empty();
    for (kind, what) in &wrong {
        let (kind, what) =
            if is_kept { ("restored", format!("{what}; put back")) } else { (*kind, what.clone()) };
        note(watched.relation_id, kind, &what);
        let (detail, hint) = if is_kept {
            ("The schema is watched as a whole, and the trigger was put back.", String::new())
        } else {
            (
                "Changes are not logged any more; this is.",
                format!("SELECT dbm.install_audit_trigger({}) puts it back.", quote_literal(&name)),
            )
        };
        warn(&format!("audit trigger {what}"), detail, &hint);
    }
    let is_put_back = is_kept && (!lacking.is_empty() || !watched.silenced.is_empty());
    if is_put_back {
        let level = Level::parse(&watched.level).unwrap_or(Level::Row);
        remake(&facts::table(watched.relid), level);
        end_of_silence(watched.relation_id);
    }
    is_put_back
}

/// Whether the last that was written down of a table's triggers is that they are not in force.
fn is_silent(relation: i32) -> bool {
    let sql = format!(
        "SELECT e.kind IN ({SILENT}) FROM dbm_trail.event e WHERE e.relation_id = $1
             AND e.kind IN ('installed', 'enabled', {SILENT}) ORDER BY e.event_id DESC LIMIT 1"
    );
    let last = query::rows(&sql, &[relation.into()], |row| row.get::<bool>(1));
    last.into_iter().flatten().any(|is_silent| is_silent)
}

/// Writes down that all triggers are in force again, if they were not.
pub fn end_of_silence(relation: i32) {
    if is_silent(relation) {
        note(relation, "enabled", "all its triggers are in force");
    }
}

/// Writes down, and says where that is asked, which of the watched tables that `condition` on `r` and `c` picks are without triggers that
/// nobody saw go: they went with the extension, or while no event trigger was in force. To be asked before they are put
/// back by whatever way, and before a statement changes what there is.
pub fn tell_unseen(condition: &str, warns: bool) {
    let home = [Text::from(home()).into()];
    let found = query::rows(&short_of_triggers(condition), &home, |row| row.get::<i32>(1));
    let unseen: Vec<String> = found
        .into_iter()
        .flatten()
        .filter(|&relation| !is_silent(relation))
        .map(|relation| relation.to_string())
        .collect();
    if unseen.is_empty() {
        return;
    }
    let those = format!("r.home = $1 AND c.oid = r.relid AND r.relation_id IN ({})", unseen.join(", "));
    for (watched, _) in facts::survey(&those) {
        let name = quote_qualified(&watched.name.0, &watched.name.1);
        let lacking = watched.lacking();
        let gone = lacking.iter().map(|kind| format!("{PREFIX}{kind}: gone"));
        let what = gone.chain(watched.silenced.iter().cloned()).collect::<Vec<_>>().join(", ");
        note_since(watched.relation_id, "missing", &what, &last_known());
        if !warns {
            continue;
        }
        warn(
            &format!("audit triggers of {name} were found out of force: {what}"),
            "Nobody saw it happen. What was changed meanwhile is not in the log.",
            "",
        );
    }
}

/// The extension is about to be dropped, and all triggers with it: nobody will be there to see it.
pub fn extension_goes() {
    for (watched, _) in facts::survey("r.home = $1 AND c.oid = r.relid") {
        if !is_silent(watched.relation_id) {
            note(watched.relation_id, "dropped", "all its triggers, with the extension");
        }
    }
}

/// Whether a schema is watched as a whole.
pub fn is_of_watched_schema(schema: &str) -> bool {
    let found = query::rows(
        "SELECT 1 FROM dbm.audit_schema s WHERE s.schema_name = $1",
        &[Text::from(schema).into()],
        |_| Ok(()),
    );
    !found.is_empty()
}
