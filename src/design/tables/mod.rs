//! Rules about whole tables and what their columns should say.

pub mod missing_audit_columns;
pub mod nullable_without_nulls;
pub mod orphan_table;
pub mod polymorphic_association;
pub mod status_without_check;
pub mod transitive_dependency;
pub mod wide_table;

use crate::finding::Rule;

/// All of them.
pub const RULES: &[Rule] = &[
    missing_audit_columns::MISSING_AUDIT_COLUMNS,
    status_without_check::STATUS_WITHOUT_CHECK,
    nullable_without_nulls::NULLABLE_WITHOUT_NULLS,
    wide_table::WIDE_TABLE,
    polymorphic_association::POLYMORPHIC_ASSOCIATION,
    transitive_dependency::TRANSITIVE_DEPENDENCY,
    orphan_table::ORPHAN_TABLE,
];
