-- What the planner would do with other indexes: what it says, what it refuses, and that nothing of it is left behind.
CREATE DATABASE dbm_what_if;
\c dbm_what_if
CREATE EXTENSION dbmastery;
CREATE TABLE public.trees (id bigint PRIMARY KEY, name text NOT NULL, height integer, planted date);
CREATE TABLE public.leaves (id bigint PRIMARY KEY, tree_id bigint NOT NULL, shade text);
INSERT INTO public.trees SELECT i, 'Tree ' || i, i % 100, date '2000-01-01' + i FROM generate_series(1, 10000) AS i;
INSERT INTO public.leaves SELECT i, i % 10000, 'shade ' || i % 7 FROM generate_series(1, 20000) AS i;
VACUUM ANALYZE;

-- An index that helps and one that does not; the size is that of the index once built.
SELECT index_sql, used, cost_after < cost_before / 10 AS cheaper
  FROM dbm.what_if('SELECT * FROM trees WHERE name = ''Tree 7''', ARRAY['CREATE INDEX ON trees (name)', 'CREATE INDEX ON trees (height)']);
BEGIN;
CREATE INDEX really ON trees (name);
SELECT abs(estimated_bytes - pg_relation_size('really')) < pg_relation_size('really') * 0.15 AS sized
  FROM dbm.what_if('SELECT 1', ARRAY['CREATE INDEX ON trees (name)']);
ROLLBACK;
SELECT count(*) FROM dbm.what_if('SELECT 1', '{}');
-- Parameters without values, names given and made.
SELECT dbm.what_if_explain('SELECT id FROM trees WHERE height = $1 AND planted > $2', ARRAY['CREATE INDEX by_height ON trees (height, planted) INCLUDE (id)']) ~ 'by_height' AS named;
SELECT regexp_replace(dbm.what_if_explain('SELECT * FROM trees WHERE name = $1', ARRAY['CREATE INDEX ON trees (name)']), '\(cost.*?\)', '', 'g');
SELECT dbm.what_if_explain('SELECT * FROM trees WHERE name = $1', ARRAY['CREATE INDEX ON trees (name)'], 'JSON')::json -> 0 -> 'Plan' ->> 'Index Name' AS json;
SELECT dbm.what_if_explain('SELECT * FROM trees WHERE name = $1', ARRAY['CREATE INDEX ON trees (name)'], 'yaml') ~ 'Index Name: "trees_name_idx"' AS yaml;
SELECT dbm.what_if_explain('SELECT * FROM trees WHERE name = $1', ARRAY['CREATE INDEX ON trees (name)'], 'xml') ~ '<Index-Name>trees_name_idx</Index-Name>' AS xml;
-- Existing indexes thought away.
SELECT index_name, used, freed_bytes = pg_relation_size('trees_pkey') AS freed, cost_after > cost_before * 10 AS dearer
  FROM dbm.what_if_drop('SELECT * FROM trees WHERE id = 7', ARRAY['trees_pkey']::regclass[]);

-- Of five defects known from elsewhere, none. (1) Expression and partial indexes serve wherever the table stands.
SELECT used FROM dbm.what_if('SELECT * FROM leaves l JOIN trees t ON t.id = l.id WHERE upper(t.name) = ''TREE 7''', ARRAY['CREATE INDEX ON trees (upper(name))']);
SELECT used FROM dbm.what_if('SELECT t.name FROM leaves l JOIN trees t ON t.id = l.id WHERE t.height = 5 AND t.planted = date ''2003-04-05''', ARRAY['CREATE INDEX ON trees (planted) WHERE height = 5']);
-- (2) A call that fails leaves nothing for the next statement.
SELECT dbm.what_if_explain('SELECT name, 1 / 0 FROM trees WHERE name = ''x''', ARRAY['CREATE INDEX ON trees (name)']);
EXPLAIN (COSTS off) SELECT * FROM trees WHERE name = 'Tree 7';
SELECT id FROM trees WHERE name = 'Tree 7';
-- (3) SQL in functions that run while the query is planned sees the indexes that there are.
CREATE FUNCTION public.tree_id(wanted text) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS
$$ BEGIN RETURN (SELECT id FROM trees WHERE name = wanted); END $$;
SELECT used FROM dbm.what_if('SELECT * FROM trees WHERE name = ''Tree '' || tree_id(''Tree 7'')', ARRAY['CREATE INDEX ON trees (name)']);
-- Also when such a function asks the same again, or fails and is forgiven.
CREATE FUNCTION public.asks(wanted text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
$$ BEGIN
    PERFORM * FROM dbm.what_if('SELECT * FROM trees WHERE height = 3', ARRAY['CREATE INDEX ON trees (height)']);
    BEGIN
        PERFORM * FROM dbm.what_if('SELECT * FROM nowhere', '{}');
    EXCEPTION WHEN undefined_table THEN
        NULL;
    END;
    RETURN (SELECT name FROM trees WHERE name = wanted);
END $$;
SELECT used FROM dbm.what_if('SELECT * FROM trees WHERE name = asks(''Tree 7'')', ARRAY['CREATE INDEX ON trees (name)']);
-- (4) No plan that is kept has one of them.
SET plan_cache_mode = force_generic_plan;
PREPARE by_name AS SELECT id FROM trees WHERE name = $1;
EXECUTE by_name('Tree 7');
SELECT used FROM dbm.what_if('SELECT id FROM trees WHERE name = $1', ARRAY['CREATE INDEX ON trees (name)']);
EXECUTE by_name('Tree 7');
EXPLAIN (COSTS off) EXECUTE by_name('Tree 7');
RESET plan_cache_mode;
-- (5) Partitions that count their columns differently get the right ones.
CREATE TABLE public.rings (id bigint, era integer, width integer, note text) PARTITION BY LIST (era);
CREATE TABLE public.rings_1 (note text, gone text, width integer, id bigint, era integer);
ALTER TABLE public.rings_1 DROP COLUMN gone;
ALTER TABLE public.rings ATTACH PARTITION public.rings_1 FOR VALUES IN (1);
CREATE TABLE public.rings_2 PARTITION OF public.rings FOR VALUES IN (2);
INSERT INTO public.rings SELECT i, 1 + i % 2, i % 5000, 'note ' || i FROM generate_series(1, 20000) AS i;
ANALYZE public.rings;
SELECT regexp_replace(dbm.what_if_explain('SELECT id FROM rings WHERE width = 7', ARRAY['CREATE INDEX ON rings (width)']), '\(cost.*?\)', '', 'g');
SELECT regexp_replace(dbm.what_if_explain('SELECT id FROM rings WHERE lower(note) = ''note 7'' AND era = $1', ARRAY['CREATE INDEX ON rings (lower(note))']), '\(cost.*?\)', '', 'g') ~ 'rings_1_lower_idx.*rings_2_lower_idx' AS both;

-- What is refused, and where in the text.
SELECT * FROM dbm.what_if('SELECT * FRM trees', '{}');
SELECT * FROM dbm.what_if('SELECT * FROM nowhere', '{}');
SELECT * FROM dbm.what_if('SELECT $1', '{}');
SELECT * FROM dbm.what_if('SELECT 1; SELECT 2', '{}');
SELECT * FROM dbm.what_if(' ', '{}');
SELECT * FROM dbm.what_if('VACUUM trees', '{}');
SELECT * FROM dbm.what_if('CREATE TABLE t (a int)', '{}');
SELECT * FROM dbm.what_if('EXPLAIN SELECT 1', '{}');
SELECT * FROM dbm.what_if('DECLARE c CURSOR FOR SELECT 1', '{}');
SELECT * FROM dbm.what_if('SELECT 1 INTO t', '{}');
SELECT * FROM dbm.what_if('SELECT 1', ARRAY['DROP INDEX trees_pkey']);
SELECT * FROM dbm.what_if('SELECT 1', ARRAY['CREATE INDEX ON trees (nmae)']);
SELECT * FROM dbm.what_if('SELECT 1', ARRAY['CREATE INDEX ON trees (upper(nmae))']);
SELECT * FROM dbm.what_if('SELECT 1', ARRAY['CREATE INDEX ON trees ((now()))']);
SELECT * FROM dbm.what_if('SELECT 1', ARRAY['CREATE INDEX ON trees (id) WHERE planted < now()']);
SELECT * FROM dbm.what_if('SELECT 1', ARRAY['CREATE INDEX trees_pkey ON trees (name)']);
SELECT * FROM dbm.what_if('SELECT 1', ARRAY['CREATE INDEX ON trees USING spgist (name)']);
SELECT * FROM dbm.what_if('SELECT 1', ARRAY['CREATE INDEX ON trees USING brin (id) WITH (pages_per_range = 16)']);
SELECT * FROM dbm.what_if('SELECT 1', ARRAY['CREATE INDEX ON trees USING hash (id, name)']);
SELECT * FROM dbm.what_if('SELECT 1', ARRAY['CREATE INDEX ON trees (id) WITH (fillfctor = 16)']);
SELECT * FROM dbm.what_if('SELECT 1', ARRAY['CREATE INDEX ON ONLY rings (id)']);
SELECT * FROM dbm.what_if('SELECT 1', ARRAY['CREATE INDEX ON pg_class (relname)']);
SELECT * FROM dbm.what_if('SELECT 1', ARRAY[NULL]);
CREATE VIEW public.tall_trees AS SELECT * FROM trees WHERE height > 90;
SELECT * FROM dbm.what_if('SELECT 1', ARRAY['CREATE INDEX ON tall_trees (name)']);
SELECT dbm.what_if_explain('SELECT 1', '{}', 'html');
SELECT * FROM dbm.what_if_drop('SELECT 1', ARRAY['trees']::regclass[]);
-- Views, temporary tables and what writes are planned like anything else; nothing is run.
SELECT used FROM dbm.what_if('SELECT * FROM tall_trees WHERE name = $1', ARRAY['CREATE INDEX ON trees (name)']);
CREATE TEMPORARY TABLE saplings AS SELECT * FROM trees;
ANALYZE saplings;
SELECT used FROM dbm.what_if('SELECT * FROM saplings WHERE name = $1', ARRAY['CREATE INDEX ON saplings (name)']);
SELECT used FROM dbm.what_if('WITH felled AS (DELETE FROM trees WHERE name = $1 RETURNING *) SELECT * FROM felled', ARRAY['CREATE INDEX ON trees (name)']);
SELECT count(*) FROM trees;

-- Nothing is left: no lock, no transaction id, no setting; a read-only transaction will do.
BEGIN READ ONLY;
SELECT used FROM dbm.what_if('UPDATE trees SET height = 1 WHERE name = $1', ARRAY['CREATE INDEX ON trees (name)', 'CREATE INDEX ON trees (lower(name)) WHERE height > 5']);
SELECT count(*) AS locks FROM pg_locks WHERE pid = pg_backend_pid() AND relation IN ('trees'::regclass, 'leaves'::regclass);
SELECT pg_current_xact_id_if_assigned() IS NULL AS no_transaction_id;
SHOW synchronize_seqscans;
COMMIT;

-- The caller's rights, not ours.
CREATE ROLE dbm_what_if_reader IN ROLE pg_monitor;
GRANT SELECT ON leaves TO dbm_what_if_reader;
SET ROLE dbm_what_if_reader;
SELECT used FROM dbm.what_if('SELECT * FROM leaves WHERE tree_id = 7', ARRAY['CREATE INDEX ON leaves (tree_id)']);
SELECT used FROM dbm.what_if('SELECT * FROM trees WHERE name = ''x''', '{}');
SELECT used FROM dbm.what_if('SELECT 1', ARRAY['CREATE INDEX ON trees (name) WHERE height = 7']);
RESET ROLE;
ALTER TABLE leaves ENABLE ROW LEVEL SECURITY;
CREATE POLICY none ON leaves USING (false);
SET ROLE dbm_what_if_reader;
SELECT estimated_bytes FROM dbm.what_if('SELECT 1', ARRAY['CREATE INDEX ON leaves (tree_id) WHERE shade = ''shade 1''']);
RESET ROLE;
\c postgres
DROP DATABASE dbm_what_if;
DROP ROLE dbm_what_if_reader;
