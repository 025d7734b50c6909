//! Facts: what the catalogs and the statistics say, copied once into plain structs.
//!
//! A [`Snapshot`] judges nothing. It is filled in one pass by `pg::snapshot`, or by hand in a test, and rules
//! look things up in it. One file a noun.

pub mod access;
pub mod captured;
mod column;
mod constraint;
pub mod ddl;
mod definition;
pub mod hypothetical;
mod index;
mod lock;
mod namespace;
mod other;
pub mod partition;
pub mod plan;
pub mod query;
mod relation;
mod role;
pub mod sampled;
mod scope;
pub mod security;
mod sequence;
mod server;
mod snapshot;
mod summary;
pub mod surroundings;
pub mod target;
pub mod trail;
pub mod types;
pub mod workload;
pub mod zone;

#[cfg(test)]
pub mod sample;

pub use column::{Column, ColumnStatistics, Identity};
pub use constraint::{Constraint, ConstraintKind, ForeignKey, MatchType, ReferentialAction};
pub use index::{Index, IndexKey, IndexStatistics};
pub use lock::LockMode;
pub use namespace::{Extension, Namespace};
pub use other::{
    Dependencies, EventTrigger, ExtendedStatistics, Function, FunctionKind, Policy, Publication, Trigger,
    TriggerState, Volatility,
};
pub use relation::{
    FileLocation, Partitioning, Persistence, Relation, RelationKind, ReplicaIdentity, TableStatistics,
};
pub use role::{Grant, Membership, Privileges, Role, RoleSetting};
pub use scope::{CONSTRAINT_CLASS, RELATION_CLASS, TYPE_CLASS};
pub use sequence::{LastValue, Sequence};
pub use server::{CollationVersion, DEFAULT_COLLATION, Prepared, Server, Setting, Standbys};
pub use snapshot::Snapshot;
pub use types::{AccessMethod, OperatorClass, Type, TypeKind};

/// An object identifier, as the catalogs write it.
pub type Oid = u32;

/// The number of a column within its relation, 1-based; 0 stands for an expression.
pub type ColumnNumber = i16;

/// Microseconds since 1970-01-01 00:00 UTC.
pub type Moment = i64;

/// Microseconds in a day.
pub const DAY: Moment = 86_400_000_000;

/// Days from 1970-01-01, from which we count, to 2000-01-01, from which the server does.
pub const EPOCH_DAYS: i64 = 10_957;

/// The same in microseconds.
pub const EPOCH_DIFFERENCE: Moment = EPOCH_DAYS * DAY;
