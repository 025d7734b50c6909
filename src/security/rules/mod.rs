//! The audit's rules about security: what somebody could do who should not.
//!
//! Severity is what an attacker gains who has a login, or reaches the server. What the caller may not see is unknown.

mod audit_log;
mod columns;
mod columns_hidden;
mod delegation;
mod expressions;
mod extensions;
mod functions;
mod grant_chain;
mod grants;
mod guessing;
mod hba;
mod leaving;
mod logins;
mod passwords;
mod policies;
mod policy_checks;
mod roles;
mod row_security;
mod settings;
mod system_functions;
mod third_party;
mod triggers;
mod views;
pub(super) mod words;

use crate::finding::Rule;

/// All rules of this room.
pub const RULES: &[Rule] = &[
    audit_log::AUDIT_LOG_OPEN,
    columns::SENSITIVE_COLUMN_READABLE,
    delegation::GRANT_OPTION,
    delegation::ROLE_WITH_ADMIN_OPTION,
    expressions::EXPRESSION_FUNCTION_OF_OTHERS,
    extensions::EXTENSION_IN_OPEN_SCHEMA,
    extensions::EXTENSION_REACHES_OUT,
    extensions::EXTENSION_VULNERABLE,
    functions::DEFINER_OPEN_TO_PUBLIC,
    functions::DEFINER_SEARCH_PATH_UNSAFE,
    functions::DEFINER_WITHOUT_SEARCH_PATH,
    functions::LEAKPROOF_FUNCTION,
    functions::UNTRUSTED_LANGUAGE_OPEN,
    grants::OWNER_LOGS_IN,
    grants::PARAMETER_GRANTED,
    grants::PUBLIC_COLUMN_PRIVILEGE,
    grants::PUBLIC_CREATES_IN_SCHEMA,
    grants::PUBLIC_DATABASE_PRIVILEGE,
    grants::PUBLIC_DEFAULT_PRIVILEGE,
    grants::PUBLIC_TABLE_PRIVILEGE,
    guessing::PASSWORD_GUESSABLE,
    hba::HBA_ERROR,
    hba::HBA_OPEN_TO_WORLD,
    hba::HBA_UNENCRYPTED,
    hba::HBA_WEAK_METHOD,
    hba::SUPERUSER_OVER_NETWORK,
    leaving::PUBLICATION_IGNORES_ROW_SECURITY,
    leaving::SUBSCRIPTION_PASSWORD,
    leaving::USER_MAPPING_UNSAFE,
    passwords::PASSWORD_MD5,
    passwords::PASSWORD_NEVER_EXPIRES,
    passwords::SECRET_IN_SETTING,
    policies::POLICY_ALWAYS_TRUE,
    policies::POLICY_CALLS_VOLATILE,
    policy_checks::POLICY_CHECK_FORGETS_TENANT,
    policies::POLICY_COLUMN_WITHOUT_INDEX,
    policies::POLICY_FUNCTION_PER_ROW,
    roles::DANGEROUS_MEMBERSHIP,
    roles::EXTRA_SUPERUSER,
    roles::ROLE_BYPASSES_ROW_SECURITY,
    roles::ROLE_CREATES_ROLES,
    roles::ROLE_REPLICATES,
    roles::SEARCH_PATH_WRITABLE,
    row_security::FOREIGN_KEY_CROSSES_TENANTS,
    row_security::PARTITION_WITHOUT_ROW_SECURITY,
    row_security::POLICIES_WITHOUT_ROW_SECURITY,
    row_security::ROW_SECURITY_NOT_FORCED,
    row_security::ROW_SECURITY_SIDESTEPPED,
    row_security::ROW_SECURITY_WITHOUT_POLICY,
    settings::SERVER_SETTING,
    system_functions::FUNCTION_SHADOWS_SYSTEM,
    system_functions::SYSTEM_FUNCTION_GRANTED,
    triggers::AUDIT_TRIGGER_OFF,
    triggers::EVENT_TRIGGER_UNSAFE,
    triggers::TRIGGER_FUNCTION_OF_OTHERS,
    views::VIEW_BYPASSES_ROW_SECURITY,
];
