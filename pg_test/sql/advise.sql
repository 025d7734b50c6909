-- dbm.advise(): what it advises is built and compared with the server's own plan; what it cannot advise on is a clear error.
CREATE DATABASE dbm_advise;
\c dbm_advise
CREATE EXTENSION dbmastery;
-- VACUUM marks no page whose rows are not known to be on disk.
SET synchronous_commit = on;
SET max_parallel_workers_per_gather = 0;
SET jit = off;
-- The sample is the whole table, for ANALYZE runs between what is promised and what is found.
SET default_statistics_target = 250;
SELECT setseed(0.5);
CREATE TABLE customer (id integer PRIMARY KEY, name text NOT NULL, region integer NOT NULL);
INSERT INTO customer SELECT i, md5(i::text), i % 100 FROM generate_series(1, 20000) AS i;
CREATE TABLE orders (id integer PRIMARY KEY, customer_id integer NOT NULL, state text NOT NULL, placed date NOT NULL, total integer NOT NULL, doc jsonb);
INSERT INTO orders
SELECT i, (i * 7919) % 20000 + 1, CASE WHEN i % 100 = 0 THEN 'open' ELSE 'done' END, date '2020-01-01' + (i * 31 % 1500), (i * 4001::bigint) % 5003, jsonb_build_object('k', (i * 13) % 5000)
FROM generate_series(1, 60000) AS i;
CREATE TABLE part (gone integer, a integer, b integer, c text) PARTITION BY RANGE (a);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (20000);
CREATE TABLE part_2 (c text, b integer, gone integer, a integer);
ALTER TABLE part ATTACH PARTITION part_2 FOR VALUES FROM (20000) TO (40000);
ALTER TABLE part DROP COLUMN gone;
INSERT INTO part SELECT i, (i * 7) % 5000, md5(i::text) FROM generate_series(0, 39999) AS i;
CREATE TABLE tiny (a integer, b integer);
INSERT INTO tiny SELECT i, i FROM generate_series(1, 50) AS i;
CREATE VIEW seen AS SELECT id, customer_id, total FROM orders WHERE total >= 0;
VACUUM ANALYZE;

-- Builds the best index advised, and tells whether the plan scans it at the cost that was promised. Then it goes again.
CREATE PROCEDURE verify(query text) LANGUAGE plpgsql AS $$
DECLARE
    advice record;
    plan jsonb;
    real_cost float;
BEGIN
    SELECT * INTO advice FROM dbm.advise(query) WHERE kind = 'index' LIMIT 1;
    IF NOT FOUND THEN RAISE NOTICE 'nothing'; RETURN; END IF;
    EXECUTE replace(advice.sql, 'CONCURRENTLY ', '');
    -- An index on an expression has statistics of its own.
    ANALYZE;
    EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO plan;
    real_cost := (plan #>> '{0,Plan,Total Cost}')::float;
    RAISE NOTICE '%: used %, cost %', regexp_replace(split_part(advice.sql, E';\n', 1), '^.*? ON (ONLY )?', ''), plan::text ~ '"Index Name": "idx_',
        CASE WHEN abs(real_cost - advice.cost_after) <= greatest(real_cost * 0.03, 0.1) THEN 'as promised'
             ELSE format('%s and not %s', real_cost, advice.cost_after) END;
    EXECUTE replace(advice.evidence ->> 'undo', 'CONCURRENTLY ', '');
END $$;
CALL verify('SELECT * FROM orders WHERE customer_id = 77');
CALL verify('SELECT * FROM orders WHERE customer_id > 19000 AND total = 9');
CALL verify('SELECT id FROM orders WHERE state = ''done'' ORDER BY total DESC LIMIT 5');
CALL verify('SELECT id, total FROM orders WHERE state = ''open'' AND total = 100');
CALL verify('SELECT * FROM customer WHERE upper(name) = ''X''');
CALL verify('SELECT total FROM orders WHERE customer_id BETWEEN 5 AND 900');
CALL verify('SELECT * FROM orders WHERE doc @> ''{"k": 5}''');
CALL verify('SELECT o.total FROM customer c JOIN orders o ON o.customer_id = c.id WHERE c.id = 5');
CALL verify('SELECT * FROM part WHERE b = 5');
CALL verify('SELECT * FROM seen WHERE customer_id = 77');
CALL verify('WITH one AS (SELECT * FROM orders WHERE customer_id = 77) SELECT count(*) FROM one');
CALL verify('UPDATE orders SET state = ''x'' WHERE customer_id = 77');
CALL verify('DELETE FROM orders WHERE customer_id = 77');
CALL verify('SELECT * FROM orders WHERE customer_id = 77 FOR UPDATE');
-- Nothing, where an index is there or reading is as fast.
CALL verify('SELECT * FROM orders WHERE id = 5');
CALL verify('SELECT * FROM tiny WHERE a = 5');
CALL verify('SELECT 1');
CALL verify('VALUES (1), (2)');
CALL verify('SELECT * FROM generate_series(1, 100000) AS i WHERE i = 5');
CALL verify('SELECT * FROM pg_class WHERE relpages = 5');
-- Parameters, and a text as pg_stat_statements has it.
SELECT kind, sql FROM dbm.advise('SELECT * FROM orders WHERE customer_id = $1') WHERE kind = 'index';
SELECT kind, sql FROM dbm.advise('SELECT * FROM orders WHERE customer_id IN ($1 /*, ... */) AND placed > $2') WHERE kind = 'index';
-- A wider index instead of a second one.
CREATE INDEX idx_orders_customer_id ON orders (customer_id);
SELECT sql, evidence -> 'makes_superfluous' AS makes_superfluous
FROM dbm.advise('SELECT total FROM orders WHERE customer_id BETWEEN 5 AND 900') WHERE kind = 'index';
DROP INDEX idx_orders_customer_id;

-- What is no query, or none of this database.
CREATE FUNCTION refusal(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    rows bigint;
    detail text;
BEGIN
    SELECT count(*) INTO rows FROM dbm.advise(query);
    RETURN rows || ' rows';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN SQLSTATE || ': ' || SQLERRM || coalesce(' (' || nullif(detail, '') || ')', '');
END $$;
SELECT query, refusal(query) FROM unnest(ARRAY[
    'SELEC 1', 'SELECT * FROM orders WHERE', '', '   ', ';', '-- nothing', 'SELECT 1; SELECT 2',
    'CREATE TABLE x (a integer)', 'EXPLAIN SELECT 1', 'COPY orders TO STDOUT', 'DECLARE c CURSOR FOR SELECT 1',
    'EXECUTE nothing', 'VACUUM', 'SELECT * FROM nowhere', 'SELECT nothing FROM orders', NULL]) AS query;

-- Other relations.
CREATE TEMP TABLE passing AS SELECT i AS a FROM generate_series(1, 20000) AS i;
SELECT refusal('SELECT * FROM passing WHERE a = 5') ~ '^\d+ rows$' AS temporary;
CREATE MATERIALIZED VIEW kept AS SELECT * FROM orders;
ANALYZE kept;
CALL verify('SELECT * FROM kept WHERE customer_id = 77');
CREATE TABLE never_analysed AS SELECT i AS a, md5(i::text) AS b FROM generate_series(1, 50000) AS i;
SELECT refusal('SELECT * FROM never_analysed WHERE a = 5') ~ '^[1-9]\d* rows$' AS never_analysed;
CREATE TABLE empty (a integer);
SELECT count(*) FROM dbm.advise('SELECT * FROM empty WHERE a = 5') WHERE kind = 'index';
CREATE EXTENSION file_fdw;
CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
CREATE FOREIGN TABLE elsewhere (a integer) SERVER files OPTIONS (filename '/nothing/there');
SELECT count(*) FROM dbm.advise('SELECT * FROM elsewhere WHERE a = 5') WHERE kind = 'index';
SELECT refusal('MERGE INTO tiny t USING orders o ON t.a = o.customer_id WHEN MATCHED THEN DELETE') ~ '^\d+ rows$' AS merge,
       refusal('INSERT INTO tiny SELECT customer_id, total FROM orders WHERE customer_id = 5') ~ '^[1-9]\d* rows$' AS insert;
SELECT refusal('WITH gone AS (DELETE FROM tiny RETURNING *) SELECT * FROM gone') ~ '^\d+ rows$' AS cte_that_writes, (SELECT count(*) FROM tiny) AS still_there;
SELECT refusal('SELECT count(*) FROM orders o0' || string_agg(format(' JOIN orders o%s ON o%s.customer_id = o%s.id', i, i, i - 1), '') || ' WHERE o0.total = 5') ~ '^[1-9]\d* rows$' AS thirty_joins
FROM generate_series(1, 29) AS i;
CREATE TABLE "a ""b'; DROP TABLE tiny; --ééééééééééééé" ("c ""d'; --" integer, "Ünïcödé_of_sixty_three_bytes_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" text);
INSERT INTO "a ""b'; DROP TABLE tiny; --ééééééééééééé" SELECT i, md5(i::text) FROM generate_series(1, 20000) AS i;
ANALYZE;
CALL verify('SELECT * FROM "a ""b''; DROP TABLE tiny; --ééééééééééééé" WHERE "c ""d''; --" = 5 AND "Ünïcödé_of_sixty_three_bytes_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" = ''x''');

-- It leaves nothing.
PREPARE kept_plan (integer) AS SELECT * FROM orders WHERE customer_id = $1;
SET plan_cache_mode = force_generic_plan;
EXECUTE kept_plan (-1);
EXECUTE kept_plan (-1);
SET work_mem = '3MB';
BEGIN TRANSACTION READ ONLY;
SELECT count(*) > 0 AS advice FROM dbm.advise('SELECT o.total, upper(c.name) FROM customer c JOIN orders o ON o.customer_id = c.id WHERE upper(c.name) = ''x'' AND o.doc @> ''{}''');
SELECT count(*) AS locks FROM pg_locks
WHERE pid = pg_backend_pid() AND locktype = 'relation' AND relation IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace);
SELECT pg_current_xact_id_if_assigned() IS NULL AS without_id, current_setting('work_mem') AS work_mem, current_setting('search_path') AS search_path;
SELECT count(*) AS new_indexes FROM pg_index WHERE indexrelid::regclass::text ~ '^idx_';
COMMIT;
EXECUTE kept_plan (-1);
SELECT name, generic_plans, custom_plans FROM pg_prepared_statements WHERE name = 'kept_plan';
