//! How much there is of everything.

use super::{ConstraintKind, RelationKind, Snapshot};

impl Snapshot {
    /// How many objects of each kind were read; the server's own are left out.
    pub fn summary(&self) -> Vec<(&'static str, i64)> {
        let relations = |wanted: &dyn Fn(&super::Relation) -> bool| {
            self.relations.iter().filter(|relation| wanted(relation)).count()
        };
        let of_kind = |kind: RelationKind| relations(&|relation| relation.kind == kind);
        let counts = [
            ("table", of_kind(RelationKind::Table)),
            ("partitioned table", of_kind(RelationKind::PartitionedTable)),
            ("partition", relations(&|relation| relation.is_partition)),
            ("view", of_kind(RelationKind::View)),
            ("materialized view", of_kind(RelationKind::MaterializedView)),
            ("foreign table", of_kind(RelationKind::ForeignTable)),
            ("composite type", of_kind(RelationKind::CompositeType)),
            ("column", self.columns.len()),
            (
                "column with statistics",
                self.columns.iter().filter(|column| column.statistics.is_some()).count(),
            ),
            ("index", self.indexes.len()),
            (
                "constraint",
                self.constraints
                    .iter()
                    .filter(|constraint| constraint.kind != ConstraintKind::NotNull)
                    .count(),
            ),
            ("trigger", self.triggers.len()),
            ("policy", self.policies.len()),
            ("sequence", self.sequences.len()),
            ("function", self.functions.len()),
            (
                "type",
                self.types
                    .values()
                    .filter(|found| {
                        self.namespaces.get(&found.schema).is_some_and(|schema| !schema.is_system())
                    })
                    .count(),
            ),
            ("extension", self.extensions.len()),
            ("extension member", self.extension_members.len()),
            ("publication", self.publications.len()),
            ("statistics object", self.extended_statistics.len()),
            ("role", self.roles.len()),
            ("membership", self.memberships.len()),
            ("schema", self.namespaces.values().filter(|schema| !schema.is_system()).count()),
        ];
        counts.into_iter().map(|(kind, count)| (kind, i64::try_from(count).unwrap_or(i64::MAX))).collect()
    }
}
