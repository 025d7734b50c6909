//! dbmastery: a senior database engineer inside PostgreSQL.
//!
//! Facts → findings → plans → runs → records. Folders are rooms; imports run downwards only (see `floors`).

// Floor 0: words.
pub mod text;

// Floor 1: facts.
pub mod catalog;
pub mod syntax;

// Floor 2: judgement.
pub mod change;
pub mod finding;
pub mod foreign_key_cover;

// Floor 3: the rooms.
pub mod design;
pub mod index;
pub mod migration;
pub mod monitor;
pub mod partition;
pub mod query;
pub mod security;
pub mod trail;

// Floor 4: what brings the rooms together.
pub mod audit;
pub mod worker;

// Beside the floors: the server.
#[cfg(feature = "postgres")]
pub mod pg;

#[cfg(test)]
mod docs;
#[cfg(test)]
mod floors;

#[cfg(feature = "postgres")]
pgrx::pg_module_magic!();

// The order of the SQL objects: before all whose the schema is, then functions as pgrx sorts them, then what stands on them.
#[cfg(feature = "postgres")]
pgrx::extension_sql_file!("../sql/schema/00_own_schema.sql", name = "own_schema", bootstrap);
#[cfg(feature = "postgres")]
pgrx::extension_sql_file!(
    "../sql/schema/10_rule_setting.sql",
    name = "rule_setting",
    requires = [audit::api::check_rule_setting]
);
#[cfg(feature = "postgres")]
pgrx::extension_sql_file!(
    "../sql/schema/20_suppression.sql",
    name = "suppression",
    requires = ["rule_setting"]
);
#[cfg(feature = "postgres")]
pgrx::extension_sql_file!(
    "../sql/schema/30_workload.sql",
    name = "workload",
    requires = ["suppression", query::api::workload_writer]
);
#[cfg(feature = "postgres")]
pgrx::extension_sql_file!(
    "../sql/schema/40_progress.sql",
    name = "progress",
    requires = ["workload", monitor::api::progress]
);
#[cfg(feature = "postgres")]
pgrx::extension_sql_file!(
    "../sql/schema/45_ddl_guard.sql",
    name = "ddl_guard",
    requires = ["progress", migration::api::pending_ddl_records]
);
#[cfg(feature = "postgres")]
pgrx::extension_sql_file!("../sql/schema/50_plan.sql", name = "plan", requires = ["ddl_guard"]);
#[cfg(feature = "postgres")]
pgrx::extension_sql_file!("../sql/schema/55_backfill.sql", name = "backfill", requires = ["plan"]);
#[cfg(feature = "postgres")]
pgrx::extension_sql_file!("../sql/schema/60_partition.sql", name = "partition", requires = ["backfill"]);
#[cfg(feature = "postgres")]
pgrx::extension_sql_file!("../sql/schema/65_job.sql", name = "job", requires = ["partition"]);
#[cfg(feature = "postgres")]
pgrx::extension_sql_file!(
    "../sql/schema/62_partition_copy.sql",
    name = "partition_copy",
    requires = ["partition"]
);
#[cfg(feature = "postgres")]
pgrx::extension_sql_file!("../sql/schema/70_trail.sql", name = "trail", requires = ["job", "partition_copy"]);
#[cfg(feature = "postgres")]
pgrx::extension_sql_file!("../sql/schema/72_patterns.sql", name = "patterns", requires = ["trail"]);
#[cfg(feature = "postgres")]
pgrx::extension_sql_file!(
    "../sql/schema/80_comments.sql",
    name = "comments",
    requires = [
        "ddl_guard",
        "backfill",
        "job",
        "partition",
        "partition_copy",
        "patterns",
        "plan",
        "progress",
        "suppression",
        "trail",
        "workload",
        audit::api::audit,
        audit::api::catalog_summary,
        audit::api::rules,
        audit::api::score,
        audit::api::suppress,
        audit::api::unsuppress,
        audit::api::version,
        change::api::apply,
        change::api::apply_in_background,
        change::api::confirm_step,
        change::api::plan_status,
        change::api::plan_steps,
        change::api::undo,
        design::soft_delete::api::soft_delete_plan,
        design::versioning::api::row_versioning_plan,
        index::api::duplicate_indexes,
        index::api::index_health,
        audit::api::missing_indexes,
        index::api::unused_indexes,
        migration::api::allow_ddl,
        migration::api::ddl_rules,
        migration::api::explain_ddl,
        migration::api::lint_migration,
        migration::api::lint_migration_sarif,
        migration::api::pending_ddl_records,
        migration::backfill::api::backfill,
        migration::backfill::api::backfill_cancel,
        migration::backfill::api::backfill_pause,
        migration::backfill::api::backfill_status,
        migration::plan::api::migration_file,
        migration::plan::api::migration_plan,
        monitor::api::table_sizes,
        partition::create_plan::api::partition_create_plan,
        partition::grid::api::partition_boundaries,
        partition::sets::api::partition_adopt,
        partition::sets::api::partition_manage,
        partition::sets::api::partition_status,
        partition::sets::api::partition_unmanage,
        partition::upkeep::api::partition_drain,
        partition::upkeep::api::partition_maintain,
        partition::copy::api::partition_copy,
        partition::copy::api::partition_copy_status,
        partition::convert::api::partition_convert_plan,
        query::api::advise,
        query::api::advise_workload,
        query::api::index_type_for,
        query::api::slow_queries,
        query::api::what_if,
        query::api::what_if_drop,
        query::api::what_if_explain,
        query::api::why_no_index,
        query::api::workload_writer,
        query::capture::api::capture_reset,
        query::capture::api::capture_status,
        query::capture::api::captured_queries,
        security::api::access_review,
        security::api::role_plan,
        security::api::who_can,
        security::tenancy::api::current_tenant,
        security::tenancy::api::current_tenant_typed,
        security::tenancy::api::set_tenant,
        security::tenancy::api::tenancy_plan,
        security::tenancy::api::tenant_leak_test,
        trail::api::audit_triggers,
        trail::api::context,
        trail::api::install_audit_trigger,
        trail::api::install_audit_triggers,
        trail::api::remove_audit_trigger,
        trail::api::set_context,
        trail::read::api::as_of,
        trail::read::api::changes,
        trail::read::api::row_history,
        trail::read::api::rows_as_of,
        trail::revert::api::revert_plan,
        trail::revert::api::revert_range_plan,
        trail::revert::api::revert_row_plan,
        trail::seal::api::audit_log_digests,
        trail::seal::api::seal_audit_log,
        trail::seal::api::verify_audit_log,
        worker::api::jobs,
        worker::api::schedule,
        worker::api::unschedule,
        worker::api::worker_start,
        worker::api::worker_status,
        worker::api::worker_stop,
    ]
);
#[cfg(feature = "postgres")]
pgrx::extension_sql_file!("../sql/schema/90_grants.sql", name = "grants", finalize);

/// What happens when the library is loaded, at the first call of one of its functions or at server start.
#[cfg(feature = "postgres")]
#[pgrx::pg_guard]
pub extern "C-unwind" fn _PG_init() {
    pg::settings::register();
    pg::planner::install();
    pg::capture::install();
    pg::silence::install();
    pg::executor::install();
    pg::guard::install(migration::live::guard::decide);
    pg::trail::install();
    pg::trail::install_handler(trail::live::ddl::noticed);
    pg::background::install(worker::live::errand);
    pg::background::install_launcher();
}
