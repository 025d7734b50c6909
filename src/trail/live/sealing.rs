//! Seals made and checked on the server.

use std::collections::{HashMap, HashSet};
use std::iter::Peekable;

use pgrx::PgSqlErrorCode;

use super::book::{list, micros, number, text};
use super::hashing::{columns, hashes};
use super::relations;
use super::retained::oldest;
use crate::catalog::{Moment, Oid};
use crate::pg::claim::{Claim, Class};
use crate::pg::closed::close;
use crate::pg::error::raise;
use crate::pg::local_settings::with_settings;
use crate::pg::trail::home;
use crate::pg::trail::reading::access::{must_owner, owner};
use crate::pg::trail::reading::next_transaction;
use crate::pg::trail::reading::{Cursor, rows, write};
use crate::pg::upkeep::{as_role, with_latest_snapshot};
use crate::pg::{is_standby, moment};
use crate::text::hex::{from_hex, hex};
use crate::text::quote_qualified;
use crate::trail::seal::layout;
use crate::trail::seal::leaves::{Leaf, packed, root_of, unpacked};
use crate::trail::seal::merkle::Hash;
use crate::trail::seal::record::{KINDS, Kind, Numbers, Part, Seal};
use crate::trail::seal::verify::{Found, Known, Pass, Present, chain};

/// How many rows of a kind one seal has at most: its leaves are one value.
const MOST: usize = 200_000;

fn hash(bytes: Option<&str>) -> Hash {
    let bytes = bytes.and_then(from_hex).unwrap_or_default();
    bytes.try_into().unwrap_or([0; 32])
}

fn present(row: &[Option<String>]) -> Present {
    Present {
        leaf: Leaf { id: number(row, 0), at: number(row, 1), hash: hash(text(row, 3)) },
        transaction: text(row, 2).and_then(|transaction| transaction.parse().ok()),
    }
}

fn has_seals(owner: Oid) -> bool {
    let found = rows(
        Some(owner),
        "SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = 'dbm_trail' AND c.relname = 'seal' AND c.relkind = 'r' AND c.relowner = n.nspowner",
        &[],
    );
    !found.is_empty()
}

/// A seal as it is kept.
struct Kept {
    seal: Seal,
    digest: Hash,
}

fn kept(owner: Oid) -> Vec<Kept> {
    if !has_seals(owner) {
        return Vec::new();
    }
    let parts = Kind::ALL.map(|kind| format!("{}, {}_root", kind.plural(), kind.name())).join(", ");
    let sql = format!(
        "SELECT seal_id, {}, home, until, next, change_number, event_number, previous, digest, {parts}
         FROM dbm_trail.seal ORDER BY seal_id",
        micros("sealed_at")
    );
    rows(Some(owner), &sql, &[])
        .iter()
        .map(|row| Kept {
            seal: Seal {
                id: number(row, 0),
                at: number(row, 1),
                home: text(row, 2).unwrap_or_default().to_owned(),
                until: number(row, 3),
                next: number(row, 4),
                numbers: Numbers { change: number(row, 5), event: number(row, 6) },
                parts: Kind::ALL.map(|kind| {
                    let place = 9 + 2 * kind.place();
                    Part { count: number(row, place), root: hash(text(row, place + 1)) }
                }),
                previous: hash(text(row, 7)),
            },
            digest: hash(text(row, 8)),
        })
        .collect()
}

fn leaves(owner: Oid, kind: Kind, seal: i64) -> Vec<Leaf> {
    let sql =
        format!("SELECT {}_leaves FROM dbm_trail.seal WHERE seal_id = $1::pg_catalog.int8", kind.name());
    let found = rows(Some(owner), &sql, &[Some(seal.to_string())]);
    found
        .first()
        .and_then(|row| text(row, 0))
        .and_then(from_hex)
        .map(|bytes| unpacked(&bytes))
        .unwrap_or_default()
}

/// The seals and their digests.
pub fn seals() -> Vec<(Seal, String)> {
    kept(must_owner()).into_iter().map(|kept| (kept.seal, hex(&kept.digest))).collect()
}

/// The digest of a seal.
pub fn hex_digest(seal: &Seal) -> String {
    hex(&seal.digest())
}

/// Seals what transactions that are over have left in the log.
pub fn seal() -> Vec<Seal> {
    let owner = must_owner();
    if is_standby() {
        raise(
            PgSqlErrorCode::ERRCODE_READ_ONLY_SQL_TRANSACTION,
            "the audit log cannot be sealed on a standby",
            "",
            "Run it on the primary.",
        );
    }
    if !Claim::here(Class::Seal, 0).take_for_transaction() {
        raise(
            PgSqlErrorCode::ERRCODE_OBJECT_IN_USE,
            "the audit log is being sealed by another process",
            "",
            "Wait until it is done.",
        );
    }
    if !has_seals(owner) {
        for statement in layout::statements() {
            write(Some(owner), &statement, &[]);
        }
        as_role(owner, || close(&["dbm_trail.seal".to_owned()]));
    }
    with_latest_snapshot(|| seal_as(owner))
}

/// Where the log is.
struct Position {
    until: i64,
    next: i64,
    numbers: Numbers,
}

fn position(owner: Oid) -> Position {
    let found = rows(
        Some(owner),
        "SELECT pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::pg_catalog.text,
                CASE WHEN c.is_called THEN c.last_value ELSE 0 END,
                CASE WHEN e.is_called THEN e.last_value ELSE 0 END
         FROM dbm_trail.change_id c, dbm_trail.event_id e",
        &[],
    );
    let row = found.into_iter().next().unwrap_or_default();
    // After the numbers: whatever transaction comes next takes higher ones.
    let next = next_transaction();
    let numbers = Numbers { change: number(&row, 1), event: number(&row, 2) };
    Position { until: number(&row, 0), next, numbers }
}

fn seal_as(owner: Oid) -> Vec<Seal> {
    let kept = kept(owner);
    let home = home();
    let now = position(owner);
    let last = kept.last();
    let is_home = last.is_some_and(|last| last.seal.home == home);
    // In another cluster transactions count anew: whatever is there when it is sealed first has come with the dump.
    let until = if is_home || last.is_none() { Some(now.until) } else { None };
    // Rows of transactions that were not over at the last seal have higher numbers than there were before the first of
    // these began.
    let from = last.filter(|_| is_home).and_then(|last| {
        kept.iter().rev().find(|kept| kept.seal.home == home && kept.seal.next <= last.seal.until)
    });
    let from = |kind| from.and_then(|kept| kept.seal.numbers.of(kind)).unwrap_or(0);
    let mut waiting = Kind::ALL.map(|kind| unsealed(owner, kind, &kept, from(kind), until));
    let mut previous = last.map_or([0; 32], |last| last.digest);
    let mut id = last.map_or(0, |last| last.seal.id);
    let before = last.filter(|_| is_home).map_or(0, |last| last.seal.until);
    let mut sealed = Vec::new();
    while waiting.iter().any(|leaves| !leaves.is_empty()) {
        let parts: [Vec<Leaf>; KINDS] = Kind::ALL.map(|kind| {
            let waiting = &mut waiting[kind.place()];
            waiting.drain(..waiting.len().min(MOST)).collect()
        });
        let is_last = waiting.iter().all(Vec::is_empty);
        id += 1;
        let seal = Seal {
            id,
            at: moment::now(),
            home: home.clone(),
            until: if is_last { now.until } else { before },
            next: now.next,
            numbers: now.numbers,
            parts: Kind::ALL.map(|kind| {
                let leaves = &parts[kind.place()];
                Part { count: i64::try_from(leaves.len()).unwrap_or(i64::MAX), root: root_of(leaves) }
            }),
            previous,
        };
        previous = seal.digest();
        keep(owner, &seal, &parts);
        sealed.push(seal);
    }
    forget_retired(owner);
    sealed
}

/// The rows of a table of the log that no seal has, of transactions below `until`, numbered above `from`.
fn unsealed(owner: Oid, kind: Kind, kept: &[Kept], from: i64, until: Option<i64>) -> Vec<Leaf> {
    let (id, _, transaction) = columns(kind);
    let mut known: HashSet<i64> = HashSet::new();
    for kept in kept {
        let may_have = kept.seal.numbers.of(kind).is_none_or(|number| number > from);
        if kept.seal.part(kind).count > 0 && may_have {
            known
                .extend(leaves(owner, kind, kept.seal.id).iter().map(|leaf| leaf.id).filter(|&id| id > from));
        }
    }
    let mut condition = format!("WHERE r.{id} > {from}");
    if let (Some(transaction), Some(until)) = (transaction, until) {
        condition.push_str(&format!(" AND r.{transaction} < {until}"));
    }
    // What came since lies at the end: the index tells where, of which the planner may have no statistics.
    let open = || Cursor::open(Some(owner), &hashes(kind, &condition), &[]);
    let rows = if from > 0 { with_settings(&[(c"enable_seqscan", c"off")], open) } else { open() };
    rows.map(|row| present(&row).leaf).filter(|leaf| !known.contains(&leaf.id)).collect()
}

fn keep(owner: Oid, seal: &Seal, leaves: &[Vec<Leaf>; KINDS]) {
    let bytes = |bytes: &[u8]| Some(format!("\\x{}", hex(bytes)));
    let number = |number: i64| Some(number.to_string());
    let mut columns =
        "seal_id, sealed_at, home, until, next, change_number, event_number, previous, digest".to_owned();
    let mut arguments = vec![
        number(seal.id),
        number(seal.at),
        Some(seal.home.clone()),
        number(seal.until),
        number(seal.next),
        number(seal.numbers.change),
        number(seal.numbers.event),
        bytes(&seal.previous),
        bytes(&seal.digest()),
    ];
    let mut values = format!(
        "$1::pg_catalog.int8, {}, $3, $4::pg_catalog.int8, $5::pg_catalog.int8, $6::pg_catalog.int8, $7::pg_catalog.int8,
         $8::pg_catalog.bytea, $9::pg_catalog.bytea",
        super::book::moment(2)
    );
    for kind in Kind::ALL {
        let (name, part, first) = (kind.name(), seal.part(kind), arguments.len() + 1);
        columns.push_str(&format!(", {}, {name}_root, {name}_leaves", kind.plural()));
        values.push_str(&format!(
            ", ${first}::pg_catalog.int8, ${}::pg_catalog.bytea, ${}::pg_catalog.bytea",
            first + 1,
            first + 2
        ));
        arguments.extend([number(part.count), bytes(&part.root), bytes(&packed(&leaves[kind.place()]))]);
    }
    write(Some(owner), &format!("INSERT INTO dbm_trail.seal ({columns}) VALUES ({values})"), &arguments);
}

/// Leaves of rows that all went with their partitions tell nothing any more; the roots stay.
fn forget_retired(owner: Oid) {
    for kind in Kind::ALL {
        let oldest = oldest(owner, kind);
        if oldest == Moment::MIN {
            continue;
        }
        let name = kind.name();
        let sql = format!(
            "SELECT seal_id FROM dbm_trail.seal
             WHERE {name}_leaves IS NOT NULL AND pg_catalog.length({name}_leaves) > 0 AND sealed_at < {}
             ORDER BY seal_id",
            super::book::moment(1)
        );
        let candidates = rows(Some(owner), &sql, &[Some(oldest.to_string())]);
        let retired: Vec<i64> = candidates
            .iter()
            .map(|row| number(row, 0))
            .filter(|&seal| leaves(owner, kind, seal).iter().all(|leaf| leaf.at < oldest))
            .collect();
        if !retired.is_empty() {
            let sql = format!(
                "UPDATE dbm_trail.seal SET {name}_leaves = NULL WHERE seal_id = ANY ($1::pg_catalog.int8[])"
            );
            write(Some(owner), &sql, &[list(retired)]);
        }
    }
}

/// The digests that were exported: an array of objects with seal_id and digest, or one object of digests by seal.
fn exported(document: &str) -> Vec<(i64, String)> {
    let refuse = || -> ! {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "these are no digests of the audit log",
            "",
            "SELECT pg_catalog.jsonb_object_agg(seal_id, digest) FROM dbm.audit_log_digests() makes them.",
        )
    };
    let digest = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    match serde_json::from_str(document) {
        Ok(serde_json::Value::Object(by_seal)) => by_seal
            .iter()
            .map(|(seal, value)| match (seal.parse(), digest(value)) {
                (Ok(seal), Some(digest)) => (seal, digest),
                _ => refuse(),
            })
            .collect(),
        Ok(serde_json::Value::Array(rows)) => rows
            .iter()
            .map(|row| {
                let seal = row.get("seal_id").and_then(serde_json::Value::as_i64);
                match (seal, row.get("digest").and_then(digest)) {
                    (Some(seal), Some(digest)) => (seal, digest),
                    _ => refuse(),
                }
            })
            .collect(),
        _ => refuse(),
    }
}

/// What is wrong, and of which table the row is.
pub fn verify(digests: Option<String>) -> Vec<(Found, Option<String>)> {
    let owner = must_owner();
    let exported = digests.map(|digests| exported(&digests)).unwrap_or_default();
    let kept = kept(owner);
    let seals: Vec<Seal> = kept.iter().map(|kept| kept.seal.clone()).collect();
    let digests: Vec<Hash> = kept.iter().map(|kept| kept.digest).collect();
    let mut found = chain(&seals, &digests, &exported);
    let home = home();
    // In another cluster than that of the last seal nothing is known of the transactions that came since.
    let until = seals.last().filter(|last| last.home == home).map(|last| last.until);
    let known = |kind: Kind| {
        let here = kept.iter().filter(|kept| kept.seal.home == home && until.is_some());
        Known {
            until,
            // The snapshot is older: whatever is seen is of a lower number.
            next: until.map(|_| next_transaction()),
            marks: here.filter_map(|kept| Some((kept.seal.numbers.of(kind)?, kept.seal.next))).collect(),
        }
    };
    let (mut intact, mut unsealed, mut retired) = (0, 0, 0);
    for kind in Kind::ALL {
        let pass = pass(owner, kind, &seals, known(kind));
        intact += pass.intact;
        unsealed += pass.unsealed;
        retired += pass.retired;
        found.extend(pass.found);
    }
    let gone = if retired == 0 { String::new() } else { format!(", {retired} went with their partitions") };
    pgrx::notice!(
        "{} seals: {intact} rows are as they were sealed{gone}, {unsealed} are not sealed yet",
        seals.len()
    );
    found.extend(relations::wrong(owner));
    let tables = Tables::of(owner, &found);
    found
        .into_iter()
        .map(|found| {
            let table = tables.name(&found);
            (found, table)
        })
        .collect()
}

fn pass(owner: Oid, kind: Kind, seals: &[Seal], known: Known) -> Pass {
    let oldest = oldest(owner, kind);
    let mut pass = Pass::new(kind, oldest, known);
    // Seals by the first row that each has.
    let mut coming: Vec<(i64, usize)> = Vec::new();
    for (at, seal) in seals.iter().enumerate() {
        if seal.part(kind).count == 0 {
            continue;
        }
        match first_leaf(owner, kind, seal.id) {
            Some(first) => coming.push((first, at)),
            // Its leaves were forgotten with the rows.
            None if oldest != Moment::MIN && is_forgotten(owner, kind, seal.id, oldest) => {
                pass.retired += seal.part(kind).count
            }
            None => pass.enter(seal, Vec::new()),
        }
    }
    coming.sort_unstable();
    let mut coming: Peekable<_> = coming.into_iter().peekable();
    for row in Cursor::open(Some(owner), &hashes(kind, ""), &[]) {
        let row = present(&row);
        while let Some((_, at)) = coming.next_if(|&(first, _)| first <= row.leaf.id) {
            pass.enter(&seals[at], leaves(owner, kind, seals[at].id));
        }
        pass.row(row);
    }
    for (_, at) in coming {
        pass.enter(&seals[at], leaves(owner, kind, seals[at].id));
    }
    pass.finish();
    pass
}

fn first_leaf(owner: Oid, kind: Kind, seal: i64) -> Option<i64> {
    let sql = format!(
        "SELECT pg_catalog.substr({}_leaves, 1, 48) FROM dbm_trail.seal WHERE seal_id = $1::pg_catalog.int8",
        kind.name()
    );
    let found = rows(Some(owner), &sql, &[Some(seal.to_string())]);
    let bytes = from_hex(found.first().and_then(|row| text(row, 0))?)?;
    unpacked(&bytes).first().map(|leaf| leaf.id)
}

fn is_forgotten(owner: Oid, kind: Kind, seal: i64, oldest: Moment) -> bool {
    let sql = format!(
        "SELECT FROM dbm_trail.seal WHERE seal_id = $1::pg_catalog.int8 AND {}_leaves IS NULL AND sealed_at < {}",
        kind.name(),
        super::book::moment(2)
    );
    !rows(Some(owner), &sql, &[Some(seal.to_string()), Some(oldest.to_string())]).is_empty()
}

/// Of which watched tables rows of the log are.
#[derive(Default)]
struct Tables(HashMap<(&'static str, i64), String>);

impl Tables {
    /// Those of what was found.
    fn of(owner: Oid, found: &[Found]) -> Self {
        let mut tables = HashMap::new();
        for (table, sql) in [
            (
                Kind::Change.name(),
                "SELECT c.change_id, s.schema_name, s.table_name
                 FROM dbm_trail.change c JOIN dbm_trail.shape s ON s.shape_id = c.shape_id
                 WHERE c.change_id = ANY ($1::pg_catalog.int8[])",
            ),
            (
                Kind::Event.name(),
                "SELECT e.event_id, r.schema_name, r.table_name
                 FROM dbm_trail.event e JOIN dbm_trail.relation r ON r.relation_id = e.relation_id
                 WHERE e.event_id = ANY ($1::pg_catalog.int8[])",
            ),
            (
                relations::TABLE,
                "SELECT r.relation_id, r.schema_name, r.table_name FROM dbm_trail.relation r
                 WHERE r.relation_id = ANY ($1::pg_catalog.int8[])",
            ),
        ] {
            let ids: Vec<i64> =
                found.iter().filter(|found| found.table == table).map(|found| found.id).collect();
            if ids.is_empty() {
                continue;
            }
            for row in rows(Some(owner), sql, &[list(ids)]) {
                let name = quote_qualified(text(&row, 1).unwrap_or(""), text(&row, 2).unwrap_or(""));
                tables.insert((table, number(&row, 0)), name);
            }
        }
        Self(tables)
    }

    fn name(&self, found: &Found) -> Option<String> {
        self.0.get(&(found.table, found.id)).cloned()
    }
}

/// The job of the worker: seals, where there is a log; returns what to say.
pub fn seal_if_any() -> String {
    if owner().is_none() {
        return String::new();
    }
    let sealed = seal();
    let rows: i64 = sealed.iter().map(|seal| seal.part(Kind::Change).count).sum();
    if sealed.is_empty() { String::new() } else { format!("{rows} changes in {} seals", sealed.len()) }
}
