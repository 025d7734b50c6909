-- The questions, and the two who answer them; each function returns the milliseconds that all answers took.
CREATE SCHEMA bench;
CREATE TABLE bench.query (number int PRIMARY KEY, text text);
CREATE TABLE bench.index (table_name text, definition text);
CREATE VIEW bench.question AS
SELECT q.number, q.text AS query, i.definition
  FROM bench.query AS q JOIN bench.index AS i ON q.text ~ ('\m' || i.table_name || '\M')
 ORDER BY q.number, i.definition;

CREATE FUNCTION bench.ours() RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
    question record;
    answer record;
    start timestamptz := clock_timestamp();
BEGIN
    FOR question IN SELECT * FROM bench.question LOOP
        SELECT * INTO answer FROM dbm.what_if(question.query, ARRAY[question.definition]);
    END LOOP;
    RETURN extract(epoch FROM clock_timestamp() - start) * 1000;
END
$$;

CREATE FUNCTION bench.hypopg() RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
    question record;
    made record;
    before json;
    after json;
    bytes bigint;
    is_used bool;
    start timestamptz := clock_timestamp();
BEGIN
    FOR question IN SELECT * FROM bench.question LOOP
        EXECUTE 'EXPLAIN (FORMAT JSON) ' || question.query INTO before;
        SELECT * INTO made FROM hypopg_create_index(question.definition);
        EXECUTE 'EXPLAIN (FORMAT JSON) ' || question.query INTO after;
        bytes := hypopg_relation_size(made.indexrelid);
        is_used := after::text LIKE '%' || made.indexname || '%';
        PERFORM hypopg_reset();
    END LOOP;
    RETURN extract(epoch FROM clock_timestamp() - start) * 1000;
END
$$;

CREATE FUNCTION bench.explain() RETURNS float8 LANGUAGE plpgsql SET jit = off AS $$
DECLARE
    question record;
    plan json;
    start timestamptz := clock_timestamp();
BEGIN
    FOR question IN SELECT * FROM bench.question LOOP
        EXECUTE 'EXPLAIN (FORMAT JSON) ' || question.query INTO plan;
    END LOOP;
    RETURN extract(epoch FROM clock_timestamp() - start) * 1000;
END
$$;
