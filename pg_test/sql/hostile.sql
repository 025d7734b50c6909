-- Queries and tables that once broke advice, each a bug that was found by trying to.
CREATE DATABASE dbm_hostile;
\c dbm_hostile
CREATE EXTENSION dbmastery;
-- VACUUM marks no page whose rows are not known to be on disk.
SET synchronous_commit = on;
CREATE TABLE public.trees (id bigint PRIMARY KEY, name text NOT NULL, height integer);
INSERT INTO public.trees SELECT i, 'Tree ' || i, i % 100 FROM generate_series(1, 10000) AS i;
CREATE TABLE public.leaves (id bigint PRIMARY KEY, tree_id bigint NOT NULL, shade integer NOT NULL);
INSERT INTO public.leaves SELECT i, 1 + i % 10000, i % 500 FROM generate_series(1, 20000) AS i;
VACUUM ANALYZE;

-- A condition that compares with what an outer query or another part of the plan computes. PostgreSQL 17 and later look
-- that up in the plan to print it, and ended the session where there was none yet.
SELECT kind, rule, split_part(sql, ' (', 2) AS keys
  FROM dbm.advise('SELECT t.id FROM trees t WHERE t.height = (SELECT min(l.shade) FROM leaves l WHERE l.tree_id = t.id)') WHERE kind = 'index';
SELECT kind, rule, split_part(sql, ' (', 2) AS keys
  FROM dbm.advise('SELECT id FROM leaves WHERE shade = (SELECT max(height) + 400 FROM trees)') WHERE kind = 'index';

-- The plan that EXPLAIN prints is pruned by code of the query, whose own queries must not see the index.
CREATE TABLE public.months (day date NOT NULL, rain integer) PARTITION BY RANGE (day);
CREATE TABLE public.january PARTITION OF public.months FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
CREATE TABLE public.february PARTITION OF public.months FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
CREATE FUNCTION public.wet_day() RETURNS date LANGUAGE plpgsql STABLE AS
$$ DECLARE found integer; BEGIN
    EXECUTE 'SELECT count(*) FROM trees WHERE name = ''Tree 7''' INTO found;
    RETURN date '2024-01-01' + found;
END $$;
SELECT dbm.what_if_explain('SELECT * FROM months WHERE day = wet_day()', ARRAY['CREATE INDEX ON trees (name)']) ~ 'january' AS pruned;

-- An index on an expression that fails in one partition only.
CREATE TABLE public.halves (part integer NOT NULL, v integer, w integer) PARTITION BY LIST (part);
CREATE TABLE public.first_half PARTITION OF public.halves FOR VALUES IN (1);
CREATE TABLE public.second_half PARTITION OF public.halves FOR VALUES IN (2);
INSERT INTO public.halves SELECT 1, 1 + i % 1000, i FROM generate_series(1, 20000) AS i;
INSERT INTO public.halves SELECT 2, i % 1000, i FROM generate_series(1, 20000) AS i;
VACUUM ANALYZE public.halves;
-- What else the query asks is still worth an index.
SELECT substring(message FROM 'index on \S+ \(.*?\)') AS found FROM dbm.advise('SELECT * FROM halves WHERE 10 / v = 2 AND w = 5') WHERE kind = 'index';

-- A join that goes from inside others, whose columns then count what is left.
CREATE TABLE public.birds (id bigint PRIMARY KEY, tree_id bigint, song text);
SELECT sql FROM dbm.advise('SELECT DISTINCT t.name, b.song FROM trees t LEFT JOIN leaves l ON l.tree_id = t.id LEFT JOIN birds b ON b.tree_id = t.id') WHERE rule = 'query.unused_join';
SELECT sql FROM dbm.advise('SELECT DISTINCT t.name FROM birds b LEFT JOIN leaves l ON l.tree_id = b.tree_id RIGHT JOIN trees t ON t.id = b.tree_id AND b.song = ''x''') WHERE rule = 'query.unused_join';
SELECT sql FROM dbm.advise('SELECT DISTINCT t.name, b.song FROM trees t LEFT JOIN (birds b LEFT JOIN leaves l ON l.tree_id = b.tree_id) ON b.tree_id = t.id JOIN halves h ON h.w = t.id') WHERE rule = 'query.unused_join';
-- Where the join around it gives the columns names of their own, they count: it stays.
SELECT sql FROM dbm.advise('SELECT DISTINCT x.a, x.k FROM (trees t LEFT JOIN leaves l ON l.tree_id = t.id LEFT JOIN birds b ON b.tree_id = t.id) AS x (a, b, c, d, e, f, k)') WHERE rule = 'query.unused_join';
SELECT sql FROM dbm.advise('SELECT DISTINCT name, song FROM (trees t LEFT JOIN (SELECT tree_id, shade FROM leaves) l ON l.tree_id = t.height) JOIN birds b USING (id)') WHERE rule = 'query.unused_join';

-- Other people's queries are planned where nothing can be written, which later majors let nobody set in every way.
INSERT INTO dbm.workload (query, calls) VALUES ('SELECT id FROM public.trees WHERE name = ''Tree 7''', 1000);
SELECT action, substring(sql FROM 'ON \S+ \(\w+') AS "on", queries, evidence ->> 'reason' AS reason FROM dbm.advise_workload(source => 'table', time_limit => '10 min');
SELECT current_setting('transaction_read_only') AS read_only_afterwards;

-- A column that is stored nowhere takes no index. Before 18 there is none.
DO $$ BEGIN
    IF current_setting('server_version_num')::integer >= 180000 THEN
        EXECUTE 'CREATE TABLE public.doubles (half integer, whole integer GENERATED ALWAYS AS (half * 2) VIRTUAL)';
        BEGIN
            PERFORM * FROM dbm.what_if('SELECT * FROM doubles', ARRAY['CREATE INDEX ON doubles (half) WHERE whole = 2']);
            RAISE EXCEPTION 'an index on a virtual column was thought of';
        EXCEPTION WHEN feature_not_supported THEN
            NULL;
        END;
    END IF;
END $$;

-- An operator that anybody may make is not run by whoever audits.
\set VERBOSITY terse
CREATE FUNCTION public.taken(oid, integer) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'taken'; END $$;
CREATE OPERATOR public.= (LEFTARG = oid, RIGHTARG = integer, FUNCTION = public.taken);
CREATE TABLE public.sorted (word text COLLATE ucs_basic);
CREATE INDEX ON public.sorted (word);
SELECT count(*) FROM pg_catalog.pg_collation WHERE oid = 950;
SELECT count(*) AS broken FROM dbm.audit() WHERE status = 'error';
\c postgres
DROP DATABASE dbm_hostile;
