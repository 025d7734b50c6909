//! Events: what the log is told beside changes.

use super::log::is_there;
use super::registry::home;
use crate::catalog::trail::state;
use crate::pg::query;
use crate::pg::value::Text;

/// Rows came with a partition.
pub const ATTACHED: &str = "attached";
/// Rows went with a partition, which is none of the table any more.
pub const DETACHED: &str = "detached";
/// What follows on the name of a partition that is [`DETACHED`] by being dropped.
pub const DROPPED: &str = ", dropped";
/// As [`ATTACHED`], of a partition that has no rows, or is below one of which that is said.
pub const CAME: &str = "came";
/// As [`DETACHED`], of such a partition.
pub const WENT: &str = "went";
/// A partition of which the log has changes has another name: that.
pub const NAMED: &str = "named";

const THIS_TRANSACTION: &str = "pg_catalog.pg_current_xact_id()::pg_catalog.text::pg_catalog.int8";

/// Writes down what happened to a watched table. With the rights of the extension's owner.
pub fn note(relation: i32, kind: &str, detail: &str) {
    write(relation, kind, detail, &Rest::default());
}

/// What happened to one of many: the number of the table in the log, the kind of event, what exactly, and of a partition its OID.
pub struct Happened {
    /// The number of the table in the log.
    pub relation: i32,
    /// The kind of event.
    pub kind: &'static str,
    /// What exactly.
    pub detail: String,
    /// The partition; 0 for none.
    pub partition: u32,
}

/// Writes down that partitions of watched tables came or went, or are called otherwise, in that order.
pub fn note_partitions(happened: &[Happened]) {
    write_all(happened, "NULL");
}

/// As [`note_change`], of many.
pub fn note_changes(happened: &[Happened]) {
    let state = format!(
        "(SELECT {} FROM dbm_trail.relation r WHERE r.relation_id = e.relation_id)",
        state::of_relation()
    );
    write_all(happened, &state);
}

fn write_all(happened: &[Happened], state: &str) {
    if happened.is_empty() {
        return;
    }
    let partitions: Vec<String> = happened.iter().map(|each| each.partition.to_string()).collect();
    let sql = format!(
        "INSERT INTO dbm_trail.event (event_id, happened_at, transaction_id, session_user_name, relation_id, kind, \
         detail, relid, state)
         SELECT pg_catalog.nextval('dbm_trail.event_id'), pg_catalog.clock_timestamp(), t.id, session_user, e.relation_id, \
         e.kind, e.detail, NULLIF(e.partition, 0::pg_catalog.oid), {state}
         FROM (SELECT {THIS_TRANSACTION} AS id OFFSET 0) t
         CROSS JOIN ROWS FROM (pg_catalog.unnest($1::pg_catalog.int4[]), pg_catalog.unnest($2::pg_catalog.text[]),
             pg_catalog.unnest($3::pg_catalog.text[]), pg_catalog.unnest('{{{}}}'::pg_catalog.oid[]))
             WITH ORDINALITY AS e (relation_id, kind, detail, partition, place)
         ORDER BY e.place",
        partitions.join(", ")
    );
    let texts = |text: fn(&Happened) -> &str| happened.iter().map(|each| Text::from(text(each))).collect();
    let (kinds, details): (Vec<Text>, Vec<Text>) = (texts(|each| each.kind), texts(|each| &each.detail));
    let relations: Vec<i32> = happened.iter().map(|each| each.relation).collect();
    query::write(&sql, &[relations.into(), kinds.into(), details.into()]);
}

/// Writes down what nobody saw happen. `since`: the moment after which it did, in SQL; $1 is the number of the relation.
pub fn note_since(relation: i32, kind: &str, detail: &str, since: &str) {
    write(relation, kind, detail, &Rest { since, ..Rest::default() });
}

/// As [`note`], of what changed the row of `relation`, once it has: the event says what that says from now on. Whoever
/// changes that row and says it by no event is taken for a forger.
pub fn note_change(relation: i32, kind: &str, detail: &str) {
    let state =
        format!("(SELECT {} FROM dbm_trail.relation r WHERE r.relation_id = $1)", state::of_relation());
    write(relation, kind, detail, &Rest { state: &state, ..Rest::default() });
}

/// The columns that few events have, in SQL.
struct Rest<'a> {
    since: &'a str,
    state: &'a str,
}

impl Default for Rest<'_> {
    fn default() -> Self {
        Self { since: "NULL", state: "NULL" }
    }
}

/// The transaction has its number before the event takes its own: seals know events by that.
fn write(relation: i32, kind: &str, detail: &str, rest: &Rest<'_>) {
    let Rest { since, state } = rest;
    query::write(
        &format!(
            "INSERT INTO dbm_trail.event (event_id, happened_at, transaction_id, session_user_name, relation_id, kind, \
             detail, since, state)
             SELECT pg_catalog.nextval('dbm_trail.event_id'), pg_catalog.clock_timestamp(), t.id, session_user, $1, $2, \
             $3, {since}, {state} FROM (SELECT {THIS_TRANSACTION} AS id OFFSET 0) t"
        ),
        &[relation.into(), Text::from(kind).into(), Text::from(detail).into()],
    );
}

/// Writes down what happened to a part of a table, of which no trigger sees a row, wherever the table above it is watched.
/// Whoever is not watched is passed by. With the rights of the extension's owner.
pub fn note_of_part(part: u32, kind: &str, detail: &str) {
    if !is_there() {
        return;
    }
    let watched = query::rows_mutable(
        &format!(
            "SELECT r.relation_id FROM dbm_trail.relation r
             WHERE r.home = $1 AND r.removed_at IS NULL
               -- The event trigger may have seen it.
               AND NOT EXISTS (SELECT FROM dbm_trail.event e WHERE e.relation_id = r.relation_id AND e.kind = $2
                   AND e.detail = $3 AND e.transaction_id = {THIS_TRANSACTION})
               AND r.relid IN (SELECT {part}::pg_catalog.oid UNION SELECT p.relid::pg_catalog.oid FROM pg_catalog.pg_partition_ancestors({part}) p)"
        ),
        &[Text::from(home()).into(), Text::from(kind).into(), Text::from(detail).into()],
        |row| row.get::<i32>(1),
    );
    for relation in watched.into_iter().flatten() {
        note(relation, kind, detail);
    }
}
