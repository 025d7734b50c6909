-- A new partitioned table by a plan: what the plan holds, and that the server takes it.
CREATE DATABASE dbm_partition_create;
\c dbm_partition_create
CREATE EXTENSION dbmastery;
\pset format unaligned
CREATE SCHEMA app;
SET search_path = app;
CREATE FUNCTION show_plan(number bigint) RETURNS TABLE (step integer, sql text, note text)
    LANGUAGE sql AS $$ SELECT step, sql, note FROM dbm.plan_steps(number) ORDER BY step $$;
-- Partitions have the names of days that pass: shown without them.
CREATE FUNCTION steady(sql text) RETURNS text LANGUAGE sql AS $$
    SELECT regexp_replace(regexp_replace(sql, '_\d{4}_\d\d', '_YYYY_MM', 'g'), '''\d{4}-\d\d-\d\d[^'']*', '''MOMENT', 'g') $$;

SELECT dbm.partition_create_plan('events', 'created_at', 'month',
    'id bigserial PRIMARY KEY, created_at timestamptz DEFAULT now(), kind text NOT NULL CHECK (kind <> '''')',
    premake => 2, retention => '1 year', time_zone => 'europe/berlin') AS events \gset
SELECT step, steady(sql) AS sql, note FROM show_plan(:events);
-- Nothing was made yet.
SELECT to_regclass('events'), to_regclass('events_id_seq');

-- The server takes the table and its partitions as they stand.
\set ECHO none
SELECT sql FROM show_plan(:events) WHERE step <= 2 ORDER BY step \gexec
\set ECHO all
SELECT count(*), bool_and(pg_get_expr(relpartbound, oid) LIKE 'FOR VALUES FROM%') FROM pg_class WHERE relispartition
    AND relnamespace = 'app'::regnamespace AND relkind = 'r';
INSERT INTO events (kind) VALUES ('a') RETURNING id;

CREATE TABLE old_orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, day date NOT NULL, total numeric(12, 2) DEFAULT 0,
    doubled numeric GENERATED ALWAYS AS (total * 2) STORED);
CREATE INDEX ON old_orders (day, total);
COMMENT ON COLUMN old_orders.total IS 'What it''s worth';
SELECT dbm.partition_create_plan('"Orders"', 'day', 'week', 'LIKE old_orders INCLUDING ALL', premake => 1) AS orders \gset
SELECT step, regexp_replace(steady(sql), 'w\d\d', 'wWW', 'g') AS sql, note FROM show_plan(:orders) WHERE step <> 2;
SELECT dbm.partition_create_plan('counted', 'id', '1_000_000', 'id int PRIMARY KEY', premake => 1) AS counted \gset
SELECT step, sql, note FROM show_plan(:counted);

-- What cannot be.
\set VERBOSITY default
SELECT dbm.partition_create_plan('events', 'created_at', 'month');
SELECT dbm.partition_create_plan('x', 'at', 'month', 'day date');
SELECT dbm.partition_create_plan('x', 'day', 'hour', 'day date');
SELECT dbm.partition_create_plan('x', 'day', 'month', 'day date, name text UNIQUE');
SELECT dbm.partition_create_plan('x', 'id', 'month', 'id bigint');
SELECT dbm.partition_create_plan('x', 'id', 'month', 'id bigint', epoch => 'fortnights');
SELECT dbm.partition_create_plan('x', 'id', 'month', 'id text');
SELECT dbm.partition_create_plan('x', 'id', 'month', 'id int', epoch => 'milliseconds');
SELECT dbm.partition_create_plan('x', 'id', '1000', 'id bigint', retention => '1 year');
SELECT dbm.partition_create_plan('x', 'day', 'month', 'day date', premake => -1);
SELECT dbm.partition_create_plan('x', 'day', 'month', 'day date', premake => 2147483647);
SELECT dbm.partition_create_plan('x', NULL, 'month', 'day date');
\set VERBOSITY terse
SELECT dbm.partition_create_plan('old_orders', 'day', 'month', 'day date');
SELECT dbm.partition_create_plan('x', 'day', 'month', 'day date); DROP TABLE old_orders; --');
SELECT dbm.partition_create_plan('x', 'day', 'month', 'day datte');
SELECT to_regclass('x'), to_regclass('old_orders') IS NOT NULL AS kept;

\c postgres
DROP DATABASE dbm_partition_create;
