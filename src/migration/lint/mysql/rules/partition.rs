//! Partitions.

use crate::finding::Severity;
use crate::migration::lint::LintRule;
use crate::migration::lint::mysql::class::Class;
use crate::migration::lint::mysql::judged::{Asked, Judged, online_tool};
use crate::migration::lint::rule::Note;

const PARTITIONS: &str =
    "https://dev.mysql.com/doc/refman/8.4/en/innodb-online-ddl-operations.html#online-ddl-partitioning";

/// Rows move from partition to partition.
pub const REPARTITION: LintRule = LintRule {
    id: "mysql.repartition",
    severity: Severity::Error,
    title: "Rows are shared out among partitions anew",
    why: "The rows of the partitions concerned, or of the whole table, are copied while writers wait.",
    reference: PARTITIONS,
};

/// The rows of a partition go.
pub const EMPTY_PARTITION: LintRule = LintRule {
    id: "mysql.drop_partition",
    severity: Severity::Warning,
    title: "A partition is dropped or emptied",
    why: "Its rows are gone at once, and no transaction brings them back.",
    reference: PARTITIONS,
};

/// Judges what copies rows.
pub fn repartition(asked: &Asked<'_>, how: &str) -> Judged {
    let table = asked.table();
    let message = format!("{how} copies rows of {table} while writers wait");
    Judged::new(how, Class::Copy).note(Note::cost(&REPARTITION, message).fix(online_tool(&table)))
}

/// Judges what loses rows.
pub fn empty(asked: &Asked<'_>, how: &str) -> Judged {
    let table = asked.table();
    let message = format!("{how} removes rows of {table} for good");
    let fix = "EXCHANGE PARTITION … WITH TABLE … keeps the rows in a table of their own";
    Judged::new(how, Class::InPlace).note(Note::new(&EMPTY_PARTITION, message).fix(fix))
}
