-- Foreign keys and the indexes that seem to serve them: the 17 cases on which the known tools were measured, then more.
-- What is said of each is compared with what the server does when it looks for rows that refer to a deleted key.
CREATE DATABASE dbm_foreign_key_traps;
\c dbm_foreign_key_traps
CREATE EXTENSION dbmastery;
CREATE SCHEMA traps;
SET search_path = traps;

-- In a composite key the first column alone finds every row.
CREATE TABLE parent (id int PRIMARY KEY);
INSERT INTO parent SELECT generate_series(1, 5000);
CREATE TABLE parent_of_two (a int, b int, PRIMARY KEY (a, b));
INSERT INTO parent_of_two SELECT 1, id FROM parent;
CREATE TABLE parent_of_pairs (a int, b int, PRIMARY KEY (a, b));
INSERT INTO parent_of_pairs SELECT id, id FROM parent;
CREATE TABLE wide_parent (id bigint PRIMARY KEY);
INSERT INTO wide_parent SELECT id FROM parent;
CREATE TABLE text_parent (id text PRIMARY KEY);
INSERT INTO text_parent SELECT id FROM parent;
CREATE TABLE numeric_parent (id numeric PRIMARY KEY);
INSERT INTO numeric_parent SELECT id FROM parent;
ANALYZE;

-- A referring table of 5,000 rows; the indexes and the foreign key come after it.
CREATE PROCEDURE public.child(name text, columns text, foreign_key text, VARIADIC indexes text[] DEFAULT '{}')
LANGUAGE plpgsql AS $$
DECLARE
    index text;
BEGIN
    EXECUTE format('CREATE TABLE traps.%I AS SELECT %s FROM generate_series(1, 5000) i', name, columns);
    EXECUTE format('ALTER TABLE traps.%I ADD CONSTRAINT %I FOREIGN KEY %s', name, name || '_fk', foreign_key);
    FOREACH index IN ARRAY indexes LOOP
        EXECUTE format('CREATE INDEX ON traps.%I %s', name, index);
    END LOOP;
    EXECUTE format('ANALYZE traps.%I', name);
END $$;

CALL public.child('f01_none', 'i x', '(x) REFERENCES parent');
CALL public.child('f02_first', 'i x, i y', '(x) REFERENCES parent', '(x, y)');
CALL public.child('f03_second', 'i x, i y', '(x) REFERENCES parent', '(y, x)');
CALL public.child('f04_other_order', '1 a, i b', '(a, b) REFERENCES parent_of_two', '(b, a)');
CALL public.child('f05_gap', '1 a, i b, i z', '(a, b) REFERENCES parent_of_two', '(a, z, b)');
CALL public.child('f06_not_null', 'i x', '(x) REFERENCES parent', '(x) WHERE x IS NOT NULL');
CALL public.child('f07_partial', 'i x, false deleted', '(x) REFERENCES parent', '(x) WHERE NOT deleted');
CALL public.child('f08_hash', 'i x', '(x) REFERENCES parent', 'USING hash (x)');
CALL public.child('f09_brin', 'i x', '(x) REFERENCES parent', 'USING brin (x)');
CALL public.child('f10_invalid', 'i x, 1 one', '(x) REFERENCES parent');
CREATE UNIQUE INDEX CONCURRENTLY f10_broken ON f10_invalid (x, (one / (one - 1)));
CREATE TABLE f11_partitioned (x int CONSTRAINT f11_partitioned_fk REFERENCES parent, y int) PARTITION BY RANGE (y);
CREATE TABLE f11_partition_1 PARTITION OF f11_partitioned FOR VALUES FROM (1) TO (2500);
CREATE TABLE f11_partition_2 PARTITION OF f11_partitioned FOR VALUES FROM (2500) TO (9999);
INSERT INTO f11_partitioned SELECT id, 5001 - id FROM parent;
CREATE TABLE f12_partitioned (x int CONSTRAINT f12_partitioned_fk REFERENCES parent, y int) PARTITION BY RANGE (y);
CREATE TABLE f12_partition_1 PARTITION OF f12_partitioned FOR VALUES FROM (1) TO (2500);
CREATE TABLE f12_partition_2 PARTITION OF f12_partitioned FOR VALUES FROM (2500) TO (9999);
CREATE INDEX ON f12_partitioned (x);
INSERT INTO f12_partitioned SELECT id, 5001 - id FROM parent;
CALL public.child('f13_include', '1 a, i b', '(a, b) REFERENCES parent_of_two', '(a) INCLUDE (b)');
CALL public.child('f14_expression', 'i x', '(x) REFERENCES parent', '((x + 0))');
CALL public.child('f15_first_of_two', '1 a, i b', '(a, b) REFERENCES parent_of_two', '(a)');
CALL public.child('f16_narrower', 'i x', '(x) REFERENCES wide_parent', '(x)');
CALL public.child('f17_varchar', 'i::varchar x', '(x) REFERENCES text_parent', '(x)');

-- What is told of each foreign key.
CREATE VIEW public.told AS
    SELECT foreign_key, m.columns, CASE WHEN m.evidence ? 'columns_searched' THEN 'partly' ELSE 'none' END AS cover
    FROM dbm.missing_indexes() m, jsonb_array_elements_text(m.evidence -> 'foreign_keys') foreign_key
    WHERE m.source = 'foreign_key';
SELECT * FROM public.told ORDER BY foreign_key;
SELECT count(*) AS of_10 FROM public.told;
SELECT rule, object FROM dbm.audit('indexing', array['traps']) WHERE rule LIKE 'indexing.foreign_key_%' ORDER BY rule, object;

-- How many blocks the server touches to find the rows of one key: the query of PostgreSQL's own trigger, with a generic
-- plan as there, and with every chance to use an index. By an index it is a handful, without it is the whole table.
CREATE FUNCTION public.server_says(foreign_key text, OUT access text, OUT blocks text) LANGUAGE plpgsql AS $$
DECLARE
    key pg_constraint;
    query text;
    types text;
    values text;
    plan json;
    node json;
BEGIN
    SELECT * INTO STRICT key FROM pg_constraint
    WHERE conname = foreign_key AND contype = 'f' AND conparentid = 0 AND connamespace = 'traps'::regnamespace;
    SELECT string_agg(format('$%s OPERATOR(%s.%s) x.%I', place, n.nspname, o.oprname, own.attname), ' AND ' ORDER BY place),
           string_agg(format_type(other.atttypid, NULL), ', ' ORDER BY place),
           string_agg(CASE WHEN key.confrelid = 'traps.parent_of_two'::regclass AND place = 1 THEN '''1''' ELSE '''77''' END,
                      ', ' ORDER BY place)
    INTO query, types, values
    FROM unnest(key.conkey, key.confkey, key.conpfeqop) WITH ORDINALITY pair (own, other, operator, place)
    JOIN pg_attribute own ON own.attrelid = key.conrelid AND own.attnum = pair.own
    JOIN pg_attribute other ON other.attrelid = key.confrelid AND other.attnum = pair.other
    JOIN pg_operator o ON o.oid = pair.operator
    JOIN pg_namespace n ON n.oid = o.oprnamespace;
    query := format('SELECT 1 FROM %s %s x WHERE %s FOR KEY SHARE OF x',
        (SELECT CASE relkind WHEN 'p' THEN '' ELSE 'ONLY' END FROM pg_class WHERE oid = key.conrelid), key.conrelid::regclass, query);
    EXECUTE format('PREPARE look_up (%s) AS %s', types, query);
    EXECUTE format('EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, SUMMARY OFF, FORMAT JSON) EXECUTE look_up (%s)', values) INTO plan;
    DEALLOCATE look_up;
    node := plan -> 0 -> 'Plan';
    IF (node ->> 'Actual Rows')::numeric <> 1 THEN
        RAISE EXCEPTION 'looked for one row of %, found %', foreign_key, node ->> 'Actual Rows';
    END IF;
    blocks := CASE WHEN (node ->> 'Shared Hit Blocks')::int + (node ->> 'Shared Read Blocks')::int <= 12 THEN 'few' ELSE 'many' END;
    access := CASE WHEN plan::text ~ 'Seq Scan' THEN 'table' WHEN plan::text ~ 'Index' THEN 'index' END;
END $$;
SET enable_seqscan = off;
SET plan_cache_mode = force_generic_plan;
-- Covered is what the server needs few blocks for. What is told to be covered in part it must find by an index at least.
CREATE VIEW public.verdict AS
    SELECT quote_ident(k.conname) AS foreign_key, coalesce(t.cover, 'full') AS told, s.access, s.blocks,
           (s.blocks = 'few') = (t.cover IS NULL) AND (t.cover IS DISTINCT FROM 'partly' OR s.access = 'index') AS agrees
    FROM pg_constraint k
    LEFT JOIN public.told t ON t.foreign_key = quote_ident(k.conname)
    CROSS JOIN LATERAL public.server_says(k.conname) s
    WHERE k.contype = 'f' AND k.conparentid = 0 AND k.connamespace = 'traps'::regnamespace;
SELECT * FROM public.verdict ORDER BY foreign_key;

-- More cases.
CREATE TABLE f18_partitioned (x int CONSTRAINT f18_partitioned_fk REFERENCES parent, y int) PARTITION BY RANGE (y);
CREATE TABLE f18_partition_1 PARTITION OF f18_partitioned FOR VALUES FROM (1) TO (2500);
CREATE TABLE f18_partition_2 PARTITION OF f18_partitioned FOR VALUES FROM (2500) TO (9999);
CREATE INDEX ON f18_partition_1 (x);
CREATE INDEX ON f18_partition_2 (x);
INSERT INTO f18_partitioned SELECT id, 5001 - id FROM parent;
CREATE TABLE f19_partitioned (x int CONSTRAINT f19_partitioned_fk REFERENCES parent, y int) PARTITION BY RANGE (y);
CREATE TABLE f19_partition_1 PARTITION OF f19_partitioned FOR VALUES FROM (1) TO (2500);
CREATE TABLE f19_partition_2 PARTITION OF f19_partitioned FOR VALUES FROM (2500) TO (9999);
CREATE INDEX ON f19_partition_1 (x);
INSERT INTO f19_partitioned SELECT id, 5001 - id FROM parent;
CREATE TABLE f20_partitioned (x int) PARTITION BY RANGE (x);
CREATE TABLE f20_partition_1 PARTITION OF f20_partitioned FOR VALUES FROM (1) TO (9999);
ALTER TABLE f20_partition_1 ADD CONSTRAINT f20_partition_1_fk FOREIGN KEY (x) REFERENCES parent;
INSERT INTO f20_partitioned SELECT id FROM parent;
CREATE TABLE f21_key_is_foreign (x int PRIMARY KEY CONSTRAINT f21_key_is_foreign_fk REFERENCES parent);
INSERT INTO f21_key_is_foreign SELECT id FROM parent;
CREATE TABLE f22_begins_key (x int CONSTRAINT f22_begins_key_fk REFERENCES parent, line int, PRIMARY KEY (x, line));
INSERT INTO f22_begins_key SELECT id, 1 FROM parent;
CREATE TABLE f23_ends_key (line int, x int CONSTRAINT f23_ends_key_fk REFERENCES parent, PRIMARY KEY (line, x));
INSERT INTO f23_ends_key SELECT id, id FROM parent;
CREATE TABLE f24_itself (id int PRIMARY KEY, x int CONSTRAINT f24_itself_fk REFERENCES f24_itself);
INSERT INTO f24_itself SELECT id, id FROM parent;
CALL public.child('f25_three', '1 a, i b, i z', '(a, b) REFERENCES parent_of_two', '(b, a, z)');
CALL public.child('f26_collation', 'i::text x', '(x) REFERENCES text_parent', '(x COLLATE "POSIX")');
CALL public.child('f27_pattern', 'i::text x', '(x) REFERENCES text_parent', '(x text_pattern_ops)');
CALL public.child('f28_spgist', 'i::text x', '(x) REFERENCES text_parent', 'USING spgist (x)');
CALL public.child('f29_hash_text', 'i::text x', '(x) REFERENCES text_parent', 'USING hash (x)');
CALL public.child('f30_not_null_too_many', 'i x, i y', '(x) REFERENCES parent', '(x) WHERE x IS NOT NULL AND y IS NOT NULL');
CALL public.child('f31_not_null_of_two', '1 a, i b', '(a, b) REFERENCES parent_of_two', '(a, b) WHERE a IS NOT NULL AND b IS NOT NULL');
CREATE TABLE f32_unique_first (a int UNIQUE, b int, CONSTRAINT f32_unique_first_fk FOREIGN KEY (a, b) REFERENCES parent_of_pairs);
INSERT INTO f32_unique_first SELECT id, id FROM parent;
CREATE TABLE f33_not_valid (x int);
INSERT INTO f33_not_valid SELECT id FROM parent;
ALTER TABLE f33_not_valid ADD CONSTRAINT f33_not_valid_fk FOREIGN KEY (x) REFERENCES parent NOT VALID;
CREATE DOMAIN whole AS int;
CALL public.child('f34_domain', 'i::traps.whole x', '(x) REFERENCES parent', '(x)');
CALL public.child('f35_downwards', 'i x', '(x) REFERENCES parent', '(x DESC NULLS LAST)');
CALL public.child('f36_expression_first', 'i x', '(x) REFERENCES parent', '((x + 0), x)');
CALL public.child('f37_include_more', 'i x, i y', '(x) REFERENCES parent', '(x) INCLUDE (y)');
CALL public.child('f38_second_only', '1 a, i b, i z', '(a, b) REFERENCES parent_of_two', '(z, a, b)');
CALL public.child('f39_partial_equal', 'i x', '(x) REFERENCES parent', '(x) WHERE x > 0');
CALL public.child('f40_only_included', 'i x, i y', '(x) REFERENCES parent', '(y) INCLUDE (x)');
-- The server compares as numeric, so that an index on the integers does not help.
CALL public.child('f41_converted', 'i x', '(x) REFERENCES numeric_parent', '(x)');
CALL public.child('f42_"select"', 'i "from"', '("from") REFERENCES parent');
CALL public.child('f43_größe', 'i "straße"', '("straße") REFERENCES parent', '("straße")');
-- The parent's partitions have constraints of their own, which are nobody's business.
CREATE TABLE partitioned_parent (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE partitioned_parent_1 PARTITION OF partitioned_parent FOR VALUES FROM (1) TO (2500);
CREATE TABLE partitioned_parent_2 PARTITION OF partitioned_parent FOR VALUES FROM (2500) TO (9999);
INSERT INTO partitioned_parent SELECT id FROM parent;
CALL public.child('f44_refers_to_partitions', 'i x', '(x) REFERENCES partitioned_parent');
ANALYZE;

SELECT * FROM public.verdict WHERE trim(foreign_key, '"') >= 'f18' ORDER BY trim(foreign_key, '"');

-- Two foreign keys of which one begins the other want one index, not two.
CREATE TABLE f50_nested (a int, b int,
    CONSTRAINT f50_one FOREIGN KEY (a) REFERENCES parent, CONSTRAINT f50_two FOREIGN KEY (a, b) REFERENCES parent_of_pairs);
INSERT INTO f50_nested SELECT id, id FROM parent;
SELECT columns, evidence -> 'foreign_keys' AS foreign_keys FROM dbm.missing_indexes() WHERE table_name = 'traps.f50_nested';

-- Every proposal is carried out as it stands; then the server needs few blocks everywhere, and nothing is left to say but
-- what no index on the columns would cure, for which none is proposed.
SELECT statement FROM dbm.missing_indexes() m, regexp_split_to_table(m.create_sql, ';\n|;$') WITH ORDINALITY s (statement, part)
WHERE m.source = 'foreign_key' AND statement <> '' ORDER BY m.table_name, m.columns, part \gexec
SELECT table_name, columns, create_sql FROM dbm.missing_indexes() ORDER BY table_name;
SELECT foreign_key, access, blocks FROM public.verdict WHERE access <> 'index' OR blocks <> 'few' ORDER BY foreign_key;
SELECT table_name, drop_index FROM dbm.duplicate_indexes() ORDER BY drop_index;
