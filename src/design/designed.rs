//! The tables that people designed.

use crate::catalog::{Column, Relation, Snapshot, Type};
use crate::finding::Facts;

/// Tables in which tools that run migrations keep their books, in lower case. Nobody designed them, and changing
/// them breaks the tool, so that a finding there could not be acted on.
const MIGRATION_BOOKS: [&str; 20] = [
    "__diesel_schema_migrations",
    "__efmigrationshistory",
    "_prisma_migrations",
    "_sqlx_migrations",
    "alembic_version",
    "ar_internal_metadata",
    "atlas_schema_revisions",
    "databasechangelog",
    "databasechangeloglock",
    "django_migrations",
    "doctrine_migration_versions",
    "flyway_schema_history",
    "goose_db_version",
    "gorp_migrations",
    "knex_migrations",
    "knex_migrations_lock",
    "phinxlog",
    "pgmigrations",
    "schema_migrations",
    "sequelizemeta",
];

/// Whether the table holds a migration tool's books.
pub fn is_migration_book(relation: &Relation) -> bool {
    MIGRATION_BOOKS.iter().any(|name| name.eq_ignore_ascii_case(&relation.name))
}

/// Whether it is pg_partman's template for the partitions of another table: `template_public_events` of
/// `public.events`. It never holds rows.
fn is_partition_template(snapshot: &Snapshot, relation: &Relation) -> bool {
    let is_template_of = |parent: &str, other: &Relation| {
        let rest =
            parent.strip_prefix(snapshot.schema_name(other.schema)).and_then(|rest| rest.strip_prefix('_'));
        other.partitioning.is_some() && rest == Some(&*other.name)
    };
    relation
        .name
        .strip_prefix("template_")
        .is_some_and(|parent| snapshot.relations.iter().any(|other| is_template_of(parent, other)))
}

/// Whether it is one of [`designed_tables`].
pub fn is_designed(snapshot: &Snapshot, table: &Relation) -> bool {
    table.kind.is_table()
        && !table.is_partition
        && snapshot.is_judged(table)
        && !is_tool_made(snapshot, table)
}

/// Whether a tool keeps it for itself.
fn is_tool_made(snapshot: &Snapshot, table: &Relation) -> bool {
    is_migration_book(table) || is_partition_template(snapshot, table)
}

/// The users' tables, a partition tree once by its topmost table, without what tools keep for themselves.
///
/// Gives a cancelled query its chance at each.
pub fn designed_tables<'a>(facts: &Facts<'a>) -> impl Iterator<Item = &'a Relation> {
    facts
        .snapshot
        .judged_tables()
        .inspect(|_| (facts.interrupt)())
        .filter(|relation| !is_tool_made(facts.snapshot, relation))
}

/// The same tables with their columns. A column that a child inherits is its parent's, and is here too.
///
/// Walks tables and columns side by side, which over a large catalog is much faster than a search for each table.
pub fn designed_tables_with_columns<'a>(
    facts: &Facts<'a>,
) -> impl Iterator<Item = (&'a Relation, &'a [Column])> {
    let mut rest = facts.snapshot.columns.as_slice();
    designed_tables(facts).map(move |table| {
        let (_, from_here) = split_where(rest, |column| column.relation < table.oid);
        let (own, beyond) = split_where(from_here, |column| column.relation == table.oid);
        rest = beyond;
        (table, own)
    })
}

/// Their columns with the type below any domain. A column that a child inherits is its parent's.
pub fn designed_columns<'a>(facts: &Facts<'a>) -> impl Iterator<Item = (&'a Relation, &'a Column, &'a Type)> {
    let snapshot = facts.snapshot;
    designed_tables_with_columns(facts).flat_map(move |(table, columns)| {
        columns
            .iter()
            .filter(|column| !column.is_inherited)
            .filter_map(move |column| Some((table, column, snapshot.base_type(column.type_oid)?)))
    })
}

/// Splits where `holds` ends, looking near the start first.
fn split_where<T>(sorted: &[T], holds: impl Fn(&T) -> bool) -> (&[T], &[T]) {
    let mut reach = 1;
    while sorted.get(reach).is_some_and(&holds) {
        reach *= 2;
    }
    let near = &sorted[..reach.min(sorted.len())];
    sorted.split_at(near.partition_point(holds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, SampleDefinitions};
    use crate::catalog::types::builtin;

    #[test]
    fn books_and_partitions_are_left_out() {
        let mut sample = Sample::new();
        sample.keyed_table("schema_migrations");
        sample.keyed_table("SequelizeMeta");
        let parent = sample.keyed_table("events");
        let child = sample.keyed_table("events_1");
        sample.partition(parent, child);
        let heir = sample.keyed_table("heirs");
        sample.column(heir, "handed_down", builtin::TEXT);
        sample.edit_column(heir, "handed_down", |column| column.is_inherited = true);
        let snapshot = sample.finish();
        let calls = std::cell::Cell::new(0);
        let interrupt = || calls.set(calls.get() + 1);
        let facts = Facts { snapshot: &snapshot, definitions: &SampleDefinitions, interrupt: &interrupt };
        let columns: Vec<(&str, Vec<&str>)> = designed_tables_with_columns(&facts)
            .map(|(table, columns)| (&*table.name, columns.iter().map(|column| &*column.name).collect()))
            .collect();
        assert_eq!(columns, [("events", vec!["id"]), ("heirs", vec!["id", "handed_down"])]);
        assert_eq!(calls.get(), 4);
        let own: Vec<&str> = designed_columns(&facts).map(|(_, column, _)| &*column.name).collect();
        assert_eq!(own, ["id", "id"]);
    }

    #[test]
    fn templates_of_partitions_are_left_out_and_other_templates_are_not() {
        let mut sample = Sample::new();
        let parent = sample.keyed_table("events");
        let child = sample.keyed_table("events_1");
        sample.partition(parent, child);
        sample.keyed_table("orders");
        for name in ["template_public_events", "template_public_orders", "template_letters"] {
            sample.keyed_table(name);
        }
        let snapshot = sample.finish();
        let facts = Facts { snapshot: &snapshot, definitions: &SampleDefinitions, interrupt: &|| {} };
        let names: Vec<&str> = designed_tables(&facts).map(|table| &*table.name).collect();
        assert_eq!(names, ["events", "orders", "template_public_orders", "template_letters"]);
    }

    #[test]
    fn every_split_is_found() {
        for length in 0..40 {
            let numbers: Vec<usize> = (0..length).collect();
            for end in 0..=length {
                assert_eq!(split_where(&numbers, |&number| number < end).0.len(), end);
            }
        }
    }
}
