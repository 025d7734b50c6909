-- Which tables can become partitioned while they are in use, which cannot and why, and what the plan says.
CREATE DATABASE dbm_partition_convert;
\c dbm_partition_convert
CREATE EXTENSION dbmastery;
SET TimeZone = 'UTC';
CREATE ROLE dbm_partition_convert_owner;
CREATE SCHEMA shop;
CREATE TABLE shop.customers (id bigint PRIMARY KEY);
CREATE TABLE shop.orders (id bigint PRIMARY KEY, at date NOT NULL, customer bigint REFERENCES shop.customers, note text);
CREATE TABLE shop.lines (order_id bigint REFERENCES shop.orders ON DELETE CASCADE, line int, PRIMARY KEY (order_id, line));
CREATE INDEX ON shop.orders (customer) WHERE note IS NULL;
INSERT INTO shop.orders SELECT i, date '2126-01-01' + i FROM generate_series(0, 40) AS i;

\echo == what has to be accepted is named first
SELECT dbm.partition_convert_plan('shop.orders', 'at', 'month');
SELECT dbm.partition_convert_plan('shop.orders', 'at', 'month', accept => '{primary_key}');
SELECT dbm.partition_convert_plan('shop.orders', 'at', 'month', accept => '{everything}');
SELECT dbm.partition_convert_plan('shop.orders', 'id', 'month');
SELECT dbm.partition_convert_plan('shop.orders', 'id', '10');

\echo == rows far ahead, widths, methods, zones
SELECT dbm.partition_convert_plan('shop.orders', 'at', 'month', accept => '{primary_key,foreign_keys}');
UPDATE shop.orders SET at = date '2020-01-01' + id::int;
SELECT dbm.partition_convert_plan('shop.orders', 'at', 'fortnight', accept => '{primary_key,foreign_keys}');
SELECT dbm.partition_convert_plan('shop.orders', 'at', '1 hour', accept => '{primary_key,foreign_keys}');
SELECT dbm.partition_convert_plan('shop.orders', 'at', 'month', method => 'magic', accept => '{primary_key,foreign_keys}');
SELECT dbm.partition_convert_plan('shop.orders', 'at', 'month', time_zone => 'Mars/Olympus', accept => '{primary_key,foreign_keys}');
SELECT dbm.partition_convert_plan('shop.orders', 'at', 'month', premake => -1, accept => '{primary_key,foreign_keys}');
SELECT dbm.partition_convert_plan('shop.orders', 'when', 'month');
SELECT dbm.partition_convert_plan('shop.orders', 'note', 'month');
SELECT dbm.partition_convert_plan(0, 'at', 'month');

\echo == the plan
-- The cutoff hangs on the clock.
CREATE VIEW said AS
    SELECT step, phase, runs, lock_mode, regexp_replace(sql, '20\d\d-\d\d-\d\d', 'DATE', 'g') AS sql,
           regexp_replace(undo, '20\d\d-\d\d-\d\d', 'DATE', 'g') AS undo
      FROM dbm.plan_steps((SELECT max(plan) FROM dbm.plan));
SELECT dbm.partition_convert_plan('shop.orders', 'at', 'month', premake => 2, accept => '{primary_key,foreign_keys}') IS NOT NULL AS planned;
\x on
SELECT step, phase, runs, lock_mode,
       regexp_replace(regexp_replace(sql, 'orders_20\d\d_\d\d', 'orders_MONTH', 'g'), 'IS DISTINCT[ ]+FROM ''[0-9a-f]{32}''', 'IS DISTINCT FROM PRINT') AS sql,
       regexp_replace(undo, 'orders_20\d\d_\d\d', 'orders_MONTH', 'g') AS undo
  FROM said ORDER BY step;
SELECT title, change, risk, regexp_replace(array_to_string(requires, E'\n'), '20\d\d-\d\d-\d\d', 'DATE', 'g') AS requires FROM dbm.plan;
\x off

\echo == the plan of a copy
SELECT dbm.partition_convert_plan('shop.orders', 'at', 'year', method => 'copy', retention => '2 years') IS NOT NULL AS planned;
SELECT dbm.partition_convert_plan('shop.orders', 'at', 'year', method => 'copy', retention => '2 years', accept => '{primary_key,foreign_keys}') IS NOT NULL AS planned;
SELECT step, phase, runs, lock_mode, left(regexp_replace(sql, '20\d\d', 'YEAR', 'g'), 90) AS sql, left(undo, 60) AS undo FROM said ORDER BY step;
SELECT regexp_replace(title, '\d+ partitions', 'N partitions') AS title, risk,
       regexp_replace(regexp_replace(array_to_string(requires, E'\n'), '20\d\d', 'YEAR', 'g'), '[\d.]+ \wB', 'SIZE', 'g') AS requires
  FROM dbm.plan ORDER BY plan DESC LIMIT 1;
SELECT kind, source, target, phase FROM dbm.partition_copy_status();

\echo == what cannot be converted
CREATE TABLE shop.parted (at date) PARTITION BY RANGE (at);
CREATE TABLE shop.part PARTITION OF shop.parted DEFAULT;
CREATE TABLE shop.base (at date);
CREATE TABLE shop.child () INHERITS (shop.base);
CREATE TEMPORARY TABLE passing (at date);
CREATE VIEW shop.dates AS SELECT at FROM shop.base;
SELECT dbm.partition_convert_plan('shop.parted', 'at', 'month');
SELECT dbm.partition_convert_plan('shop.part', 'at', 'month');
SELECT dbm.partition_convert_plan('shop.base', 'at', 'month');
SELECT dbm.partition_convert_plan('shop.child', 'at', 'month');
SELECT dbm.partition_convert_plan('passing', 'at', 'month');
SELECT dbm.partition_convert_plan('shop.dates', 'at', 'month');
SELECT dbm.partition_convert_plan('pg_class', 'relpages', '10');
SELECT dbm.partition_convert_plan('dbm.plan', 'created_at', 'month');

-- One reason after the other.
CREATE TABLE shop.odd (id bigint, at date, during int4range, twice int GENERATED ALWAYS AS (id::int * 2) STORED, parent bigint);
ALTER TABLE shop.odd ADD CONSTRAINT odd_during EXCLUDE USING gist (during WITH &&);
SELECT dbm.partition_convert_plan('shop.odd', 'at', 'month');
ALTER TABLE shop.odd DROP CONSTRAINT odd_during;
SELECT dbm.partition_convert_plan('shop.odd', 'during', 'month');
SELECT dbm.partition_convert_plan('shop.odd', 'twice', '10');
ALTER TABLE shop.odd ADD CONSTRAINT odd_positive CHECK (id > 0) NOT VALID;
SELECT dbm.partition_convert_plan('shop.odd', 'at', 'month');
ALTER TABLE shop.odd DROP CONSTRAINT odd_positive, ADD CONSTRAINT odd_alone CHECK (id > 0) NO INHERIT;
SELECT dbm.partition_convert_plan('shop.odd', 'at', 'month');
ALTER TABLE shop.odd DROP CONSTRAINT odd_alone, ADD UNIQUE (id);
SELECT dbm.partition_convert_plan('shop.odd', 'at', 'month');
ALTER TABLE shop.odd ADD CONSTRAINT odd_parent FOREIGN KEY (parent) REFERENCES shop.odd (id);
SELECT dbm.partition_convert_plan('shop.odd', 'at', 'month', accept => '{unique}');
ALTER TABLE shop.odd DROP CONSTRAINT odd_parent;
CREATE FUNCTION shop.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER odd_seen AFTER UPDATE ON shop.odd REFERENCING NEW TABLE AS seen FOR EACH ROW EXECUTE FUNCTION shop.nothing();
SELECT dbm.partition_convert_plan('shop.odd', 'at', 'month', accept => '{unique}');
DROP TRIGGER odd_seen ON shop.odd;
CREATE RULE odd_rule AS ON DELETE TO shop.odd DO ALSO NOTHING;
SELECT dbm.partition_convert_plan('shop.odd', 'at', 'month', accept => '{unique}');
DROP RULE odd_rule ON shop.odd;
CREATE MATERIALIZED VIEW shop.odd_seen AS SELECT id FROM shop.odd;
SELECT dbm.partition_convert_plan('shop.odd', 'at', 'month', accept => '{unique}');
DROP MATERIALIZED VIEW shop.odd_seen;
CREATE FUNCTION shop.odds() RETURNS SETOF shop.odd LANGUAGE sql AS 'SELECT * FROM shop.odd';
SELECT dbm.partition_convert_plan('shop.odd', 'at', 'month', accept => '{unique}');
DROP FUNCTION shop.odds();
INSERT INTO shop.odd VALUES (1, NULL), (2, 'infinity');
SELECT dbm.partition_convert_plan('shop.odd', 'at', 'month', accept => '{unique}');
DELETE FROM shop.odd WHERE id = 1;
SELECT dbm.partition_convert_plan('shop.odd', 'at', 'month', accept => '{unique}');
DELETE FROM shop.odd;
SELECT dbm.partition_convert_plan('shop.odd', 'id', 'month', accept => '{unique}');
ALTER TABLE shop.odd ADD PRIMARY KEY (id);
CREATE VIEW shop.by_key AS SELECT id, at FROM shop.odd GROUP BY id;
SELECT dbm.partition_convert_plan('shop.odd', 'at', 'month', accept => '{unique,primary_key}');
DROP VIEW shop.by_key;
CREATE PUBLICATION dbm_partition_convert FOR TABLE shop.odd (id, at);
SELECT dbm.partition_convert_plan('shop.odd', 'at', 'month', accept => '{unique,primary_key}');
DROP PUBLICATION dbm_partition_convert;

\echo == whose it is
GRANT USAGE ON SCHEMA dbm, shop TO dbm_partition_convert_owner;
GRANT EXECUTE ON FUNCTION dbm.partition_convert_plan TO dbm_partition_convert_owner;
SET ROLE dbm_partition_convert_owner;
SELECT dbm.partition_convert_plan('shop.odd', 'at', 'month');
RESET ROLE;
ALTER TABLE shop.odd OWNER TO dbm_partition_convert_owner;
SET ROLE dbm_partition_convert_owner;
SELECT dbm.partition_convert_plan('shop.odd', 'at', 'month');
RESET ROLE;

\echo == a name like no other, and what was dropped
CREATE SCHEMA "a ""b"".c";
CREATE TABLE "a ""b"".c"."x; DROP TABLE y" (gone int, "when? ""now""" timestamptz NOT NULL, "select" text DEFAULT 'a''b\c');
ALTER TABLE "a ""b"".c"."x; DROP TABLE y" DROP COLUMN gone;
CREATE INDEX "x; DROP TABLE y_USING btree (" ON "a ""b"".c"."x; DROP TABLE y" ("select");
INSERT INTO "a ""b"".c"."x; DROP TABLE y" SELECT now() - i * interval '1 day' FROM generate_series(1, 100) AS i;
SELECT dbm.partition_convert_plan('"a ""b"".c"."x; DROP TABLE y"', '"when? ""now"""', 'month') AS plan \gset
CALL dbm.apply(:plan);
SELECT c.relname, c.relkind, pg_get_expr(c.relpartbound, c.oid) LIKE 'FOR VALUES FROM (MINVALUE) TO %' AS is_history
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = 'a "b".c' AND c.relname !~ '20\d\d' ORDER BY 1;
SELECT count(*) FROM "a ""b"".c"."x; DROP TABLE y";

\c postgres
DROP DATABASE dbm_partition_convert;
DROP ROLE dbm_partition_convert_owner;
