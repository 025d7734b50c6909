//! What the rules about foreign keys share.

use rustc_hash::FxHashSet;

use crate::catalog::{ColumnNumber, Constraint, ForeignKey, Oid, Relation, Snapshot};
use crate::design::designed::designed_tables;
use crate::finding::Facts;
use crate::text::quote_identifier;

/// The foreign keys of designed tables, without their copies on partitions.
pub fn foreign_keys<'a>(
    facts: &Facts<'a>,
) -> impl Iterator<Item = (&'a Relation, &'a Constraint, &'a ForeignKey)> {
    let snapshot = facts.snapshot;
    designed_tables(facts).flat_map(move |table| {
        snapshot
            .foreign_keys_of(table.oid)
            .filter_map(move |constraint| Some((table, constraint, constraint.foreign_key.as_deref()?)))
    })
}

/// How many sets of columns refer to something. Unlike the number of foreign keys it stays when a duplicate is dropped.
pub fn count_referring_columns(facts: &Facts<'_>) -> u64 {
    let sets: FxHashSet<(Oid, Vec<ColumnNumber>)> = foreign_keys(facts)
        .map(|(table, constraint, _)| {
            let mut columns = constraint.columns.to_vec();
            columns.sort_unstable();
            (table.oid, columns)
        })
        .collect();
    sets.len() as u64
}

/// `name on schema.table`, the object of a finding about a constraint.
pub fn constraint_object(snapshot: &Snapshot, constraint: &Constraint) -> String {
    format!("{} on {}", quote_identifier(&constraint.name), snapshot.relation_name(constraint.table))
}
