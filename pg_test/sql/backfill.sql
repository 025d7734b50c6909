-- dbm.backfill(): what it refuses, what it takes, and that each row is done once.
CREATE DATABASE dbm_backfill;
\c dbm_backfill
CREATE EXTENSION dbmastery;
\pset format unaligned
CREATE ROLE dbm_backfill_filler;
CREATE ROLE dbm_backfill_other;
GRANT USAGE ON SCHEMA dbm TO dbm_backfill_filler, dbm_backfill_other;
GRANT EXECUTE ON PROCEDURE dbm.backfill(regclass, text, text, interval, double precision, interval, bigint, boolean, interval, interval, integer)
    TO dbm_backfill_filler, dbm_backfill_other;
GRANT EXECUTE ON FUNCTION dbm.backfill_pause(bigint), dbm.backfill_cancel(bigint), dbm.backfill_status()
    TO dbm_backfill_filler, dbm_backfill_other;
-- Small batches without rest, so that each test has several; how many does not hang on how long one took.
CREATE PROCEDURE fill(target regclass, assignment text, predicate text DEFAULT NULL) LANGUAGE plpgsql AS $$
BEGIN
    CALL dbm.backfill(target, assignment, predicate, duty => 1, batch_time => '1 h', batch_rows => 7);
END $$;
CREATE TABLE item (id int PRIMARY KEY, n int NOT NULL DEFAULT 0, total int, price int NOT NULL DEFAULT 2, note text);
INSERT INTO item (id) SELECT i FROM generate_series(1, 100) AS i;

-- Where it may be called.
BEGIN;
CALL dbm.backfill('item', 'n = n + 1');
ROLLBACK;
CREATE FUNCTION filling() RETURNS void LANGUAGE plpgsql AS $$ BEGIN CALL dbm.backfill('item', 'n = n + 1'); END $$;
\set VERBOSITY terse
SELECT filling();
\set VERBOSITY default
CALL dbm.backfill(NULL, 'n = n + 1');
CALL dbm.backfill('item', NULL);

-- What is no assignment, and what is no condition.
CALL dbm.backfill('item', '');
CALL dbm.backfill('item', 'n = 1;');
CALL dbm.backfill('item', 'n = 1; DROP TABLE item');
CALL dbm.backfill('item', 'n = 1 WHERE true');
CALL dbm.backfill('item', 'n = 1 RETURNING id');
CALL dbm.backfill('item', 'n = o.n FROM item o');
CALL dbm.backfill('item', 'n = 1 /* ');
CALL dbm.backfill('item', 'n = 1', 'true) OR (true');
CALL dbm.backfill('item', 'n = 1', 'true AS yes');
CALL dbm.backfill('item', 'n = 1', 'true, false');
CALL dbm.backfill('item', 'n = 1', 'true FROM item');
CALL dbm.backfill('item', 'n = 1', 'true LIMIT 1');
CALL dbm.backfill('item', 'n = 1', 'true UNION SELECT true');
CALL dbm.backfill('item', 'n = 1', 'true; SELECT true');
CALL dbm.backfill('item', 'n = 1', '');
CALL dbm.backfill('item', 'n = 1', 'n');
CALL dbm.backfill('item', 'm = 1');
CALL dbm.backfill('item', 'n = m', 'n = 1');
CALL dbm.backfill('item', 'n = ''x''');
-- Which are not possible.
CALL dbm.backfill('item', 'n = 1', duty => 0);
CALL dbm.backfill('item', 'n = 1', batch_rows => 0);
CALL dbm.backfill('item', 'n = 1', batch_time => '-1 s');
CALL dbm.backfill('item', 'n = 1', max_wal_per_second => 0);

-- What cannot be filled.
CREATE VIEW items AS SELECT * FROM item;
CREATE MATERIALIZED VIEW kept AS SELECT * FROM item;
CREATE TABLE keyless (n int);
CREATE TABLE loose (id int UNIQUE, part int NOT NULL, n int);
CREATE UNIQUE INDEX loose_part ON loose (part) WHERE n > 0;
CREATE UNIQUE INDEX loose_doubled ON loose ((part * 2));
CREATE TABLE ruled (id int PRIMARY KEY, n int);
CREATE RULE nothing AS ON UPDATE TO ruled DO INSTEAD NOTHING;
CREATE TEMP TABLE own (id int PRIMARY KEY, n int);
CALL dbm.backfill('items', 'n = 1');
CALL dbm.backfill('kept', 'n = 1');
CALL dbm.backfill('item_pkey', 'n = 1');
CALL dbm.backfill('pg_catalog.pg_class', 'relname = relname');
CALL dbm.backfill('own', 'n = 1');
CALL dbm.backfill('ruled', 'n = 1');
CALL dbm.backfill('keyless', 'n = 1');
CALL dbm.backfill('loose', 'n = 1');
CALL dbm.backfill('item', 'id = id + 1000');
CALL dbm.backfill(0, 'n = 1');
SELECT count(*) AS jobs FROM dbm.backfill_job;

-- Each row once: without a predicate, with one that holds on, with one that is used up.
CALL fill('item', 'n = n + 1');
SELECT n, count(*) FROM item GROUP BY n;
CALL fill('item', 'n = n + 1', 'id % 2 = 0');
SELECT n, count(*) FROM item GROUP BY n ORDER BY n;
CALL fill('item', 'total = price * 3, note = ''it''''s'' -- done', 'total IS NULL -- yet');
SELECT total, note, count(*) FROM item GROUP BY total, note;
SELECT job, target, assignment, predicate, state, pass, share, rows_changed, rows_seen, waits_for, error FROM dbm.backfill_status() ORDER BY job;
SELECT job, max(number) AS batches, sum(rows_seen) AS seen, sum(rows_changed) AS changed FROM dbm.backfill_batch GROUP BY job ORDER BY job;
-- Done is done: the same again is another job.
CALL fill('item', 'n = n + 1');
SELECT count(*) AS jobs FROM dbm.backfill_job;
-- What would not change is not written; what is set to itself is, for its triggers.
CREATE FUNCTION counted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.total = coalesce(OLD.total, 0) + 1; RETURN NEW; END $$;
CREATE TRIGGER counted BEFORE UPDATE ON item FOR EACH ROW EXECUTE FUNCTION counted();
UPDATE item SET note = CASE WHEN id <= 60 THEN 'a' END;
UPDATE item SET total = 0 WHERE true;
SELECT min(total), max(total) FROM item;
CALL fill('item', 'note = ''a''');
SELECT total, count(*) FROM item GROUP BY total ORDER BY total;
CALL fill('item', 'note = note');
SELECT total, count(*) FROM item GROUP BY total ORDER BY total;
DROP TRIGGER counted ON item;

-- Keys of any type, collation and number of columns, in whatever order their index has.
SET DateStyle = 'German, DMY';
SET IntervalStyle = 'sql_standard';
SET bytea_output = 'escape';
SET extra_float_digits = -15;
CREATE PROCEDURE keyed_by(definition text, expression text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TABLE keyed (%s, n int NOT NULL DEFAULT 0)', definition);
    EXECUTE format('INSERT INTO keyed SELECT %s FROM generate_series(1, 50) AS i', expression);
END $$;
CREATE TABLE outcome (key text, n int, rows bigint);
\set check 'CALL fill(\'keyed\', \'n = n + 1\'); INSERT INTO outcome SELECT :\'key\', n, count(*) FROM keyed GROUP BY n; DROP TABLE keyed;'
SET client_min_messages = warning;
\set key text
CALL keyed_by('k text PRIMARY KEY', $$chr(60 + i) || repeat('\', i % 3) || ''''$$); :check
\set key uuid
CALL keyed_by('k uuid PRIMARY KEY', 'md5(i::text)::uuid'); :check
\set key timestamptz
CALL keyed_by('k timestamptz PRIMARY KEY', $$'0044-03-15 BC'::timestamptz + i * '41 years 3 days'::interval$$); :check
\set key infinite
CALL keyed_by('k timestamptz PRIMARY KEY', $$CASE i WHEN 1 THEN '-infinity' WHEN 2 THEN 'infinity' ELSE now() + i * '1 us'::interval END$$); :check
\set key numeric
CALL keyed_by('k numeric PRIMARY KEY', $$CASE i WHEN 7 THEN 'NaN' ELSE i / 7.0 END$$); :check
\set key float
CALL keyed_by('k double precision PRIMARY KEY', $$CASE i WHEN 7 THEN 'NaN' ELSE i / 7::float8 END$$); :check
\set key interval
CALL keyed_by('k interval PRIMARY KEY', $$make_interval(months => i % 7, days => -i, secs => 7.5 * i)$$); :check
\set key bytea
CALL keyed_by('k bytea PRIMARY KEY', $$decode(lpad(to_hex(i * 5), 4, '0'), 'hex')$$); :check
\set key char
CALL keyed_by('k char(9) PRIMARY KEY', $$'x' || i$$); :check
\set key varchar
CALL keyed_by('k varchar(9) COLLATE "POSIX" PRIMARY KEY', $$'x' || i$$); :check
\set key bit
CALL keyed_by('k bit(8) PRIMARY KEY', $$i::bit(8)$$); :check
\set key boolean
CALL keyed_by('k bool, l "char", PRIMARY KEY (k, l)', $$i % 2 = 0, chr(60 + i)$$); :check
\set key array
CALL keyed_by('k int[] PRIMARY KEY', $$ARRAY[i % 5, i]$$); :check
\set key inet
CALL keyed_by('k inet PRIMARY KEY', $$('10.0.0.' || i)::inet$$); :check
\set key composite
CALL keyed_by('"K" int, l text, m date, PRIMARY KEY (l, "K", m)', $$i % 5, 'x' || i % 3, current_date + i$$); :check
CREATE TYPE mood AS ENUM ('zeal', 'joy', 'anger');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TYPE pair AS (a int, b text);
\set key enum
CALL keyed_by('k mood, l positive, PRIMARY KEY (k, l)', $$('{zeal,joy,anger}'::mood[])[1 + i % 3], i$$); :check
\set key row
CALL keyed_by('k pair PRIMARY KEY', $$(i % 4, 'b,"' || i)::pair$$); :check
\set key range
CALL keyed_by('k int4range PRIMARY KEY', $$int4range(i % 4, i + 5)$$); :check
\set key other_collation
CALL keyed_by('k text COLLATE "C" NOT NULL', $$chr(65 + i)$$); CREATE UNIQUE INDEX ON keyed (k COLLATE "default"); :check
\set key descending
CALL keyed_by('k int NOT NULL', 'i'); CREATE UNIQUE INDEX ON keyed (k DESC) INCLUDE (n); :check
\set key second_key
CALL keyed_by('k int PRIMARY KEY, l int NOT NULL UNIQUE', 'i, 100 - i'); CALL fill('keyed', 'k = k + 1000, n = n + 1'); INSERT INTO outcome SELECT :'key', n, count(*) FROM keyed WHERE k > 1000 GROUP BY n; DROP TABLE keyed;
RESET client_min_messages;
SELECT key, n, rows FROM outcome WHERE (n, rows) IS DISTINCT FROM (1, 50::bigint);
SELECT count(*) AS keys, count(DISTINCT key) AS each_once FROM outcome;

-- Names that need quotes, and the target's name in the expressions.
CREATE SCHEMA "Odd ; --";
CREATE TABLE "Odd ; --"."Ta'ble" ("I d" int PRIMARY KEY, "N" int NOT NULL DEFAULT 0);
INSERT INTO "Odd ; --"."Ta'ble" SELECT i FROM generate_series(1, 20) AS i;
CALL fill('"Odd ; --"."Ta''ble"', '"N" = "Ta''ble"."N" + 1');
SELECT "N", count(*) FROM "Odd ; --"."Ta'ble" GROUP BY "N";

-- Partitions, and tables that inherit.
CREATE TABLE tree (id int, region text, n int NOT NULL DEFAULT 0, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE tree_a PARTITION OF tree FOR VALUES IN ('a');
CREATE TABLE tree_b PARTITION OF tree FOR VALUES IN ('b') PARTITION BY RANGE (id);
CREATE TABLE tree_b1 PARTITION OF tree_b FOR VALUES FROM (0) TO (50);
CREATE TABLE tree_b2 PARTITION OF tree_b DEFAULT;
CREATE TABLE tree_c PARTITION OF tree FOR VALUES IN ('c');
INSERT INTO tree SELECT i, chr(97 + i % 2) FROM generate_series(1, 100) AS i;
CALL fill('tree', 'n = tree.n + 1');
SELECT tableoid::regclass, n, count(*) FROM tree GROUP BY 1, 2 ORDER BY 1, 2;
SELECT name, rows_changed, is_done FROM dbm.backfill_part WHERE job = (SELECT max(id) FROM dbm.backfill_job) ORDER BY name;
CALL dbm.backfill('tree', 'region = ''c''');
CREATE TABLE parent (id int PRIMARY KEY, n int NOT NULL DEFAULT 0);
CREATE TABLE child (PRIMARY KEY (id)) INHERITS (parent);
INSERT INTO parent SELECT i FROM generate_series(1, 10) AS i;
INSERT INTO child SELECT i FROM generate_series(1, 20) AS i;
CALL fill('parent', 'n = n + 1');
SELECT tableoid::regclass, n, count(*) FROM parent GROUP BY 1, 2 ORDER BY 1, 2;
CREATE TABLE keyless_child () INHERITS (parent);
CALL dbm.backfill('parent', 'n = n + 1');

-- A row that cannot be changed is named; all before it is done, and after it is mended the rest.
CREATE TABLE strict (id int PRIMARY KEY, u int UNIQUE, n int NOT NULL DEFAULT 0, d int NOT NULL DEFAULT 1 CHECK (d < 100));
INSERT INTO strict (id, d) SELECT i, CASE i WHEN 63 THEN 0 ELSE 1 END FROM generate_series(1, 100) AS i;
CALL dbm.backfill('strict', 'n = n + 10 / d', duty => 1, batch_time => '1 h', batch_rows => 40);
SELECT n, min(id), max(id) FROM strict GROUP BY n ORDER BY 2;
SELECT state, error, last_key FROM dbm.backfill_status() WHERE target = 'public.strict';
UPDATE strict SET d = 10 WHERE id = 63;
CALL dbm.backfill('strict', 'n = n + 10 / d', duty => 1, batch_time => '1 h', batch_rows => 40);
SELECT n, min(id), max(id), count(*) FROM strict GROUP BY n ORDER BY n;
INSERT INTO strict VALUES (101, 42);
CALL dbm.backfill('strict', 'u = id - 8', 'u IS NULL', duty => 1, batch_time => '1 h');
SELECT count(*) AS done, max(id) FROM strict WHERE u IS NOT NULL AND id <= 100;
ALTER TABLE strict DROP CONSTRAINT strict_u_key, ADD CONSTRAINT strict_u_key UNIQUE (u) DEFERRABLE INITIALLY DEFERRED;
CALL dbm.backfill('strict', 'u = id - 8', 'u IS NULL', duty => 1, batch_time => '1 h');
DELETE FROM strict WHERE id = 101;
CALL dbm.backfill('strict', 'u = id - 8', 'u IS NULL', duty => 1, batch_time => '1 h');
SELECT count(*) AS done FROM strict WHERE u = id - 8;

-- Rights: those of the caller, on the job as on the table.
CREATE TABLE own_table (id int PRIMARY KEY, n int NOT NULL DEFAULT 0, d int NOT NULL DEFAULT 0);
INSERT INTO own_table SELECT i FROM generate_series(1, 30) AS i;
GRANT SELECT, UPDATE (n) ON own_table TO dbm_backfill_filler;
SET ROLE dbm_backfill_filler;
CALL dbm.backfill('item', 'n = 1');
CALL dbm.backfill('own_table', 'd = 1');
SELECT dbm.score() IS NULL;
INSERT INTO dbm.backfill_job (target, target_oid, origin, assignment, creator) VALUES ('x', 1, 'x', 'x', 'postgres');
CALL dbm.backfill('own_table', 'n = n + 10 / (id - 20)', duty => 1, batch_time => '1 h', batch_rows => 5);
SELECT target, state, creator FROM dbm.backfill_status();
RESET ROLE;
GRANT SELECT, UPDATE ON own_table TO dbm_backfill_other;
SELECT max(id) AS job FROM dbm.backfill_job \gset
SET ROLE dbm_backfill_other;
SELECT count(*) AS seen FROM dbm.backfill_status();
\set VERBOSITY terse
CALL dbm.backfill('own_table', 'n = n + 10 / (id - 20)');
SELECT dbm.backfill_pause(:job);
SELECT dbm.backfill_cancel(:job);
RESET ROLE;
\set VERBOSITY default
SELECT dbm.backfill_pause(0);
SELECT dbm.backfill_pause(:job), dbm.backfill_pause(1);
SET ROLE dbm_backfill_filler;
SELECT dbm.backfill_cancel(:job), dbm.backfill_cancel(:job);
SELECT target, state, error FROM dbm.backfill_status();
RESET ROLE;

-- Policies of the table hold; those of a partitioned one cannot.
ALTER TABLE own_table ENABLE ROW LEVEL SECURITY;
CREATE POLICY small ON own_table TO dbm_backfill_filler USING (id <= 10);
ALTER TABLE tree ENABLE ROW LEVEL SECURITY;
GRANT SELECT, UPDATE ON tree, tree_a, tree_b1, tree_b2, tree_c TO dbm_backfill_filler;
UPDATE own_table SET n = 0;
SET ROLE dbm_backfill_filler;
CALL dbm.backfill('own_table', 'n = n + 1', duty => 1, batch_time => '1 h', batch_rows => 5);
CALL dbm.backfill('tree', 'n = n + 1');
RESET ROLE;
SELECT n, count(*) FROM own_table GROUP BY n ORDER BY n;

-- Another isolation level as default, and names that hide the server's own.
CREATE SCHEMA hiding;
CREATE FUNCTION hiding.count() RETURNS bigint LANGUAGE sql AS 'SELECT 0::bigint';
CREATE FUNCTION hiding.never(int, int) RETURNS bool LANGUAGE sql AS 'SELECT false';
CREATE OPERATOR hiding.> (LEFTARG = int, RIGHTARG = int, FUNCTION = hiding.never);
CREATE OPERATOR hiding.<= (LEFTARG = int, RIGHTARG = int, FUNCTION = hiding.never);
SET search_path = hiding, pg_catalog, public;
SET default_transaction_isolation = serializable;
CALL dbm.backfill('public.item', 'price = price + 100', duty => 1, batch_time => '1 h', batch_rows => 7);
RESET search_path;
RESET default_transaction_isolation;
SELECT price, count(*) FROM item GROUP BY price;

-- An unfinished job is told of when another one of its table begins.
CREATE TABLE several (id int PRIMARY KEY, n int NOT NULL DEFAULT 0);
INSERT INTO several SELECT i FROM generate_series(0, 20) AS i;
\set VERBOSITY terse
CALL dbm.backfill('several', 'n = n + 10 / (id - 10)', duty => 1, batch_time => '1 h', batch_rows => 5);
CALL dbm.backfill('several', 'n = n + 2', duty => 1, batch_time => '1 h', batch_rows => 5);
\set VERBOSITY default

-- It goes with its extension, its jobs stay out of nobody's way.
SELECT count(*) > 0 AS recorded FROM dbm.backfill_batch;
DROP EXTENSION dbmastery CASCADE;
\c postgres
DROP DATABASE dbm_backfill;
DROP ROLE dbm_backfill_filler;
DROP ROLE dbm_backfill_other;
