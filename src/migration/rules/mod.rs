//! The audit's rules about changes: what will make the next change, or the next upgrade, unsafe.
//!
//! Constraints that were never validated, invalid indexes and disabled triggers are leftovers of changes too; their
//! rules are `schema.unvalidated_constraint`, `indexing.invalid_index` and `schema.disabled_trigger`.

mod backfill_key;
mod collation_version;
mod column_limit;
mod default_partition;
mod detach_pending;
mod extension_outdated;
mod guard_off;
mod logical_slot;
mod no_lock_timeout;
mod prepared_transaction;
mod upgrade_column;
mod upgrade_database;
mod upgrade_not_null;
mod version_support;

pub use backfill_key::NO_KEY_FOR_BACKFILL;
pub use collation_version::COLLATION_VERSION_MISMATCH;
pub use column_limit::COLUMN_LIMIT_NEAR;
pub use default_partition::DEFAULT_PARTITION_HOLDS_ROWS;
pub use detach_pending::DETACH_PENDING;
pub use extension_outdated::EXTENSION_OUTDATED;
pub use guard_off::GUARD_OFF;
pub use logical_slot::LOGICAL_SLOT_LOST_BY_UPGRADE;
pub use no_lock_timeout::NO_LOCK_TIMEOUT;
pub use prepared_transaction::PREPARED_TRANSACTION;
pub use upgrade_column::COLUMN_BLOCKS_UPGRADE;
pub use upgrade_database::DATABASE_BLOCKS_UPGRADE;
pub use upgrade_not_null::NOT_NULL_MISSING_IN_CHILD;
pub use version_support::VERSION_OUT_OF_SUPPORT;

use crate::finding::Rule;

/// All rules of this room.
pub const RULES: &[Rule] = &[
    NO_LOCK_TIMEOUT,
    GUARD_OFF,
    DETACH_PENDING,
    NO_KEY_FOR_BACKFILL,
    DEFAULT_PARTITION_HOLDS_ROWS,
    COLUMN_LIMIT_NEAR,
    VERSION_OUT_OF_SUPPORT,
    COLUMN_BLOCKS_UPGRADE,
    EXTENSION_OUTDATED,
    LOGICAL_SLOT_LOST_BY_UPGRADE,
    PREPARED_TRANSACTION,
    COLLATION_VERSION_MISMATCH,
    DATABASE_BLOCKS_UPGRADE,
    NOT_NULL_MISSING_IN_CHILD,
];
