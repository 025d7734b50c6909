//! What is ours to judge: user objects, a partition tree counting as one; and their names for people.

use super::trail::layout::SCHEMA as LOG;
use super::{Column, ColumnNumber, Index, Oid, Persistence, Relation, Snapshot};
use crate::text::{quote_identifier, quote_qualified};

/// `pg_class`'s own OID, the class of relations in `pg_depend`.
pub const RELATION_CLASS: Oid = 1259;
/// `pg_type`'s own OID.
pub const TYPE_CLASS: Oid = 1247;
/// `pg_constraint`'s OID.
pub const CONSTRAINT_CLASS: Oid = 2606;

impl Snapshot {
    /// Whether the object belongs to an extension.
    pub fn is_extension_member(&self, class: Oid, object: Oid) -> bool {
        self.extension_members.contains(&(class, object))
    }

    /// Whether a relation is the users' own: not the server's, not an extension's, not temporary.
    pub fn is_judged(&self, relation: &Relation) -> bool {
        relation.persistence != Persistence::Temporary
            && !self.is_extension_member(RELATION_CLASS, relation.oid)
            && self
                .namespaces
                .get(&relation.schema)
                // The log of the audit trail is no member of the extension, so that it outlives it, and yet not the users'.
                .is_some_and(|namespace| !namespace.is_system() && &*namespace.name != LOG)
    }

    /// The users' relations of every kind.
    pub fn judged_relations(&self) -> impl Iterator<Item = &Relation> {
        self.judged.iter().filter_map(|&place| self.relations.get(place as usize))
    }

    /// The users' tables, each partition tree once by its topmost table.
    pub fn judged_tables(&self) -> impl Iterator<Item = &Relation> {
        self.judged_relations().filter(|relation| relation.kind.is_table() && !relation.is_partition)
    }

    /// The users' tables, partitions included.
    pub fn judged_tables_and_partitions(&self) -> impl Iterator<Item = &Relation> {
        self.judged_relations().filter(|relation| relation.kind.is_table())
    }

    /// Rows of a table, or of all its partitions; `None` when none of them was ever measured.
    pub fn rows(&self, table: &Relation) -> Option<f64> {
        if table.partitioning.is_none() {
            return (table.rows >= 0.0).then_some(f64::from(table.rows));
        }
        let measured = self
            .tree(table.oid)
            .into_iter()
            .filter_map(|oid| self.relation(oid))
            .filter(|relation| relation.partitioning.is_none() && relation.rows >= 0.0)
            .map(|relation| f64::from(relation.rows));
        measured.fold(None, |sum, rows| Some(sum.unwrap_or(0.0) + rows))
    }

    /// Bytes of the heap (TOAST included) of a table or of all its partitions, as of the last VACUUM or ANALYZE.
    pub fn heap_bytes(&self, table: &Relation) -> u64 {
        let pages: u64 = if table.partitioning.is_none() {
            u64::from(table.pages) + u64::from(table.toast_pages)
        } else {
            self.tree(table.oid)
                .into_iter()
                .filter_map(|oid| self.relation(oid))
                .map(|relation| u64::from(relation.pages) + u64::from(relation.toast_pages))
                .sum()
        };
        pages * u64::from(self.server.block_size)
    }

    /// `schema.table`, quoted; the OID where the relation is gone.
    pub fn relation_name(&self, oid: Oid) -> String {
        match self.relation(oid) {
            Some(relation) => self.qualified(relation.schema, &relation.name),
            None => oid.to_string(),
        }
    }

    /// `schema.name`, quoted.
    pub fn qualified(&self, schema: Oid, name: &str) -> String {
        quote_qualified(self.schema_name(schema), name)
    }

    /// The bare name of a schema.
    pub fn schema_name(&self, schema: Oid) -> &str {
        self.namespaces.get(&schema).map_or("?", |namespace| &namespace.name)
    }

    /// The bare name of the schema that a relation is in.
    pub fn schema_of(&self, relation: Oid) -> &str {
        self.relation(relation).map_or("?", |relation| self.schema_name(relation.schema))
    }

    /// `schema.table.column`, quoted.
    pub fn column_name(&self, column: &Column) -> String {
        format!("{}.{}", self.relation_name(column.relation), quote_identifier(&column.name))
    }

    /// `schema.index`, quoted; an index lives in its table's schema.
    pub fn index_name(&self, index: &Index) -> String {
        quote_qualified(self.schema_of(index.table), &index.name)
    }

    /// The bare names of columns, for evidence; a gone column shows its number.
    pub fn column_names(&self, relation: Oid, numbers: &[ColumnNumber]) -> Vec<String> {
        numbers
            .iter()
            .map(|&number| match self.column(relation, number) {
                Some(column) => column.name.to_string(),
                None => number.to_string(),
            })
            .collect()
    }

    /// The columns quoted and joined by commas, for SQL.
    pub fn column_list(&self, relation: Oid, numbers: &[ColumnNumber]) -> String {
        let quoted: Vec<String> =
            self.column_names(relation, numbers).iter().map(|name| quote_identifier(name)).collect();
        quoted.join(", ")
    }
}
