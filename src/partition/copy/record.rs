//! The statements that keep dbm.partition_copy, with the rights of the extension's owner.

use super::job::{Definition, Phase};
use crate::text::quote_literal;

/// Begins a copy; its number. `owner`: whose rights it works with.
pub fn create(wanted: &Definition, source: u32, owner: u32) -> String {
    let definition = serde_json::to_string(wanted).unwrap_or_default();
    format!(
        "INSERT INTO dbm.partition_copy (kind, source, source_name, target_name, owner, definition)
         VALUES ({}, {source}, {}, {}, {owner}, {}::pg_catalog.jsonb) RETURNING id",
        quote_literal(wanted.kind.name()),
        quote_literal(&wanted.source),
        quote_literal(&wanted.target),
        quote_literal(&definition),
    )
}

/// A copy: source, owner, definition, phase, done, next block, file, shape.
pub fn load(id: i64) -> String {
    format!(
        "SELECT source, owner, definition::pg_catalog.text, phase, done, next_block, source_file, shape
         FROM dbm.partition_copy WHERE id = {id}"
    )
}

/// The copies of a table that are not over: number, phase.
pub fn unfinished(source: u32) -> String {
    format!(
        "SELECT id, phase FROM dbm.partition_copy
         WHERE source = {source} AND phase NOT IN ('cleaned', 'aborted') ORDER BY id DESC"
    )
}

fn update(id: i64, what: &str) -> String {
    format!(
        "UPDATE dbm.partition_copy SET {what}, waits_for = NULL, error = NULL, \
                updated_at = pg_catalog.clock_timestamp() WHERE id = {id}"
    )
}

/// The next phase begins.
pub fn phase(id: i64, phase: Phase) -> String {
    let end = if phase.is_over() { ", finished_at = pg_catalog.clock_timestamp()" } else { "" };
    update(id, &format!("phase = {}, done = 0{end}", quote_literal(phase.name())))
}

/// So many statements of the phase are done.
pub fn done(id: i64, done: usize) -> String {
    update(id, &format!("done = {done}"))
}

/// The source as it is when copying begins, from its first block on.
pub fn begun(id: i64, file: u32, shape: &str, is_again: bool) -> String {
    update(
        id,
        &format!(
            "next_block = 0, source_file = {file}, shape = {}, rows_copied = 0{}",
            quote_literal(shape),
            if is_again { ", restarts = restarts + 1" } else { "" }
        ),
    )
}

/// A batch is copied.
pub fn copied(id: i64, next_block: Option<u64>, rows: u64) -> String {
    let next = next_block.map_or_else(|| "NULL".to_owned(), |block| block.to_string());
    update(id, &format!("next_block = {next}, rows_copied = rows_copied + {rows}"))
}

/// Keys of the journal are replayed.
pub fn replayed(id: i64, keys: usize) -> String {
    update(id, &format!("rows_replayed = rows_replayed + {keys}"))
}

/// How many rows were the same on both sides.
pub fn verified(id: i64, rows: u64) -> String {
    update(id, &format!("rows_verified = {rows}"))
}

/// How long the swap held its locks.
pub fn held(id: i64, microseconds: u128) -> String {
    update(id, &format!("lock_held = pg_catalog.make_interval(secs => {microseconds} / 1000000.0)"))
}

/// What it waits for.
pub fn waits(id: i64, reason: &str) -> String {
    format!(
        "UPDATE dbm.partition_copy SET waits_for = {}, updated_at = pg_catalog.clock_timestamp() WHERE id = {id}",
        quote_literal(reason)
    )
}

/// Why it stopped.
pub fn failed(id: i64, error: &str) -> String {
    format!(
        "UPDATE dbm.partition_copy SET error = {}, waits_for = NULL, updated_at = pg_catalog.clock_timestamp()
         WHERE id = {id}",
        quote_literal(error)
    )
}

/// What came of a copy that is over: keys replayed, the milliseconds in which locks were held.
pub fn outcome(id: i64) -> String {
    format!(
        "SELECT rows_replayed, EXTRACT(epoch FROM lock_held) * 1000 FROM dbm.partition_copy WHERE id = {id}"
    )
}

/// All copies, those under way first.
pub const STATUS: &str =
    "SELECT c.owner::pg_catalog.int8, c.id, c.kind, c.source_name, c.target_name, c.phase,
            c.rows_copied, c.rows_replayed, c.rows_verified, c.lock_held, c.waits_for, c.error,
            c.created_at, c.updated_at
     FROM dbm.partition_copy c
     ORDER BY c.phase IN ('cleaned', 'aborted'), c.id DESC";
