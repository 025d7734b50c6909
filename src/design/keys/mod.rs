//! Rules about keys: primary and foreign keys, the sequences behind them, and what keeps them honest.

pub mod disabled_trigger;
pub mod duplicate_foreign_key;
pub mod foreign_key_types;
pub mod foreign_keys;
pub mod integer_primary_key;
pub mod no_primary_key;
pub mod nullable_foreign_key;
pub mod replica_identity_missing;
pub mod self_reference_without_index;
pub mod sequence_near_end;
pub mod unowned_sequence;
pub mod unvalidated_constraint;

use crate::finding::Rule;

/// All of them.
pub const RULES: &[Rule] = &[
    sequence_near_end::SEQUENCE_NEAR_END,
    integer_primary_key::INTEGER_PRIMARY_KEY,
    foreign_key_types::FOREIGN_KEY_NARROWER_THAN_KEY,
    foreign_key_types::FOREIGN_KEY_TYPE_MISMATCH,
    unowned_sequence::UNOWNED_SEQUENCE,
    no_primary_key::NO_PRIMARY_KEY,
    nullable_foreign_key::NULLABLE_FOREIGN_KEY,
    duplicate_foreign_key::DUPLICATE_FOREIGN_KEY,
    self_reference_without_index::SELF_REFERENCE_WITHOUT_INDEX,
    unvalidated_constraint::UNVALIDATED_CONSTRAINT,
    disabled_trigger::DISABLED_TRIGGER,
    replica_identity_missing::REPLICA_IDENTITY_MISSING,
];
