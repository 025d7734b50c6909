//! The rules of the judge, one file a subject.

mod add_column;
mod add_column_constraint;
mod back_stop;
mod column_type;
mod constraint;
mod convoy;
mod domain;
mod drop;
mod enumeration;
mod foreign_key;
mod index;
mod not_null;
mod partition;
mod pieces;
mod rename;
mod security;
mod style;
mod timeouts;
mod transaction;
mod trigger;
mod unknown;
mod whole_table;
mod words;
mod work;
mod write;

use super::DdlRule;

/// All of them, in the order in which the manual shows them.
pub const ALL: &[DdlRule] = &[
    add_column::VOLATILE_DEFAULT,
    add_column::SERIAL,
    add_column::IDENTITY,
    add_column::GENERATED_STORED,
    add_column::CONSTRAINED_DOMAIN,
    add_column::NOT_NULL_NO_DEFAULT,
    add_column::JSON,
    add_column_constraint::INLINE_UNIQUE,
    add_column_constraint::INLINE_PRIMARY_KEY,
    add_column_constraint::INLINE_CHECK,
    add_column_constraint::INLINE_FOREIGN_KEY,
    column_type::REWRITE,
    column_type::INDEX_REBUILD,
    column_type::RECHECK,
    column_type::DEPENDENTS,
    column_type::SET_EXPRESSION,
    column_type::TYPE_CASCADE,
    not_null::SET_NOT_NULL,
    not_null::ADD_NOT_NULL_CONSTRAINT,
    not_null::DROP_NOT_NULL,
    not_null::SET_DEFAULT,
    not_null::DROP_DEFAULT,
    constraint::CHECK,
    constraint::UNIQUE,
    constraint::PRIMARY_KEY,
    constraint::PRIMARY_KEY_NULLABLE,
    constraint::EXCLUSION,
    constraint::ENFORCED,
    constraint::DROP,
    foreign_key::NOT_VALID,
    foreign_key::MISSING_INDEX,
    foreign_key::TYPE_MISMATCH,
    foreign_key::MULTIPLE,
    index::CREATE,
    index::CONCURRENTLY_PARTITIONED,
    index::INVALID_LEFTOVER,
    index::USING_INVALID,
    index::BUILD_RUNNING,
    index::REPLACE,
    index::TWIN,
    index::TOO_MANY_COLUMNS,
    index::DATA_DEPENDENT,
    index::HASH,
    index::DROP,
    index::REINDEX,
    partition::ATTACH_SCAN,
    partition::ATTACH_SCAN_DEFAULT,
    partition::DETACH,
    partition::DETACH_WITH_DEFAULT,
    partition::CREATE_LOCKS_PARENT,
    whole_table::PERSISTENCE,
    whole_table::ACCESS_METHOD,
    whole_table::TABLESPACE,
    whole_table::VACUUM_FULL,
    whole_table::CLUSTER,
    whole_table::REFRESH,
    whole_table::REFRESH_WITHOUT_DATA,
    whole_table::REFRESH_CONCURRENTLY,
    whole_table::TABLE_AS,
    domain::ADD_CONSTRAINT,
    domain::VALIDATE,
    domain::NOT_NULL,
    domain::CREATE,
    enumeration::IN_TRANSACTION,
    enumeration::WITHOUT_ORDER,
    enumeration::CREATE,
    drop::TABLE,
    drop::TABLE_FOREIGN_KEYS,
    drop::COLUMN,
    drop::COLUMN_DEPENDENTS,
    drop::TRUNCATE,
    drop::TRUNCATE_CASCADE,
    drop::SCHEMA,
    drop::DATABASE,
    drop::OWNED,
    drop::EXTENSION,
    drop::CASCADE,
    drop::USED,
    rename::TABLE,
    rename::COLUMN,
    rename::SCHEMA,
    rename::SET_SCHEMA,
    rename::ENUM_VALUE,
    rename::OTHER,
    write::DELETE,
    write::UPDATE,
    trigger::CREATE,
    trigger::DROP,
    trigger::DISABLE,
    trigger::RULE_OR_POLICY,
    trigger::REPLACE_VIEW,
    security::ENABLE,
    security::DISABLE,
    security::OWNER,
    security::INHERITANCE,
    security::REPLICA_IDENTITY,
    security::STORAGE,
    security::LOCK_TABLE,
    convoy::CONVOY,
    timeouts::MISSING_LOCK_TIMEOUT,
    timeouts::LONG_LOCK_TIMEOUT,
    timeouts::MISSING_STATEMENT_TIMEOUT,
    timeouts::MISSING_IDLE_TIMEOUT,
    timeouts::MISSING_TRANSACTION_TIMEOUT,
    timeouts::SHORT_FOR_BUILD,
    transaction::CONCURRENTLY,
    transaction::VALIDATE,
    transaction::WHILE_HOLDING,
    transaction::SEVERAL_TABLES,
    transaction::REWRITE_WHILE_HOLDING,
    transaction::TWICE,
    transaction::WITH_ROWS,
    unknown::UNCHECKED,
    unknown::UNKNOWN,
    unknown::MISSING,
    back_stop::REWRITE,
    back_stop::DROP,
    style::BIGINT,
    style::IDENTITY,
    style::CHAR,
    style::VARCHAR,
    style::TIMESTAMPTZ,
    style::JSONB,
    style::MONEY,
    style::LONG_NAME,
    style::QUALIFIED,
    style::ROBUST,
    style::PRIMARY_KEY,
];

/// The rule of that id.
pub fn find(id: &str) -> Option<&'static DdlRule> {
    ALL.iter().find(|rule| rule.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rules that the study of the field lists, those that no peer has included.
    const STUDIED: [&str; 95] = [
        "add_column_volatile_default",
        "add_column_serial",
        "add_column_identity",
        "add_column_generated_stored",
        "add_column_constrained_domain",
        "add_column_not_null_no_default",
        "add_column_inline_unique",
        "add_column_inline_primary_key",
        "add_column_inline_check",
        "add_column_inline_fk",
        "add_column_json",
        "alter_column_type_rewrite",
        "alter_column_type_index_rebuild",
        "alter_column_type_recheck_constraints",
        "set_not_null",
        "drop_not_null",
        "set_default",
        "drop_default",
        "set_expression_stored",
        "set_storage",
        "add_check_without_not_valid",
        "add_fk_without_not_valid",
        "validate_in_same_transaction",
        "add_unique_without_index",
        "add_primary_key_without_index",
        "add_primary_key_using_nullable_index",
        "add_exclusion_constraint",
        "add_not_null_constraint_valid",
        "alter_constraint_enforced",
        "alter_domain_add_constraint",
        "alter_domain_validate",
        "alter_domain_not_null",
        "create_domain_with_constraint",
        "fk_missing_index",
        "fk_type_mismatch",
        "multiple_foreign_keys",
        "drop_constraint",
        "create_index_non_concurrent",
        "drop_index_non_concurrent",
        "reindex_non_concurrent",
        "concurrently_in_transaction",
        "create_index_concurrently_partitioned",
        "invalid_index_leftover",
        "cic_with_short_timeout",
        "index_too_many_columns",
        "hash_index",
        "replace_index",
        "create_unique_index_data_dependent",
        "duplicate_index",
        "drop_table",
        "drop_table_multiple_foreign_keys",
        "drop_column",
        "drop_column_with_dependents",
        "truncate",
        "truncate_cascade",
        "drop_schema",
        "drop_database",
        "drop_owned",
        "drop_extension",
        "rename_table",
        "rename_column",
        "rename_schema",
        "set_schema",
        "rename_other",
        "rename_enum_value",
        "enum_add_value_in_transaction",
        "enum_add_value_without_order",
        "create_enum",
        "alter_type_cascade_rewrite",
        "delete_without_where",
        "update_without_where",
        "set_logged_unlogged",
        "set_access_method",
        "set_tablespace",
        "vacuum_full",
        "cluster",
        "refresh_matview_non_concurrent",
        "attach_partition_scan",
        "attach_partition_scan_default",
        "detach_partition_non_concurrent",
        "create_partition_of_locks_parent",
        "create_trigger",
        "drop_trigger",
        "disable_trigger",
        "enable_rls",
        "lock_table_explicit",
        "create_table_as",
        "create_or_replace_view",
        "missing_lock_timeout",
        "lock_timeout_too_long",
        "statement_while_holding_access_exclusive",
        "multi_table_access_exclusive",
        "rewrite_while_holding_other_locks",
        "multiple_alter_table_same_target",
        "ddl_and_dml_in_one_transaction",
    ];

    #[test]
    fn each_rule_of_the_study_is_there() {
        let more = [
            "unchecked_dynamic_sql",
            "lock_convoy_risk",
            "prefer_bigint",
            "prefer_identity",
            "prefer_text_over_char",
            "prefer_text_over_varchar",
            "prefer_timestamptz",
            "prefer_jsonb",
            "identifier_too_long",
            "require_schema_qualified",
            "prefer_robust_statements",
            "require_primary_key",
        ];
        for id in STUDIED.iter().chain(&more) {
            assert!(find(&format!("ddl.{id}")).is_some(), "there is no rule ddl.{id}");
        }
    }

    #[test]
    fn what_everybody_does_every_day_gets_no_warning() {
        use crate::catalog::LockMode;
        use crate::catalog::ddl::{AddColumn, Alteration, ColumnDefault, ColumnDefinition};
        use crate::finding::Severity;
        use crate::migration::judge::sample::{Case, table};

        let add = |default| {
            let column = ColumnDefinition {
                name: "k".into(),
                type_name: "integer".into(),
                ..ColumnDefinition::default()
            };
            Alteration::AddColumn(AddColumn { column, default, ..AddColumn::default() })
        };
        let statistics = Case::alter(Alteration::Harmless { name: "SET STATISTICS" })
            .on(table("acct"), LockMode::ShareUpdateExclusive);
        for case in
            [Case::alter(add(ColumnDefault::None)), Case::alter(add(ColumnDefault::Stored)), statistics]
        {
            let case = case.within(|session| session.timeouts.lock = 0);
            let told: Vec<&str> = case
                .judged()
                .iter()
                .filter(|judged| judged.severity >= Severity::Warning && !judged.rule.id.contains("timeout"))
                .map(|judged| judged.rule.id)
                .collect();
            assert!(told.is_empty(), "{told:?}");
        }
    }

    #[test]
    fn each_rule_is_described() {
        for (place, rule) in ALL.iter().enumerate() {
            let name = rule.id.strip_prefix("ddl.").expect("begins with ddl.");
            assert!(
                name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
            );
            assert!(ALL[..place].iter().all(|other| other.id != rule.id), "{} stands twice", rule.id);
            assert!(!rule.title.is_empty() && !rule.title.ends_with('.'), "{}", rule.id);
            assert!(rule.why.ends_with('.'), "{}", rule.id);
            assert!(rule.reference.starts_with("https://www.postgresql.org/docs/"), "{}", rule.id);
            for threshold in rule.thresholds {
                let (least, greatest) = threshold.range;
                assert!((least..=greatest).contains(&threshold.default), "{} {}", rule.id, threshold.name);
                assert!(!threshold.meaning.is_empty());
            }
        }
    }
}
