-- Indexes that nothing scans: which can go, which somebody has to look at, and which must stay though nothing scans them.
CREATE DATABASE dbm_unused;
\c dbm_unused
CREATE EXTENSION dbmastery;
CREATE SCHEMA idle;
SET search_path = idle;

CREATE TABLE parents (id int CONSTRAINT parents_key PRIMARY KEY, code text);
CREATE UNIQUE INDEX parents_code ON parents (code);
CREATE TABLE children (
    id int CONSTRAINT children_key PRIMARY KEY,
    parent_id int CONSTRAINT fk_children_parent REFERENCES parents,
    other_id int CONSTRAINT fk_children_other REFERENCES parents,
    parent_code text CONSTRAINT fk_children_code REFERENCES parents (code),
    a int, b text, c int, d int NOT NULL, e int, during int4range,
    CONSTRAINT children_unique UNIQUE (a),
    CONSTRAINT children_no_overlap EXCLUDE USING gist (during WITH &&));
CREATE INDEX children_plain ON children (c);
CREATE INDEX children_partial ON children (c) WHERE c > 10;
CREATE INDEX children_scanned ON children (e);
CREATE INDEX children_two ON children (d, c);
CREATE INDEX children_parent_id ON children (parent_id);
CREATE INDEX children_other_id ON children (other_id);
CREATE INDEX children_other_id_c ON children (other_id, c);
CREATE INDEX children_parent_code_hash ON children USING hash (parent_code);
CREATE INDEX children_expression ON children (upper(b));
CREATE INDEX children_clustered ON children (b);
ALTER TABLE children CLUSTER ON children_clustered;
CREATE UNIQUE INDEX children_identity ON children (d);
ALTER TABLE children REPLICA IDENTITY USING INDEX children_identity;
CREATE TABLE tree (id int, day date) PARTITION BY RANGE (day);
CREATE TABLE tree_1 PARTITION OF tree FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE tree_2 PARTITION OF tree FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
CREATE INDEX tree_id ON tree (id);
CREATE INDEX tree_2_day ON tree_2 (day);
CREATE MATERIALIZED VIEW summary AS SELECT 1 AS a;
CREATE INDEX summary_a ON summary (a);
CREATE TABLE broken (a int);
INSERT INTO broken VALUES (1), (1);
CREATE UNIQUE INDEX CONCURRENTLY broken_a ON broken (a);
CREATE TEMP TABLE of_the_session (a int);
CREATE INDEX of_the_session_a ON of_the_session (a);
INSERT INTO parents SELECT i, 'c' || i FROM generate_series(1, 200) i;
-- Without values that a constraint would look up by an index.
INSERT INTO children (id, a, b, c, d, e) SELECT i, i, 'b' || i, i, i, i FROM generate_series(1, 1200) i;
INSERT INTO tree SELECT i, '2026-01-01'::date + i % 59 FROM generate_series(1, 200) i;
ANALYZE;
SET enable_seqscan = off;
SELECT e FROM children WHERE e = 7;
RESET enable_seqscan;
SELECT pg_stat_force_next_flush();

-- The counters of this cluster are minutes old, so that nothing may be dropped for want of scans; but what must stay stays.
CREATE VIEW public.told AS
    SELECT index_name, verdict, reason, scans, watched IS NOT NULL AS watched, size_bytes = pg_relation_size(index_name::regclass) AS sized,
           drop_sql, recreate_sql
    FROM dbm.unused_indexes();
SELECT index_name, verdict, regexp_replace(reason, '(less than )?\d+ hours', '… hours') AS reason, scans, watched FROM public.told ORDER BY index_name;
SELECT count(*) FROM dbm.audit('indexing') WHERE rule = 'indexing.unused_index' AND status = 'finding';
SELECT status, object, regexp_replace(message, '(less than )?\d+ hours', '… hours') AS message FROM dbm.audit('indexing') WHERE rule = 'indexing.unused_index';

-- With a threshold of no days the counters are believed, but not of tables that are hardly used.
INSERT INTO dbm.rule_setting (rule, thresholds) VALUES ('indexing.unused_index', '{"minimum_days": 0}');
SELECT index_name, verdict, regexp_replace(reason, '(less than )?\d+', '…', 'g') AS reason FROM public.told WHERE verdict <> 'keep' ORDER BY index_name;
UPDATE dbm.rule_setting SET thresholds = '{"minimum_days": 0, "table_scans": 0, "table_writes": 0, "minimum_bytes": 0}'
WHERE rule = 'indexing.unused_index';
SELECT index_name, verdict, regexp_replace(reason, '(less than )?\d+ hours', '… hours') AS reason FROM public.told ORDER BY verdict, index_name;
SELECT object FROM dbm.audit('indexing') WHERE rule = 'indexing.unused_index' AND status = 'finding' ORDER BY object;
-- Of two indexes for one foreign key one can go; the other is then the last.
SELECT index_name, verdict FROM public.told WHERE index_name LIKE '%other_id%' ORDER BY index_name;

-- Sizes are those of the disk, and a partition tree is one index.
SELECT index_name FROM public.told WHERE NOT sized ORDER BY index_name;
SELECT index_name, size_bytes = (SELECT sum(pg_relation_size(relid)) FROM pg_partition_tree('tree_id')) AS sized
FROM dbm.unused_indexes() WHERE index_name = 'idle.tree_id';
SELECT count(*) AS smaller FROM dbm.unused_indexes(min_bytes => 16384) WHERE size_bytes < 16384;
SELECT (SELECT count(*) FROM dbm.unused_indexes(16384)) = (SELECT count(*) FROM dbm.unused_indexes() WHERE size_bytes >= 16384) AS complete;
SELECT count(*) AS huge FROM dbm.unused_indexes(1000000000000);

-- What is kept has no statement; what may go goes by it and comes back as it was.
SELECT count(*) AS kept_with_statement FROM public.told WHERE verdict = 'keep' AND (drop_sql IS NOT NULL OR recreate_sql IS NOT NULL);
CREATE TEMP TABLE before AS SELECT indexrelid::regclass::text AS index, pg_get_indexdef(indexrelid) AS definition FROM pg_index;
CREATE TEMP TABLE script AS SELECT index_name, drop_sql, recreate_sql FROM public.told WHERE verdict = 'drop';
SELECT statement FROM script, regexp_split_to_table(drop_sql, ';\n|;$') WITH ORDINALITY s (statement, part)
WHERE statement <> '' ORDER BY index_name, part \gexec
SELECT index_name, verdict FROM public.told WHERE verdict <> 'keep' ORDER BY index_name;
SELECT statement FROM script, regexp_split_to_table(recreate_sql, ';\n|;$') WITH ORDINALITY s (statement, part)
WHERE statement <> '' ORDER BY index_name, part \gexec
SELECT * FROM before EXCEPT SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index ORDER BY 1;
SELECT index_name FROM public.told WHERE verdict = 'drop' ORDER BY index_name;

-- One scan is use, whoever does it.
SET enable_seqscan = off;
SELECT c FROM children WHERE c = 5 AND c > 0;
SELECT id FROM tree WHERE id = 5;
RESET enable_seqscan;
SELECT pg_stat_force_next_flush();
SELECT index_name FROM public.told WHERE verdict = 'drop' ORDER BY index_name;
