-- What users may change about rules: what is refused and why, what a change does, and findings that somebody decided to
-- live with.
CREATE DATABASE dbm_settings;
\c dbm_settings
CREATE EXTENSION dbmastery;

-- What is refused is refused with the reason and everything that would be valid, nearest first. Of a long list the first
-- three and its length are shown, so that a new rule changes nothing here.
CREATE FUNCTION public.refusal(statement text, OUT state text, OUT message text, OUT detail text, OUT valid int, OUT hint text)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    valid := cardinality(string_to_array(substring(detail FROM '^Valid, nearest first: (.*)\.$'), ', '));
    detail := regexp_replace(detail, '^(Valid, nearest first: [^,]+, [^,]+, [^,]+), .*', '\1, …');
    -- Of a row that breaks a constraint the server shows the present time.
    detail := regexp_replace(detail, '^(Failing row contains \([^,]*).*', '\1, …');
END $$;
\pset format unaligned
SELECT statement, r.* FROM unnest(array[
    $$INSERT INTO dbm.rule_setting (rule) VALUES ('schema.wide_tables')$$,
    $$INSERT INTO dbm.rule_setting (rule) VALUES ('wide_table')$$,
    $$INSERT INTO dbm.rule_setting (rule) VALUES ('nothing like it')$$,
    $$INSERT INTO dbm.rule_setting (rule) VALUES ('')$$,
    $$INSERT INTO dbm.rule_setting (rule) VALUES (NULL)$$,
    $$INSERT INTO dbm.rule_setting (rule, enabled) VALUES ('schema.wide_table', NULL)$$,
    $$INSERT INTO dbm.rule_setting (rule, severity) VALUES ('schema.wide_table', 'fatal')$$,
    $$INSERT INTO dbm.rule_setting (rule, severity) VALUES ('schema.wide_table', 'Warning')$$,
    $$INSERT INTO dbm.rule_setting (rule, thresholds) VALUES ('schema.wide_table', '{"column": 10}')$$,
    $$INSERT INTO dbm.rule_setting (rule, thresholds) VALUES ('schema.wide_table', '{"columns": 0}')$$,
    $$INSERT INTO dbm.rule_setting (rule, thresholds) VALUES ('schema.wide_table', '{"columns": 1601}')$$,
    $$INSERT INTO dbm.rule_setting (rule, thresholds) VALUES ('schema.wide_table', '{"columns": 1e300}')$$,
    $$INSERT INTO dbm.rule_setting (rule, thresholds) VALUES ('schema.wide_table', '{"columns": "many"}')$$,
    $$INSERT INTO dbm.rule_setting (rule, thresholds) VALUES ('schema.wide_table', '{"columns": null}')$$,
    $$INSERT INTO dbm.rule_setting (rule, thresholds) VALUES ('schema.wide_table', '[10]')$$,
    $$INSERT INTO dbm.rule_setting (rule, thresholds) VALUES ('schema.no_primary_key', '{"columns": 10}')$$
]) WITH ORDINALITY u (statement, place), LATERAL public.refusal(statement) r ORDER BY place;
\pset format aligned
SELECT count(*) AS lists_with_a_gap FROM public.refusal('INSERT INTO dbm.rule_setting (rule) VALUES (''nothing like it'')')
WHERE valid <> (SELECT count(*) FROM dbm.rules());
SELECT count(*) FROM dbm.rule_setting;

-- A changed threshold changes what is found, at once and only for this database.
CREATE TABLE public.tables_of_ten (c1 int PRIMARY KEY, c2 int, c3 int, c4 int, c5 int, c6 int, c7 int, c8 int, c9 int, c10 int);
CREATE VIEW public.wide AS SELECT status, severity, object FROM dbm.audit('schema') WHERE rule = 'schema.wide_table';
SELECT * FROM public.wide;
INSERT INTO dbm.rule_setting (rule, thresholds) VALUES ('schema.wide_table', '{"columns": 9}') RETURNING rule, enabled, severity, thresholds, changed_by;
SELECT * FROM public.wide;
SELECT thresholds -> 'columns' -> 'value' = '9' AS changed, thresholds -> 'columns' -> 'default' = '50' AS default FROM dbm.rules() WHERE rule = 'schema.wide_table';
UPDATE dbm.rule_setting SET thresholds = '{"columns": 9.5}';
SELECT object FROM public.wide;
UPDATE dbm.rule_setting SET thresholds = '{"columns": 10}';
SELECT object FROM public.wide;
UPDATE dbm.rule_setting SET thresholds = '{"columns": -1}';
-- So does another severity, and it filters and ranks by the new one.
UPDATE dbm.rule_setting SET thresholds = '{"columns": 9}', severity = 'critical';
SELECT severity, object FROM public.wide;
SELECT severity FROM dbm.rules() WHERE rule = 'schema.wide_table';
SELECT rule FROM dbm.audit('schema', min_severity => 'critical');
SELECT score, findings FROM dbm.score() WHERE dimension = 'schema';
-- A rule that is switched off says nothing, is shown as such, and is no part of the score.
UPDATE dbm.rule_setting SET enabled = false;
SELECT * FROM public.wide;
SELECT enabled FROM dbm.rules() WHERE rule = 'schema.wide_table';
SELECT score > 9 AS high, coverage, findings - (SELECT count(*) FROM dbm.audit('schema') WHERE status = 'finding') AS difference
FROM dbm.score() WHERE dimension = 'schema';
DELETE FROM dbm.rule_setting;
SELECT enabled, severity FROM dbm.rules() WHERE rule = 'schema.wide_table';

-- A setting is undone with its transaction.
BEGIN;
INSERT INTO dbm.rule_setting (rule, thresholds) VALUES ('schema.wide_table', '{"columns": 9}');
SELECT object FROM public.wide;
ROLLBACK;
SELECT object FROM public.wide;

-- Suppressing: refused without a rule, an object or a reason, or with an end that has passed.
\pset format unaligned
SELECT statement, state, message, regexp_replace(detail, '\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ', '…', 'g') AS detail, hint FROM unnest(array[
    $$SELECT dbm.suppress('schema.no_primary_keys', 'public.a', 'because')$$,
    $$SELECT dbm.suppress('schema.no_primary_key', '', 'because')$$,
    $$SELECT dbm.suppress('schema.no_primary_key', ' ', 'because')$$,
    $$SELECT dbm.suppress('schema.no_primary_key', 'public.a', '')$$,
    $$SELECT dbm.suppress('schema.no_primary_key', 'public.a', 'because', now() - interval '1 day')$$,
    $$SELECT dbm.unsuppress('schema.no_primary_keys', 'public.a')$$,
    $$INSERT INTO dbm.suppression (rule, object, reason) VALUES ('schema.no_primary_key', 'public.a', ' ')$$,
    $$INSERT INTO dbm.suppression (rule, object, reason) VALUES ('schema.no_primary_keys', 'public.a', 'because')$$
]) WITH ORDINALITY u (statement, place), LATERAL public.refusal(statement) r ORDER BY place;
\pset format aligned
-- NULL is refused by name.
SELECT state IN ('22004', '22023') AS fits, message ~ 'rule' AS named FROM public.refusal($$SELECT dbm.suppress(NULL, 'public.a', 'because')$$);
SELECT state IN ('22004', '22023') AS fits, message ~ 'object' AS named FROM public.refusal($$SELECT dbm.suppress('schema.no_primary_key', NULL, 'because')$$);
SELECT state IN ('22004', '22023') AS fits, message ~ 'reason' AS named FROM public.refusal($$SELECT dbm.suppress('schema.no_primary_key', 'public.a', NULL)$$);
SELECT count(*) FROM dbm.suppression;

-- A suppressed finding is shown with its reason, costs nothing, and comes back when the decision ends.
CREATE TABLE public."keyless; --" (a int);
CREATE TABLE public.keyless_too (a int);
CREATE VIEW public.keyless AS SELECT status, object, evidence -> 'suppressed' AS suppressed FROM dbm.audit('schema') WHERE rule = 'schema.no_primary_key';
CREATE VIEW public.marks AS SELECT findings, score FROM dbm.score() WHERE dimension = 'schema';
SELECT * FROM public.keyless;
CREATE TEMP TABLE before AS SELECT * FROM public.marks;
SELECT dbm.suppress('schema.no_primary_key', 'public."keyless; --"', 'a log that is only read') = fingerprint AS same_fingerprint
FROM dbm.audit('schema') WHERE rule = 'schema.no_primary_key' AND object = 'public."keyless; --"';
SELECT * FROM public.keyless;
SELECT b.findings - m.findings AS fewer, m.score > b.score AS higher FROM public.marks m, before b;
SELECT rule, object, reason, expires, suppressed_by FROM dbm.suppression;
-- Suppressed twice it is suppressed once, for the later reason; the end is shown.
SELECT dbm.suppress('schema.no_primary_key', 'public."keyless; --"', 'until the new year', '2099-01-01 00:00+00') IS NOT NULL AS suppressed;
SELECT * FROM public.keyless;
SELECT count(*) FROM dbm.suppression;
-- An end that has come ends it, whoever wrote the row.
UPDATE dbm.suppression SET expires = suppressed_at + interval '1 microsecond';
SELECT * FROM public.keyless;
SELECT b.findings - m.findings AS fewer, m.score = b.score AS equal FROM public.marks m, before b;
SELECT dbm.suppress('schema.no_primary_key', 'public.keyless_too', 'for ever', 'infinity') IS NOT NULL AS suppressed;
SELECT object, suppressed ->> 'expires' AS expires FROM public.keyless WHERE status = 'suppressed';
SELECT dbm.unsuppress('schema.no_primary_key', 'public.keyless_too') AS ended, dbm.unsuppress('schema.no_primary_key', 'public.keyless_too') AS again;
-- A star stands for every object of the rule; the object's own decision goes first.
SELECT dbm.suppress('schema.no_primary_key', '*', 'not here') IS NOT NULL AS suppressed;
SELECT dbm.suppress('schema.no_primary_key', 'public.keyless_too', 'its own reason') IS NOT NULL AS suppressed;
SELECT * FROM public.keyless;
SELECT dbm.unsuppress('schema.no_primary_key', '*') AS ended, dbm.unsuppress('schema.no_primary_key', 'public.keyless_too') AS ended_too;
SELECT count(*) FILTER (WHERE status = 'finding') AS findings FROM public.keyless;
-- What is named exactly is meant exactly.
SELECT dbm.suppress('schema.no_primary_key', 'public.keyless%', 'a pattern is none') IS NOT NULL AS suppressed;
SELECT count(*) FILTER (WHERE status = 'suppressed') AS suppressed FROM public.keyless;
