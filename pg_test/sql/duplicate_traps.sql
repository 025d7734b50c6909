-- Indexes that look superfluous: the 25 cases on which the known tools were measured, then more.
-- Nine groups are truly superfluous; whoever drops an index of another one loses a constraint or an access path.
CREATE DATABASE dbm_duplicate_traps;
\c dbm_duplicate_traps
CREATE EXTENSION dbmastery;
CREATE SCHEMA traps;
SET search_path = traps;

CREATE TABLE d01_twice (a int, b int);
CREATE INDEX d01_first ON d01_twice (a);
CREATE INDEX d01_second ON d01_twice (a);

CREATE TABLE d02_prefix (a int, b int);
CREATE INDEX d02_a ON d02_prefix (a);
CREATE INDEX d02_ab ON d02_prefix (a, b);

CREATE TABLE d03_directions (a int, b int);
CREATE INDEX d03_up ON d03_directions (a, b);
CREATE INDEX d03_down ON d03_directions (a, b DESC);

CREATE TABLE d04_predicates (a int, is_open boolean);
CREATE INDEX d04_open ON d04_predicates (a) WHERE is_open;
CREATE INDEX d04_shut ON d04_predicates (a) WHERE NOT is_open;

CREATE TABLE d05_functions (a text);
CREATE INDEX d05_lower ON d05_functions (lower(a));
CREATE INDEX d05_upper ON d05_functions (upper(a));

CREATE TABLE d06_expression_twice (a text);
CREATE INDEX d06_1 ON d06_expression_twice (lower(a));
CREATE INDEX d06_2 ON d06_expression_twice (lower(a));

CREATE TABLE d07_methods (a int);
CREATE INDEX d07_btree ON d07_methods (a);
CREATE INDEX d07_hash ON d07_methods USING hash (a);

CREATE TABLE d08_operator_classes (a text);
CREATE INDEX d08_text ON d08_operator_classes (a);
CREATE INDEX d08_pattern ON d08_operator_classes (a text_pattern_ops);

CREATE TABLE d09_collations (a text);
CREATE INDEX d09_own ON d09_collations (a);
CREATE INDEX d09_posix ON d09_collations (a COLLATE "POSIX");

CREATE TABLE d10_unique_and_plain (a int, CONSTRAINT d10_unique UNIQUE (a));
CREATE INDEX d10_plain ON d10_unique_and_plain (a);

CREATE TABLE d11_unique_prefix (a int, b int, CONSTRAINT d11_unique UNIQUE (a));
CREATE INDEX d11_ab ON d11_unique_prefix (a, b);

-- Not in one statement: the server would merge the two.
CREATE TABLE d12_key_and_unique (id int, CONSTRAINT d12_key PRIMARY KEY (id));
ALTER TABLE d12_key_and_unique ADD CONSTRAINT d12_unique UNIQUE (id);

CREATE TABLE d13_payloads (a int, b int, c int);
CREATE INDEX d13_b ON d13_payloads (a) INCLUDE (b);
CREATE INDEX d13_c ON d13_payloads (a) INCLUDE (c);

-- Column numbers 1, 10 and 11 begin with the same digit.
CREATE TABLE d14_numbers (a1 int, a2 int, a3 int, a4 int, a5 int, a6 int, a7 int, a8 int, a9 int, a10 int, a11 int);
CREATE INDEX d14_1 ON d14_numbers (a1);
CREATE INDEX d14_10 ON d14_numbers (a10);
CREATE INDEX d14_11_2 ON d14_numbers (a11, a2);

CREATE TABLE d15_names (id int, id_type int);
CREATE INDEX d15_id ON d15_names (id);
CREATE INDEX d15_id_type ON d15_names (id_type);

CREATE TABLE d16_nulls_distinct (a int);
CREATE UNIQUE INDEX d16_distinct ON d16_nulls_distinct (a);
CREATE UNIQUE INDEX d16_not_distinct ON d16_nulls_distinct (a) NULLS NOT DISTINCT;

CREATE TABLE d17_exclusion (during int4range, CONSTRAINT d17_no_overlap EXCLUDE USING gist (during WITH &&));
CREATE INDEX d17_plain ON d17_exclusion USING gist (during);

CREATE TABLE d18_partitioned (a int, day date) PARTITION BY RANGE (day);
CREATE TABLE d18_partition_1 PARTITION OF d18_partitioned FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE d18_partition_2 PARTITION OF d18_partitioned FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
CREATE INDEX d18_first ON d18_partitioned (a);
CREATE INDEX d18_second ON d18_partitioned (a);

CREATE TABLE d19_unique_in_key (a int, b int, CONSTRAINT d19_key PRIMARY KEY (a, b), CONSTRAINT d19_unique UNIQUE (a));

CREATE TABLE d20_partial_longer (a int, b int);
CREATE INDEX d20_a ON d20_partial_longer (a);
CREATE INDEX d20_ab ON d20_partial_longer (a, b) WHERE b > 0;

-- By name and by age the second one would stay; a foreign key needs the first.
CREATE TABLE d21_referenced (a int, CONSTRAINT d21_z UNIQUE (a));
CREATE TABLE d21_referring (a int CONSTRAINT d21_foreign_key REFERENCES d21_referenced (a));
CREATE INDEX d21_referring_a ON d21_referring (a);
ALTER TABLE d21_referenced ADD CONSTRAINT d21_a UNIQUE (a);

CREATE TABLE d22_gin_and_btree (a int[], b int);
CREATE INDEX d22_gin ON d22_gin_and_btree USING gin (a);
CREATE INDEX d22_btree ON d22_gin_and_btree (a, b);

CREATE TABLE d23_covering (a int, b int);
CREATE INDEX d23_narrow ON d23_covering (a);
CREATE INDEX d23_wide ON d23_covering (a) INCLUDE (b);

CREATE TABLE d24_expression_prefix (a text, b int);
CREATE INDEX d24_lower ON d24_expression_prefix (lower(a));
CREATE INDEX d24_lower_b ON d24_expression_prefix (lower(a), b);

CREATE TABLE d25_replica_identity (a int NOT NULL, b int);
CREATE UNIQUE INDEX d25_unique ON d25_replica_identity (a);
CREATE INDEX d25_ab ON d25_replica_identity (a, b);
ALTER TABLE d25_replica_identity REPLICA IDENTITY USING INDEX d25_unique;

-- What is told, in full.
CREATE VIEW public.told AS
    SELECT table_name, kind, keep_index, drop_index FROM dbm.duplicate_indexes();
SELECT * FROM public.told ORDER BY table_name, drop_index;
SELECT count(*) AS groups_of_9, count(DISTINCT table_name) AS tables_of_9 FROM public.told;

-- The audit says the same.
SELECT rule, object FROM dbm.audit('indexing', array['traps'])
WHERE rule IN ('indexing.duplicate_index', 'indexing.redundant_index') ORDER BY rule, object;
SELECT count(*) AS told_by_one_only
FROM (SELECT drop_index AS object FROM dbm.duplicate_indexes()) f
FULL JOIN (SELECT object FROM dbm.audit('indexing')
           WHERE rule IN ('indexing.duplicate_index', 'indexing.redundant_index') AND status = 'finding') a USING (object)
WHERE f IS NULL OR a IS NULL;

-- What the planner says: whether it still answers a query by an index alone, without a sort or a sequential scan, once
-- an index is gone.
SET enable_seqscan = off;
SET enable_bitmapscan = off;
CREATE FUNCTION public.answers_without(index text, query text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    line text;
    plan text := '';
BEGIN
    IF index <> '' THEN
        EXECUTE 'DROP INDEX ' || index;
    END IF;
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
        plan := plan || line || E'\n';
    END LOOP;
    RAISE EXCEPTION '%', plan USING ERRCODE = 'DBM01';
EXCEPTION WHEN SQLSTATE 'DBM01' THEN
    RETURN plan ~ 'Index' AND plan !~ 'Seq Scan|Sort|Filter|Disabled: true';
END $$;

-- Superfluous: every query is answered with the index and without it.
SELECT told.drop_index, q.query, public.answers_without('', q.query) AS before, public.answers_without(told.drop_index, q.query) AS after
FROM (VALUES
    ('d01_twice', 'SELECT FROM d01_twice WHERE a = 1'),
    ('d01_twice', 'SELECT FROM d01_twice ORDER BY a DESC'),
    ('d02_prefix', 'SELECT FROM d02_prefix WHERE a = 1'),
    ('d02_prefix', 'SELECT FROM d02_prefix ORDER BY a'),
    ('d06_expression_twice', 'SELECT FROM d06_expression_twice WHERE lower(a) = ''x'''),
    ('d10_unique_and_plain', 'SELECT FROM d10_unique_and_plain WHERE a = 1'),
    ('d17_exclusion', 'SELECT FROM d17_exclusion WHERE during && ''[1,2)'''),
    ('d24_expression_prefix', 'SELECT FROM d24_expression_prefix ORDER BY lower(a)')
) AS q (case_name, query)
JOIN public.told ON told.table_name = 'traps.' || q.case_name
ORDER BY 1, 2;

-- Not superfluous: there is a query which only this index answers.
SELECT q.index, q.query, public.answers_without('', q.query) AS before, public.answers_without(q.index, q.query) AS after
FROM (VALUES
    ('d03_up', 'SELECT FROM d03_directions ORDER BY a, b'),
    ('d03_down', 'SELECT FROM d03_directions ORDER BY a, b DESC'),
    ('d04_open', 'SELECT FROM d04_predicates WHERE a = 1 AND is_open'),
    ('d04_shut', 'SELECT FROM d04_predicates WHERE a = 1 AND NOT is_open'),
    ('d05_lower', 'SELECT FROM d05_functions WHERE lower(a) = ''x'''),
    ('d05_upper', 'SELECT FROM d05_functions WHERE upper(a) = ''x'''),
    ('d07_btree', 'SELECT FROM d07_methods WHERE a > 1'),
    ('d08_text', 'SELECT FROM d08_operator_classes WHERE a > ''x'''),
    ('d08_pattern', 'SELECT FROM d08_operator_classes WHERE a ~>~ ''x'''),
    ('d09_own', 'SELECT FROM d09_collations WHERE a > ''x'''),
    ('d09_posix', 'SELECT FROM d09_collations WHERE a > ''x'' COLLATE "POSIX"'),
    ('d11_ab', 'SELECT FROM d11_unique_prefix WHERE a > 1 ORDER BY a, b'),
    ('d14_1', 'SELECT FROM d14_numbers WHERE a1 = 1'),
    ('d14_10', 'SELECT FROM d14_numbers WHERE a10 = 1'),
    ('d15_id', 'SELECT FROM d15_names WHERE id = 1'),
    ('d15_id_type', 'SELECT FROM d15_names WHERE id_type = 1'),
    ('d20_a', 'SELECT FROM d20_partial_longer WHERE a = 1'),
    ('d22_btree', 'SELECT FROM d22_gin_and_btree ORDER BY a')
) AS q (index, query)
ORDER BY 1;
RESET enable_seqscan;
RESET enable_bitmapscan;

-- More cases, in a schema whose name needs quotes.
CREATE SCHEMA "More ""traps""";
SET search_path = "More ""traps""";

-- The tree that the server stores holds the positions of the words in the statement, up to version 16.
CREATE TABLE e01_length (a text, b int);
CREATE INDEX i1 ON e01_length (lower(a)) WHERE b > 0;
CREATE INDEX i1_under_a_much_longer_name ON e01_length (lower(a)) WHERE b > 0;

CREATE TABLE e02_backwards (a int, b int);
CREATE INDEX e02_forth ON e02_backwards (a, b DESC);
CREATE INDEX e02_back ON e02_backwards (a DESC, b);

CREATE TABLE e03_nulls (a int);
CREATE INDEX e03_last ON e03_nulls (a);
CREATE INDEX e03_first ON e03_nulls (a NULLS FIRST);

CREATE TABLE e04_nulls_backwards (a int);
CREATE INDEX e04_first ON e04_nulls_backwards (a NULLS FIRST);
CREATE INDEX e04_down_last ON e04_nulls_backwards (a DESC NULLS LAST);

CREATE TABLE e05_include_order (a int, b int, c int);
CREATE INDEX e05_bc ON e05_include_order (a) INCLUDE (b, c);
CREATE INDEX e05_cb ON e05_include_order (a) INCLUDE (c, b);

CREATE TABLE e06_include_as_key (a int, b int);
CREATE INDEX e06_include ON e06_include_as_key (a) INCLUDE (b);
CREATE INDEX e06_keys ON e06_include_as_key (a, b);

CREATE TABLE e07_include_lost (a int, b int, c int);
CREATE INDEX e07_include ON e07_include_lost (a) INCLUDE (c);
CREATE INDEX e07_keys ON e07_include_lost (a, b);

CREATE TABLE e08_one_operator_class (a varchar(20));
CREATE INDEX e08_varchar ON e08_one_operator_class (a varchar_ops);
CREATE INDEX e08_text ON e08_one_operator_class (a text_ops);

CREATE TABLE e09_jsonb (a jsonb);
CREATE INDEX e09_keys ON e09_jsonb USING gin (a);
CREATE INDEX e09_paths ON e09_jsonb USING gin (a jsonb_path_ops);

CREATE TABLE e10_gin_prefix (a int[], b int[]);
CREATE INDEX e10_a ON e10_gin_prefix USING gin (a);
CREATE INDEX e10_ab ON e10_gin_prefix USING gin (a, b);

CREATE TABLE e11_brin (a int);
CREATE INDEX e11_coarse ON e11_brin USING brin (a) WITH (pages_per_range = 128);
CREATE INDEX e11_fine ON e11_brin USING brin (a) WITH (pages_per_range = 16);

CREATE TABLE e12_chain (a int, b int, c int);
CREATE INDEX e12_a ON e12_chain (a);
CREATE INDEX e12_ab ON e12_chain (a, b);
CREATE INDEX e12_abc ON e12_chain (a, b, c);

CREATE TABLE e13_thrice (a int);
CREATE INDEX e13_1 ON e13_thrice (a);
CREATE INDEX e13_2 ON e13_thrice (a);
CREATE INDEX e13_3 ON e13_thrice (a);

-- A constraint that is checked at the end of the transaction does less than an index that checks at once.
CREATE TABLE e14_deferrable (a int, CONSTRAINT e14_later UNIQUE (a) DEFERRABLE INITIALLY DEFERRED);
CREATE UNIQUE INDEX e14_at_once ON e14_deferrable (a);

CREATE TABLE e15_deferrable_and_plain (a int, CONSTRAINT e15_later UNIQUE (a) DEFERRABLE);
CREATE INDEX e15_plain ON e15_deferrable_and_plain (a);

CREATE TABLE e16_storage (a int);
CREATE INDEX e16_full ON e16_storage (a);
CREATE INDEX e16_loose ON e16_storage (a) WITH (fillfactor = 50);

CREATE TABLE e17_clustered (a int);
CREATE INDEX e17_a ON e17_clustered (a);
CREATE INDEX e17_z ON e17_clustered (a);
CLUSTER e17_clustered USING e17_z;

CREATE TABLE e18_swapped (a int, b int, CONSTRAINT e18_ab UNIQUE (a, b), CONSTRAINT e18_ba UNIQUE (b, a));

CREATE TABLE e19_partial_shorter (a int, b int);
CREATE INDEX e19_part ON e19_partial_shorter (a) WHERE b > 0;
CREATE INDEX e19_whole ON e19_partial_shorter (a, b);

CREATE TABLE e20_unique_expression (a text);
CREATE UNIQUE INDEX e20_unique ON e20_unique_expression (lower(a));
CREATE INDEX e20_plain ON e20_unique_expression (lower(a));

CREATE MATERIALIZED VIEW e21_materialized AS SELECT 1 AS a;
CREATE INDEX e21_1 ON e21_materialized (a);
CREATE INDEX e21_2 ON e21_materialized (a);

-- On one partition only: its own index goes, the one that is attached cannot.
CREATE TABLE e22_partitioned (a int) PARTITION BY LIST (a);
CREATE TABLE e22_partition PARTITION OF e22_partitioned FOR VALUES IN (1);
CREATE INDEX e22_a ON e22_partition (a);
CREATE INDEX e22_z ON e22_partition (a);
CREATE INDEX e22_top ON e22_partitioned (a);

CREATE TABLE e23_default_collation (a text);
CREATE INDEX e23_unsaid ON e23_default_collation (a);
CREATE INDEX e23_said ON e23_default_collation (a COLLATE "default");

-- A broken index does no work that another one could do.
CREATE TABLE e24_invalid (a int);
CREATE INDEX e24_valid ON e24_invalid (a);
INSERT INTO e24_invalid VALUES (1), (1);
CREATE UNIQUE INDEX CONCURRENTLY e24_broken ON e24_invalid (a);

-- Children of a table that is only inherited from have indexes of their own.
CREATE TABLE e25_parent (a int);
CREATE INDEX e25_parent_a ON e25_parent (a);
CREATE TABLE e25_child () INHERITS (e25_parent);
CREATE INDEX e25_child_a ON e25_child (a);

CREATE TEMP TABLE e26_temporary (a int);
CREATE INDEX e26_1 ON e26_temporary (a);
CREATE INDEX e26_2 ON e26_temporary (a);

-- Names that break whoever does not quote.
CREATE TABLE "a"";drop table x" ("b"";drop table y" int);
CREATE INDEX "i'1;--" ON "a"";drop table x" ("b"";drop table y");
CREATE INDEX "i'2;--" ON "a"";drop table x" ("b"";drop table y");

CREATE TABLE "select" ("order" int);
CREATE INDEX "from" ON "select" ("order");
CREATE INDEX "where" ON "select" ("order");

CREATE TABLE "größe" ("straße" text);
CREATE INDEX "größe_1" ON "größe" (lower("straße"));
CREATE INDEX "größe_2" ON "größe" (lower("straße"));

CREATE TABLE "line
break" (a int);
CREATE INDEX line_1 ON "line
break" (a);
CREATE INDEX line_2 ON "line
break" (a);

CREATE TABLE table_whose_name_has_63_bytes_the_most_that_postgresql_can_keep (a int);
CREATE INDEX index_whose_name_has_63_bytes_the_most_that_postgresql_keeps__1 ON table_whose_name_has_63_bytes_the_most_that_postgresql_can_keep (a);
CREATE INDEX index_whose_name_has_63_bytes_the_most_that_postgresql_keeps__2 ON table_whose_name_has_63_bytes_the_most_that_postgresql_can_keep (a);

\pset format unaligned
SELECT replace(table_name, '"More ""traps""".', '') AS "table", kind,
       replace(keep_index, '"More ""traps""".', '') AS keep, replace(drop_index, '"More ""traps""".', '') AS drop
FROM public.told WHERE table_name LIKE '"More%' ORDER BY table_name, drop_index;
\pset format aligned

-- The statements do what they say: every index goes by its drop_sql and comes back by its recreate_sql just as it was.
CREATE TEMP TABLE before AS
    SELECT i.indexrelid::regclass::text AS index, pg_get_indexdef(i.indexrelid) AS definition, i.indisunique, i.indisvalid,
           (SELECT pg_get_constraintdef(c.oid) FROM pg_constraint c WHERE c.conindid = i.indexrelid AND c.contype <> 'f') AS constraint,
           (SELECT h.inhparent::regclass::text FROM pg_inherits h WHERE h.inhrelid = i.indexrelid) AS attached_to
    FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
    WHERE c.relnamespace IN ('traps'::regnamespace, '"More ""traps"""'::regnamespace);
CREATE TEMP TABLE script AS
    SELECT row_number() OVER () AS place, drop_index, drop_sql, recreate_sql FROM dbm.duplicate_indexes();
SELECT count(*) AS pairs, count(*) FILTER (WHERE drop_sql IS NULL OR recreate_sql IS NULL) AS without_statements FROM script;
-- One statement at a time: most cannot run inside a transaction block.
SELECT statement FROM script, regexp_split_to_table(drop_sql, ';\n|;$') WITH ORDINALITY s (statement, part)
WHERE statement <> '' ORDER BY place, part \gexec
SELECT count(*) AS superfluous_now FROM dbm.duplicate_indexes();
SELECT count(*) AS gone FROM before WHERE to_regclass(index) IS NULL;
SELECT statement FROM script, regexp_split_to_table(recreate_sql, ';\n|;$') WITH ORDINALITY s (statement, part)
WHERE statement <> '' ORDER BY place DESC, part \gexec
SELECT b.index AS not_as_before
FROM before b
LEFT JOIN pg_index i ON i.indexrelid = to_regclass(b.index)
LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid AND c.contype <> 'f'
WHERE (b.definition, b.indisunique, b.indisvalid, b.constraint, b.attached_to) IS DISTINCT FROM
      (pg_get_indexdef(i.indexrelid), i.indisunique, i.indisvalid, pg_get_constraintdef(c.oid),
       (SELECT h.inhparent::regclass::text FROM pg_inherits h WHERE h.inhrelid = i.indexrelid))
ORDER BY 1;
