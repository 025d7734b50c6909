-- What the audit sees is what the catalogs hold: every count of dbm.catalog_summary() again, in plain SQL.
CREATE DATABASE dbm_catalog_summary;
\c dbm_catalog_summary
CREATE EXTENSION dbmastery;
CREATE SCHEMA "some; things";
SET search_path = "some; things";

-- Some of everything, in numbers that differ from each other.
CREATE TABLE plain (id int PRIMARY KEY, name text UNIQUE, gone int, CONSTRAINT some_check CHECK (id > 0));
ALTER TABLE plain DROP gone;
CREATE TABLE child () INHERITS (plain);
CREATE UNLOGGED TABLE unlogged (id int REFERENCES plain);
CREATE TABLE "select" ("order" int);
CREATE TEMP TABLE of_the_session (id int PRIMARY KEY);
CREATE TABLE tree (id int, day date) PARTITION BY RANGE (day);
CREATE TABLE tree_1 PARTITION OF tree FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE tree_2 PARTITION OF tree FOR VALUES FROM ('2026-02-01') TO ('2026-03-01') PARTITION BY LIST (id);
CREATE TABLE tree_2_1 PARTITION OF tree_2 FOR VALUES IN (1);
CREATE INDEX ON tree (id);
CREATE VIEW seen AS SELECT 1 AS a, 2 AS b;
CREATE MATERIALIZED VIEW kept AS SELECT 1 AS a;
CREATE INDEX ON kept (a);
CREATE FOREIGN DATA WRAPPER elsewhere;
CREATE SERVER far FOREIGN DATA WRAPPER elsewhere;
CREATE FOREIGN TABLE far_table (a int) SERVER far;
CREATE TYPE composite AS (a int, b text);
CREATE TYPE mood AS ENUM ('glad');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TYPE span AS RANGE (subtype = int);
CREATE FUNCTION trigger_function() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE PROCEDURE nothing() LANGUAGE sql AS '';
CREATE AGGREGATE product (int) (SFUNC = int4mul, STYPE = int);
CREATE TRIGGER some_trigger BEFORE INSERT ON plain FOR EACH ROW EXECUTE FUNCTION trigger_function();
CREATE POLICY some_policy ON plain USING (true);
CREATE SEQUENCE counter;
CREATE TEMP SEQUENCE counter_of_the_session;
CREATE PUBLICATION changes FOR TABLE plain;
CREATE STATISTICS together (dependencies) ON id, name FROM plain;
CREATE ROLE dbm_catalog_summary_group;
CREATE ROLE dbm_catalog_summary_member IN ROLE dbm_catalog_summary_group, pg_monitor;
INSERT INTO plain VALUES (1, 'x');
ANALYZE;

CREATE VIEW public.truth AS
WITH schema AS (
    SELECT * FROM pg_namespace WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND nspname !~ '^pg_(toast_)?temp_'
), relation AS (
    SELECT c.* FROM pg_class c JOIN schema n ON n.oid = c.relnamespace
), attribute AS (
    SELECT a.* FROM pg_attribute a JOIN relation c ON c.oid = a.attrelid
    WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c')
)
SELECT 'table' AS kind, count(*) AS objects FROM relation WHERE relkind = 'r'
UNION ALL SELECT 'partitioned table', count(*) FROM relation WHERE relkind = 'p'
UNION ALL SELECT 'partition', count(*) FROM relation WHERE relispartition AND relkind IN ('r', 'p', 'f')
UNION ALL SELECT 'view', count(*) FROM relation WHERE relkind = 'v'
UNION ALL SELECT 'materialized view', count(*) FROM relation WHERE relkind = 'm'
UNION ALL SELECT 'foreign table', count(*) FROM relation WHERE relkind = 'f'
UNION ALL SELECT 'composite type', count(*) FROM relation WHERE relkind = 'c'
UNION ALL SELECT 'column', count(*) FROM attribute
UNION ALL SELECT 'column with statistics', count(*) FROM attribute
    WHERE EXISTS (SELECT FROM pg_statistic WHERE starelid = attrelid AND staattnum = attnum)
UNION ALL SELECT 'index', count(*) FROM relation WHERE relkind IN ('i', 'I')
UNION ALL SELECT 'constraint', count(*) FROM pg_constraint JOIN relation c ON c.oid = conrelid WHERE contype <> 'n'
UNION ALL SELECT 'trigger', count(*) FROM pg_trigger JOIN relation c ON c.oid = tgrelid
UNION ALL SELECT 'policy', count(*) FROM pg_policy JOIN relation c ON c.oid = polrelid
UNION ALL SELECT 'sequence', count(*) FROM pg_sequence JOIN relation c ON c.oid = seqrelid
UNION ALL SELECT 'function', count(*) FROM pg_proc JOIN schema n ON n.oid = pronamespace
-- Row types and arrays of them come with their tables and are not counted again.
UNION ALL SELECT 'type', count(*) FROM pg_type t JOIN schema n ON n.oid = t.typnamespace LEFT JOIN pg_type e ON e.oid = t.typelem
    WHERE t.typrelid = 0 AND NOT (t.typcategory = 'A' AND coalesce(e.typrelid, 0) <> 0)
UNION ALL SELECT 'extension', count(*) FROM pg_extension
UNION ALL SELECT 'extension member', count(*) FROM pg_depend WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
UNION ALL SELECT 'publication', count(*) FROM pg_publication
UNION ALL SELECT 'statistics object', count(*) FROM pg_statistic_ext
UNION ALL SELECT 'role', count(*) FROM pg_roles
UNION ALL SELECT 'membership', count(*) FROM pg_auth_members
UNION ALL SELECT 'schema', count(*) FROM schema;

SELECT kind, s.objects > 0 AS seen, s.objects = t.objects AS true
FROM dbm.catalog_summary() WITH ORDINALITY AS s (kind, objects, place) FULL JOIN public.truth t (kind, objects) USING (kind)
ORDER BY place;
