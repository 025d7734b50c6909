-- An audit leaves no trace: no transaction id, no lock, no change, and the same answer every time.
CREATE DATABASE dbm_harmless;
\c dbm_harmless
CREATE EXTENSION dbmastery;
CREATE SCHEMA shop;
CREATE TABLE shop.customers (id int PRIMARY KEY, name varchar(255));
CREATE TABLE shop.orders (id serial, customer_id int REFERENCES shop.customers, total real, placed timestamp) PARTITION BY RANGE (id);
CREATE TABLE shop.orders_1 PARTITION OF shop.orders FOR VALUES FROM (1) TO (1000);
CREATE INDEX orders_total ON shop.orders (total);
CREATE INDEX orders_total_again ON shop.orders ((total + 1));
CREATE INDEX orders_total_once_more ON shop.orders ((total + 1));
CREATE VIEW shop.seen AS SELECT * FROM shop.orders;
SELECT setval('shop.orders_id_seq', 2100000000);
ANALYZE;
CREATE FUNCTION public.everything() RETURNS TABLE (part text, answer text) LANGUAGE sql AS $$
    SELECT 'audit', a::text FROM dbm.audit() a
    UNION ALL SELECT 'score', s::text FROM dbm.score() s
    UNION ALL SELECT 'rules', r::text FROM dbm.rules() r
    UNION ALL SELECT 'unused', to_jsonb(u)::text FROM (SELECT table_name, index_name, size_bytes, drop_sql, recreate_sql FROM dbm.unused_indexes()) u
    UNION ALL SELECT 'duplicate', d::text FROM dbm.duplicate_indexes() d
    UNION ALL SELECT 'missing', m::text FROM dbm.missing_indexes() m
    UNION ALL SELECT 'health', h::text FROM dbm.index_health() h
    UNION ALL SELECT 'sizes', t::text FROM dbm.table_sizes(1000) t WHERE table_name NOT LIKE 'pg_temp%'
    UNION ALL SELECT 'summary', c::text FROM dbm.catalog_summary() c
$$;
SELECT part, count(*) > 0 AS answers FROM public.everything() GROUP BY part ORDER BY part COLLATE "C";

-- The same again, in whatever transaction.
CREATE TEMP TABLE first AS SELECT * FROM public.everything();
SELECT count(*) AS different FROM (SELECT * FROM public.everything() EXCEPT ALL SELECT * FROM first) d;
BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE;
SELECT count(*) AS different FROM (SELECT * FROM public.everything() EXCEPT ALL SELECT * FROM first) d;
-- No transaction id was needed, in spite of one subtransaction for each rule.
SELECT pg_current_xact_id_if_assigned() IS NULL AS without_id;
-- Nothing stays locked but our own tables and the catalogs, and those for reading only.
SELECT DISTINCT l.mode, coalesce(n.nspname, '(dropped)') AS schema
FROM pg_locks l LEFT JOIN pg_class c ON c.oid = l.relation LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND n.nspname NOT LIKE 'pg_temp%'
  AND l.relation NOT IN ('pg_locks'::regclass) ORDER BY 1, 2;
COMMIT;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) AS different FROM (SELECT * FROM public.everything() EXCEPT ALL SELECT * FROM first) d;
COMMIT;

-- What this transaction has made and not yet committed is seen, and what it has dropped is not.
BEGIN;
CREATE TABLE shop.new (a int);
DROP INDEX shop.orders_total_once_more;
SELECT object FROM dbm.audit() WHERE rule = 'schema.no_primary_key' AND object = 'shop.new';
SELECT drop_index FROM dbm.duplicate_indexes();
ROLLBACK;
SELECT drop_index FROM dbm.duplicate_indexes();

-- In a cursor, a prepared statement, a function that catches errors, and a materialised query.
BEGIN;
DECLARE few CURSOR FOR SELECT count(*) > 0 AS rows FROM dbm.audit();
FETCH few;
CLOSE few;
COMMIT;
PREPARE again AS SELECT count(*) FROM dbm.audit($1);
EXECUTE again ('schema') \gset first_
EXECUTE again ('schema') \gset second_
SELECT :first_count = :second_count AS equal;
DO $$
BEGIN
    PERFORM * FROM dbm.audit();
    BEGIN
        PERFORM * FROM dbm.audit('nothing');
    EXCEPTION WHEN invalid_parameter_value THEN
        RAISE NOTICE 'refused: %', SQLERRM;
    END;
    PERFORM * FROM dbm.audit();
END $$;
WITH a AS MATERIALIZED (SELECT * FROM dbm.audit()) SELECT count(*) > 0 AS rows FROM a LIMIT 1;
-- With fewer rows wanted than there are.
SELECT count(*) FROM (SELECT FROM dbm.audit() LIMIT 2) l;

-- The OIDs of a restored database differ; objects and fingerprints do not.
CREATE TEMP TABLE kept AS SELECT rule, object, fingerprint FROM dbm.audit();
SET client_min_messages = warning;
DROP SCHEMA shop CASCADE;
RESET client_min_messages;
SELECT count(*) AS still_told FROM dbm.audit() WHERE object LIKE '%shop.%';
CREATE SCHEMA shop;
CREATE TABLE shop.customers (id int PRIMARY KEY, name varchar(255));
CREATE TABLE shop.orders (id serial, customer_id int REFERENCES shop.customers, total real, placed timestamp) PARTITION BY RANGE (id);
CREATE TABLE shop.orders_1 PARTITION OF shop.orders FOR VALUES FROM (1) TO (1000);
CREATE INDEX orders_total ON shop.orders (total);
CREATE INDEX orders_total_again ON shop.orders ((total + 1));
CREATE INDEX orders_total_once_more ON shop.orders ((total + 1));
CREATE VIEW shop.seen AS SELECT * FROM shop.orders;
SELECT setval('shop.orders_id_seq', 2100000000);
ANALYZE;
SELECT rule, object FROM (SELECT rule, object, fingerprint FROM dbm.audit() EXCEPT SELECT * FROM kept) new ORDER BY 1, 2;
SELECT rule, object FROM (SELECT * FROM kept EXCEPT SELECT rule, object, fingerprint FROM dbm.audit()) gone ORDER BY 1, 2;
