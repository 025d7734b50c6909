//! Partitions that went by policy: what seals keep of rows that went with them.

use std::collections::HashSet;

use super::book::{list, micros, number, text};
use super::seals::leaves;
use crate::catalog::{Moment, Oid};
use crate::pg::trail::reading::{rows, write};
use crate::trail::seal::record::Kind;

/// The moment from which on there are partitions of a table of the log: what was before went with its partition.
pub fn oldest(owner: Oid, kind: Kind) -> Moment {
    if !kind.is_partitioned() {
        return Moment::MIN;
    }
    let found = rows(
        Some(owner),
        "SELECT pg_catalog.pg_get_expr(c.relpartbound, c.oid)
         FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
         WHERE i.inhparent = $1::pg_catalog.regclass AND NOT i.inhdetachpending",
        &[Some(format!("dbm_trail.{}", kind.name()))],
    );
    let bounds: Vec<String> = found
        .iter()
        .filter_map(|row| {
            text(row, 0)?.strip_prefix("FOR VALUES FROM (")?.split_once(") TO").map(|(from, _)| from)
        })
        .map(str::to_owned)
        .collect();
    if bounds.iter().any(|bound| bound == "MINVALUE") || bounds.is_empty() {
        return Moment::MIN;
    }
    let bounds: Vec<&str> = bounds.iter().map(|bound| bound.trim_matches('\'')).collect();
    let sql = format!(
        "SELECT {} FROM (SELECT pg_catalog.min(b.bound::pg_catalog.timestamptz) AS first
             FROM pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb) AS b (bound)) AS oldest",
        micros("oldest.first")
    );
    let found = rows(Some(owner), &sql, &[Some(serde_json::json!(bounds).to_string())]);
    found.first().and_then(|row| text(row, 0)).and_then(|first| first.parse().ok()).unwrap_or(Moment::MIN)
}

/// Leaves of rows that all went with their partitions tell nothing any more; the roots stay.
pub fn forget_retired(owner: Oid) {
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
                "UPDATE dbm_trail.seal SET {name}_leaves = NULL WHERE seal_id = ANY (pg_catalog.string_to_array($1, ',')::pg_catalog.int8[])"
            );
            write(Some(owner), &sql, &[list(retired)]);
        }
    }
}

/// The seals whose leaves were forgotten with their rows, of which the last are older than the oldest that are left.
pub fn forgotten(owner: Oid, kind: Kind, oldest: Moment) -> HashSet<i64> {
    let sql = format!(
        "SELECT seal_id FROM dbm_trail.seal WHERE {}_leaves IS NULL AND sealed_at < {}",
        kind.name(),
        super::book::moment(1)
    );
    rows(Some(owner), &sql, &[Some(oldest.to_string())]).iter().map(|row| number(row, 0)).collect()
}
