-- Scores: their shape, what moves them and what does not.
CREATE DATABASE dbm_score;
-- As it is unless somebody turns it off; what it says of this file is not the subject.
ALTER DATABASE dbm_score SET dbm.ddl_guard = 'warn';
ALTER DATABASE dbm_score SET client_min_messages = 'error';
\c dbm_score
CREATE EXTENSION dbmastery;
-- What the rules of security say of this server's own roles and configuration is not the subject.
INSERT INTO dbm.rule_setting (rule, enabled) SELECT rule, false FROM dbm.rules() WHERE dimension = 'security';

-- An empty database has no findings; dimensions without rules say so and weigh nothing, as do the rules about queries
-- where nobody counts any.
SELECT * FROM dbm.score();
SELECT status, dimension, count(*) FROM dbm.audit() GROUP BY 1, 2;
SELECT sum(weight) FILTER (WHERE dimension <> 'overall') AS weights, count(*) AS rows FROM dbm.score();

-- Clean tables change nothing.
CREATE SCHEMA shop;
CREATE TABLE shop.customers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE shop.orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id bigint NOT NULL CONSTRAINT fk_orders_customer_id REFERENCES shop.customers,
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX idx_orders_customer_id ON shop.orders (customer_id);
INSERT INTO shop.customers (name) SELECT 'c' FROM generate_series(1, 3);
INSERT INTO shop.orders (customer_id) VALUES (1), (2), (3);
ANALYZE;
-- Of the repair to begin with, what it gains and where.
CREATE VIEW public.marks AS SELECT dimension, score, coverage, findings, verdict, substring(best_next_fix FROM '^[^:]+: [a-z_.]+ on [^ :]+') AS best_next_fix FROM dbm.score();
SELECT * FROM public.marks WHERE dimension IN ('schema', 'indexing', 'overall');
SELECT status, rule, object, message FROM dbm.audit() WHERE dimension <> 'query';

-- A mistake costs, and the row says by what it would be won back; its repair wins back just that.
CREATE INDEX idx_orders_customer_id_2 ON shop.orders (customer_id);
SELECT * FROM public.marks WHERE dimension IN ('indexing', 'overall');
SELECT (SELECT score FROM public.marks WHERE dimension = 'indexing') + substring(best_next_fix FROM '^\+([0-9.]+)')::numeric AS promised
FROM public.marks WHERE dimension = 'indexing';
DROP INDEX shop.idx_orders_customer_id_2;
SELECT score FROM public.marks WHERE dimension = 'indexing';

-- Worse is worth less: by severity, and by share.
CREATE TEMP TABLE course (place serial, what text, schema numeric, overall numeric);
CREATE PROCEDURE pg_temp.note(what text) LANGUAGE sql AS $$
    INSERT INTO course (what, schema, overall)
    SELECT what, max(score) FILTER (WHERE dimension = 'schema'), max(score) FILTER (WHERE dimension = 'overall') FROM dbm.score()
$$;
CALL pg_temp.note('clean');
ALTER TABLE shop.customers ADD price real;
CALL pg_temp.note('one column of float money');
ALTER TABLE shop.orders ADD price real;
CALL pg_temp.note('two of them');
CREATE TABLE shop.notes (note text);
CALL pg_temp.note('and a table without key');
ALTER TABLE shop.orders ALTER price TYPE numeric;
CALL pg_temp.note('one column of money repaired');
DROP TABLE shop.notes;
ALTER TABLE shop.customers ALTER price TYPE numeric;
CALL pg_temp.note('all repaired');
SELECT what, schema < lag(schema) OVER (ORDER BY place) AS schema_fell, overall < lag(overall) OVER (ORDER BY place) AS overall_fell,
       schema = first_value(schema) OVER (ORDER BY place) AS as_at_first
FROM course ORDER BY place;

-- A critical finding caps its dimension, whatever else is well.
CREATE TABLE shop.tickets (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer_id bigint NOT NULL CONSTRAINT fk_tickets_customer_id REFERENCES shop.customers,
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX idx_tickets_customer_id ON shop.tickets (customer_id);
SELECT setval('shop.tickets_id_seq', 2147483600);
SELECT score <= 3.9 AS capped, verdict, best_next_fix FROM public.marks WHERE dimension = 'schema';
SELECT dbm.suppress('schema.sequence_near_end', 'shop.tickets_id_seq', 'it is replaced tomorrow') IS NOT NULL AS suppressed;
SELECT score > 3.9 AS free FROM public.marks WHERE dimension = 'schema';
SELECT dbm.unsuppress('schema.sequence_near_end', 'shop.tickets_id_seq');
DROP TABLE shop.tickets;

-- What could not be judged is no pass: the score is of the rest, and coverage says of how much.
-- (From PostgreSQL 18 on a rewritten table counts as never analysed.)
ANALYZE;
SET dbm.fault_in_rule = 'schema.no_primary_key:error';
SELECT dimension, score, coverage < 1 AS partly_covered FROM public.marks WHERE dimension IN ('schema', 'indexing');
RESET dbm.fault_in_rule;
INSERT INTO dbm.rule_setting (rule, enabled) SELECT rule, false FROM dbm.rules() WHERE dimension = 'indexing';
SELECT * FROM dbm.score() WHERE dimension IN ('indexing', 'overall');
INSERT INTO dbm.rule_setting (rule, enabled) SELECT rule, false FROM dbm.rules() WHERE dimension NOT IN ('indexing', 'security');
SELECT * FROM dbm.score() WHERE dimension IN ('schema', 'overall');
DELETE FROM dbm.rule_setting WHERE rule NOT LIKE 'security.%';

-- The verdict is the band of the score that is shown, and the overall score the mean of the dimensions by weight.
SELECT dimension, verdict = CASE WHEN band < 40 THEN 'critical risk' WHEN band < 60 THEN 'needs work' WHEN band < 80 THEN 'solid'
                                 WHEN band < 90 THEN 'professional' ELSE 'expert' END AS in_band
FROM (SELECT dimension, score * 10 AS band, verdict FROM dbm.score() WHERE dimension IN ('schema', 'indexing')) b;
CREATE TABLE shop.heap (a int, price real, "select" json, happened timestamp);
CREATE INDEX heap_1 ON shop.heap (a);
CREATE INDEX heap_2 ON shop.heap (a);
SELECT abs(max(score) FILTER (WHERE dimension = 'overall')
           - sum(score * 10 * weight) FILTER (WHERE dimension <> 'overall') / sum(weight) FILTER (WHERE dimension <> 'overall' AND score IS NOT NULL)) < 0.6
       AS is_mean,
       sum(findings) FILTER (WHERE dimension = 'overall') = sum(findings) FILTER (WHERE dimension <> 'overall') AS adds_up,
       sum(findings) FILTER (WHERE dimension = 'overall') = (SELECT count(*) FROM dbm.audit() WHERE status = 'finding') AS as_audited
FROM dbm.score();
-- Of a score that is not full marks the rest can be won.
SELECT dimension, score < CASE dimension WHEN 'overall' THEN 100 ELSE 10 END AS less, best_next_fix ~ '^\+' AS to_win,
       best_next_fix ~ ' on shop\.' AS named FROM public.marks WHERE findings > 0;
