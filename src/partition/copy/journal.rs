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
    let arguments: Vec<String> = std::iter::once(quote_literal(&job.to_string()))
        .chain(wanted.journal.iter().map(|column| quote_literal(&column.name)))
        .collect();
    let (source, arguments) = (&wanted.source, arguments.join(", "));
    let mut statements: Vec<String> = BOTH
        .into_iter()
        .flat_map(|which| {
            let journal = name(job, which);
            [
                format!(
                    "CREATE TABLE {journal} WITH (autovacuum_enabled = false) AS SELECT {} FROM ONLY {source} \
                     WITH NO DATA",
                    columns.join(", ")
                ),
                format!("ALTER EXTENSION dbmastery ADD TABLE {journal}"),
            ]
        })
        .collect();
    statements.extend([
        format!(
            "CREATE TRIGGER {} AFTER INSERT OR UPDATE OR DELETE ON {source} FOR EACH ROW \
             EXECUTE FUNCTION dbm.partition_journal({arguments})",
            trigger(job)
        ),
        format!(
            "CREATE TRIGGER {} AFTER TRUNCATE ON {source} FOR EACH STATEMENT \
             EXECUTE FUNCTION dbm.partition_journal({arguments})",
            truncate_trigger(job)
        ),
        format!(
            "ALTER TABLE ONLY {source} ENABLE ALWAYS TRIGGER {}, ENABLE ALWAYS TRIGGER {}",
            trigger(job),
            truncate_trigger(job)
        ),
    ]);
    statements
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

/// Whether each journal has something in it, and how large it is.
pub fn sizes(job: i64) -> String {
    let one = |which| {
        let journal = name(job, which);
        format!("EXISTS (SELECT FROM {journal}), pg_catalog.pg_relation_size('{journal}')")
    };
    format!("SELECT {}, {}", one('a'), one('b'))
}

/// The keys in journals, each once, as texts; after them those that tell of a TRUNCATE, all null.
pub fn keys(job: i64, which: &[char], wanted: &Definition) -> String {
    let shown: Vec<String> = wanted
        .journal
        .iter()
        .map(|column| {
            let column = quote_identifier(&column.name);
            format!("CASE WHEN {column} IS NOT NULL THEN pg_catalog.format('%s', {column}) END")
        })
        .collect();
    let shown = shown.join(", ");
    let parts: Vec<String> =
        which.iter().map(|&which| format!("SELECT {shown} FROM {}", name(job, which))).collect();
    parts.join(" UNION ")
}

/// About how many keys wait.
pub fn count(job: i64) -> String {
    format!(
        "SELECT (SELECT pg_catalog.count(*) FROM {}) + (SELECT pg_catalog.count(*) FROM {})",
        name(job, 'a'),
        name(job, 'b')
    )
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
