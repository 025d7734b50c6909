-- Why a query uses no index; each reason on a real plan. Numbers that depend on costs are left out.
CREATE DATABASE dbm_why_no_index;
\c dbm_why_no_index
SET client_min_messages = warning;
CREATE EXTENSION dbmastery;
-- VACUUM marks no page whose rows are not known to be on disk.
SET synchronous_commit = on;
SET max_parallel_workers_per_gather = 0;
CREATE TABLE public.orders (id bigint PRIMARY KEY, customer_id bigint, state text COLLATE "C.utf8", code varchar(20), total numeric, paid boolean, tags text[]);
CREATE TABLE public.kinds (name text, note text);
INSERT INTO orders
    SELECT i, 1 + i % 5000, CASE WHEN i % 1000 = 0 THEN 'new' ELSE 'done' END, 'code' || i, i % 977, i % 2 = 0, ARRAY['a' || i % 100]
      FROM generate_series(1, 50000) AS i;
INSERT INTO kinds SELECT 'kind' || i FROM generate_series(1, 40) AS i;
VACUUM ANALYZE;
CREATE FUNCTION public.why(query text) RETURNS SETOF text LANGUAGE sql
    AS $$ SELECT alias || ': ' || regexp_replace(reason, '[0-9][0-9,.]+|(?<=would cost )[0-9]', 'N', 'g') || coalesce(' | ' || (evidence ->> 'index_sql'), '') FROM dbm.why_no_index(query) $$;

SELECT table_name, alias, condition, rows_read, rows_kept < 100 AS few FROM dbm.why_no_index('SELECT * FROM orders o WHERE customer_id = 5');
SELECT why('SELECT * FROM orders o WHERE customer_id = 5');
SELECT why('SELECT * FROM orders WHERE customer_id = $1 AND total > $2');
-- It is taken once it is there.
CREATE INDEX by_customer ON orders (customer_id);
SELECT why('SELECT * FROM orders o WHERE customer_id = 5');
-- Too many rows; the table is small; there is no condition.
SELECT why('SELECT * FROM orders WHERE paid');
SELECT why('SELECT * FROM orders WHERE customer_id > 500');
SELECT why('SELECT * FROM kinds WHERE name = ''kind7''');
SELECT why('SELECT * FROM kinds');
-- The share from which on it pays is right: a condition a bit above it declines the index, a bit below it takes it.
SELECT (evidence ->> 'break_even_share')::float8 AS share FROM dbm.why_no_index('SELECT * FROM orders WHERE customer_id > 500') \gset
SELECT count(*) AS declined FROM dbm.why_no_index('SELECT * FROM orders WHERE customer_id > ' || (5000 * (1 - :share * 1.2))::int);
SELECT count(*) AS taken FROM dbm.why_no_index('SELECT * FROM orders WHERE customer_id > ' || (5000 * (1 - :share * 0.8))::int);
-- Conditions that no index on a column finds.
SELECT why('SELECT * FROM orders WHERE lower(code) = ''code7''');
SELECT why('SELECT * FROM orders WHERE customer_id + 1 = 7');
SELECT why('SELECT * FROM orders WHERE customer_id = 7.0');
SELECT why('SELECT * FROM orders WHERE code LIKE ''%7''');
SELECT why('SELECT * FROM orders WHERE code ILIKE ''code7''');
SELECT why('SELECT * FROM orders WHERE code LIKE $1');
SELECT why('SELECT * FROM orders WHERE state <> ''done''');
SELECT why('SELECT * FROM orders WHERE customer_id = 1 + (random() * 10)::int');
SELECT why('SELECT * FROM orders WHERE tags && ARRAY[''a7'']');
SELECT why('SELECT * FROM orders WHERE customer_id = 7 OR code <> ''x''');
SELECT why('SELECT * FROM orders WHERE customer_id = 7 OR code = ''code9''');
-- Indexes that do not serve.
CREATE INDEX by_code ON orders (code COLLATE "C.utf8");
SELECT why('SELECT * FROM orders WHERE code LIKE ''code77%''');
DROP INDEX by_code;
CREATE INDEX by_code ON orders (code varchar_pattern_ops);
SELECT count(*) AS none FROM dbm.why_no_index('SELECT * FROM orders WHERE code LIKE ''code77%''');
CREATE INDEX by_state ON orders (state COLLATE "C");
SELECT why('SELECT * FROM orders WHERE state = ''new''');
DROP INDEX by_state;
CREATE INDEX big_ones ON orders (total) WHERE customer_id < 100;
SELECT why('SELECT * FROM orders WHERE total = 5');
SELECT why('SELECT * FROM orders WHERE total = 5 AND customer_id < 50');
DROP INDEX big_ones;
CREATE INDEX by_code_total ON orders (code, tags, state, total);
SELECT why('SELECT * FROM orders WHERE total = 5');
DROP INDEX by_code_total;
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'by_customer'::regclass;
SELECT why('SELECT * FROM orders WHERE customer_id = 5');
UPDATE pg_index SET indisvalid = true WHERE indexrelid = 'by_customer'::regclass;
-- Settings.
SET enable_indexscan = off;
SET enable_bitmapscan = off;
SELECT why('SELECT * FROM orders WHERE customer_id = 5');
RESET enable_indexscan;
RESET enable_bitmapscan;
SHOW enable_seqscan;
-- An index that finds too much.
SELECT why('SELECT * FROM orders WHERE customer_id BETWEEN 5 AND 50 AND total = 7');
-- Joins.
SELECT why('SELECT * FROM orders o JOIN kinds k ON k.name = o.code');
SELECT why('SELECT * FROM orders a JOIN orders b ON b.id = a.customer_id');
-- A partitioned table is one scan.
CREATE TABLE public.events (id bigint, at date) PARTITION BY RANGE (at);
CREATE TABLE public.events_1 PARTITION OF public.events FOR VALUES FROM ('2024-01-01') TO ('2024-07-01');
CREATE TABLE public.events_2 PARTITION OF public.events FOR VALUES FROM ('2024-07-01') TO ('2025-01-01');
INSERT INTO events SELECT i, date '2024-01-01' + i % 366 FROM generate_series(1, 40000) AS i;
ANALYZE events;
SELECT table_name, rows_read FROM dbm.why_no_index('SELECT * FROM events e WHERE id = 7');
SELECT why('SELECT * FROM events e WHERE id = 7');
-- What cannot be asked; nothing is left behind.
SELECT * FROM dbm.why_no_index('SELECT * FRM orders');
SELECT * FROM dbm.why_no_index('VACUUM orders');
CREATE ROLE dbm_why_no_index_reader IN ROLE pg_monitor;
SET ROLE dbm_why_no_index_reader;
SELECT * FROM dbm.why_no_index('SELECT * FROM orders');
RESET ROLE;
BEGIN READ ONLY;
SELECT count(*) FROM dbm.why_no_index('DELETE FROM orders WHERE total = 5');
SELECT count(*) AS locks FROM pg_locks WHERE pid = pg_backend_pid() AND relation = 'orders'::regclass;
COMMIT;
SELECT count(*) FROM orders;
\c postgres
DROP DATABASE dbm_why_no_index;
DROP ROLE dbm_why_no_index_reader;
