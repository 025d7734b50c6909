-- Traps: what is easily judged wrongly, and what is easily repaired wrongly.
--
-- Each case is a table. Marks as in the demo (xtask/demo/README.md) say what the rules about indexes, foreign keys and
-- sequences have to report here, and 009_trap_marks.pl holds them to it: nothing more, nothing less. Of all other rules
-- 002_fix_closure.pl asks only that what they propose works and can be taken back.
--
-- Unlike in the demo, indexes here have the names that the server gives them. In a mark \n stands for a line break.
--
-- psql needs ON_ERROR_STOP off: one statement, announced below, has to fail.

\set ON_ERROR_STOP off
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';

-- ---------------------------------------------------------------------------------------------------------------------
-- Two indexes: when does one make the other superfluous?
-- ---------------------------------------------------------------------------------------------------------------------

CREATE SCHEMA duplicates;
SET search_path = duplicates;

-- MISTAKE indexing.duplicate_index: duplicates.twins_a_idx1 -- the same twice.
CREATE TABLE twins (id bigint PRIMARY KEY, a integer NOT NULL, b integer NOT NULL);
CREATE INDEX ON twins (a);
CREATE INDEX ON twins (a);

-- MISTAKE indexing.redundant_index: duplicates.prefixes_a_idx -- (a) begins (a, b).
CREATE TABLE prefixes (id bigint PRIMARY KEY, a integer NOT NULL, b integer NOT NULL);
CREATE INDEX ON prefixes (a);
CREATE INDEX ON prefixes (a, b);

-- LOOKALIKE indexing.duplicate_index: duplicates.mixed_orders_a_b_idx1 -- a, b DESC is not a, b read backwards.
CREATE TABLE mixed_orders (id bigint PRIMARY KEY, a integer NOT NULL, b integer NOT NULL);
CREATE INDEX ON mixed_orders (a, b);
CREATE INDEX ON mixed_orders (a, b DESC);

-- MISTAKE indexing.duplicate_index: duplicates.mirrors_a_idx1 -- one column read backwards is the other direction.
CREATE TABLE mirrors (id bigint PRIMARY KEY, a integer NOT NULL, b integer NOT NULL);
CREATE INDEX ON mirrors (a);
CREATE INDEX ON mirrors (a DESC);

-- LOOKALIKE indexing.duplicate_index: duplicates.predicates_a_idx1 -- other rows.
CREATE TABLE predicates (id bigint PRIMARY KEY, a integer NOT NULL, is_open boolean NOT NULL);
CREATE INDEX ON predicates (a) WHERE is_open;
CREATE INDEX ON predicates (a) WHERE NOT is_open;

-- LOOKALIKE indexing.duplicate_index: duplicates.expressions_upper_idx -- other expressions.
CREATE TABLE expressions (id bigint PRIMARY KEY, a text NOT NULL);
CREATE INDEX ON expressions (lower(a));
CREATE INDEX ON expressions (upper(a));

-- MISTAKE indexing.duplicate_index: duplicates.same_expressions_lower_idx1 -- the same expression, written twice.
CREATE TABLE same_expressions (id bigint PRIMARY KEY, a text NOT NULL);
CREATE INDEX ON same_expressions (lower(a));
CREATE INDEX ON same_expressions (  lower( a ) );

-- LOOKALIKE indexing.duplicate_index: duplicates.methods_a_idx1 -- another access method.
CREATE TABLE methods (id bigint PRIMARY KEY, a integer NOT NULL);
CREATE INDEX ON methods (a);
CREATE INDEX ON methods USING hash (a);

-- LOOKALIKE indexing.duplicate_index: duplicates.classes_a_idx1 -- another operator class.
CREATE TABLE classes (id bigint PRIMARY KEY, a text NOT NULL);
CREATE INDEX ON classes (a);
CREATE INDEX ON classes (a text_pattern_ops);

-- LOOKALIKE indexing.duplicate_index: duplicates.collations_a_idx1 -- another collation.
CREATE TABLE collations (id bigint PRIMARY KEY, a text NOT NULL);
CREATE INDEX ON collations (a);
CREATE INDEX ON collations (a COLLATE "C");

-- MISTAKE indexing.duplicate_index: duplicates.unique_first_a_idx -- the constraint's index finds the rows as well.
CREATE TABLE unique_first (id bigint PRIMARY KEY, a integer NOT NULL UNIQUE);
CREATE INDEX ON unique_first (a);

-- LOOKALIKE indexing.redundant_index: duplicates.unique_shorter_a_key -- shorter, but it keeps a unique.
CREATE TABLE unique_shorter (id bigint PRIMARY KEY, a integer NOT NULL UNIQUE, b integer NOT NULL);
CREATE INDEX ON unique_shorter (a, b);

-- MISTAKE indexing.duplicate_index: duplicates.key_and_uniques_id_key -- the primary key says it already.
CREATE TABLE key_and_uniques (id bigint PRIMARY KEY);
ALTER TABLE key_and_uniques ADD UNIQUE (id);

-- LOOKALIKE indexing.duplicate_index: duplicates.payloads_a_c_idx -- another payload.
CREATE TABLE payloads (id bigint PRIMARY KEY, a integer NOT NULL, b integer NOT NULL, c integer NOT NULL);
CREATE INDEX ON payloads (a) INCLUDE (b);
CREATE INDEX ON payloads (a) INCLUDE (c);

-- LOOKALIKE indexing.redundant_index: duplicates.numbers_c1_idx -- column 1 is not the beginning of 10 or 11.
CREATE TABLE numbers (c1 integer, c2 integer, c3 integer, c4 integer, c5 integer, c6 integer, c7 integer, c8 integer,
    c9 integer, c10 integer, c11 integer, id bigint PRIMARY KEY);
CREATE INDEX ON numbers (c1);
CREATE INDEX ON numbers (c10);
CREATE INDEX ON numbers (c11);

-- LOOKALIKE indexing.redundant_index: duplicates.similar_names_kind_idx -- kind is another column than kind_type.
CREATE TABLE similar_names (id bigint PRIMARY KEY, kind integer NOT NULL, kind_type integer NOT NULL);
CREATE INDEX ON similar_names (kind);
CREATE INDEX ON similar_names (kind_type);

-- LOOKALIKE indexing.duplicate_index: duplicates.nulls_a_key -- one lets many NULLs in, the other only one.
CREATE TABLE nulls (id bigint PRIMARY KEY, a integer);
ALTER TABLE nulls ADD UNIQUE (a);
ALTER TABLE nulls ADD UNIQUE NULLS NOT DISTINCT (a);

-- MISTAKE indexing.duplicate_index: duplicates.exclusions_during_idx -- the constraint keeps the same GiST index.
CREATE TABLE exclusions (id bigint PRIMARY KEY, during int4range NOT NULL, EXCLUDE USING gist (during WITH &&));
CREATE INDEX ON exclusions USING gist (during);

-- LOOKALIKE indexing.redundant_index: duplicates.unique_and_key_a_key -- shorter than the key, but a is unique by it.
CREATE TABLE unique_and_key (a integer NOT NULL, b integer NOT NULL, PRIMARY KEY (a, b), UNIQUE (a));

-- LOOKALIKE indexing.redundant_index: duplicates.partials_a_idx -- the longer one is partial.
CREATE TABLE partials (id bigint PRIMARY KEY, a integer NOT NULL, b integer NOT NULL);
CREATE INDEX ON partials (a);
CREATE INDEX ON partials (a, b) WHERE b > 0;

-- MISTAKE indexing.duplicate_index: duplicates.referenced_ones_a_idx -- the foreign key stands on the constraint's own.
CREATE TABLE referenced_ones (id bigint PRIMARY KEY, a integer NOT NULL UNIQUE);
CREATE TABLE referring_ones (id bigint PRIMARY KEY, a integer NOT NULL REFERENCES referenced_ones (a));
CREATE INDEX ON referring_ones (a);
CREATE UNIQUE INDEX ON referenced_ones (a);

-- LOOKALIKE indexing.redundant_index: duplicates.arrays_a_idx -- GIN answers what B-tree cannot.
CREATE TABLE arrays (id bigint PRIMARY KEY, a integer[] NOT NULL, b integer NOT NULL);
CREATE INDEX ON arrays USING gin (a);
CREATE INDEX ON arrays (a, b);

-- LOOKALIKE indexing.redundant_index: duplicates.half_covering_a_idx -- much smaller than the other, which cannot be deduplicated.
CREATE TABLE half_covering (id bigint PRIMARY KEY, a integer NOT NULL, b integer NOT NULL);
CREATE INDEX ON half_covering (a);
CREATE INDEX ON half_covering (a) INCLUDE (b);

-- MISTAKE indexing.redundant_index: duplicates.leading_expressions_lower_idx -- the expression leads the longer one.
CREATE TABLE leading_expressions (id bigint PRIMARY KEY, a text NOT NULL, b integer NOT NULL);
CREATE INDEX ON leading_expressions (lower(a));
CREATE INDEX ON leading_expressions (lower(a), b);

-- LOOKALIKE indexing.redundant_index: duplicates.identities_a_key -- the replica identity, and unique.
CREATE TABLE identities (id bigint PRIMARY KEY, a integer NOT NULL UNIQUE, b integer NOT NULL);
CREATE INDEX ON identities (a, b);
ALTER TABLE identities REPLICA IDENTITY USING INDEX identities_a_key;

-- MISTAKE indexing.duplicate_index: duplicates.trees_a_idx1 -- one tree of indexes is the other one: told once.
CREATE TABLE trees (id bigint NOT NULL, day date NOT NULL, region text NOT NULL, a integer NOT NULL, PRIMARY KEY (id, day, region))
    PARTITION BY RANGE (day);
CREATE TABLE trees_2025 PARTITION OF trees FOR VALUES FROM ('2025-01-01') TO ('2026-01-01') PARTITION BY LIST (region);
CREATE TABLE trees_2025_north PARTITION OF trees_2025 FOR VALUES IN ('north');
CREATE TABLE trees_2025_south PARTITION OF trees_2025 FOR VALUES IN ('south');
CREATE TABLE trees_2026 PARTITION OF trees FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
-- Its columns are in another order than its parent's.
CREATE TABLE trees_rest (a integer NOT NULL, region text NOT NULL, dropped text, day date NOT NULL, id bigint NOT NULL);
ALTER TABLE trees_rest DROP COLUMN dropped;
ALTER TABLE trees ATTACH PARTITION trees_rest DEFAULT;
CREATE INDEX ON trees (a);
CREATE INDEX ON trees (a);

-- MISTAKE indexing.duplicate_index: duplicates.trees_lower_a_idx1 -- and so with all that an index can have.
CREATE INDEX ON trees (lower(region) text_pattern_ops DESC) INCLUDE (a) WITH (fillfactor = 71) WHERE a > 0;
CREATE INDEX ON trees (lower(region) text_pattern_ops DESC) INCLUDE (a) WITH (fillfactor = 72) WHERE a > 0;
COMMENT ON INDEX trees_lower_a_idx1 IS 'the second of two';
COMMENT ON INDEX trees_2026_lower_a_idx1 IS 'and its partition''s';
ALTER INDEX trees_2025_north_lower_a_idx1 ALTER COLUMN 1 SET STATISTICS 123;

-- MISTAKE indexing.duplicate_index: duplicates.trees_2026_region_idx1 -- a partition's own beside the one that it has from above.
CREATE INDEX ON trees (region);
CREATE INDEX trees_2026_region_idx1 ON trees_2026 (region) WITH (fillfactor = 50);

-- MISTAKE indexing.duplicate_index: duplicates.tree_keys_id_day_key -- a constraint on a tree, which goes as one.
CREATE TABLE tree_keys (id bigint NOT NULL, day date NOT NULL, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE tree_keys_2025 PARTITION OF tree_keys FOR VALUES FROM ('2025-01-01') TO ('2026-01-01') PARTITION BY HASH (id);
CREATE TABLE tree_keys_2025_0 PARTITION OF tree_keys_2025 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE tree_keys_2025_1 PARTITION OF tree_keys_2025 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
ALTER TABLE tree_keys ADD UNIQUE (id, day);

-- MISTAKE indexing.duplicate_index: duplicates.deferred_a_idx -- a plain index beside a deferrable constraint.
-- MISTAKE indexing.duplicate_index: duplicates.deferred_a_key -- the next one is checked at once, so that to defer is in vain.
CREATE TABLE deferred (id bigint PRIMARY KEY, a integer NOT NULL);
ALTER TABLE deferred ADD UNIQUE (a) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE deferred ADD CONSTRAINT deferred_a_at_once_key UNIQUE (a);
CREATE INDEX ON deferred (a);

-- MISTAKE indexing.duplicate_index: duplicates.deferred_twins_a_key1 -- twice the same deferrable constraint.
CREATE TABLE deferred_twins (id bigint PRIMARY KEY, a integer NOT NULL);
ALTER TABLE deferred_twins ADD UNIQUE (a) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE deferred_twins ADD UNIQUE (a) DEFERRABLE INITIALLY DEFERRED;

-- MISTAKE indexing.duplicate_index: duplicates.unique_twins_a_key1 -- twice the same constraint, with settings of its own.
CREATE TABLE unique_twins (id bigint PRIMARY KEY, a integer NOT NULL, b text);
ALTER TABLE unique_twins ADD UNIQUE (a);
ALTER TABLE unique_twins ADD UNIQUE (a) WITH (fillfactor = 70);
COMMENT ON CONSTRAINT unique_twins_a_key1 ON unique_twins IS 'A second one, it''s said';

-- MISTAKE indexing.duplicate_index: duplicates.decorated_lower_b_idx1 -- with all that can be hung on an index.
SET allow_in_place_tablespaces = on;
CREATE TABLESPACE "trap's space" LOCATION '';
CREATE TABLE decorated (id bigint PRIMARY KEY, a text NOT NULL, b text COLLATE "C");
CREATE INDEX ON decorated (lower(a), b);
CREATE INDEX ON decorated (lower(a), b) WITH (fillfactor = 55, deduplicate_items = off) TABLESPACE "trap's space";
COMMENT ON INDEX decorated_lower_b_idx1 IS 'it''s a \ "comment"
of two lines';
ALTER INDEX decorated_lower_b_idx1 ALTER COLUMN 1 SET STATISTICS 777;

-- LOOKALIKE indexing.redundant_index: duplicates.clustered_a_idx -- CLUSTER orders the table by it.
CREATE TABLE clustered (id bigint PRIMARY KEY, a integer NOT NULL, b integer NOT NULL);
CREATE INDEX ON clustered (a);
CREATE INDEX ON clustered (a, b);
ALTER TABLE clustered CLUSTER ON clustered_a_idx;

-- MISTAKE indexing.redundant_index: duplicates.functions_shout_idx -- expressions over a function that search_path hides.
CREATE SCHEMA hidden;
CREATE FUNCTION hidden.shout(text) RETURNS text LANGUAGE sql IMMUTABLE RETURN pg_catalog.upper($1) || '!';
CREATE TYPE hidden.mood AS ENUM ('low', 'high');
CREATE TABLE functions (id bigint PRIMARY KEY, a text NOT NULL, mood hidden.mood NOT NULL);
SET search_path = duplicates, hidden;
CREATE INDEX ON functions (shout(a)) WHERE mood = 'low';
CREATE INDEX ON functions (shout(a), id) WHERE mood = 'low';
SET search_path = duplicates;

-- MISTAKE indexing.duplicate_index: duplicates.views_a_idx1 -- on a materialised view.
CREATE MATERIALIZED VIEW views AS SELECT 1 AS a, 2 AS b;
CREATE INDEX ON views (a);
CREATE INDEX ON views (a);

-- ---------------------------------------------------------------------------------------------------------------------
-- A foreign key: can the server find the referencing rows?
-- ---------------------------------------------------------------------------------------------------------------------

CREATE SCHEMA coverage;
SET search_path = coverage;

CREATE TABLE singles (id bigint PRIMARY KEY, name text NOT NULL);
CREATE TABLE pairs (a integer NOT NULL, b integer NOT NULL, name text NOT NULL, PRIMARY KEY (a, b));
INSERT INTO singles SELECT i, 'single ' || i FROM generate_series(1, 50) AS i;
INSERT INTO pairs SELECT i, i % 7, 'pair ' || i FROM generate_series(1, 50) AS i;

-- MISTAKE indexing.foreign_key_without_index: bare_x_fkey on coverage.bare -- no index at all.
CREATE TABLE bare (id bigint PRIMARY KEY, x bigint NOT NULL REFERENCES singles, y integer NOT NULL);

-- LOOKALIKE indexing.foreign_key_without_index: led_x_fkey on coverage.led -- x leads.
CREATE TABLE led (id bigint PRIMARY KEY, x bigint NOT NULL REFERENCES singles, y integer NOT NULL);
CREATE INDEX ON led (x, y);

-- MISTAKE indexing.foreign_key_without_index: trailing_x_fkey on coverage."trailing" -- x comes second.
CREATE TABLE "trailing" (id bigint PRIMARY KEY, x bigint NOT NULL REFERENCES singles, y integer NOT NULL);
CREATE INDEX ON "trailing" (y, x);

-- LOOKALIKE indexing.foreign_key_without_index: turned_a_b_fkey on coverage.turned -- for equality the order is the same.
CREATE TABLE turned (id bigint PRIMARY KEY, a integer NOT NULL, b integer NOT NULL, FOREIGN KEY (a, b) REFERENCES pairs);
CREATE INDEX ON turned (b, a);

-- MISTAKE indexing.foreign_key_partly_indexed: gapped_a_b_fkey on coverage.gapped -- z stands between a and b.
CREATE TABLE gapped (id bigint PRIMARY KEY, a integer NOT NULL, b integer NOT NULL, z integer NOT NULL, FOREIGN KEY (a, b) REFERENCES pairs);
CREATE INDEX ON gapped (a, z, b);

-- LOOKALIKE indexing.foreign_key_without_index: not_nulls_x_fkey on coverage.not_nulls -- leaves out only what no check asks for.
CREATE TABLE not_nulls (id bigint PRIMARY KEY, x bigint REFERENCES singles);
CREATE INDEX ON not_nulls (x) WHERE x IS NOT NULL;

-- MISTAKE indexing.foreign_key_without_index: undeleted_x_fkey on coverage.undeleted -- leaves out the deleted ones.
CREATE TABLE undeleted (id bigint PRIMARY KEY, x bigint NOT NULL REFERENCES singles, is_deleted boolean NOT NULL);
CREATE INDEX ON undeleted (x) WHERE NOT is_deleted;

-- LOOKALIKE indexing.foreign_key_without_index: hashed_x_fkey on coverage.hashed -- hash answers equality.
CREATE TABLE hashed (id bigint PRIMARY KEY, x bigint NOT NULL REFERENCES singles);
CREATE INDEX ON hashed USING hash (x);

-- MISTAKE indexing.foreign_key_without_index: summarised_x_fkey on coverage.summarised -- BRIN excludes nothing in scattered rows.
CREATE TABLE summarised (id bigint PRIMARY KEY, x bigint NOT NULL REFERENCES singles);
CREATE INDEX ON summarised USING brin (x);

-- MISTAKE indexing.foreign_key_without_index: broken_x_fkey on coverage.broken -- the only index is invalid.
-- MISTAKE indexing.invalid_index: coverage.broken_x_idx -- its build failed.
CREATE TABLE broken (id bigint PRIMARY KEY, x bigint NOT NULL REFERENCES singles);
INSERT INTO broken VALUES (1, 1), (2, 1);
\echo the next statement fails, as it has to
CREATE UNIQUE INDEX CONCURRENTLY broken_x_idx ON broken (x);
DELETE FROM broken WHERE id = 2;

-- MISTAKE indexing.foreign_key_without_index: forests_x_fkey on coverage.forests -- a tree of partitions, told once.
CREATE TABLE forests (id bigint NOT NULL, day date NOT NULL, region text NOT NULL, x bigint NOT NULL REFERENCES singles,
    PRIMARY KEY (id, day, region)) PARTITION BY RANGE (day);
CREATE TABLE forests_2025 PARTITION OF forests FOR VALUES FROM ('2025-01-01') TO ('2026-01-01') PARTITION BY LIST (region);
CREATE TABLE forests_2025_north PARTITION OF forests_2025 FOR VALUES IN ('north');
CREATE TABLE forests_2025_rest PARTITION OF forests_2025 DEFAULT;
CREATE TABLE forests_2026 PARTITION OF forests FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
-- One partition has the index already, under a name of its own and with a comment.
CREATE INDEX own_of_2026 ON forests_2026 (x);
COMMENT ON INDEX own_of_2026 IS 'made by hand';
INSERT INTO forests SELECT i, date '2025-06-01' + i, CASE WHEN i % 2 = 0 THEN 'north' ELSE 'south' END, 1 + i % 50
  FROM generate_series(1, 400) AS i;

-- LOOKALIKE indexing.foreign_key_without_index: groves_x_fkey on coverage.groves -- the parent's index is every partition's.
CREATE TABLE groves (id bigint NOT NULL, day date NOT NULL, x bigint NOT NULL REFERENCES singles, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE groves_2025 PARTITION OF groves FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE groves_2026 PARTITION OF groves FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE INDEX ON groves (x);

-- MISTAKE indexing.foreign_key_partly_indexed: payload_pairs_a_b_fkey on coverage.payload_pairs -- b is only payload.
CREATE TABLE payload_pairs (id bigint PRIMARY KEY, a integer NOT NULL, b integer NOT NULL, FOREIGN KEY (a, b) REFERENCES pairs);
CREATE INDEX ON payload_pairs (a) INCLUDE (b);

-- MISTAKE indexing.foreign_key_without_index: wrapped_x_fkey on coverage.wrapped -- an expression is not the column.
CREATE TABLE wrapped (id bigint PRIMARY KEY, x bigint NOT NULL REFERENCES singles);
CREATE INDEX ON wrapped ((x + 0));

-- MISTAKE indexing.foreign_key_partly_indexed: halves_a_b_fkey on coverage.halves -- b is missing.
CREATE TABLE halves (id bigint PRIMARY KEY, a integer NOT NULL, b integer NOT NULL, FOREIGN KEY (a, b) REFERENCES pairs);
CREATE INDEX ON halves (a);

-- MISTAKE schema.foreign_key_narrower_than_key: narrow_x_fkey on coverage.narrow -- the key may outgrow it.
-- LOOKALIKE indexing.foreign_key_without_index: narrow_x_fkey on coverage.narrow -- int4 against int8: the same operator family.
CREATE TABLE narrow (id bigint PRIMARY KEY, x integer NOT NULL REFERENCES singles);
CREATE INDEX ON narrow (x);

-- MISTAKE indexing.foreign_key_without_index: converted_x_fkey on coverage.converted -- compared as numeric, which an index on integers cannot answer.
CREATE TABLE numeric_keys (id numeric PRIMARY KEY);
CREATE TABLE converted (id bigint PRIMARY KEY, x bigint NOT NULL REFERENCES numeric_keys);
CREATE INDEX ON converted (x);

-- MISTAKE indexing.foreign_key_without_index: unindexed_converted_x_fkey on coverage.unindexed_converted -- so none is to be created either.
CREATE TABLE unindexed_converted (id bigint PRIMARY KEY, x bigint NOT NULL REFERENCES numeric_keys);

-- LOOKALIKE indexing.foreign_key_without_index: texts_x_fkey on coverage.texts -- varchar is indexed as text.
CREATE TABLE text_keys (code text PRIMARY KEY);
CREATE TABLE texts (id bigint PRIMARY KEY, x varchar(20) NOT NULL REFERENCES text_keys);
CREATE INDEX ON texts (x);

-- MISTAKE schema.self_reference_without_index: employees_manager_id_fkey on coverage.employees -- a tree without its index.
CREATE TABLE employees (id bigint PRIMARY KEY, manager_id bigint REFERENCES employees ON DELETE SET NULL);

-- The index that would help exists on the whole tree but for one partition.
-- MISTAKE indexing.invalid_index: coverage.patchy_x_idx -- one partition lacks it.
-- MISTAKE indexing.foreign_key_without_index: patchy_x_fkey on coverage.patchy -- what is invalid helps nobody.
CREATE TABLE patchy (id bigint NOT NULL, day date NOT NULL, x bigint NOT NULL REFERENCES singles, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE patchy_2025 PARTITION OF patchy FOR VALUES FROM ('2025-01-01') TO ('2026-01-01') PARTITION BY HASH (id);
CREATE TABLE patchy_2025_0 PARTITION OF patchy_2025 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE patchy_2025_1 PARTITION OF patchy_2025 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE patchy_2026 PARTITION OF patchy FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE INDEX patchy_x_idx ON ONLY patchy (x);
CREATE INDEX patchy_2026_x_idx ON patchy_2026 (x);
ALTER INDEX patchy_x_idx ATTACH PARTITION patchy_2026_x_idx;
INSERT INTO patchy SELECT i, date '2025-06-01' + i, 1 + i % 50 FROM generate_series(1, 300) AS i;

INSERT INTO bare SELECT i, 1 + i % 50, i FROM generate_series(1, 3000) AS i;
INSERT INTO "trailing" SELECT i, 1 + i % 50, i FROM generate_series(1, 3000) AS i;

-- ---------------------------------------------------------------------------------------------------------------------
-- Sequences: what really ends, and whose they are
-- ---------------------------------------------------------------------------------------------------------------------

CREATE SCHEMA counters;
SET search_path = counters;

-- MISTAKE schema.sequence_near_end: counters.serials_id_seq -- an int4 serial at 95 %.
CREATE TABLE serials (id serial PRIMARY KEY, note text);
SELECT setval('serials_id_seq', 2040109465) \g /dev/null

-- MISTAKE schema.sequence_near_end: counters.wide_number_seq -- a bigint sequence that feeds an int4 column.
-- MISTAKE schema.unowned_sequence: counters.wide_number_seq -- one column draws from it, none owns it.
CREATE SEQUENCE wide_number_seq;
CREATE TABLE wide_numbers (id integer PRIMARY KEY DEFAULT nextval('wide_number_seq'), note text);
SELECT setval('wide_number_seq', 2104533975) \g /dev/null
COMMENT ON SEQUENCE wide_number_seq IS 'unowned';

-- MISTAKE schema.sequence_near_end: counters.downwards_id_seq -- counts downwards.
CREATE TABLE downwards (id integer PRIMARY KEY, note text);
CREATE SEQUENCE downwards_id_seq AS integer INCREMENT -1 MINVALUE -1000 START -1 OWNED BY downwards.id;
ALTER TABLE downwards ALTER id SET DEFAULT nextval('downwards_id_seq');
SELECT setval('downwards_id_seq', -990) \g /dev/null

-- LOOKALIKE schema.sequence_near_end: counters.large_ones_id_seq -- beyond int4, but a bigint throughout.
CREATE TABLE large_ones (id bigserial PRIMARY KEY, note text);
SELECT setval('large_ones_id_seq', 3000000000) \g /dev/null

-- MISTAKE schema.sequence_near_end: counters.small_ones_id_seq -- two bytes.
CREATE TABLE small_ones (id smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text);
SELECT setval('small_ones_id_seq', 32000) \g /dev/null

-- LOOKALIKE schema.sequence_near_end: counters.rounds_id_seq -- CYCLE begins again by design.
CREATE TABLE rounds (id integer PRIMARY KEY, note text);
CREATE SEQUENCE rounds_id_seq AS integer MAXVALUE 1000 CYCLE OWNED BY rounds.id;
ALTER TABLE rounds ALTER id SET DEFAULT nextval('rounds_id_seq');
SELECT setval('rounds_id_seq', 999) \g /dev/null

-- MISTAKE schema.foreign_key_narrower_than_key: narrow_lines_order_id_fkey on counters.narrow_lines -- the key is past what int4 can hold soon.
CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text);
CREATE TABLE narrow_lines (id bigint PRIMARY KEY, order_id integer NOT NULL REFERENCES orders);
CREATE INDEX ON narrow_lines (order_id);
SELECT setval('orders_id_seq', 2100000000) \g /dev/null

-- LOOKALIKE schema.unowned_sequence: counters.shared_number_seq -- two columns draw from it.
CREATE SEQUENCE shared_number_seq;
CREATE TABLE lefts (id bigint PRIMARY KEY DEFAULT nextval('shared_number_seq'), note text);
CREATE TABLE rights (id bigint PRIMARY KEY DEFAULT nextval('shared_number_seq'), note text);

-- MISTAKE schema.unowned_sequence: counters."tick's ""seq""" -- a name that must be quoted twice over.
CREATE SEQUENCE "tick's ""seq""";
CREATE TABLE ticks (id bigint PRIMARY KEY DEFAULT nextval('"tick''s ""seq"""'), note text);

-- MISTAKE schema.unowned_sequence: elsewhere.faraway_seq -- in another schema than its table, so it cannot be owned as it is.
CREATE SCHEMA elsewhere;
CREATE SEQUENCE elsewhere.faraway_seq;
CREATE TABLE faraway (id bigint PRIMARY KEY DEFAULT nextval('elsewhere.faraway_seq'), note text);

-- MISTAKE schema.unowned_sequence: counters.stranger_seq -- of another owner than its table.
CREATE ROLE trap_owner;
CREATE SEQUENCE stranger_seq;
ALTER SEQUENCE stranger_seq OWNER TO trap_owner;
CREATE TABLE strangers (id bigint PRIMARY KEY DEFAULT nextval('stranger_seq'), note text);

-- MISTAKE schema.unowned_sequence: counters.parcel_seq -- feeds a tree of partitions through its parent.
CREATE SEQUENCE parcel_seq;
CREATE TABLE parcels (id bigint NOT NULL DEFAULT nextval('parcel_seq'), day date NOT NULL, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE parcels_2025 PARTITION OF parcels FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE parcels_2026 PARTITION OF parcels FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');

-- ---------------------------------------------------------------------------------------------------------------------
-- Types: what hangs on a column whose type is to be changed
-- ---------------------------------------------------------------------------------------------------------------------

CREATE SCHEMA types;
SET search_path = types;

CREATE TABLE products (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    price           double precision NOT NULL DEFAULT 9.99,
    cost_amount     real,
    balance         money NOT NULL DEFAULT 0,
    code            char(16) NOT NULL DEFAULT 'none',
    title           varchar(255) NOT NULL DEFAULT 'untitled',
    label           varchar(255),
    details         json NOT NULL DEFAULT '{"a":  1}',
    made_at         timestamp NOT NULL DEFAULT now(),
    sold_at         timestamp without time zone,
    wakes_at        timetz
);
COMMENT ON COLUMN products.price IS 'in "euros", it''s said';
COMMENT ON COLUMN products.made_at IS 'when';
ALTER TABLE products ALTER price SET STATISTICS 500, ALTER price SET (n_distinct = -0.5);
ALTER TABLE products ALTER title SET STORAGE EXTERNAL, ALTER label SET COMPRESSION pglz;
INSERT INTO products (price, cost_amount, balance, code, title, label, details, made_at, sold_at)
SELECT i * 0.37, i / 3.0, (i / 7.0)::numeric::money, 'C' || i, 'title ' || i, CASE WHEN i % 3 = 0 THEN 'l' END,
       format('{"n":   %s, "n": 2}', i)::json, timestamp '2025-01-01' + i * interval '1 hour', timestamp '2025-03-30 02:30:00'
  FROM generate_series(1, 1500) AS i;

-- A CHECK that means nothing, or something else, for the type that the column should have.
CREATE TABLE checked_things (
    id          bigint PRIMARY KEY,
    balance     money NOT NULL CHECK (balance >= 0::money),
    details     json NOT NULL CHECK (json_typeof(details) = 'object'),
    amount      real NOT NULL CHECK (amount > 0.1),
    price       double precision NOT NULL CHECK (price = round(price) OR sqrt(price) > 1 OR price = 'NaN'),
    title       varchar(255) NOT NULL CHECK (title ~ 'x' OR upper(title) LIKE 'Y%')
);
INSERT INTO checked_things SELECT i, i::money, '{}', i, i, 'x' FROM generate_series(1, 300) AS i;

-- Defaults that were written for the type.
CREATE TABLE default_things (
    id          bigint PRIMARY KEY,
    balance     money NOT NULL DEFAULT '1.50',
    details     json NOT NULL DEFAULT json_build_object('a', 1),
    price       double precision NOT NULL DEFAULT random(),
    fee         real NOT NULL DEFAULT 1e-3,
    code        char(9) NOT NULL DEFAULT 'ab' || 'c',
    title       varchar(255) NOT NULL DEFAULT current_user
);
INSERT INTO default_things (id) SELECT i FROM generate_series(1, 300) AS i;

-- Indexes, constraints and statistics over such columns.
CREATE TABLE priced_things (
    id          bigint PRIMARY KEY,
    price       double precision NOT NULL CHECK (price > 0),
    amount      real NOT NULL UNIQUE,
    code        char(10) NOT NULL CHECK (code <> 'x'),
    title       varchar(255) NOT NULL CHECK (title <> '' AND length(title) < 250),
    happened_at timestamp NOT NULL CHECK (happened_at > '2000-01-01')
);
CREATE INDEX ON priced_things (price);
CREATE INDEX ON priced_things (code, price DESC NULLS LAST);
CREATE INDEX ON priced_things (title varchar_pattern_ops);
CREATE INDEX ON priced_things (happened_at) INCLUDE (price) WITH (fillfactor = 80);
CREATE STATISTICS priced_things_stat (dependencies, ndistinct) ON price, code FROM priced_things;
ALTER STATISTICS priced_things_stat SET STATISTICS 321;
INSERT INTO priced_things SELECT i, i * 0.11, i / 9.0, 'k' || i, 'thing ' || i, timestamp '2024-01-01' + i * interval '1 day' FROM generate_series(1, 1200) AS i;
ALTER TABLE priced_things CLUSTER ON priced_things_price_idx;

-- Everything that forbids a simple change of type.
CREATE TABLE viewed_things (id bigint PRIMARY KEY, price double precision NOT NULL, code char(9) NOT NULL, happened_at timestamp NOT NULL);
CREATE VIEW visible_things AS SELECT id, price FROM viewed_things;
CREATE MATERIALIZED VIEW seen_things AS SELECT id, code FROM viewed_things;
CREATE RULE ruled AS ON UPDATE TO viewed_things WHERE NEW.happened_at IS NULL DO NOTHING;
CREATE TABLE computed_things (id bigint PRIMARY KEY, price double precision NOT NULL, tax double precision GENERATED ALWAYS AS (price * 0.19) STORED);
CREATE TABLE guarded_things (id bigint PRIMARY KEY, price double precision NOT NULL, code char(9) NOT NULL);
ALTER TABLE guarded_things ENABLE ROW LEVEL SECURITY;
CREATE POLICY guard ON guarded_things USING (price < 100);
CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER watch BEFORE UPDATE OF code ON guarded_things FOR EACH ROW WHEN (OLD.code IS DISTINCT FROM NEW.code) EXECUTE FUNCTION watch();
CREATE FUNCTION sum_of_prices() RETURNS double precision LANGUAGE sql BEGIN ATOMIC SELECT sum(p.salary_amount) FROM (SELECT 1::double precision AS salary_amount) AS p; END;
CREATE TABLE inlined_things (id bigint PRIMARY KEY, price double precision NOT NULL);
CREATE FUNCTION sum_of_inlined() RETURNS double precision LANGUAGE sql BEGIN ATOMIC SELECT sum(price) FROM types.inlined_things; END;
CREATE TYPE thing AS (id bigint, price double precision, happened_at timestamp);
CREATE TABLE typed_things OF thing (id WITH OPTIONS PRIMARY KEY);
CREATE TABLE parent_things (id bigint PRIMARY KEY, price double precision NOT NULL, happened_at timestamp NOT NULL);
CREATE TABLE child_things (extra char(5)) INHERITS (parent_things);
CREATE TABLE rowed_things (id bigint PRIMARY KEY, price double precision NOT NULL);
CREATE TABLE rows_of_things (id bigint PRIMARY KEY, thing rowed_things, things rowed_things[]);
CREATE TABLE partitioned_prices (id bigint NOT NULL, day date NOT NULL, price double precision NOT NULL, code char(12) NOT NULL, happened_at timestamp NOT NULL,
    PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE partitioned_prices_2025 PARTITION OF partitioned_prices FOR VALUES FROM ('2025-01-01') TO ('2026-01-01') PARTITION BY HASH (id);
CREATE TABLE partitioned_prices_2025_0 PARTITION OF partitioned_prices_2025 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE partitioned_prices_2025_1 PARTITION OF partitioned_prices_2025 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE INDEX ON partitioned_prices (price);
INSERT INTO partitioned_prices SELECT i, date '2025-01-01' + i % 300, i * 1.1, 'c' || i, timestamp '2025-01-01' FROM generate_series(1, 800) AS i;
CREATE TABLE keyed_by_time (happened_at timestamp NOT NULL, id bigint NOT NULL, price double precision, PRIMARY KEY (id, happened_at)) PARTITION BY RANGE (happened_at);
CREATE TABLE keyed_by_time_2025 PARTITION OF keyed_by_time FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE lone_prices (id bigint PRIMARY KEY, price double precision NOT NULL, code char(7) NOT NULL UNIQUE);
CREATE TABLE lone_references (id bigint PRIMARY KEY, code char(7) NOT NULL REFERENCES lone_prices (code));
CREATE INDEX ON lone_references (code);
CREATE DOMAIN euros AS double precision CHECK (VALUE >= 0);
CREATE TABLE domain_prices (id bigint PRIMARY KEY, price euros NOT NULL);
CREATE TYPE colour AS ENUM ('red', 'green', 'it''s "blue"');
CREATE TABLE coloured_things (id bigint PRIMARY KEY, colour colour NOT NULL DEFAULT 'red', colours colour[]);
CREATE TABLE published_prices (id bigint PRIMARY KEY, price double precision NOT NULL, code char(8) NOT NULL);
SET client_min_messages = error;
CREATE PUBLICATION prices FOR TABLE published_prices (id, price) WHERE (price > 1);
SET client_min_messages = warning;

-- ---------------------------------------------------------------------------------------------------------------------
-- Keys and constraints, and what is to be restored about them
-- ---------------------------------------------------------------------------------------------------------------------

CREATE SCHEMA keys;
SET search_path = keys;

CREATE TABLE targets (id bigint PRIMARY KEY, a integer NOT NULL, b integer NOT NULL, UNIQUE (a, b));
INSERT INTO targets SELECT i, i, i % 5 FROM generate_series(1, 40) AS i;

-- Doubles of every kind.
CREATE TABLE doubles (
    id bigint PRIMARY KEY, target_id bigint NOT NULL, other_id bigint NOT NULL, a integer, b integer,
    CONSTRAINT doubles_target_id_fkey FOREIGN KEY (target_id) REFERENCES targets ON DELETE CASCADE ON UPDATE CASCADE,
    CONSTRAINT doubles_target_id_fkey_again FOREIGN KEY (target_id) REFERENCES targets ON DELETE CASCADE ON UPDATE CASCADE,
    CONSTRAINT doubles_other_id_fkey FOREIGN KEY (other_id) REFERENCES targets DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT doubles_other_id_fkey_again FOREIGN KEY (other_id) REFERENCES targets DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT doubles_pair FOREIGN KEY (a, b) REFERENCES targets (a, b) MATCH FULL ON DELETE SET NULL,
    CONSTRAINT doubles_pair_again FOREIGN KEY (b, a) REFERENCES targets (b, a) MATCH FULL ON DELETE SET NULL
);
COMMENT ON CONSTRAINT doubles_target_id_fkey_again ON doubles IS 'again, it''s true';
CREATE INDEX ON doubles (target_id);
CREATE INDEX ON doubles (other_id);
CREATE INDEX ON doubles (a, b);
ALTER TABLE doubles ADD CONSTRAINT doubles_target_unchecked FOREIGN KEY (target_id) REFERENCES targets ON DELETE CASCADE ON UPDATE CASCADE NOT VALID;
INSERT INTO doubles SELECT i, 1 + i % 40, 1 + i % 40, 1 + i % 40, (1 + i % 40) % 5 FROM generate_series(1, 300) AS i;

CREATE TABLE double_trees (id bigint NOT NULL, day date NOT NULL, target_id bigint NOT NULL REFERENCES targets, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE double_trees_2025 PARTITION OF double_trees FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
ALTER TABLE double_trees ADD CONSTRAINT double_trees_again FOREIGN KEY (target_id) REFERENCES targets;
CREATE INDEX ON double_trees (target_id);

-- Never validated, though every row would pass.
CREATE TABLE unchecked (id bigint PRIMARY KEY, target_id bigint NOT NULL, "weird ""col""" integer NOT NULL);
INSERT INTO unchecked SELECT i, 1 + i % 40, i FROM generate_series(1, 200) AS i;
CREATE INDEX ON unchecked (target_id);
ALTER TABLE unchecked ADD CONSTRAINT "un""checked; --" FOREIGN KEY (target_id) REFERENCES targets ON DELETE CASCADE NOT VALID;
ALTER TABLE unchecked ADD CONSTRAINT unchecked_weird_check CHECK ("weird ""col""" > 0) NOT VALID;
ALTER TABLE unchecked ADD CONSTRAINT unchecked_alone CHECK ("weird ""col""" < 1000000) NO INHERIT NOT VALID;
COMMENT ON CONSTRAINT unchecked_weird_check ON unchecked IS 'not yet
validated';
CREATE TABLE unchecked_parents (id bigint PRIMARY KEY, n integer NOT NULL);
CREATE TABLE unchecked_children (m integer) INHERITS (unchecked_parents);
ALTER TABLE unchecked_parents ADD CONSTRAINT unchecked_parents_n_check CHECK (n > 0) NOT VALID;
CREATE TABLE unchecked_trees (id bigint NOT NULL, day date NOT NULL, n integer NOT NULL, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE unchecked_trees_2025 PARTITION OF unchecked_trees FOR VALUES FROM ('2025-01-01') TO ('2026-01-01') PARTITION BY HASH (id);
CREATE TABLE unchecked_trees_2025_0 PARTITION OF unchecked_trees_2025 FOR VALUES WITH (MODULUS 1, REMAINDER 0);
INSERT INTO unchecked_trees SELECT i, '2025-02-02', i FROM generate_series(1, 100) AS i;
ALTER TABLE unchecked_trees ADD CONSTRAINT unchecked_trees_n_check CHECK (n > 0) NOT VALID;

-- Mandatory in fact, not in the catalog.
CREATE TABLE optional_things (
    id bigint PRIMARY KEY, target_id bigint REFERENCES targets, is_open boolean DEFAULT true, status text DEFAULT 'new', created_at timestamptz DEFAULT now(),
    "Größe; --" integer DEFAULT 1, note text
);
CREATE INDEX ON optional_things (target_id);
INSERT INTO optional_things SELECT i, 1 + i % 40, true, 'new', '2025-01-01', 3, CASE WHEN i % 2 = 0 THEN 'n' END FROM generate_series(1, 2000) AS i;
CREATE TABLE optional_trees (id bigint NOT NULL, day date NOT NULL, target_id bigint REFERENCES targets, is_open boolean DEFAULT true, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE optional_trees_2025 PARTITION OF optional_trees FOR VALUES FROM ('2025-01-01') TO ('2026-01-01') PARTITION BY HASH (id);
CREATE TABLE optional_trees_2025_0 PARTITION OF optional_trees_2025 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE optional_trees_2025_1 PARTITION OF optional_trees_2025 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE INDEX ON optional_trees (target_id);
INSERT INTO optional_trees SELECT i, '2025-03-03', 1 + i % 40, true FROM generate_series(1, 2000) AS i;
CREATE TABLE optional_parents (id bigint PRIMARY KEY, target_id bigint REFERENCES targets, is_open boolean DEFAULT false);
CREATE TABLE optional_children (extra integer) INHERITS (optional_parents);
CREATE INDEX ON optional_parents (target_id);
INSERT INTO optional_parents SELECT i, 1 + i % 40, true FROM generate_series(1, 1500) AS i;
INSERT INTO optional_children SELECT i, 1 + i % 40, true, 1 FROM generate_series(2001, 3500) AS i;

-- Keys that are not declared.
CREATE TABLE keyless (id bigint NOT NULL, name text NOT NULL);
CREATE UNIQUE INDEX keyless_id_idx ON keyless (id);
COMMENT ON INDEX keyless_id_idx IS 'a key in all but name';
CREATE TABLE keyless_pairs (a integer NOT NULL, b integer NOT NULL, name text NOT NULL);
CREATE UNIQUE INDEX ON keyless_pairs (a, b) INCLUDE (name) WITH (fillfactor = 60);
CREATE TABLE keyless_down (id bigint NOT NULL, name text NOT NULL);
CREATE UNIQUE INDEX ON keyless_down (id DESC);
CREATE TABLE keyless_constrained (id bigint NOT NULL UNIQUE, name text NOT NULL);
CREATE TABLE keyless_clustered (id bigint NOT NULL, name text NOT NULL);
CREATE UNIQUE INDEX ON keyless_clustered (id);
ALTER TABLE keyless_clustered CLUSTER ON keyless_clustered_id_idx;
CREATE TABLE keyless_identified (id bigint NOT NULL, name text NOT NULL);
CREATE UNIQUE INDEX ON keyless_identified (id);
ALTER TABLE keyless_identified REPLICA IDENTITY USING INDEX keyless_identified_id_idx;
CREATE TABLE keyless_referenced (id bigint NOT NULL, name text NOT NULL);
CREATE UNIQUE INDEX ON keyless_referenced (id);
CREATE TABLE keyless_referring (id bigint PRIMARY KEY, referenced_id bigint NOT NULL REFERENCES keyless_referenced (id));
CREATE INDEX ON keyless_referring (referenced_id);
CREATE TABLE keyless_parents (id bigint NOT NULL, name text NOT NULL);
CREATE UNIQUE INDEX ON keyless_parents (id);
CREATE TABLE keyless_children () INHERITS (keyless_parents);
CREATE TABLE keyless_trees (id bigint NOT NULL, day date NOT NULL) PARTITION BY RANGE (day);
CREATE TABLE keyless_trees_2025 PARTITION OF keyless_trees FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE UNIQUE INDEX ON keyless_trees (id, day);
CREATE TABLE keyless_altogether (a integer, b integer);

-- Triggers that are off, or as good as.
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TABLE sleepers (id bigint PRIMARY KEY, target_id bigint NOT NULL REFERENCES targets);
CREATE INDEX ON sleepers (target_id);
CREATE TRIGGER "stamp"";--" BEFORE INSERT ON sleepers FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE TRIGGER replicating BEFORE UPDATE ON sleepers FOR EACH ROW EXECUTE FUNCTION stamp();
ALTER TABLE sleepers DISABLE TRIGGER "stamp"";--";
ALTER TABLE sleepers ENABLE REPLICA TRIGGER replicating;
CREATE TABLE sleeping_trees (id bigint NOT NULL, day date NOT NULL, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE sleeping_trees_2025 PARTITION OF sleeping_trees FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE sleeping_trees_2026 PARTITION OF sleeping_trees FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TRIGGER stamp BEFORE INSERT ON sleeping_trees FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE TRIGGER stamp_also BEFORE INSERT ON sleeping_trees FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE TRIGGER stamp_always BEFORE INSERT ON sleeping_trees FOR EACH ROW EXECUTE FUNCTION stamp();
ALTER TABLE sleeping_trees DISABLE TRIGGER stamp;
ALTER TABLE sleeping_trees_2025 DISABLE TRIGGER stamp_also;
-- The parent's is off; one partition's fires always.
ALTER TABLE sleeping_trees DISABLE TRIGGER stamp_always;
ALTER TABLE sleeping_trees_2026 ENABLE ALWAYS TRIGGER stamp_always;
-- ONLY leaves the partitions' as they are.
CREATE TRIGGER stamp_above BEFORE INSERT ON sleeping_trees FOR EACH ROW EXECUTE FUNCTION stamp();
ALTER TABLE ONLY sleeping_trees DISABLE TRIGGER stamp_above;
CREATE TABLE unguarded (id bigint PRIMARY KEY, target_id bigint NOT NULL REFERENCES targets);
CREATE INDEX ON unguarded (target_id);
ALTER TABLE unguarded DISABLE TRIGGER ALL;

-- Published without a way to find the row.
CREATE TABLE published_bare (a integer NOT NULL, b integer NOT NULL);
CREATE TABLE published_unique (a integer NOT NULL, b integer NOT NULL);
CREATE UNIQUE INDEX ON published_unique (a);
CREATE TABLE published_nothing (id bigint PRIMARY KEY, b integer NOT NULL);
ALTER TABLE published_nothing REPLICA IDENTITY NOTHING;
CREATE TABLE published_trees (id bigint NOT NULL, day date NOT NULL) PARTITION BY RANGE (day);
CREATE TABLE published_trees_2025 PARTITION OF published_trees FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE published_trees_2026 PARTITION OF published_trees FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
ALTER TABLE published_trees_2026 ADD PRIMARY KEY (id, day);
SET client_min_messages = error;
CREATE PUBLICATION traps FOR TABLE published_bare, published_unique, published_nothing, published_trees;
SET client_min_messages = warning;

-- Without the moments that the others keep.
CREATE TABLE kept_01 (id bigint PRIMARY KEY, target_id bigint NOT NULL REFERENCES targets, created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX ON kept_01 (target_id);
DO $$
BEGIN
    FOR i IN 2..40 LOOP
        EXECUTE format('CREATE TABLE keys.kept_%s (LIKE keys.kept_01 INCLUDING ALL, FOREIGN KEY (target_id) REFERENCES keys.targets)', to_char(i, 'FM00'));
    END LOOP;
END
$$;
CREATE TABLE forgetful_trees (id bigint NOT NULL, day date NOT NULL, target_id bigint NOT NULL REFERENCES targets, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE forgetful_trees_2025 PARTITION OF forgetful_trees FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE INDEX ON forgetful_trees (target_id);
INSERT INTO forgetful_trees SELECT i, '2025-03-03', 1 + i % 40 FROM generate_series(1, 2000) AS i;

-- ---------------------------------------------------------------------------------------------------------------------
-- Names that break what is pasted together by hand
-- ---------------------------------------------------------------------------------------------------------------------

CREATE SCHEMA "we""ird; schema";
SET search_path = "we""ird; schema";

CREATE TABLE "a"";drop table x" ("select" bigint PRIMARY KEY, "user" bigint NOT NULL, "a"";drop table x" integer NOT NULL, "100%s\n'" double precision);
CREATE TABLE "order" (id bigint PRIMARY KEY, "user" bigint NOT NULL REFERENCES "a"";drop table x", "group" bigint REFERENCES "order", "Price" real);
-- MISTAKE indexing.foreign_key_without_index: order_user_fkey on "we""ird; schema"."order" -- reserved words throughout.
-- MISTAKE schema.self_reference_without_index: order_group_fkey on "we""ird; schema"."order" -- and one to itself.
-- MISTAKE indexing.duplicate_index: "we""ird; schema"."index ""two"";" -- quotes, blanks and a semicolon.
CREATE INDEX "index ""one"";" ON "a"";drop table x" ("user", "a"";drop table x");
CREATE INDEX "index ""two"";" ON "a"";drop table x" ("user", "a"";drop table x");
COMMENT ON INDEX "index ""two"";" IS '; DROP TABLE x; --';
-- MISTAKE indexing.duplicate_index: "we""ird; schema"."größe_länge_idx2" -- letters beyond ASCII.
CREATE TABLE "größentabelle" (id bigint PRIMARY KEY, "größe" integer NOT NULL, "länge" integer NOT NULL, "價格" double precision, "🐘" char(20) NOT NULL DEFAULT '🐘');
CREATE INDEX "größe_länge_idx1" ON "größentabelle" ("größe", "länge");
CREATE INDEX "größe_länge_idx2" ON "größentabelle" ("größe", "länge");
INSERT INTO "größentabelle" SELECT i, i, i, i * 0.1, 'x' FROM generate_series(1, 1100) AS i;
-- A name of 63 bytes whose last character has two; a new name made of it has to be cut before that.
CREATE TABLE a_name_of_sixty_three_bytes_that_ends_in_a_letter_of_two_byteä (id bigint PRIMARY KEY,
    another_name_of_sixty_three_bytes_that_fills_the_whole_of_a_bü bigint NOT NULL, "price in € for each and every one of the many things, rounded" double precision);
-- MISTAKE indexing.foreign_key_without_index: long_names_fkey on "we""ird; schema"."a_name_of_sixty_three_bytes_that_ends_in_a_letter_of_two_byteä" -- its index needs a name that fits.
-- MISTAKE indexing.foreign_key_without_index: long_names_twin_fkey on "we""ird; schema"."a_name_of_sixty_three_bytes_that_ends_in_a_letter_of_two_byteö" -- cut at the same place, the two names would meet.
ALTER TABLE a_name_of_sixty_three_bytes_that_ends_in_a_letter_of_two_byteä ADD CONSTRAINT long_names_fkey
    FOREIGN KEY (another_name_of_sixty_three_bytes_that_fills_the_whole_of_a_bü) REFERENCES "order";
CREATE TABLE a_name_of_sixty_three_bytes_that_ends_in_a_letter_of_two_byteö (id bigint PRIMARY KEY,
    another_name_of_sixty_three_bytes_that_fills_the_whole_of_a_bü bigint NOT NULL,
    CONSTRAINT long_names_twin_fkey FOREIGN KEY (another_name_of_sixty_three_bytes_that_fills_the_whole_of_a_bü) REFERENCES "order");
CREATE INDEX an_index_name_that_was_written_longer_than_the_server_will_keep_it ON "order" ("Price");
ALTER TABLE "order" ADD CONSTRAINT a_check_name_that_was_written_longer_than_the_server_will_keep_it CHECK ("Price" > 0);
-- MISTAKE indexing.foreign_key_without_index: "line\nbreak_tab	col_fkey" on "we""ird; schema"."line\nbreak" -- a line break and a tab.
CREATE TABLE "line
break" ("col
umn" bigint PRIMARY KEY, "tab	col" bigint NOT NULL REFERENCES "order", "back\slash" double precision);
-- A table of the same name in another schema, so that a name alone says nothing.
CREATE TABLE coverage."order" (id bigint PRIMARY KEY, "user" bigint NOT NULL);
CREATE INDEX order_user_idx ON coverage."order" ("user");

RESET search_path;
ANALYZE;
