-- dbm.workload and dbm.advise_workload(): who writes what, and advice that is followed and taken back.
CREATE DATABASE dbm_workload;
\c dbm_workload
CREATE EXTENSION dbmastery;
-- VACUUM marks no page whose rows are not known to be on disk.
SET synchronous_commit = on;
SET max_parallel_workers_per_gather = 0;
CREATE ROLE dbm_workload_writer;
GRANT USAGE ON SCHEMA dbm TO dbm_workload_writer;

-- Without queries there is no advice, but what to do; and wishes that cannot be.
SELECT * FROM dbm.advise_workload(source => 'table');
SELECT * FROM dbm.advise_workload(source => 'capture');
SELECT * FROM dbm.advise_workload(source => 'pg_stat_statements');
SELECT * FROM dbm.advise_workload();
SELECT * FROM dbm.advise_workload(source => 'tabel');
SELECT * FROM dbm.advise_workload(budget_bytes => -1);
SELECT * FROM dbm.advise_workload(max_indexes => -1);
SELECT * FROM dbm.advise_workload(time_limit => '-1 s');

-- Rights.
SET ROLE dbm_workload_writer;
INSERT INTO dbm.workload (query) VALUES ('SELECT 1');
RESET ROLE;
GRANT SELECT, INSERT, UPDATE, DELETE ON dbm.workload TO dbm_workload_writer;
INSERT INTO dbm.workload (query, added_by) VALUES ('SELECT 1', 'somebody');
SET ROLE dbm_workload_writer;
INSERT INTO dbm.workload (query, added_by) VALUES ('SELECT 2', 'somebody');
UPDATE dbm.workload SET calls = 7 WHERE query = 'SELECT 1';
\set VERBOSITY terse
INSERT INTO dbm.workload (query, calls) VALUES (' ', 1);
INSERT INTO dbm.workload (query, calls) VALUES ('SELECT 3', 0);
INSERT INTO dbm.workload (query, mean_time_ms) VALUES ('SELECT 3', -1);
\set VERBOSITY default
RESET ROLE;
SELECT query, calls, added_by FROM dbm.workload ORDER BY query;
DELETE FROM dbm.workload;

-- A shop with indexes that serve, that do not, and that must stay.
CREATE TABLE customer (id integer PRIMARY KEY, mail text NOT NULL CONSTRAINT uq_customer_mail UNIQUE, name text NOT NULL);
INSERT INTO customer SELECT i, 'm' || i, md5(i::text) FROM generate_series(1, 20000) AS i;
CREATE TABLE orders (id integer PRIMARY KEY, customer_id integer NOT NULL REFERENCES customer, state integer NOT NULL, total integer NOT NULL, note text);
INSERT INTO orders SELECT i, (i * 7919) % 20000 + 1, i % 5, (i * 4001::bigint) % 5003, md5(i::text) FROM generate_series(1, 60000) AS i;
CREATE INDEX idx_orders_customer_id ON orders (customer_id);
CREATE INDEX idx_orders_note ON orders (note);
CREATE INDEX idx_orders_total ON orders (total);
CREATE INDEX idx_orders_total_again ON orders (total);
CREATE UNIQUE INDEX uq_orders_note_id ON orders (note, id);
VACUUM ANALYZE;
INSERT INTO dbm.workload (query, calls) VALUES
    ('SELECT * FROM orders WHERE total = $1', 100), ('SELECT * FROM customer WHERE name = $1', 50),
    ('SELECT total FROM orders WHERE state = $1 AND total < $2', 40), ('SELECT * FROM customer WHERE upper(name) = $1', 30),
    ('INSERT INTO orders VALUES ($1, $2, $3, $4, $5)', 10), ('SELECT * FROM nowhere', 3), ('SELECT FROM WHERE', 2);
CREATE VIEW definitions AS
    SELECT pg_get_indexdef(indexrelid) AS definition FROM pg_index WHERE indrelid IN ('orders'::regclass, 'customer'::regclass);
CREATE TABLE advice AS SELECT row_number() OVER () AS place, a.* FROM dbm.advise_workload(source => 'table', time_limit => '10 min') AS a;
SELECT action, regexp_replace(coalesce(sql, evidence ->> 'reason'), '\s*\(At.*', '') AS sql, queries FROM advice ORDER BY place;
SELECT bool_and(benefit_share BETWEEN -1 AND 1 AND cost_before >= 0 AND cost_after >= 0 AND undo IS NOT NULL) AS whole FROM advice WHERE action <> 'unknown';
-- What keeps a key stays.
SELECT count(*) AS not_to_be_dropped FROM advice WHERE action = 'drop' AND sql ~ 'customer_id|uq_|_pkey';
CREATE TABLE before AS SELECT * FROM definitions;
CREATE PROCEDURE follow(what text) LANGUAGE plpgsql AS $$
DECLARE
    statement text;
BEGIN
    FOR statement IN EXECUTE format('SELECT %I FROM advice WHERE %1$I IS NOT NULL ORDER BY place * %s', what, CASE what WHEN 'undo' THEN -1 ELSE 1 END) LOOP
        EXECUTE replace(statement, 'CONCURRENTLY ', '');
    END LOOP;
END $$;
CALL follow('sql');
SELECT count(*) > 0 AS changed FROM (SELECT * FROM definitions EXCEPT SELECT * FROM before) AS d;
-- Of the size that was told.
SELECT count(*) AS wrong_sizes FROM advice a, LATERAL (SELECT pg_relation_size(substring(a.sql FROM 'EXISTS (\S+) ON')) AS size) AS real
WHERE action = 'create' AND abs(size - estimated_bytes) > greatest(size * 0.1, 16384);
-- Once followed there is no more to do.
ANALYZE;
SELECT action, sql FROM dbm.advise_workload(source => 'table', time_limit => '10 min') WHERE action <> 'unknown';
CALL follow('undo');
SELECT count(*) AS different FROM (
    (SELECT * FROM definitions EXCEPT ALL SELECT * FROM before) UNION ALL (SELECT * FROM before EXCEPT ALL SELECT * FROM definitions)) AS d;

-- Within limits.
SELECT sum(estimated_bytes) <= 1000000 AS within_budget FROM dbm.advise_workload(budget_bytes => 1000000, source => 'table', time_limit => '10 min') WHERE action = 'create';
SELECT count(*) FROM dbm.advise_workload(budget_bytes => 0, source => 'table', time_limit => '10 min') WHERE action = 'create';
SELECT count(*) FROM dbm.advise_workload(max_indexes => 1, source => 'table', time_limit => '10 min') WHERE action = 'create';
SELECT count(*) > 0 AS rows FROM dbm.advise_workload(source => 'table', time_limit => '0 s');
BEGIN TRANSACTION READ ONLY;
SELECT count(*) > 0 AS rows FROM dbm.advise_workload(source => 'table');
SELECT pg_current_xact_id_if_assigned() IS NULL AS without_id,
       (SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND relation IN ('orders'::regclass, 'customer'::regclass)) AS locks;
COMMIT;
\c postgres
DROP DATABASE dbm_workload;
DROP ROLE dbm_workload_writer;
