-- The one index of the audit log, a BRIN, which the trail writes to without SQL: rows go into ranges that have a summary,
-- into one that gets its summary made anew in between, and over the end of one. Each is found by it afterwards.
CREATE DATABASE dbm_trail_index;
\c dbm_trail_index
SET client_min_messages = error;
CREATE EXTENSION dbmastery;
CREATE TABLE account (id int PRIMARY KEY, note text);
SELECT dbm.install_audit_trigger('account');

-- The month is not to end meanwhile.
DO $$BEGIN
    WHILE date_trunc('month', now() AT TIME ZONE 'UTC') <> date_trunc('month', clock_timestamp() AT TIME ZONE 'UTC' + interval '2 minutes') LOOP
        PERFORM pg_sleep(1);
        COMMIT;
    END LOOP;
END$$;
INSERT INTO account VALUES (0, 'first');
SELECT c.tableoid::regclass AS leaf, i.indexrelid::regclass AS index FROM dbm_trail.change c
    JOIN pg_index i ON i.indrelid = c.tableoid JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am a ON a.oid = x.relam AND a.amname = 'brin' \gset

-- How many rows have no entry by which the index finds them: it must look at all of them, and at no others.
CREATE FUNCTION lost() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    change record;
    lost bigint := 0;
    plan text := '';
    line text;
BEGIN
    SET LOCAL enable_seqscan = off;
    FOR line IN EXPLAIN (COSTS OFF) SELECT count(*) FROM dbm_trail.change WHERE key_hash = 1::bigint LOOP
        plan := plan || line;
    END LOOP;
    IF plan !~ 'Bitmap Index Scan' THEN RAISE EXCEPTION '%', plan; END IF;
    FOR change IN SELECT * FROM dbm_trail.change ORDER BY change_id LOOP
        PERFORM FROM dbm_trail.change c WHERE c.key_hash = change.key_hash AND c.change_id = change.change_id AND c.changed_at = change.changed_at;
        IF NOT FOUND THEN lost := lost + 1; END IF;
    END LOOP;
    RETURN lost;
END$$;

-- The first range has a summary from the beginning: one row each, and many by one statement.
INSERT INTO account SELECT i, 'one by one' FROM generate_series(1, 3) AS i;
DO $$BEGIN FOR i IN 11 .. 40 LOOP INSERT INTO account VALUES (i, 'single'); END LOOP; END$$;
SELECT lost();
-- Over its end, into ranges without one, up to the middle of the fourth.
INSERT INTO account SELECT i, repeat('x', 1000) FROM generate_series(100, 899) AS i;
SELECT pg_relation_size(:'leaf') / 8192 > 96 AS is_long;
SELECT lost();
-- All of them get one, so that the last is part of a range: rows are added to it.
SELECT brin_summarize_new_values(:'index') > 0 AS is_summarised;
SELECT count(*) > 3 AS has_ranges FROM generate_series(0, pg_relation_size(:'leaf') / 8192 - 1, 32) AS block;
INSERT INTO account VALUES (1000, 'summarised');
INSERT INTO account SELECT i, 'summarised' FROM generate_series(1001, 1100) AS i;
UPDATE account SET note = 'updated' WHERE id BETWEEN 100 AND 120;
SELECT lost();
-- Within a transaction the summary is made anew, elsewhere: what an entry was remembered by is stale.
BEGIN;
INSERT INTO account SELECT i, 'before' FROM generate_series(1101, 1110) AS i;
SELECT brin_desummarize_range(:'index', block) FROM (SELECT (pg_relation_size(:'leaf') / 8192 - 1) / 32 * 32 AS block) AS last;
INSERT INTO account SELECT i, 'without' FROM generate_series(1111, 1120) AS i;
SELECT brin_summarize_range(:'index', block) FROM (SELECT (pg_relation_size(:'leaf') / 8192 - 1) / 32 * 32 AS block) AS last;
INSERT INTO account SELECT i, 'again' FROM generate_series(1121, 1130) AS i;
SAVEPOINT s;
INSERT INTO account SELECT i, 'gone' FROM generate_series(1131, 1140) AS i;
ROLLBACK TO s;
DELETE FROM account WHERE id BETWEEN 121 AND 140;
COMMIT;
SELECT lost();
-- From a summarised range into the next, by one statement; that gets its own meanwhile by whom there is.
INSERT INTO account SELECT i, repeat('y', 1000) FROM generate_series(2000, 2599) AS i;
SELECT brin_summarize_new_values(:'index') > 0 AS is_summarised;
INSERT INTO account VALUES (3000, 'last');
SELECT lost(), count(*), count(DISTINCT change_id) FROM dbm_trail.change;
-- A log without a summary at all.
SELECT brin_desummarize_range(:'index', block) FROM generate_series(0, pg_relation_size(:'leaf') / 8192 - 1, 32) AS block \g /dev/null
INSERT INTO account VALUES (3001, 'none');
INSERT INTO account SELECT i, 'none' FROM generate_series(3002, 3010) AS i;
SELECT lost();
SELECT count(*) FROM dbm.row_history('account', '{"id": 1105}');
\c postgres
DROP DATABASE dbm_trail_index;
