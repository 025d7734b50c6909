-- Who may do what: members of pg_monitor read everything and change nothing, others do nothing unless it is granted.
CREATE DATABASE dbm_rights;
\c dbm_rights
CREATE EXTENSION dbmastery;
CREATE SCHEMA private;
CREATE TABLE private.accounts (id int PRIMARY KEY, balance double precision);
CREATE INDEX accounts_balance ON private.accounts (balance);
CREATE INDEX accounts_balance_again ON private.accounts (balance);
INSERT INTO private.accounts SELECT i, i FROM generate_series(1, 2000) i;
-- What was counted of it comes before what ANALYZE says, or both are added.
DO $$ BEGIN PERFORM pg_catalog.pg_stat_force_next_flush(); END $$;
ANALYZE;
CREATE ROLE dbm_rights_watcher IN ROLE pg_monitor;
CREATE ROLE dbm_rights_nobody;
CREATE ROLE dbm_rights_keeper IN ROLE pg_monitor;

-- The audit of a superuser, to compare with.
CREATE TABLE public.seen_by_superuser AS SELECT status, rule, object, message, evidence, fix FROM dbm.audit();
GRANT SELECT ON public.seen_by_superuser TO pg_monitor;
CREATE VIEW public.seen WITH (security_invoker = true) AS SELECT status, rule, object, message, evidence, fix FROM dbm.audit();
GRANT SELECT ON public.seen TO pg_monitor;

-- A watcher reads all that there is to read, without a right to any table, and sees what a superuser sees.
SET ROLE dbm_rights_watcher;
SELECT count(*) FROM private.accounts;
SELECT count(*) > 0 AS rules FROM dbm.rules();
SELECT count(*) AS dimensions FROM dbm.score();
SELECT drop_index, recreate_sql FROM dbm.duplicate_indexes();
SELECT count(*) > 0 AS unused FROM dbm.unused_indexes();
SELECT count(*) AS missing FROM dbm.missing_indexes();
SELECT count(*) AS unhealthy FROM dbm.index_health();
SELECT table_name, rows FROM dbm.table_sizes() WHERE table_name LIKE 'private.%';
SELECT count(*) > 0 AS kinds FROM dbm.catalog_summary();
SELECT count(*) FROM dbm.rule_setting;
SELECT count(*) FROM dbm.suppression;
SELECT dbm.version() ~ '^\d+\.\d+\.\d+' AS version;
SELECT count(*) FILTER (WHERE status = 'error') AS broken FROM public.seen;
SELECT * FROM (TABLE public.seen EXCEPT TABLE public.seen_by_superuser) AS seen_by_watcher_only WHERE object NOT LIKE 'public.%';
-- But for pg_hba.conf, of which it is told that it may not see it.
SELECT * FROM (TABLE public.seen_by_superuser EXCEPT TABLE public.seen) AS seen_by_superuser_only WHERE object NOT LIKE 'public.%' AND object NOT LIKE 'pg_hba.conf%';
-- And changes nothing.
SELECT dbm.suppress('schema.float_money', 'private.accounts.balance', 'because');
SELECT dbm.unsuppress('schema.float_money', 'private.accounts.balance');
INSERT INTO dbm.rule_setting (rule, enabled) VALUES ('schema.float_money', false);
INSERT INTO dbm.suppression (rule, object, reason) VALUES ('schema.float_money', 'private.accounts.balance', 'because');
DELETE FROM dbm.rule_setting;
SET dbm.fault_in_rule = 'schema.float_money:panic';
SET dbm.rule_timeout = 5000;
RESET dbm.rule_timeout;

-- Nobody may do nothing.
SET ROLE dbm_rights_nobody;
SELECT * FROM dbm.audit();
SELECT * FROM dbm.score();
SELECT * FROM dbm.rule_setting;
SELECT dbm.version();
RESET ROLE;
-- Not even by way of the schema.
GRANT USAGE ON SCHEMA dbm TO dbm_rights_nobody;
SET ROLE dbm_rights_nobody;
SELECT * FROM dbm.audit();
SELECT * FROM dbm.table_sizes();
SELECT dbm.suppress('schema.float_money', 'private.accounts.balance', 'because');
SELECT dbm.check_rule_setting('schema.float_money', true, NULL, '{}');
RESET ROLE;

-- Who is granted to keep suppressions keeps them, under an own name.
GRANT EXECUTE ON FUNCTION dbm.suppress, dbm.unsuppress TO dbm_rights_keeper;
SET ROLE dbm_rights_keeper;
SELECT dbm.suppress('schema.float_money', 'private.accounts.balance', 'because');
RESET ROLE;
GRANT INSERT, UPDATE, DELETE ON dbm.suppression TO dbm_rights_keeper;
SET ROLE dbm_rights_keeper;
SELECT dbm.suppress('schema.float_money', 'private.accounts.balance', 'because') IS NOT NULL AS suppressed;
SELECT status FROM dbm.audit('schema') WHERE rule = 'schema.float_money';
SELECT rule, object, suppressed_by FROM dbm.suppression;
SELECT dbm.unsuppress('schema.float_money', 'private.accounts.balance') AS ended;
RESET ROLE;

-- A search_path with traps in it changes neither what is found nor what is written.
CREATE SCHEMA trap;
CREATE TABLE trap.rule_setting (rule text, enabled boolean, severity text, thresholds jsonb);
INSERT INTO trap.rule_setting VALUES ('schema.float_money', false, NULL, '{}');
CREATE FUNCTION trap.never(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT false';
CREATE OPERATOR trap.= (LEFTARG = text, RIGHTARG = text, FUNCTION = trap.never);
CREATE OPERATOR trap.~ (LEFTARG = text, RIGHTARG = text, FUNCTION = trap.never);
CREATE FUNCTION trap.now() RETURNS timestamptz LANGUAGE sql AS $$ SELECT '1999-01-01'::timestamptz $$;
SET search_path = trap, pg_catalog;
SELECT status OPERATOR(pg_catalog.=) 'finding' AS found FROM dbm.audit('schema') WHERE rule OPERATOR(pg_catalog.=) 'schema.float_money';
SELECT dbm.suppress('schema.float_money', 'private.accounts.balance', 'because') IS NOT NULL AS suppressed;
SELECT suppressed_at OPERATOR(pg_catalog.>) '2020-01-01'::pg_catalog.timestamptz AS today FROM dbm.suppression;
SELECT dbm.unsuppress('schema.float_money', 'private.accounts.balance') AS ended;
RESET search_path;
