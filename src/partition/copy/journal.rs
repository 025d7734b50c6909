//! The journal: two tables that take turns, and the triggers that write to them.

use super::job::Definition;
use crate::text::{quote_identifier, quote_literal};

/// The two journals of a copy.
pub const BOTH: [char; 2] = ['a', 'b'];

/// The bare name of a journal.
pub fn bare(job: i64, which: char) -> String {
    format!("partition_journal_{job}_{which}")
}

/// A journal's name.
pub fn name(job: i64, which: char) -> String {
    format!("dbm.{}", bare(job, which))
}

fn trigger(job: i64) -> String {
    format!("dbm_journal_{job}")
}

fn truncate_trigger(job: i64) -> String {
    format!("dbm_journal_{job}_truncate")
}

/// Makes the journals, members of the extension, so that a dump leaves them where they mean something; and the triggers,
/// which fire for whatever writes, replication included. With the rights of the extension's owner.
pub fn create(job: i64, wanted: &Definition) -> Vec<String> {
    let columns: Vec<String> = wanted.journal.iter().map(|column| quote_identifier(&column.name)).collect();
    let mut statements: Vec<String> = BOTH
        .into_iter()
        .flat_map(|which| {
            let journal = name(job, which);
            [
                format!(
                    "CREATE TABLE {journal} WITH (autovacuum_enabled = false) AS SELECT {} FROM ONLY {} \
                     WITH NO DATA",
                    columns.join(", "),
                    wanted.source
                ),
                format!("ALTER EXTENSION dbmastery ADD TABLE {journal}"),
            ]
        })
        .collect();
    statements.extend(create_triggers(job, wanted, &wanted.source));
    statements.push(enable_triggers(job, &format!("ONLY {}", wanted.source)));
    statements
}

/// Makes the triggers on a table; they fire for ordinary sessions until they are made to for all.
pub fn create_triggers(job: i64, wanted: &Definition, table: &str) -> [String; 2] {
    let arguments: Vec<String> = std::iter::once(quote_literal(&job.to_string()))
        .chain(wanted.journal.iter().map(|column| quote_literal(&column.name)))
        .collect();
    let arguments = arguments.join(", ");
    [
        format!(
            "CREATE TRIGGER {} AFTER INSERT OR UPDATE OR DELETE ON {table} FOR EACH ROW \
             EXECUTE FUNCTION dbm.partition_journal({arguments})",
            trigger(job)
        ),
        format!(
            "CREATE TRIGGER {} AFTER TRUNCATE ON {table} FOR EACH STATEMENT \
             EXECUTE FUNCTION dbm.partition_journal({arguments})",
            truncate_trigger(job)
        ),
    ]
}

/// Makes them fire for whatever writes.
pub fn enable_triggers(job: i64, table: &str) -> String {
    format!(
        "ALTER TABLE {table} ENABLE ALWAYS TRIGGER {}, ENABLE ALWAYS TRIGGER {}",
        trigger(job),
        truncate_trigger(job)
    )
}

/// Empties the journals.
pub fn empty(job: i64) -> String {
    format!("TRUNCATE {}", BOTH.map(|which| name(job, which)).join(", "))
}

/// Takes the triggers away; with the rights of the extension's owner, and where the source is still there.
pub fn drop_triggers(job: i64, source: &str) -> [String; 2] {
    [trigger(job), truncate_trigger(job)]
        .map(|trigger| format!("DROP TRIGGER IF EXISTS {trigger} ON {source}"))
}

/// Takes the journals away.
pub fn drop(job: i64) -> Vec<String> {
    BOTH.into_iter()
        .flat_map(|which| {
            let journal = name(job, which);
            [format!("ALTER EXTENSION dbmastery DROP TABLE {journal}"), format!("DROP TABLE {journal}")]
        })
        .collect()
}

/// Which journals there are: their letters and numbers.
pub fn numbers(job: i64) -> String {
    format!(
        "SELECT pg_catalog.right(c.relname, 1), c.oid FROM pg_catalog.pg_class c
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = 'dbm' AND c.relname IN ({}, {}) ORDER BY 1",
        quote_literal(&bare(job, 'a')),
        quote_literal(&bare(job, 'b'))
    )
}

/// Whether each journal has something in it, and how many blocks it has.
pub fn sizes(job: i64) -> String {
    let one = |which| {
        let journal = name(job, which);
        format!(
            "EXISTS (SELECT FROM {journal}), pg_catalog.pg_relation_size('{journal}') / \
             pg_catalog.current_setting('block_size')::pg_catalog.int8"
        )
    };
    format!("SELECT {}, {}", one('a'), one('b'))
}

/// Which keys of journals are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All.
    All,
    /// No more than so many: enough to see that there are too many.
    UpTo(usize),
    /// Those in blocks from the first up to, without, the second.
    Blocks(u64, u64),
}

/// The keys in journals, each once, as texts; among them those that tell of a TRUNCATE, all null.
pub fn keys(job: i64, which: &[char], wanted: &Definition, part: Part) -> String {
    let shown: Vec<String> = wanted
        .journal
        .iter()
        .map(|column| {
            let column = quote_identifier(&column.name);
            format!("CASE WHEN {column} IS NOT NULL THEN pg_catalog.format('%s', {column}) END")
        })
        .collect();
    let shown = shown.join(", ");
    let (blocks, limit) = match part {
        Part::All => (String::new(), String::new()),
        Part::UpTo(most) => (String::new(), format!(" LIMIT {most}")),
        Part::Blocks(first, end) => (
            format!(" WHERE ctid >= '({first},0)'::pg_catalog.tid AND ctid < '({end},0)'::pg_catalog.tid"),
            String::new(),
        ),
    };
    // One alone is made distinct, too.
    let distinct = if which.len() == 1 { "DISTINCT " } else { "" };
    let parts: Vec<String> = which
        .iter()
        .map(|&which| format!("SELECT {distinct}{shown} FROM {}{blocks}", name(job, which)))
        .collect();
    format!("{}{limit}", parts.join(" UNION "))
}

/// Whether the trigger is there and fires for everything.
pub fn is_written(job: i64, source: u32) -> String {
    format!(
        "SELECT pg_catalog.count(*) = 2 FROM pg_catalog.pg_trigger t WHERE t.tgrelid = {source} AND t.tgenabled = 'A'
           AND t.tgname IN ({}, {})",
        quote_literal(&trigger(job)),
        quote_literal(&truncate_trigger(job))
    )
}
