-- What makes the next change or upgrade unsafe: each rule speaks of its mistakes and of none of the look-alikes.
CREATE DATABASE dbm_migration_rules;
-- As it is unless somebody turns it off; it would warn of what is done here on purpose.
ALTER DATABASE dbm_migration_rules SET dbm.ddl_guard = 'warn';
ALTER DATABASE dbm_migration_rules SET client_min_messages = 'error';
\c dbm_migration_rules
CREATE EXTENSION dbmastery;
CREATE VIEW public.said AS SELECT rule, severity, object, message, fix, undo FROM dbm.audit() WHERE status = 'finding' AND dimension = 'migration';

-- Small is what these tables are; nobody who has larger ones needs this.
INSERT INTO dbm.rule_setting (rule, thresholds) VALUES
    ('migration.no_lock_timeout', '{"table_bytes": 8192}'),
    ('migration.no_key_for_backfill', '{"table_bytes": 8192}'),
    ('migration.default_partition_holds_rows', '{"table_bytes": 8192}'),
    ('migration.column_limit_near', '{"columns": 6}'),
    ('migration.version_out_of_support', '{"days": 0}');
CREATE ROLE dbm_migration_rules_hasty LOGIN;
CREATE ROLE dbm_migration_rules_patient LOGIN;
CREATE ROLE dbm_migration_rules_group NOLOGIN;
CREATE ROLE dbm_migration_rules_member LOGIN IN ROLE dbm_migration_rules_group;
ALTER ROLE dbm_migration_rules_patient SET lock_timeout = '5s';

CREATE TABLE public.hasty_orders (id bigint PRIMARY KEY, note text);
CREATE TABLE public.patient_orders (id bigint PRIMARY KEY, note text);
CREATE TABLE public.shared_orders (id bigint PRIMARY KEY, note text);
CREATE TABLE public.empty_orders (id bigint PRIMARY KEY);
INSERT INTO public.hasty_orders SELECT n, repeat('x', 100) FROM generate_series(1, 1000) n;
INSERT INTO public.patient_orders TABLE public.hasty_orders;
INSERT INTO public.shared_orders TABLE public.hasty_orders;
ALTER TABLE public.hasty_orders OWNER TO dbm_migration_rules_hasty;
ALTER TABLE public.patient_orders OWNER TO dbm_migration_rules_patient;
ALTER TABLE public.shared_orders OWNER TO dbm_migration_rules_group;

CREATE SCHEMA kept AUTHORIZATION dbm_migration_rules_patient;
SET ROLE dbm_migration_rules_patient;
CREATE TABLE kept.keyless (id bigint, note text);
CREATE TABLE kept.known (id bigint NOT NULL UNIQUE, note text);
INSERT INTO kept.keyless SELECT n, repeat('x', 100) FROM generate_series(1, 1000) n;
INSERT INTO kept.known TABLE kept.keyless;

CREATE TABLE kept.events (id bigint PRIMARY KEY, note text) PARTITION BY RANGE (id);
CREATE TABLE kept.events_1 PARTITION OF kept.events FOR VALUES FROM (1) TO (10);
CREATE TABLE kept.events_2 PARTITION OF kept.events FOR VALUES FROM (10) TO (20);
CREATE TABLE kept.events_rest PARTITION OF kept.events DEFAULT;
INSERT INTO kept.events SELECT n, repeat('x', 100) FROM generate_series(100, 1100) n;
CREATE TABLE kept.visits (id bigint PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE kept.visits_rest PARTITION OF kept.visits DEFAULT;

CREATE TABLE kept.worn (id bigint PRIMARY KEY, a int, b int, c int, d int);
ALTER TABLE kept.worn ADD e int;
ALTER TABLE kept.worn DROP a, DROP b, DROP c, DROP d, DROP e;
CREATE TABLE kept.fresh (id bigint PRIMARY KEY, a int, b int);

CREATE DOMAIN kept.callback AS regproc;
CREATE TABLE kept.jobs (id bigint PRIMARY KEY, what regproc, again kept.callback[], target regclass, role regrole);
INSERT INTO kept.jobs VALUES (1, 'now', '{now}', 'kept.jobs', 'dbm_migration_rules_patient');
RESET ROLE;
ANALYZE;
SELECT rule, severity, object FROM public.said ORDER BY rule, object;
SELECT message FROM public.said WHERE object IN ('dbm_migration_rules_hasty', 'kept.worn') ORDER BY message;

-- A repair works, and so does what takes it back.
SELECT fix FROM public.said WHERE object = 'dbm_migration_rules_hasty' \gexec
SELECT undo FROM public.said WHERE object = 'kept.jobs.what';
SELECT fix FROM public.said WHERE object = 'kept.jobs.what' \gexec
SELECT what, pg_typeof(what) FROM kept.jobs;
SELECT object FROM public.said WHERE rule IN ('migration.no_lock_timeout', 'migration.column_blocks_upgrade') ORDER BY object;
ALTER TABLE kept.jobs ALTER COLUMN what TYPE regproc USING what::regproc;
SELECT object FROM public.said WHERE rule = 'migration.column_blocks_upgrade' ORDER BY object;
ALTER DATABASE dbm_migration_rules SET lock_timeout = '5s';
SELECT count(*) AS without_timeout FROM public.said WHERE rule = 'migration.no_lock_timeout';
-- What this session sets for itself says nothing of others.
ALTER DATABASE dbm_migration_rules RESET lock_timeout;
SET lock_timeout = '7s';
SELECT object FROM public.said WHERE rule = 'migration.no_lock_timeout';
RESET lock_timeout;

-- A DETACH that was interrupted, as it leaves the catalog.
UPDATE pg_inherits SET inhdetachpending = true WHERE inhrelid = 'kept.events_1'::regclass;
SELECT object, fix, undo FROM public.said WHERE rule = 'migration.detach_pending';
SELECT fix FROM public.said WHERE rule = 'migration.detach_pending' \gexec
SELECT count(*) AS half_detached FROM public.said WHERE rule = 'migration.detach_pending';

-- The guard, turned off in one way and the other.
SET dbm.ddl_guard = off;
SELECT object, fix, undo FROM public.said WHERE rule = 'migration.guard_off';
SET dbm.ddl_guard = warn;
ALTER EVENT TRIGGER dbmastery_ddl_guard DISABLE;
SELECT object, undo FROM public.said WHERE rule = 'migration.guard_off';
SELECT fix FROM public.said WHERE rule = 'migration.guard_off' \gexec
SELECT count(*) AS guard_off FROM public.said WHERE rule = 'migration.guard_off';
-- A guard that puts a timeout on DDL itself makes up for roles that have none.
SET dbm.ddl_guard = enforce;
SELECT count(*) AS without_timeout FROM public.said WHERE rule = 'migration.no_lock_timeout';
RESET dbm.ddl_guard;

-- An upgrade: the package is newer than the objects, a slot does not come along, the major is old.
SELECT count(*) AS outdated FROM public.said WHERE rule = 'migration.extension_outdated';
UPDATE pg_extension SET extversion = '0.9' WHERE extname = 'plpgsql';
SELECT object, message, fix FROM public.said WHERE rule = 'migration.extension_outdated';
UPDATE pg_extension SET extversion = '1.0' WHERE extname = 'plpgsql';
SELECT 1 AS made FROM pg_create_logical_replication_slot('dbm_migration_rules', 'pgoutput');
SELECT (count(*) = 1) = (current_setting('server_version_num')::int < 170000) AS right
FROM public.said WHERE rule = 'migration.logical_slot_lost_by_upgrade' AND object = 'dbm_migration_rules';
SELECT 1 AS dropped FROM pg_drop_replication_slot('dbm_migration_rules');
SELECT count(*) AS lost FROM public.said WHERE rule = 'migration.logical_slot_lost_by_upgrade' AND object = 'dbm_migration_rules';
UPDATE dbm.rule_setting SET thresholds = '{"days": 3650}' WHERE rule = 'migration.version_out_of_support';
SELECT object = 'PostgreSQL ' || current_setting('server_version_num')::int / 10000 AS right FROM public.said WHERE rule = 'migration.version_out_of_support';

\c postgres
DROP DATABASE dbm_migration_rules WITH (FORCE);
DROP ROLE dbm_migration_rules_hasty, dbm_migration_rules_patient, dbm_migration_rules_member, dbm_migration_rules_group;
