-- Indexes that are broken, swollen, too many or too coarse, each made in earnest; what is said of bloat is compared with
-- what a rebuild really frees.
CREATE DATABASE dbm_index_health;
\c dbm_index_health
CREATE EXTENSION dbmastery;
CREATE SCHEMA health;
SET search_path = health;
CREATE VIEW public.told AS
    SELECT table_name, index_name, problem, severity, certainty, reason, fix, size_bytes, wasted_bytes, evidence FROM dbm.index_health();

-- Invalid: over duplicate values; beside a valid one that does the same; left by REINDEX; behind a constraint; of a
-- partitioned table that some partitions lack. Look-alike: one that is valid.
CREATE TABLE v01_duplicates (a int NOT NULL);
INSERT INTO v01_duplicates VALUES (1), (1), (2);
CREATE UNIQUE INDEX CONCURRENTLY v01_unique ON v01_duplicates (a);
CREATE TABLE v02_stand_in (a int, b int);
INSERT INTO v02_stand_in VALUES (1, 0);
CREATE INDEX v02_valid ON v02_stand_in (a);
CREATE FUNCTION public.fails(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
    RETURN $1 / current_setting('health.divisor')::int;
END $$;
SET health.divisor = 1;
CREATE TABLE v03_left_by_reindex (a int);
INSERT INTO v03_left_by_reindex VALUES (1);
CREATE INDEX v03_expression ON v03_left_by_reindex (public.fails(a));
SET health.divisor = 0;
REINDEX INDEX CONCURRENTLY v03_expression;
CREATE INDEX CONCURRENTLY v04_fails ON v02_stand_in (b, public.fails(a));
RESET health.divisor;
CREATE TABLE v05_partitioned (a int, day date) PARTITION BY RANGE (day);
CREATE TABLE v05_partition_1 PARTITION OF v05_partitioned FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE v05_partition_2 PARTITION OF v05_partitioned FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
CREATE INDEX v05_a ON ONLY v05_partitioned (a);
CREATE INDEX v05_partition_1_a ON v05_partition_1 (a);
ALTER INDEX v05_a ATTACH PARTITION v05_partition_1_a;
CREATE TABLE v06_valid (a int UNIQUE);

SELECT index_name, problem, severity, certainty FROM public.told ORDER BY index_name;
SELECT relname AS index FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE NOT indisvalid AND c.relnamespace = 'health'::regnamespace ORDER BY 1;
SELECT object FROM dbm.audit('indexing', array['health']) WHERE rule = 'indexing.invalid_index' ORDER BY object;
-- Each repair makes the index valid or ends it, once its cause is gone.
SET health.divisor = 1;
SELECT index_name, fix FROM public.told WHERE problem IN ('invalid', 'not_ready') ORDER BY index_name;
SELECT statement FROM public.told, regexp_split_to_table(fix, ';\n|;$') WITH ORDINALITY s (statement, part)
WHERE problem IN ('invalid', 'not_ready') AND statement <> '' ORDER BY index_name, part \gexec
SELECT index_name FROM public.told WHERE problem IN ('invalid', 'not_ready') ORDER BY index_name;
SELECT relname AS index, indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE c.relnamespace = 'health'::regnamespace AND c.relname LIKE 'v0%' ORDER BY 1;
DROP TABLE v01_duplicates, v02_stand_in, v03_left_by_reindex, v05_partitioned, v06_valid;

-- Bloat: four fifths of the rows are gone, but every page still holds some. Look-alikes: full ones, one filled in random
-- order, one that was told to keep room, and one whose many equal values are stored once.
CREATE TABLE b01_hollow (id int NOT NULL, few int NOT NULL, word text NOT NULL);
INSERT INTO b01_hollow SELECT i, i % 50, 'a word of some length ' || i FROM generate_series(1, 100000) i;
CREATE INDEX b01_id ON b01_hollow (id);
CREATE INDEX b01_few ON b01_hollow (few);
CREATE INDEX b01_word ON b01_hollow (word);
CREATE INDEX b01_expression ON b01_hollow ((id + 1));
DELETE FROM b01_hollow WHERE id % 5 <> 0;
CREATE TABLE b02_full (id int NOT NULL, few int NOT NULL, chance int NOT NULL);
CREATE INDEX b02_chance ON b02_full (chance);
INSERT INTO b02_full SELECT i, i % 50, i * 7919 % 100003 FROM generate_series(1, 100000) i;
CREATE INDEX b02_id ON b02_full (id);
CREATE INDEX b02_few ON b02_full (few);
CREATE INDEX b02_roomy ON b02_full (id, few) WITH (fillfactor = 40);
VACUUM (ANALYZE) b01_hollow, b02_full;

-- By default only waste that is worth a rebuild is told.
SELECT index_name FROM public.told WHERE problem = 'bloated' ORDER BY index_name;
INSERT INTO dbm.rule_setting (rule, thresholds) VALUES ('indexing.bloated_index', '{"wasted_bytes": 100000}');
SELECT index_name, severity, certainty, fix FROM public.told WHERE problem = 'bloated' ORDER BY index_name;
SELECT object FROM dbm.audit('indexing') WHERE rule = 'indexing.bloated_index' ORDER BY object;

-- Every index, bloated or not: what is told to be free, measured and then reckoned only, against what REINDEX frees.
UPDATE dbm.rule_setting SET thresholds = '{"wasted_bytes": 1, "bloat_share": 0.05}' WHERE rule = 'indexing.bloated_index';
CREATE TEMP TABLE measured AS
    SELECT index_name, certainty, wasted_bytes FROM public.told WHERE problem = 'bloated';
UPDATE dbm.rule_setting SET thresholds = '{"wasted_bytes": 1, "bloat_share": 0.05, "measured_bytes": 1000000000}'
WHERE rule = 'indexing.bloated_index';
CREATE TEMP TABLE reckoned AS
    SELECT index_name, certainty, wasted_bytes FROM public.told WHERE problem = 'bloated';
CREATE TEMP TABLE truth AS
    SELECT format('health.%I', relname) AS index_name, pg_relation_size(oid) AS before FROM pg_class
    WHERE relnamespace = 'health'::regnamespace AND relkind = 'i';
REINDEX SCHEMA health;
SELECT index_name, coalesce(m.certainty, 'silent') AS measured,
       abs(coalesce(m.wasted_bytes, 0) - freed) <= 0.1 * before AS within_ten_points,
       coalesce(r.certainty, 'silent') AS reckoned,
       abs(coalesce(r.wasted_bytes, 0) - freed) <= 0.1 * before OR r.certainty = 'unknown' AS within_ten_points_or_unknown
FROM (SELECT index_name, before, before - pg_relation_size(index_name::regclass) AS freed FROM truth) t
LEFT JOIN measured m USING (index_name) LEFT JOIN reckoned r USING (index_name)
ORDER BY index_name;
-- Rebuilt, none is bloated; of the one on an expression, now too small to be read, nothing can be told.
VACUUM (ANALYZE) b01_hollow, b02_full;
DELETE FROM dbm.rule_setting;
INSERT INTO dbm.rule_setting (rule, thresholds) VALUES ('indexing.bloated_index', '{"wasted_bytes": 100000}');
SELECT index_name, certainty, fix FROM public.told WHERE problem = 'bloated' ORDER BY index_name;
DROP TABLE b01_hollow, b02_full;

-- Too many: nine on a table that is only written. Look-alikes: eight; nine on a table that is read; nine of which one is
-- there for a foreign key; nine on a table hardly written.
CREATE TABLE parents (id int PRIMARY KEY);
SELECT format('CREATE TABLE %s (id int PRIMARY KEY, c1 int %s, c2 int, c3 int, c4 int, c5 int, c6 int, c7 int, c8 int)', name,
              CASE name WHEN 'm04_with_foreign_key' THEN 'REFERENCES parents' ELSE '' END)
FROM unnest('{m01_nine,m02_eight,m03_read,m04_with_foreign_key,m05_quiet}'::text[]) name \gexec
\set ECHO none
SELECT format('CREATE INDEX %s_c%s ON %s (c%s)', name, i, name, i)
FROM unnest('{m01_nine,m02_eight,m03_read,m04_with_foreign_key,m05_quiet}'::text[]) name, generate_series(1, 8) i
WHERE NOT (name = 'm02_eight' AND i = 8) ORDER BY 1 \gexec
\set ECHO all
INSERT INTO m01_nine (id) SELECT generate_series(1, 2000);
INSERT INTO m02_eight (id) SELECT generate_series(1, 2000);
INSERT INTO m03_read (id) SELECT generate_series(1, 2000);
INSERT INTO m04_with_foreign_key (id) SELECT generate_series(1, 2000);
INSERT INTO m05_quiet (id) SELECT generate_series(1, 500);
ANALYZE;
SET enable_seqscan = off;
DO $$ BEGIN FOR i IN 1..600 LOOP PERFORM FROM health.m03_read WHERE id = i; END LOOP; END $$;
RESET enable_seqscan;
SELECT pg_stat_force_next_flush();
SELECT table_name, index_name, severity, certainty, evidence -> 'indexes' AS indexes FROM public.told WHERE problem = 'too_many_indexes';
SELECT object FROM dbm.audit('indexing') WHERE rule = 'indexing.too_many_indexes' ORDER BY object;
DROP TABLE m01_nine, m02_eight, m03_read, m04_with_foreign_key, m05_quiet;

-- Too coarse: a boolean, three values. Look-alikes: only the rare ones are indexed, with a second column, many values, a
-- foreign key, a scan that found little, a small table, another method.
CREATE TABLE l01_coarse (id int PRIMARY KEY, is_open boolean NOT NULL, three int NOT NULL, rare int NOT NULL, many int NOT NULL,
    parent_id int REFERENCES parents, found int NOT NULL, tags int[] NOT NULL);
INSERT INTO l01_coarse SELECT i, i % 2 = 0, i % 3, (i % 1000 = 0)::int, i % 100, NULL, (i % 1000 = 0)::int, array[i % 3] FROM generate_series(1, 12000) i;
CREATE INDEX l01_is_open ON l01_coarse (is_open);
CREATE INDEX l01_three ON l01_coarse USING hash (three);
CREATE INDEX l01_partial ON l01_coarse (rare) WHERE rare = 1;
CREATE INDEX l01_two ON l01_coarse (three, many);
CREATE INDEX l01_many ON l01_coarse (many);
CREATE INDEX l01_parent_id ON l01_coarse (parent_id);
CREATE INDEX l01_found ON l01_coarse (found);
CREATE INDEX l01_tags ON l01_coarse USING gin (tags);
CREATE TABLE l02_small (is_open boolean);
INSERT INTO l02_small SELECT true FROM generate_series(1, 100);
CREATE INDEX l02_is_open ON l02_small (is_open);
ANALYZE;
SET enable_seqscan = off;
SELECT count(*) FROM l01_coarse WHERE found = 1;
RESET enable_seqscan;
SELECT pg_stat_force_next_flush();
SELECT index_name, severity, certainty, evidence -> 'distinct_values' AS distinct_values FROM public.told WHERE problem = 'low_cardinality' ORDER BY 1;
SELECT object FROM dbm.audit('indexing') WHERE rule = 'indexing.low_cardinality_index' ORDER BY object;
