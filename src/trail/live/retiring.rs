//! Partitions that went by policy: what seals keep of rows that went with them.

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
    let moments = bounds.iter().filter_map(|bound| {
        let sql = format!("SELECT {}", micros("$1::pg_catalog.timestamptz"));
        let found = rows(Some(owner), &sql, &[Some(bound.trim_matches('\'').to_owned())]);
        found.first().and_then(|row| text(row, 0))?.parse().ok()
    });
    moments.min().unwrap_or(Moment::MIN)
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
                "UPDATE dbm_trail.seal SET {name}_leaves = NULL WHERE seal_id = ANY ($1::pg_catalog.int8[])"
            );
            write(Some(owner), &sql, &[list(retired)]);
        }
    }
}

/// Whether the leaves of a seal were forgotten with its rows.
pub fn is_forgotten(owner: Oid, kind: Kind, seal: i64, oldest: Moment) -> bool {
    let sql = format!(
        "SELECT FROM dbm_trail.seal WHERE seal_id = $1::pg_catalog.int8 AND {}_leaves IS NULL AND sealed_at < {}",
        kind.name(),
        super::book::moment(2)
    );
    !rows(Some(owner), &sql, &[Some(seal.to_string()), Some(oldest.to_string())]).is_empty()
}
