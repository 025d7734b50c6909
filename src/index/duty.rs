//! What an index is there for besides being scanned.

use rustc_hash::FxHashMap;

use crate::catalog::{Constraint, ConstraintKind, Index, Oid, Snapshot};
use crate::change::index_ddl::constraint_behind;
use crate::text::quote_identifier;

use super::family::Family;

/// What is said of a duty that leaves no trace in the counters.
const UNSEEN: &str = ", which its scans do not count";

/// A reason for which an index has to stay even if no query scans it.
#[derive(Clone, Copy, Debug)]
pub enum Duty<'a> {
    /// It is attached to a partitioned index and lives and dies with that.
    Attached,
    /// It serves a primary key, unique or exclusion constraint.
    Constraint(&'a Constraint),
    /// A foreign key refers to its columns and depends on it.
    ReferencedBy(&'a Constraint),
    /// Logical replication identifies rows by it.
    ReplicaIdentity,
    /// CLUSTER orders the table by it.
    Clustered,
    /// It keeps values unique.
    Unique,
    /// ANALYZE keeps statistics of its expressions, which the planner uses without scanning it.
    ExpressionStatistics,
}

impl Duty<'_> {
    /// What it does, in words that go after the index's name.
    pub fn deed(&self) -> String {
        let reason = self.reason();
        reason.strip_suffix(UNSEEN).unwrap_or(&reason).to_owned()
    }

    /// The duty in words that go after the index's name.
    pub fn reason(&self) -> String {
        match self {
            Self::Attached => "is attached to a partitioned index".to_owned(),
            Self::Constraint(constraint) => {
                let kind = match constraint.kind {
                    ConstraintKind::PrimaryKey => "primary key",
                    ConstraintKind::Exclusion => "exclusion constraint",
                    _ => "unique constraint",
                };
                format!("backs the {kind} {}", quote_identifier(&constraint.name))
            }
            Self::ReferencedBy(constraint) => {
                format!("backs the columns that foreign key {} refers to", quote_identifier(&constraint.name))
            }
            Self::ReplicaIdentity => "is the replica identity of its table".to_owned(),
            Self::Clustered => "is the one that CLUSTER orders its table by".to_owned(),
            Self::Unique => format!("keeps values unique{UNSEEN}"),
            Self::ExpressionStatistics => format!("gives the planner statistics of its expression{UNSEEN}"),
        }
    }
}

/// Looks duties up.
pub struct Duties<'a> {
    snapshot: &'a Snapshot,
    /// The foreign key with the first name of all that refer to an index.
    references: FxHashMap<Oid, &'a Constraint>,
}

impl<'a> Duties<'a> {
    /// Learns which indexes foreign keys refer to. One pass over the constraints.
    pub fn learn(snapshot: &'a Snapshot) -> Self {
        let mut references: FxHashMap<Oid, &'a Constraint> = FxHashMap::default();
        let foreign_keys = snapshot
            .constraints
            .iter()
            .filter(|constraint| constraint.kind == ConstraintKind::ForeignKey && constraint.index != 0);
        for constraint in foreign_keys {
            let first = references.entry(constraint.index).or_insert(constraint);
            // The own one rather than its copy on a partition, then by name: never by OID.
            let order = |constraint: &'a Constraint| (constraint.parent != 0, &constraint.name);
            if order(constraint) < order(first) {
                *first = constraint;
            }
        }
        Self { snapshot, references }
    }

    /// The foreign key that refers to the index.
    pub fn reference(&self, index: &Index) -> Option<&'a Constraint> {
        self.references.get(&index.oid).copied()
    }

    /// The weightiest duty of an index with all that is attached to it; `None` when only scans justify it.
    pub fn of(&self, family: &Family<'a>) -> Option<Duty<'a>> {
        let top = family.top;
        if top.is_partition {
            return Some(Duty::Attached);
        }
        if let Some(constraint) = constraint_behind(self.snapshot, top) {
            return Some(Duty::Constraint(constraint));
        }
        // What holds for one partition's index holds for all: none of them can go alone.
        let mut members = family.members.iter();
        if let Some(constraint) = members.clone().find_map(|member| self.reference(member)) {
            return Some(Duty::ReferencedBy(constraint));
        }
        if members.clone().any(|member| member.is_replica_identity) {
            return Some(Duty::ReplicaIdentity);
        }
        if members.clone().any(|member| member.is_clustered) {
            return Some(Duty::Clustered);
        }
        if top.is_unique {
            return Some(Duty::Unique);
        }
        members.any(|member| member.has_expression_statistics).then_some(Duty::ExpressionStatistics)
    }

    /// Whether it may not be dropped even where another index does the same for queries and for uniqueness.
    pub fn binds(&self, family: &Family<'a>) -> bool {
        let top = family.top;
        let is_bound = |member: &&Index| {
            member.is_replica_identity || member.is_clustered || self.reference(member).is_some()
        };
        top.is_partition
            || constraint_behind(self.snapshot, top)
                .is_some_and(|constraint| constraint.kind != ConstraintKind::Unique)
            || family.members.iter().any(is_bound)
    }
}
