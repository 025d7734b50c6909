//! What is due: from what is there, what is wanted and the time, the actions in their order. Pure.

#[cfg(feature = "postgres")]
pub mod api;
mod create;
mod cutoff;
mod decide;
mod retire;
#[cfg(test)]
mod tests;

pub use cutoff::moment_before;
pub use decide::{Cuts, Detached, Now, due, high_of, left_undone, low_of, number_cutoff};

use super::key::Range;
use crate::catalog::Oid;

/// One thing to do to a set; each is a transaction of its own, or several.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Ends a DETACH CONCURRENTLY that was left half done.
    Finalize {
        /// The partition.
        partition: Oid,
        /// Its name, as it is.
        name: String,
    },
    /// Takes a constraint off the default partition that a run left there which was cut off: rows are refused by it.
    DropConstraint {
        /// Its name, as it is.
        constraint: String,
    },
    /// Makes a partition beside and attaches it.
    Create {
        /// The name of the new table, as it is; in the schema of the parent.
        name: String,
        /// What it takes.
        range: Range,
    },
    /// Makes the default partition that the policy wants.
    CreateDefault {
        /// The name of the new table, as it is; in the schema of the parent.
        name: String,
    },
    /// Moves rows out of the default partition into partitions of their own.
    Drain,
    /// Detaches a partition that is too old, and does what the policy says with it.
    Retire {
        /// The partition.
        partition: Oid,
        /// Its name, as it is.
        name: String,
        /// Whether it can be detached without an exclusive lock on the parent.
        concurrently: bool,
    },
    /// Drops a table that was detached before and whose time of grace is over.
    DropDetached {
        /// The table.
        relation: Oid,
        /// Its qualified and quoted name.
        name: String,
    },
    /// Does nothing and says why: a guard was hit.
    Stop {
        /// What was not done: `create`, `retire`.
        what: &'static str,
        /// Why, for people.
        reason: String,
    },
}

impl Action {
    /// Its name in the column `action` of dbm.partition_maintain() and dbm.upkeep_log.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Finalize { .. } => "finalize",
            Self::DropConstraint { .. } => "drop constraint",
            Self::Create { .. } | Self::CreateDefault { .. } => "create",
            Self::Drain => "drain",
            Self::Retire { .. } => "retire",
            Self::DropDetached { .. } => "drop",
            Self::Stop { what, .. } => what,
        }
    }
}
