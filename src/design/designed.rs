//! The tables that people designed.

use crate::catalog::{Column, Relation, Type};
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

/// The users' tables, a partition tree once by its topmost table, without migration tools' books.
///
/// Gives a cancelled query its chance at each.
pub fn designed_tables<'a>(facts: &Facts<'a>) -> impl Iterator<Item = &'a Relation> {
    facts
        .snapshot
        .judged_tables()
        .inspect(|_| (facts.interrupt)())
        .filter(|relation| !is_migration_book(relation))
}

/// Their columns with the type below any domain. A column that a child inherits is its parent's.
pub fn designed_columns<'a>(facts: &Facts<'a>) -> impl Iterator<Item = (&'a Relation, &'a Column, &'a Type)> {
    let snapshot = facts.snapshot;
    designed_tables(facts).flat_map(move |table| {
        snapshot
            .columns_of(table.oid)
            .iter()
            .filter(|column| !column.is_inherited)
            .filter_map(move |column| Some((table, column, snapshot.base_type(column.type_oid)?)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, SampleDefinitions};
    use crate::catalog::types::builtin;

    #[test]
    fn books_partitions_and_inherited_columns_are_left_out() {
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
        let columns: Vec<String> =
            designed_columns(&facts).map(|(_, column, _)| snapshot.column_name(column)).collect();
        assert_eq!(columns, ["public.events.id", "public.heirs.id"]);
        assert_eq!(calls.get(), 4);
    }
}
