-- What goes wrong is said: input that names nothing, rules that break, statements that are to end.
CREATE DATABASE dbm_errors;
\c dbm_errors
CREATE EXTENSION dbmastery;
CREATE SCHEMA shop;
CREATE SCHEMA "Shop; --";
CREATE TABLE shop.orders (id int, total real);
CREATE INDEX orders_id ON shop.orders (id);
CREATE INDEX orders_id_again ON shop.orders (id);
CREATE TABLE "Shop; --".orders (id int);

-- A dimension, a schema, a severity that does not exist.
SELECT * FROM dbm.audit('indexes');
SELECT * FROM dbm.audit('');
SELECT * FROM dbm.audit(schemas => array['shop', 'shopp']);
SELECT * FROM dbm.audit(schemas => array['SHOP']);
SELECT * FROM dbm.audit(schemas => array['pg_catalog']);
SELECT * FROM dbm.audit(min_severity => 'high');
SELECT * FROM dbm.audit(min_severity => 'WARNING');
\echo :LAST_ERROR_SQLSTATE
-- No schema at all would look like a clean one.
SELECT * FROM dbm.audit(schemas => '{}');
SELECT * FROM dbm.audit(schemas => array[NULL]::text[]);
SELECT * FROM dbm.audit(schemas => array['shop', NULL]);
\echo :LAST_ERROR_SQLSTATE
-- NULL is no restriction.
SELECT (SELECT count(*) FROM dbm.audit(NULL, NULL, NULL)) = (SELECT count(*) FROM dbm.audit()) AS all_of_it;
SELECT (SELECT count(*) FROM dbm.unused_indexes(NULL)) = (SELECT count(*) FROM dbm.unused_indexes()) AS all_of_it;
SELECT dbm.unsuppress(NULL, 'shop.orders');
SELECT dbm.unsuppress('schema.no_primary_key', NULL);

-- Filters show a part of the whole, and the parts make up the whole.
CREATE TEMP TABLE whole AS SELECT status, severity, dimension, rule, object, fingerprint FROM dbm.audit();
SELECT count(*) > 0 AS rows, count(*) - count(DISTINCT fingerprint) AS fingerprints_twice FROM whole;
SELECT status, severity, dimension, rule, object, fingerprint FROM dbm.audit('schema')
UNION ALL SELECT status, severity, dimension, rule, object, fingerprint FROM dbm.audit('indexing')
EXCEPT ALL TABLE whole;
SELECT object FROM dbm.audit(schemas => array['shop']) WHERE status = 'finding' AND object NOT LIKE '%shop.%';
SELECT object FROM dbm.audit('schema', schemas => array['Shop; --']) WHERE rule = 'schema.no_primary_key';
SELECT severity FROM dbm.audit(min_severity => 'warning') EXCEPT SELECT unnest('{warning,error,critical}'::text[]);
SELECT severity FROM dbm.audit('schema', min_severity => 'critical');
-- Most severe first.
SELECT count(*) AS out_of_order FROM (
    SELECT array_position('{critical,error,warning,info}'::text[], severity) AS rank,
           lag(array_position('{critical,error,warning,info}'::text[], severity)) OVER (ORDER BY place) AS before
    FROM dbm.audit() WITH ORDINALITY AS a (status, severity, dimension, rule, object, message, evidence, fix, undo, fingerprint, place)) o
WHERE rank < before;

-- A rule that breaks becomes a row of status error; the others say what they always say.
CREATE VIEW public.others AS SELECT status, rule, object, message FROM dbm.audit() WHERE rule <> 'indexing.duplicate_index';
CREATE TEMP TABLE unbroken AS TABLE public.others;
CREATE VIEW public.broken AS SELECT status, severity, dimension, object, message, fix FROM dbm.audit() WHERE rule = 'indexing.duplicate_index';
SELECT * FROM public.broken;
SET dbm.fault_in_rule = 'indexing.duplicate_index:panic';
SELECT * FROM public.broken;
SELECT count(*) AS changed FROM (TABLE public.others EXCEPT TABLE unbroken) d;
SELECT count(*) AS missing FROM (TABLE unbroken EXCEPT TABLE public.others) d;
SET dbm.fault_in_rule = 'indexing.duplicate_index:error';
SELECT * FROM public.broken;
SELECT count(*) AS changed FROM (TABLE public.others EXCEPT TABLE unbroken) d;
SELECT count(*) AS missing FROM (TABLE unbroken EXCEPT TABLE public.others) d;
-- It is shown whatever is filtered, and is no pass: coverage falls.
SELECT status, rule FROM dbm.audit(schemas => array['Shop; --'], min_severity => 'critical');
SELECT coverage < 1 AS covered_less FROM dbm.score() WHERE dimension = 'indexing';
-- It stops at its time and the audit goes on.
SET dbm.rule_timeout = 50;
SET dbm.fault_in_rule = 'indexing.duplicate_index:sleep';
SELECT * FROM public.broken;
SELECT count(*) AS changed FROM (TABLE public.others EXCEPT TABLE unbroken) d;
SELECT count(*) AS missing FROM (TABLE unbroken EXCEPT TABLE public.others) d;
-- The user's own limit ends the audit, not only the rule.
SET dbm.rule_timeout = 0;
SET statement_timeout = 200;
SELECT * FROM public.broken;
\echo :LAST_ERROR_SQLSTATE
RESET statement_timeout;
RESET dbm.rule_timeout;
RESET dbm.fault_in_rule;
SELECT * FROM public.broken;
-- The transaction around a broken rule goes on too, and so does one around a refused audit after its savepoint.
BEGIN;
CREATE TABLE shop.made_before (id int PRIMARY KEY);
SET LOCAL dbm.fault_in_rule = 'indexing.duplicate_index:error';
SELECT status FROM public.broken;
SAVEPOINT here;
SELECT * FROM dbm.audit('nothing');
ROLLBACK TO here;
SELECT status FROM public.broken;
COMMIT;
SELECT to_regclass('shop.made_before') IS NOT NULL AS still_there;
SELECT status FROM public.broken;

-- Settings are checked; the messages are the server's own and differ from major to major.
\set VERBOSITY sqlstate
SET dbm.rule_timeout = -1;
SET dbm.rule_timeout = 'soon';
SET dbm.no_such_setting = 1;
\set VERBOSITY default
