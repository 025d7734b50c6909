-- Nothing for everybody. Who watches the server (pg_monitor) may read everything and change nothing; all else is
-- granted by the owner, e.g. GRANT INSERT, UPDATE, DELETE ON dbm.suppression TO somebody.

REVOKE ALL ON ALL ROUTINES IN SCHEMA dbm FROM PUBLIC;

GRANT USAGE ON SCHEMA dbm TO pg_monitor;

GRANT SELECT ON TABLE dbm.audit_schema, dbm.backfill_batch, dbm.backfill_job, dbm.backfill_part, dbm.ddl_allowance, dbm.ddl_measurement, dbm.ddl_record, dbm.ddl_records, dbm.partition_detached, dbm.partition_set, dbm.plan, dbm.plan_step, dbm.progress, dbm.rule_setting, dbm.suppression, dbm.upkeep_log, dbm.workload TO pg_monitor;
GRANT SELECT ON TABLE dbm.backfill_batch, dbm.backfill_job, dbm.backfill_part, dbm.ddl_allowance, dbm.ddl_measurement, dbm.ddl_record, dbm.ddl_records, dbm.job, dbm.job_run, dbm.plan, dbm.plan_step, dbm.progress, dbm.rule_setting, dbm.score_history, dbm.suppression, dbm.workload TO pg_monitor;
GRANT SELECT ON TABLE dbm.backfill_batch, dbm.backfill_job, dbm.backfill_part, dbm.ddl_allowance, dbm.ddl_measurement, dbm.ddl_record, dbm.ddl_records, dbm.partition_copy, dbm.plan, dbm.plan_step, dbm.progress, dbm.rule_setting, dbm.suppression, dbm.workload TO pg_monitor;

-- Policies and defaults call it in everybody's statements; it tells nobody more than whose transaction it is.
GRANT EXECUTE ON FUNCTION dbm.current_tenant(), dbm.current_tenant(anyelement) TO PUBLIC;

-- check_rule_setting reads nothing but its arguments; whoever is granted to write the tables runs it as their CHECK.
GRANT EXECUTE ON FUNCTION
    dbm.version(),
    dbm.audit(text, text[], text),
    dbm.score(),
    dbm.rules(),
    dbm.catalog_summary(),
    dbm.check_rule_setting(text, boolean, text, jsonb),
    dbm.unused_indexes(bigint),
    dbm.duplicate_indexes(),
    dbm.missing_indexes(),
    dbm.index_health(),
    dbm.table_sizes(integer),
    dbm.slow_queries(integer),
    dbm.advise(text),
    dbm.advise_workload(bigint, integer, interval, text),
    dbm.index_type_for(regclass, text[], text),
    dbm.partition_copy_status(),
    dbm.ddl_rules(),
    dbm.explain_ddl(text),
    dbm.lint_migration(text, text),
    dbm.lint_migration_sarif(text, text),
    dbm.pending_ddl_records(),
    dbm.what_if(text, text[]),
    dbm.what_if_explain(text, text[], text),
    dbm.what_if_drop(text, regclass[]),
    dbm.captured_queries(),
    dbm.capture_status(),
    dbm.backfill_status(),
    dbm.partition_boundaries(text, text, timestamp with time zone, timestamp with time zone, text),
    dbm.audit_triggers(),
    dbm.as_of(regclass, timestamp with time zone),
    dbm.audit_log_digests(),
    dbm.changes(regclass, timestamp with time zone, timestamp with time zone, text, bigint),
    dbm.row_history(regclass, jsonb),
    dbm.rows_as_of(anyelement, timestamp with time zone),
    dbm.verify_audit_log(jsonb),
    dbm.jobs(),
    dbm.worker_status(),

    dbm.migration_file(bigint),
    dbm.partition_status(regclass),
    dbm.plan_status(bigint),
    dbm.plan_steps(bigint),
    dbm.progress(),
    dbm.access_review(text),
    dbm.who_can(text, text),
    dbm.why_no_index(text)
TO pg_monitor;
