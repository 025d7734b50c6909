//! The log held against its seals, on the server.

use std::collections::{HashMap, HashSet};
use std::iter::Peekable;

use pgrx::PgSqlErrorCode;

use super::book::{list, number, text};
use super::hashing::hashes;
use super::relations;
use super::retiring::{forgotten, oldest};
use super::seals::{kept, leaves, present, ranges};
use crate::catalog::{Moment, Oid};
use crate::pg::error::raise;
use crate::pg::progress::{self, Progress};
use crate::pg::trail::home;
use crate::pg::trail::reading::access::must_owner;
use crate::pg::trail::reading::next_transaction;
use crate::pg::trail::reading::{Cursor, rows};
use crate::text::quote_qualified;
use crate::trail::seal::merkle::Hash;
use crate::trail::seal::record::{Kind, Seal};
use crate::trail::seal::sweep::known;
use crate::trail::seal::verify::{Found, Known, Pass, chain};

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
    let progress = Progress::begin(&progress::VERIFY);
    let kept = kept(owner);
    let seals: Vec<Seal> = kept.iter().map(|kept| kept.seal.clone()).collect();
    let digests: Vec<Hash> = kept.iter().map(|kept| kept.digest).collect();
    let mut found = chain(&seals, &digests, &exported);
    let home = home();
    let (mut intact, mut unsealed, mut retired) = (0, 0, 0);
    for kind in Kind::ALL {
        // The snapshot is older than the number: whatever is seen is of a lower one.
        let known = known(&kept, &home, kind, next_transaction());
        let pass = pass(owner, kind, &seals, known, &progress);
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
    progress.report(progress::VERIFY_RELATIONS, 0, 0);
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

fn pass(owner: Oid, kind: Kind, seals: &[Seal], known: Known, progress: &Progress) -> Pass {
    let total: i64 = seals.iter().map(|seal| seal.part(kind).count).sum();
    let total = usize::try_from(total).unwrap_or(0);
    let step = progress::VERIFY_ROWS[kind.place()];
    progress.report(step, 0, total);
    let oldest = oldest(owner, kind);
    let mut pass = Pass::new(kind, oldest, known);
    // Seals by the first row that each has.
    // Without any there need not be a table of them.
    let ranges = if seals.is_empty() { Vec::new() } else { ranges(owner, kind, i64::MIN) };
    let firsts: HashMap<i64, i64> = ranges.into_iter().map(|range| (range.seal, range.first)).collect();
    let forgotten = if seals.is_empty() || oldest == Moment::MIN {
        HashSet::new()
    } else {
        forgotten(owner, kind, oldest)
    };
    let mut coming: Vec<(i64, usize)> = Vec::new();
    for (at, seal) in seals.iter().enumerate() {
        if seal.part(kind).count == 0 {
            continue;
        }
        match firsts.get(&seal.id) {
            Some(&first) => coming.push((first, at)),
            // Its leaves were forgotten with the rows.
            None if forgotten.contains(&seal.id) => pass.retired += seal.part(kind).count,
            None => pass.enter(seal, Vec::new()),
        }
    }
    coming.sort_unstable();
    let mut coming: Peekable<_> = coming.into_iter().peekable();
    for (read, row) in Cursor::open(Some(owner), &hashes(kind, ""), &[]).enumerate() {
        // As many as are sealed: of the others nobody knows how many there are.
        progress.report_row(read, step, usize::try_from(pass.intact).unwrap_or(0).min(total), total);
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
                 WHERE c.change_id = ANY (pg_catalog.string_to_array($1, ',')::pg_catalog.int8[])",
            ),
            (
                Kind::Event.name(),
                "SELECT e.event_id, r.schema_name, r.table_name
                 FROM dbm_trail.event e JOIN dbm_trail.relation r ON r.relation_id = e.relation_id
                 WHERE e.event_id = ANY (pg_catalog.string_to_array($1, ',')::pg_catalog.int8[])",
            ),
            (
                relations::TABLE,
                "SELECT r.relation_id, r.schema_name, r.table_name FROM dbm_trail.relation r
                 WHERE r.relation_id = ANY (pg_catalog.string_to_array($1, ',')::pg_catalog.int8[])",
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
