//! Names for what we create, in the style that the database already follows.

use rustc_hash::FxHashSet;

use crate::catalog::{Oid, Snapshot};
use crate::text::identifier::unused_name;

/// Gives names that are free and fit in.
pub struct Names<'a> {
    snapshot: &'a Snapshot,
    /// `(schema, name)` of every index that exists or was handed out here.
    taken: FxHashSet<(Oid, Box<str>)>,
}

impl<'a> Names<'a> {
    /// Learns the names in use. One pass over the snapshot: build it once for a rule, not once for a finding.
    pub fn learn(snapshot: &'a Snapshot) -> Self {
        let schema_of = |table: Oid| snapshot.relation(table).map_or(0, |relation| relation.schema);
        let indexes = snapshot.indexes.iter().map(|index| (schema_of(index.table), index.name.clone()));
        let relations = snapshot.relations.iter().map(|relation| (relation.schema, relation.name.clone()));
        let sequences = snapshot.sequences.iter().map(|sequence| (sequence.schema, sequence.name.clone()));
        Self { snapshot, taken: indexes.chain(relations).chain(sequences).collect() }
    }

    /// A free name for a new index on these columns of a table.
    pub fn index(&mut self, table: Oid, columns: &[&str]) -> String {
        let Some(relation) = self.snapshot.relation(table) else {
            return unused_name(&["idx"], |_| false);
        };
        let mut parts = vec!["idx", &*relation.name];
        parts.extend(columns);
        let name = unused_name(&parts, |name| self.taken.contains(&(relation.schema, name.into())));
        self.taken.insert((relation.schema, name.as_str().into()));
        name
    }
}
