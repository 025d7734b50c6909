-- Keys, constraints and triggers: each rule speaks of its mistakes and of none of the look-alikes.
CREATE DATABASE dbm_keys;
\c dbm_keys
CREATE EXTENSION dbmastery;
CREATE SCHEMA keys;
SET search_path = keys;
CREATE TABLE parents (id bigint PRIMARY KEY, code text UNIQUE);
INSERT INTO parents SELECT i, 'c' || i FROM generate_series(1, 500) i;

-- No primary key: one that nothing identifies, one that a unique index identifies.
CREATE TABLE p01_nothing (a int);
CREATE TABLE p02_undeclared (id int NOT NULL);
CREATE UNIQUE INDEX idx_p02_undeclared_id ON p02_undeclared (id);
-- Look-alikes: a key of two columns, a key on each partition, a view, a load table, a temporary one, an inherited one.
CREATE TABLE p03_two (a int, b int, PRIMARY KEY (a, b));
CREATE TABLE p04_partitioned (id int NOT NULL, day date) PARTITION BY RANGE (day);
CREATE TABLE p04_partition PARTITION OF p04_partitioned (PRIMARY KEY (id)) FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE VIEW p05_view AS SELECT 1 AS a;
CREATE UNLOGGED TABLE p06_load (a int);
CREATE TEMP TABLE p07_temporary (a int);

-- A nullable unique index identifies nothing.
CREATE TABLE p08_nullable (a int UNIQUE);

-- Nullable foreign key in which no NULL is; look-alikes hold NULLs, refer to themselves, or get NULL on delete.
CREATE TABLE n01_forgotten (id bigint PRIMARY KEY, parent_id bigint REFERENCES parents);
INSERT INTO n01_forgotten SELECT i, i FROM generate_series(1, 500) i;
CREATE TABLE n02_sometimes (id bigint PRIMARY KEY, parent_id bigint REFERENCES parents);
INSERT INTO n02_sometimes SELECT i, nullif(i, 7) FROM generate_series(1, 500) i;
CREATE TABLE n03_tree (id bigint PRIMARY KEY, parent_id bigint REFERENCES n03_tree);
INSERT INTO n03_tree SELECT i, i FROM generate_series(1, 500) i;
CREATE TABLE n04_set_null (id bigint PRIMARY KEY, parent_id bigint REFERENCES parents ON DELETE SET NULL);
INSERT INTO n04_set_null SELECT i, i FROM generate_series(1, 500) i;
CREATE TABLE n05_checked (id bigint PRIMARY KEY, parent_id bigint REFERENCES parents CHECK (parent_id IS NOT NULL));
INSERT INTO n05_checked SELECT i, i FROM generate_series(1, 500) i;
CREATE TABLE n06_few (id bigint PRIMARY KEY, parent_id bigint REFERENCES parents);
INSERT INTO n06_few VALUES (1, 1);

-- Declared twice; the second of the two acts otherwise; look-alikes refer to something else or by other columns.
CREATE TABLE r01_twice (id bigint PRIMARY KEY, parent_id bigint NOT NULL,
    CONSTRAINT fk_r01 FOREIGN KEY (parent_id) REFERENCES parents, CONSTRAINT fk_r01_again FOREIGN KEY (parent_id) REFERENCES parents);
CREATE TABLE r02_at_odds (id bigint PRIMARY KEY, parent_id bigint NOT NULL,
    CONSTRAINT fk_r02 FOREIGN KEY (parent_id) REFERENCES parents,
    CONSTRAINT fk_r02_cascade FOREIGN KEY (parent_id) REFERENCES parents ON DELETE CASCADE);
CREATE TABLE r03_others (id bigint PRIMARY KEY, parent_id bigint NOT NULL, other_id bigint NOT NULL,
    FOREIGN KEY (parent_id) REFERENCES parents, FOREIGN KEY (other_id) REFERENCES parents,
    CONSTRAINT fk_r03_elsewhere FOREIGN KEY (parent_id) REFERENCES n01_forgotten);

-- Another type than its key; varchar to text and a domain are none.
CREATE TABLE numeric_keys (id numeric PRIMARY KEY);
CREATE DOMAIN big AS bigint;
CREATE TABLE t01_converted (id bigint PRIMARY KEY, numeric_key_id bigint NOT NULL REFERENCES numeric_keys);
CREATE TABLE t02_names_of_one (id bigint PRIMARY KEY, parent_code varchar(10) NOT NULL REFERENCES parents (code),
    parent_id big NOT NULL REFERENCES parents);
-- Of a key of two columns each is compared with its own partner.
CREATE TABLE pairs (a text, b bigint, PRIMARY KEY (a, b));
CREATE TABLE t03_two (id bigint PRIMARY KEY, pair_b bigint NOT NULL, pair_a text NOT NULL, FOREIGN KEY (pair_a, pair_b) REFERENCES pairs);

-- Never validated; look-alike: validated later.
CREATE TABLE v01_waiting (id bigint PRIMARY KEY, a int, parent_id bigint NOT NULL);
ALTER TABLE v01_waiting ADD CONSTRAINT chk_v01_waiting_a CHECK (a > 0) NOT VALID;
ALTER TABLE v01_waiting ADD CONSTRAINT fk_v01_waiting_parent_id FOREIGN KEY (parent_id) REFERENCES parents NOT VALID;
CREATE TABLE v02_done (id bigint PRIMARY KEY, a int);
ALTER TABLE v02_done ADD CONSTRAINT chk_v02_done_a CHECK (a > 0) NOT VALID;
ALTER TABLE v02_done VALIDATE CONSTRAINT chk_v02_done_a;

-- Self-reference without index; look-alike with one.
CREATE TABLE s01_tree (id bigint PRIMARY KEY, parent_id bigint REFERENCES s01_tree);
CREATE TABLE s02_tree (id bigint PRIMARY KEY, parent_id bigint REFERENCES s02_tree);
CREATE INDEX idx_s02_tree_parent_id ON s02_tree (parent_id);

-- Triggers that are off; look-alikes fire always, for replicas only, or on an event that never comes.
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TABLE g01_off (id bigint PRIMARY KEY);
CREATE TRIGGER "is ""off""" BEFORE INSERT ON g01_off FOR EACH ROW EXECUTE FUNCTION nothing();
ALTER TABLE g01_off DISABLE TRIGGER "is ""off""";
CREATE TABLE g02_foreign_key_off (id bigint PRIMARY KEY, parent_id bigint NOT NULL CONSTRAINT fk_g02 REFERENCES parents);
ALTER TABLE g02_foreign_key_off DISABLE TRIGGER ALL;
CREATE TABLE g03_on (id bigint PRIMARY KEY);
CREATE TRIGGER always BEFORE INSERT ON g03_on FOR EACH ROW EXECUTE FUNCTION nothing();
CREATE TRIGGER for_replicas BEFORE INSERT ON g03_on FOR EACH ROW EXECUTE FUNCTION nothing();
ALTER TABLE g03_on ENABLE ALWAYS TRIGGER always;
ALTER TABLE g03_on ENABLE REPLICA TRIGGER for_replicas;
CREATE TABLE g04_tree (id bigint, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE g04_partition PARTITION OF g04_tree FOR VALUES FROM (1) TO (100);
CREATE TRIGGER off_everywhere BEFORE INSERT ON g04_tree FOR EACH ROW EXECUTE FUNCTION nothing();
ALTER TABLE g04_tree DISABLE TRIGGER off_everywhere;

-- Published without replica identity; look-alikes have one, publish inserts only, or are not published.
CREATE TABLE i01_nameless (a int);
CREATE TABLE i02_nothing (id bigint PRIMARY KEY);
ALTER TABLE i02_nothing REPLICA IDENTITY NOTHING;
CREATE TABLE i03_key (id bigint PRIMARY KEY);
CREATE TABLE i04_full (a int);
ALTER TABLE i04_full REPLICA IDENTITY FULL;
CREATE TABLE i05_by_index (a int NOT NULL);
CREATE UNIQUE INDEX idx_i05_by_index_a ON i05_by_index (a);
ALTER TABLE i05_by_index REPLICA IDENTITY USING INDEX idx_i05_by_index_a;
CREATE TABLE i06_inserts_only (a int);
CREATE TABLE i07_private (a int);
CREATE PUBLICATION changes FOR TABLE i01_nameless, i02_nothing, i03_key, i04_full, i05_by_index;
CREATE PUBLICATION arrivals FOR TABLE i06_inserts_only WITH (publish = 'insert');

ANALYZE;
CREATE VIEW public.told AS
    SELECT status, severity, rule, object, message, fix, undo FROM dbm.audit('schema', array['keys'])
    WHERE rule IN ('schema.no_primary_key', 'schema.nullable_foreign_key', 'schema.duplicate_foreign_key', 'schema.foreign_key_type_mismatch',
                   'schema.unvalidated_constraint', 'schema.self_reference_without_index', 'schema.disabled_trigger',
                   'schema.replica_identity_missing');
\pset format unaligned
SELECT status, severity, rule, object FROM public.told ORDER BY rule, object;
-- The server's own triggers are named by number.
SELECT rule, regexp_replace(fix, '_c_\d+', '_c_…', 'g') AS fix FROM public.told WHERE fix IS NOT NULL ORDER BY rule, object;
-- What takes a repair back names every object in full, whoever runs it with whatever search_path.
SELECT rule, regexp_replace(undo, '_c_\d+', '_c_…', 'g') AS undo FROM public.told WHERE undo IS NOT NULL ORDER BY rule, object;
\pset format aligned

-- The server's own word on what is published: whatever it refuses to update is told, and nothing else.
CREATE FUNCTION public.refused(relation regclass) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('DELETE FROM %s', relation);
    RETURN false;
EXCEPTION WHEN object_not_in_prerequisite_state THEN
    RETURN true;
END $$;
SELECT relation, public.refused(relation::regclass) AS refused,
       EXISTS (SELECT FROM public.told WHERE rule = 'schema.replica_identity_missing' AND object = 'keys.' || relation) AS told
FROM unnest('{i01_nameless,i02_nothing,i03_key,i04_full,i05_by_index,i06_inserts_only,i07_private}'::text[]) relation ORDER BY 1;

-- Every repair clears its finding and finds nothing new of these rules; its undo brings the finding back.
CREATE TEMP TABLE repair AS SELECT rule, object, fix, undo FROM public.told WHERE fix IS NOT NULL;
CREATE TEMP TABLE before AS SELECT rule, object FROM public.told;
SET search_path = pg_catalog;
CREATE TEMP VIEW shape AS
    SELECT conrelid::regclass::text AS relation, conname::text AS name, pg_get_constraintdef(oid) AS definition FROM pg_constraint
    WHERE connamespace = 'keys'::regnamespace AND contype <> 'n'
    UNION ALL SELECT indrelid::regclass::text, indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
    WHERE indrelid::regclass::text LIKE 'keys.%'
    UNION ALL SELECT attrelid::regclass::text, attname, attnotnull::text FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
    WHERE c.relnamespace = 'keys'::regnamespace AND attnum > 0
    UNION ALL SELECT tgrelid::regclass::text, tgname, tgenabled::text FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT oid::regclass::text, 'replica identity', relreplident::text FROM pg_class WHERE relnamespace = 'keys'::regnamespace;
CREATE TEMP TABLE shape_before AS SELECT * FROM shape;
\set ECHO none
SELECT statement FROM repair, regexp_split_to_table(fix, ';\n|;$') WITH ORDINALITY s (statement, part)
WHERE statement <> '' ORDER BY rule, object, part \gexec
\set ECHO all
SELECT rule, object AS not_cleared FROM repair JOIN public.told USING (rule, object) ORDER BY 1, 2;
SELECT rule, object AS new FROM public.told EXCEPT SELECT rule, object FROM before ORDER BY 1, 2;
\set ECHO none
SELECT statement FROM repair, regexp_split_to_table(undo, ';\n|;$') WITH ORDINALITY s (statement, part)
WHERE statement <> '' ORDER BY rule DESC, object DESC, part \gexec
\set ECHO all
SELECT * FROM shape EXCEPT SELECT * FROM shape_before;
SELECT * FROM shape_before EXCEPT SELECT * FROM shape;
