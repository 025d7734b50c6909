-- Sequences that run out, judged by what the columns that they feed can hold, and keys that outgrow their references.
CREATE DATABASE dbm_sequences;
\c dbm_sequences
CREATE EXTENSION dbmastery;
CREATE SCHEMA counters;
SET search_path = counters;

-- Near the end: the column's type ends it.
CREATE TABLE q01_identities (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY);
SELECT setval('q01_identities_id_seq', 2104533975);
CREATE SEQUENCE q02_unowned_seq AS bigint;
CREATE TABLE q02_unowned (id int DEFAULT nextval('q02_unowned_seq') PRIMARY KEY);
SELECT setval('q02_unowned_seq', 2104533975);
-- Near the end: its own bound, downwards, in steps, shared by a wide and a narrow column.
CREATE TABLE q03_downwards (id int GENERATED ALWAYS AS IDENTITY (INCREMENT -1 MINVALUE -1000 MAXVALUE -1) PRIMARY KEY);
SELECT setval('q03_downwards_id_seq', -990);
CREATE TABLE q05_bounded (id bigint GENERATED ALWAYS AS IDENTITY (MAXVALUE 1000) PRIMARY KEY);
SELECT setval('q05_bounded_id_seq', 900);
CREATE SEQUENCE q08_steps_seq INCREMENT 1000 MAXVALUE 100000;
CREATE TABLE q08_steps (id bigint DEFAULT nextval('q08_steps_seq') PRIMARY KEY);
SELECT setval('q08_steps_seq', 80000);
CREATE SEQUENCE q09_shared_seq;
CREATE TABLE q09_wide (id bigint DEFAULT nextval('q09_shared_seq') PRIMARY KEY);
CREATE TABLE q09_narrow (id smallint DEFAULT nextval('q09_shared_seq') PRIMARY KEY);
SELECT setval('q09_shared_seq', 32000);
CREATE DOMAIN whole AS int;
CREATE SEQUENCE q10_domain_seq;
CREATE TABLE q10_domain (id whole DEFAULT nextval('q10_domain_seq') PRIMARY KEY);
SELECT setval('q10_domain_seq', 2104533975);
CREATE SEQUENCE q11_numeric_seq;
CREATE TABLE q11_numeric (id numeric(6) DEFAULT nextval('q11_numeric_seq') PRIMARY KEY);
SELECT setval('q11_numeric_seq', 999000);
-- A partition tree is one object, whatever its partitions draw.
CREATE SEQUENCE q12_tree_seq;
CREATE TABLE q12_tree (id int DEFAULT nextval('q12_tree_seq'), day date) PARTITION BY RANGE (day);
CREATE TABLE q12_tree_1 PARTITION OF q12_tree FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE q12_tree_2 PARTITION OF q12_tree FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
SELECT setval('q12_tree_seq', 2104533975);

-- Look-alikes: it cycles, has room, has not been used, begins below zero, belongs to the session, or feeds text.
CREATE SEQUENCE q04_cycle_seq MAXVALUE 1000 CYCLE;
SELECT setval('q04_cycle_seq', 999);
CREATE TABLE q06_wide (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY);
SELECT setval('q06_wide_id_seq', 2200000000);
CREATE SEQUENCE q13_untouched_seq MINVALUE 990 MAXVALUE 1000;
CREATE SEQUENCE q14_from_below_seq AS int MINVALUE -2147483648 START -2147483648;
SELECT setval('q14_from_below_seq', 100000000);
CREATE TEMP SEQUENCE q15_temporary_seq MAXVALUE 100;
SELECT setval('q15_temporary_seq', 99);
CREATE SEQUENCE q16_text_seq;
CREATE TABLE q16_text (id text DEFAULT 'n' || nextval('q16_text_seq') PRIMARY KEY);
SELECT setval('q16_text_seq', 2104533975);
CREATE TABLE q17_half (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY);
SELECT setval('q17_half_id_seq', 1073741823);

SELECT status, severity, object, evidence ->> 'limited_by' AS limited_by, evidence ->> 'remaining' AS remaining,
       round((evidence ->> 'used_share')::numeric, 3) AS used
FROM dbm.audit('schema', array['counters']) WHERE rule = 'schema.sequence_near_end' ORDER BY object;

-- What is told to be left is left: the server hands out just so many values that the column takes, and then refuses.
SELECT setval('q05_bounded_id_seq', 998);
INSERT INTO q05_bounded DEFAULT VALUES;
SELECT evidence ->> 'remaining' AS remaining, fix
FROM dbm.audit('schema') WHERE rule = 'schema.sequence_near_end' AND object = 'counters.q05_bounded_id_seq';
INSERT INTO q05_bounded DEFAULT VALUES;
INSERT INTO q05_bounded DEFAULT VALUES;
SELECT setval('q02_unowned_seq', 2147483646);
SELECT evidence ->> 'remaining' AS remaining
FROM dbm.audit('schema') WHERE rule = 'schema.sequence_near_end' AND object = 'counters.q02_unowned_seq';
INSERT INTO q02_unowned DEFAULT VALUES;
INSERT INTO q02_unowned DEFAULT VALUES;

-- The repair gives room, and its undo takes it back.
ANALYZE;
CREATE TEMP TABLE repair AS
    SELECT object, fix, undo FROM dbm.audit('schema', array['counters']) WHERE rule = 'schema.sequence_near_end';
SELECT object, fix, undo FROM repair ORDER BY object;
CREATE TEMP TABLE before AS
    SELECT s.seqrelid::regclass::text AS sequence, s.seqtypid::regtype::text AS type, s.seqmax, s.seqmin FROM pg_sequence s;
CREATE TEMP TABLE before_columns AS
    SELECT a.attrelid::regclass::text AS relation, a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS type
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE c.relnamespace = 'counters'::regnamespace AND a.attnum > 0;
SELECT statement FROM repair, regexp_split_to_table(fix, ';\n|;$') WITH ORDINALITY s (statement, part)
WHERE statement <> '' ORDER BY object, part \gexec
SELECT object FROM dbm.audit('schema', array['counters']) WHERE rule = 'schema.sequence_near_end' ORDER BY object;
SELECT statement FROM repair, regexp_split_to_table(undo, ';\n|;$') WITH ORDINALITY s (statement, part)
WHERE statement <> '' ORDER BY object, part \gexec
SELECT * FROM before EXCEPT SELECT s.seqrelid::regclass::text, s.seqtypid::regtype::text, s.seqmax, s.seqmin FROM pg_sequence s;
SELECT * FROM before_columns
EXCEPT SELECT a.attrelid::regclass::text, a.attname::text, format_type(a.atttypid, a.atttypmod) FROM pg_attribute a;

-- The reference is narrower than the key: an error once the key has come half way to the end of the reference.
CREATE TABLE accounts (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY);
SELECT setval('accounts_id_seq', 2000000000);
CREATE TABLE q07_far (account_id int NOT NULL REFERENCES accounts);
CREATE TABLE teams (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY);
SELECT setval('teams_id_seq', 1000);
CREATE TABLE q18_near (team_id int NOT NULL REFERENCES teams);
CREATE TABLE q19_equal (account_id bigint NOT NULL REFERENCES accounts);
CREATE TABLE small_keys (id int PRIMARY KEY);
CREATE TABLE q20_wider (small_key_id bigint NOT NULL REFERENCES small_keys);
SELECT status, severity, object FROM dbm.audit('schema', array['counters']) WHERE rule = 'schema.foreign_key_narrower_than_key' ORDER BY object;

-- A column draws from a sequence that it does not own; of two columns neither can own it.
SELECT object, fix, undo FROM dbm.audit('schema', array['counters']) WHERE rule = 'schema.unowned_sequence' ORDER BY object;

-- A growing table with a narrow key: by its rows, or by what its sequence has handed out. However far a bigint key has
-- come, it is not narrow.
SELECT status, severity, object FROM dbm.audit('schema', array['counters']) WHERE rule = 'schema.integer_primary_key' ORDER BY object;

-- Who may not read a sequence is told so, sequence by sequence; silence would read as health.
CREATE ROLE dbm_sequence_watcher IN ROLE pg_monitor;
SET ROLE dbm_sequence_watcher;
SELECT status, object, message FROM dbm.audit('schema', array['counters'])
WHERE rule = 'schema.sequence_near_end' AND object IN ('counters.q01_identities_id_seq', 'counters.q04_cycle_seq') ORDER BY object;
SELECT count(*) FILTER (WHERE status = 'finding') AS findings, count(*) FILTER (WHERE status = 'unknown') AS unknown,
       (SELECT count(*) FROM pg_sequence WHERE NOT seqcycle AND seqrelid <> 'pg_temp.q15_temporary_seq'::regclass AND seqrelid::regclass::text NOT LIKE 'dbm.%') AS to_judge
FROM dbm.audit('schema', array['counters']) WHERE rule = 'schema.sequence_near_end';
RESET ROLE;
GRANT SELECT ON SEQUENCE q01_identities_id_seq TO dbm_sequence_watcher;
SET ROLE dbm_sequence_watcher;
SELECT status, severity FROM dbm.audit('schema', array['counters'])
WHERE rule = 'schema.sequence_near_end' AND object = 'counters.q01_identities_id_seq';
RESET ROLE;
