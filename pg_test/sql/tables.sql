-- Tables and what their columns should say: each rule speaks of its mistakes and of none of the look-alikes.
CREATE DATABASE dbm_tables;
\c dbm_tables
CREATE EXTENSION dbmastery;
CREATE SCHEMA design;
SET search_path = design;

-- Most tables here keep both moments and are connected, so that these are this database's conventions.
SELECT format($$CREATE TABLE things_%1$s (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, thing_id bigint REFERENCES things_%2$s, a int, b int, c int, d int,
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now())$$, i, greatest(i - 1, 1))
FROM generate_series(1, 6) i \gexec

-- missing_audit_columns. Look-alikes: a joining table, a short list, one that dates its rows otherwise and is only added to.
CREATE TABLE a01_undated (id bigint PRIMARY KEY, thing_id bigint NOT NULL REFERENCES things_1, a int, b int, c int);
INSERT INTO things_1 (a) SELECT i FROM generate_series(1, 2000) i;
INSERT INTO a01_undated SELECT i, i FROM generate_series(1, 200) i;
UPDATE a01_undated SET a = 1;
CREATE TABLE a02_joins (thing_1_id bigint REFERENCES things_1, thing_2_id bigint REFERENCES things_2, PRIMARY KEY (thing_1_id, thing_2_id));
CREATE TABLE a03_list (code text PRIMARY KEY, name text);
INSERT INTO a03_list SELECT i, 'n' FROM generate_series(1, 200) i;
CREATE TABLE a04_log (id bigint PRIMARY KEY, thing_id bigint NOT NULL REFERENCES things_1, a int, b int, happened timestamptz NOT NULL DEFAULT now());
INSERT INTO a04_log SELECT i, i FROM generate_series(1, 200) i;

-- status_without_check. Look-alikes: with CHECK, an enum, a foreign key, a domain, part of an address, many values, few rows.
CREATE TABLE statuses (status text PRIMARY KEY);
INSERT INTO statuses VALUES ('open'), ('shut');
CREATE DOMAIN kind_of_thing AS text CHECK (VALUE IN ('open', 'shut'));
CREATE TABLE b01_orders (
    id bigint PRIMARY KEY, thing_id bigint REFERENCES things_1,
    status text,
    payment_status text CHECK (payment_status IN ('open', 'shut')),
    shipping_mode text,
    state_of_mind text,
    kind kind_of_thing,
    parent_status text REFERENCES statuses,
    city text, state text,
    content_type text,
    event_type text,
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now());
INSERT INTO b01_orders (id, thing_id, status, payment_status, kind, parent_status, city, state, content_type, event_type)
SELECT i, nullif(i, 3), (array['open', 'shut', 'lost'])[i % 3 + 1], 'open', 'open', 'open', 'x', (array['AL', 'NY'])[i % 2 + 1],
       'text/plain', 'type ' || i
FROM generate_series(1, 2000) i;
CREATE TABLE b02_few (id bigint PRIMARY KEY, thing_id bigint REFERENCES things_1, status text,
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now());
INSERT INTO b02_few VALUES (1, NULL, 'open'), (2, NULL, 'shut');

-- nullable_without_nulls: a default, a boolean, part of a unique key, a moment of writing, none of them NULL.
CREATE TABLE c01_forgotten (
    id bigint PRIMARY KEY, thing_id bigint REFERENCES things_1,
    amount int DEFAULT 0, is_open boolean, code text UNIQUE,
    remark text, sometimes int DEFAULT 0, checked int DEFAULT 0 CHECK (checked IS NOT NULL), doubled int GENERATED ALWAYS AS (amount * 2) STORED,
    created_at timestamptz DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now());
INSERT INTO c01_forgotten (id, thing_id, is_open, code, remark, sometimes)
SELECT i, nullif(i, 3), true, 'c' || i, 'r', nullif(i, 5) FROM generate_series(1, 2000) i;

-- wide_table: 51 columns; look-alike: 50.
SELECT format('CREATE TABLE d01_wide (id bigint PRIMARY KEY, thing_id bigint REFERENCES things_1, created_at timestamptz DEFAULT now(), updated_at timestamptz, %s)',
              string_agg('c' || i || ' int', ', ')) FROM generate_series(1, 47) i \gexec
SELECT format('CREATE TABLE d02_not_quite (id bigint PRIMARY KEY, thing_id bigint REFERENCES things_1, created_at timestamptz DEFAULT now(), updated_at timestamptz, %s)',
              string_agg('c' || i || ' int', ', ')) FROM generate_series(1, 46) i \gexec

-- polymorphic_association. Look-alikes: the type is a number, the reference has a foreign key, there is no type.
CREATE TABLE e01_comments (id bigint PRIMARY KEY, thing_id bigint REFERENCES things_1,
    subject_id bigint, subject_type text,
    owner_id bigint, owner_type int,
    target_id bigint REFERENCES things_1, target_type text,
    other_id bigint,
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now());

-- transitive_dependency: the city follows from the postcode. Look-alikes: from the key, of a constant, by chance, unmeasured.
CREATE TABLE f01_addresses (id bigint PRIMARY KEY, thing_id bigint REFERENCES things_1, postcode int, city text, country text, house int,
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now());
INSERT INTO f01_addresses (id, thing_id, postcode, city, country, house)
SELECT i, nullif(i, 3), i % 100, 'city ' || i % 100 / 10, 'all one', i * 7919 % 2003 FROM generate_series(1, 2000) i;
CREATE STATISTICS f01_places (dependencies) ON postcode, city, country, house, id FROM f01_addresses;
CREATE TABLE f02_unmeasured (id bigint PRIMARY KEY, thing_id bigint REFERENCES things_1, postcode int, city text,
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now());
INSERT INTO f02_unmeasured (id, thing_id, postcode, city)
SELECT i, nullif(i, 3), i % 100, 'city ' || i % 100 / 10 FROM generate_series(1, 2000) i;

-- orphan_table: nothing refers to it and it is empty. Look-alikes: it is read, it is connected, its partitions hold rows.
CREATE TABLE g01_orphan (id bigint PRIMARY KEY);
CREATE TABLE g02_read (id bigint PRIMARY KEY);
INSERT INTO g02_read VALUES (1);
CREATE TABLE g03_connected (id bigint PRIMARY KEY, thing_id bigint REFERENCES things_1,
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE g04_partitioned (id bigint PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE g04_partition PARTITION OF g04_partitioned FOR VALUES FROM (1) TO (10);
INSERT INTO g04_partitioned VALUES (1);

CREATE VIEW public.told AS
    SELECT status, severity, rule, object, coalesce(evidence ->> 'missing', evidence ->> 'columns', evidence ->> 'determines') AS what,
           evidence -> 'objects' AS objects, message, fix, undo
    FROM dbm.audit('schema', array['design'])
    WHERE rule IN ('schema.missing_audit_columns', 'schema.status_without_check', 'schema.nullable_without_nulls', 'schema.wide_table',
                   'schema.polymorphic_association', 'schema.transitive_dependency', 'schema.orphan_table');

-- What depends on statistics is unknown before they are there, and the rest is not.
SELECT pg_stat_force_next_flush();
SELECT status, rule, object, objects FROM public.told WHERE status <> 'finding' OR rule IN ('schema.wide_table', 'schema.polymorphic_association')
ORDER BY rule, object, objects;
ANALYZE;
SELECT count(*) FROM g02_read;
SELECT count(*) FROM g04_partitioned;
SELECT pg_stat_force_next_flush();
SELECT status, severity, rule, object, what FROM public.told ORDER BY rule, object;

-- What is said to hold no NULL holds none, and to hold few values holds few.
SELECT count(*) FILTER (WHERE amount IS NULL OR is_open IS NULL OR code IS NULL OR created_at IS NULL) AS nulls FROM c01_forgotten;
SELECT count(DISTINCT status) AS statuses FROM b01_orders;
SELECT count(*) AS postcodes_of_two_cities FROM (SELECT FROM f01_addresses GROUP BY postcode HAVING count(DISTINCT city) > 1) p;

SELECT object, fix, undo FROM public.told WHERE fix IS NOT NULL ORDER BY rule, object;
CREATE TEMP TABLE repair AS SELECT rule, object, fix, undo FROM public.told WHERE fix IS NOT NULL;
CREATE TEMP VIEW shape AS
    SELECT c.oid::regclass::text AS relation, a.attname::text AS name, a.attnotnull FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    WHERE c.relnamespace = 'design'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL SELECT conrelid::regclass::text, conname, convalidated FROM pg_constraint WHERE connamespace = 'design'::regnamespace AND contype <> 'n';
CREATE TEMP TABLE shape_before AS SELECT * FROM shape;
\set ECHO none
SELECT statement FROM repair, regexp_split_to_table(fix, ';\n|;$') WITH ORDINALITY s (statement, part)
WHERE statement <> '' ORDER BY rule, object, part \gexec
\set ECHO all
SELECT rule, object AS not_cleared FROM repair JOIN public.told USING (rule, object) ORDER BY 1, 2;
\set ECHO none
SELECT statement FROM repair, regexp_split_to_table(undo, ';\n|;$') WITH ORDINALITY s (statement, part)
WHERE statement <> '' ORDER BY rule DESC, object DESC, part \gexec
\set ECHO all
SELECT * FROM shape EXCEPT SELECT * FROM shape_before;
SELECT * FROM shape_before EXCEPT SELECT * FROM shape;
