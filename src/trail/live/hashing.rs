//! Queries for the hashes of the rows of the log.

use super::book::micros;
use crate::trail::seal::record::Kind;

/// From so many bytes on the values of a row are hashed each on its own: one JSON value cannot hold them all.
const LONG: usize = 32 * 1024 * 1024;

/// The columns of a row of the log that may be long, as they are written.
fn long_columns(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Shape => &["attributes::pg_catalog.text"],
        Kind::Activity => &["context::pg_catalog.text", "query"],
        Kind::Change => &["key::pg_catalog.text", "old::pg_catalog.text", "new::pg_catalog.text"],
        Kind::Event => &["state::pg_catalog.text"],
    }
}

/// What a row's hash is over, but for its kind: `long` gives what stands for each of the long columns.
fn values(kind: Kind, long: impl Fn(usize) -> String) -> String {
    match kind {
        Kind::Shape => format!(
            "r.shape_id, r.relation_id, {}, r.schema_name, r.table_name, {}, r.key::pg_catalog.text, r.fingerprint,
             r.relid::pg_catalog.int8, r.home",
            micros("r.seen_at"),
            long(0)
        ),
        Kind::Activity => format!(
            "r.activity_id, {}, r.transaction_id, r.session_user_name, r.outer_user_name,
             r.current_user_name, r.process_id, r.client_address::pg_catalog.text, r.client_port,
             r.application_name, {}, {}",
            micros("r.happened_at"),
            long(0),
            long(1)
        ),
        Kind::Change => format!(
            "r.change_id, {}, r.activity_id, r.transaction_id, {}, r.shape_id, r.statement_no,
             r.operation::pg_catalog.text, r.flags, {}, r.key_hash, {}, {}",
            micros("r.changed_at"),
            micros("r.transaction_started_at"),
            long(0),
            long(1),
            long(2)
        ),
        Kind::Event => format!(
            "r.event_id, {}, r.transaction_id, r.session_user_name, r.relation_id, r.kind, r.detail, {},
             r.relid::pg_catalog.int8, {}",
            micros("r.happened_at"),
            micros("r.since"),
            long(0)
        ),
    }
}

/// The hash of a row, over one JSON array, so that SQL alone can tell it as well. Of a row that is too long for that,
/// which its text tells, the array has hashes of the long values, and another name in front.
fn hashed(kind: Kind) -> String {
    let name = kind.name();
    let in_bytes = |text: &str| {
        format!(
            "pg_catalog.convert_to({text}, CASE pg_catalog.getdatabaseencoding() WHEN 'SQL_ASCII' THEN 'SQL_ASCII' \
             ELSE 'UTF8' END::pg_catalog.name)"
        )
    };
    let leaf = |name: &str, values: String| {
        let text = format!("pg_catalog.jsonb_build_array('{name}', {values})::pg_catalog.text");
        format!("pg_catalog.sha256('\\x00'::pg_catalog.bytea || {})", in_bytes(&text))
    };
    let plain = leaf(name, values(kind, |place| format!("l.v{place}")));
    let of_hashes = leaf(
        &format!("{name} 2"),
        values(kind, |place| {
            format!("pg_catalog.encode(pg_catalog.sha256({}), 'hex')", in_bytes(&format!("l.v{place}")))
        }),
    );
    let lengths: Vec<String> = (0..long_columns(kind).len())
        .map(|place| format!("COALESCE(pg_catalog.octet_length(l.v{place}), 0)"))
        .collect();
    format!("CASE WHEN {} > {LONG} THEN {of_hashes} ELSE {plain} END", lengths.join(" + "))
}

/// The columns of a table of the log: number, moment, transaction.
pub fn columns(kind: Kind) -> (&'static str, &'static str, Option<&'static str>) {
    match kind {
        Kind::Shape => ("shape_id", "seen_at", None),
        Kind::Activity => ("activity_id", "happened_at", Some("transaction_id")),
        Kind::Change => ("change_id", "changed_at", Some("transaction_id")),
        Kind::Event => ("event_id", "happened_at", Some("transaction_id")),
    }
}

/// The rows of a table of the log by number: number, moment, transaction, hash.
pub fn hashes(kind: Kind, condition: &str) -> String {
    let (id, at, transaction) = columns(kind);
    let transaction = transaction.map_or_else(|| "NULL".to_owned(), |transaction| format!("r.{transaction}"));
    let long: Vec<String> = long_columns(kind)
        .iter()
        .enumerate()
        .map(|(place, column)| format!("r.{column} AS v{place}"))
        .collect();
    format!(
        "SELECT r.{id}, {}, {transaction}, {} FROM dbm_trail.{} r
         CROSS JOIN LATERAL (SELECT {} OFFSET 0) l {condition} ORDER BY 1",
        micros(&format!("r.{at}")),
        hashed(kind),
        kind.name(),
        long.join(", ")
    )
}
