-- Sizes are those that PostgreSQL tells, whatever a table is made of.
CREATE DATABASE dbm_table_sizes;
\c dbm_table_sizes
CREATE EXTENSION dbmastery;
SET allow_in_place_tablespaces = on;
CREATE TABLESPACE dbm_elsewhere LOCATION '';
CREATE SCHEMA sizes;
SET search_path = sizes;

CREATE TABLE "plain; --" (id int PRIMARY KEY, a text);
INSERT INTO "plain; --" SELECT i, 'x' FROM generate_series(1, 5000) i;
CREATE INDEX ON "plain; --" (a);
CREATE TABLE empty (id int);
CREATE TABLE long_values (id int PRIMARY KEY, a text);
ALTER TABLE long_values ALTER a SET STORAGE EXTERNAL;
INSERT INTO long_values SELECT i, repeat('long', 5000) FROM generate_series(1, 50) i;
CREATE UNLOGGED TABLE unlogged (id int PRIMARY KEY, a text);
INSERT INTO unlogged SELECT i, 'x' FROM generate_series(1, 500) i;
CREATE TABLE elsewhere (id int PRIMARY KEY USING INDEX TABLESPACE pg_default, a text) TABLESPACE dbm_elsewhere;
INSERT INTO elsewhere SELECT i, 'x' FROM generate_series(1, 3000) i;
CREATE TABLE tree (id int, a text) PARTITION BY RANGE (id);
CREATE TABLE tree_1 PARTITION OF tree FOR VALUES FROM (1) TO (1000);
CREATE TABLE tree_2 PARTITION OF tree FOR VALUES FROM (1000) TO (9999) PARTITION BY RANGE (id);
CREATE TABLE tree_2_1 PARTITION OF tree_2 FOR VALUES FROM (1000) TO (9999) TABLESPACE dbm_elsewhere;
CREATE INDEX ON tree (id);
INSERT INTO tree SELECT i, 'x' FROM generate_series(1, 2000) i;
CREATE TABLE parent (id int, a text);
CREATE TABLE child () INHERITS (parent);
INSERT INTO parent SELECT i, 'x' FROM generate_series(1, 300) i;
INSERT INTO child SELECT i, 'x' FROM generate_series(1, 700) i;
CREATE MATERIALIZED VIEW summary AS SELECT i AS id FROM generate_series(1, 2000) i;
CREATE INDEX ON summary (id);
CREATE TEMP TABLE of_the_session (id int);
INSERT INTO of_the_session SELECT generate_series(1, 9000);
CREATE VIEW seen AS SELECT 1 AS id;
DELETE FROM "plain; --" WHERE id % 2 = 0;
SELECT pg_stat_force_next_flush();
-- Free space and visibility maps are files too.
VACUUM (ANALYZE) "plain; --", long_values, tree, elsewhere, summary;

CREATE VIEW public.truth AS
    SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS table_name,
           sum(pg_total_relation_size(part.oid)) AS total_bytes,
           sum(pg_table_size(part.oid) - coalesce(pg_total_relation_size(nullif(part.reltoastrelid, 0)), 0)) AS table_bytes,
           sum(coalesce(pg_total_relation_size(nullif(part.reltoastrelid, 0)), 0)) AS toast_bytes,
           sum(pg_indexes_size(part.oid)) AS index_bytes,
           count(*) FILTER (WHERE part.relispartition AND part.relkind = 'r') AS partitions
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_class part ON part.oid = c.oid OR part.oid IN (SELECT relid FROM pg_partition_tree(c.oid))
    WHERE c.relkind IN ('r', 'p', 'm') AND NOT c.relispartition AND c.relpersistence <> 't'
      AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'dbm')
    GROUP BY c.oid, n.nspname, c.relname;

-- Every table once, none too many, and each number as PostgreSQL has it.
SELECT table_name, partitions, total_bytes > 0 AS has_bytes, toast_bytes > 8192 AS has_toast, index_bytes > 0 AS has_indexes
FROM dbm.table_sizes(1000) ORDER BY table_name COLLATE "C";
(SELECT table_name, total_bytes, table_bytes, toast_bytes, index_bytes, partitions FROM dbm.table_sizes(1000)
 EXCEPT SELECT * FROM public.truth)
UNION ALL
(SELECT * FROM public.truth
 EXCEPT SELECT table_name, total_bytes, table_bytes, toast_bytes, index_bytes, partitions FROM dbm.table_sizes(1000));

-- Rows as VACUUM has just counted them, those of partitions added up.
SELECT table_name, rows, dead_rows FROM dbm.table_sizes(1000)
WHERE table_name IN ('sizes."plain; --"', 'sizes.tree', 'sizes.elsewhere') ORDER BY table_name COLLATE "C";

-- The largest come first, as many as asked for.
SELECT count(*) AS rising FROM (
    SELECT total_bytes < lead(total_bytes) OVER (ORDER BY place) AS rises
    FROM dbm.table_sizes(1000) WITH ORDINALITY AS t (table_name, total_bytes, table_bytes, toast_bytes, index_bytes, rows, dead_rows, partitions, place)
) s WHERE rises;
SELECT array_agg(table_name) AS largest FROM dbm.table_sizes(2);
SELECT count(*) AS of_twenty_at_most FROM dbm.table_sizes();
SELECT format('CREATE TABLE more_%s (a int)', i) FROM generate_series(1, 20) i \gexec
SELECT count(*) AS of_twenty_at_most FROM dbm.table_sizes();
-- Asked for none it tells none; null is nobody's number, so that it means the default.
SELECT count(*) AS of_none FROM dbm.table_sizes(0);
SELECT count(*) AS below_none FROM dbm.table_sizes(-1);
SELECT count(*) AS of_null FROM dbm.table_sizes(NULL);
-- It grows with the table, at once.
CREATE TEMP TABLE before AS SELECT total_bytes FROM dbm.table_sizes(1000) WHERE table_name = 'sizes.empty';
INSERT INTO empty SELECT generate_series(1, 1000);
SELECT s.total_bytes > b.total_bytes AS grown, s.total_bytes = pg_total_relation_size('empty') AS true
FROM dbm.table_sizes(1000) s, before b WHERE s.table_name = 'sizes.empty';
DROP TABLE elsewhere, tree;
DROP TABLESPACE dbm_elsewhere;
