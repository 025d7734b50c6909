-- Tables whose values are what breaks a rewrite: NULLs, duplicates, days on which the clocks change, ends of months,
-- infinity, blanks at the end, wildcards, collations that call different bytes equal.
--
-- fill(seed) fills them anew. What it picks depends on the seed alone, so that a failure can be seen again.

CREATE TABLE people (
    id int PRIMARY KEY,
    code int UNIQUE,
    email text NOT NULL UNIQUE,
    name text,
    city text,
    boss_id int REFERENCES people,
    born date,
    age int NOT NULL
);
CREATE TABLE orders (
    id int PRIMARY KEY,
    person_id int REFERENCES people,
    payer_id int NOT NULL REFERENCES people,
    state text NOT NULL,
    kind text,
    amount numeric(8, 2),
    placed_at timestamptz NOT NULL,
    day date
);
CREATE TABLE items (
    order_id int REFERENCES orders,
    line int,
    product int,
    quantity int,
    price numeric,
    PRIMARY KEY (order_id, line)
);
CREATE TABLE loose (a int, b int, t text);
CREATE TABLE moments (id int PRIMARY KEY, zoned timestamptz, plain timestamp, day date);
CREATE TABLE texts (
    id int PRIMARY KEY,
    t text,
    v varchar(12),
    c char(6),
    bytes text COLLATE "C",
    filled text NOT NULL
);
CREATE TABLE numbers (id int PRIMARY KEY, i int, filled int NOT NULL, s smallint, b bigint, n numeric, f float8);
CREATE TABLE documents (id int PRIMARY KEY, body jsonb, tags text[], numbers int[]);

-- A collation that calls upper and lower case equal, where the server has ICU; else texts.soft is as any other.
DO $$
BEGIN
    CREATE COLLATION soft (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
EXCEPTION WHEN OTHERS THEN
    CREATE COLLATION soft FROM "C";
END
$$;
ALTER TABLE texts ADD COLUMN soft text COLLATE soft;

-- What is indexed is what a rewrite makes use of.
CREATE INDEX ON orders (person_id);
CREATE INDEX ON orders (state);
CREATE INDEX ON orders (kind);
CREATE INDEX ON orders (day);
CREATE INDEX ON moments (zoned);
CREATE INDEX ON moments (plain);
CREATE INDEX ON moments (day);
CREATE INDEX ON numbers (i);
CREATE INDEX ON numbers (filled);
CREATE INDEX ON numbers (n);
CREATE INDEX ON people (age);
CREATE INDEX ON texts (t text_pattern_ops);
CREATE INDEX ON texts (v text_pattern_ops);
CREATE INDEX ON documents USING gin (body);
CREATE INDEX ON documents USING gin (tags);
CREATE INDEX ON documents USING gin (numbers);

-- One of the choices, the same for the same seed, place and column.
CREATE FUNCTION pick(seed int, place bigint, of_column text, choices anyarray) RETURNS anyelement
LANGUAGE sql IMMUTABLE AS $$
    SELECT choices[1 + abs(hashtextextended(of_column || place, seed) % cardinality(choices))]
$$;

-- Moments round the midnights on which the clocks change, and round the ends of months.
CREATE TABLE instants (at timestamptz);
INSERT INTO instants
SELECT (midnight + step) AT TIME ZONE zone
FROM unnest(ARRAY['America/New_York', 'America/Sao_Paulo', 'America/Havana', 'Europe/Berlin', 'UTC']) AS zone,
    unnest(ARRAY[
        '2024-03-09', '2024-03-10', '2024-03-11', '2024-11-03', '2024-11-04', '2024-03-31', '2024-10-27', '2018-11-03', '2018-11-04', '2018-02-17',
        '2018-02-18', '2018-11-03', '2024-03-09', '2023-01-31', '2023-02-28', '2023-03-01', '2024-01-31', '2024-02-28', '2024-02-29', '2024-03-01',
        '2024-12-31', '2025-01-01']::timestamp[]) AS midnight,
    unnest(ARRAY['-1 hour', '-1 microsecond', '0', '30 minutes', '1 hour', '2 hours', '12 hours']::interval[]) AS step;
INSERT INTO instants
SELECT midnight AT TIME ZONE 'UTC' + step
FROM unnest(ARRAY['2024-11-03', '2018-02-18', '2018-11-04']::timestamp[]) AS midnight,
    unnest(ARRAY['1 hour 30 minutes', '2 hours 30 minutes', '3 hours 30 minutes', '4 hours', '4 hours 30 minutes', '5 hours']::interval[]) AS step;

CREATE FUNCTION fill(seed int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    -- Few rows as well as many: a condition on an empty table is one more way to be wrong.
    many int := (ARRAY[60, 3, 120, 25])[1 + seed % 4];
    words text[] := ARRAY['', ' ', '  ', 'a', 'ab', 'ab ', 'ab  ', ' ab', 'abc', 'ABC', 'Abc', 'abcd', 'abcab', 'abc%', 'ab%', 'a%c',
        'a_c', 'axc', 'a\c', 'a\\c', 'a\%', '%', '_', '\', '''', 'ab''c', 'cba', 'xab', 'xxab', 'x', 'Straße', 'STRASSE', 'strasse', 'é',
        U&'e\0301', '5', '05', ' 5', '5.0', '+5', 'null', 'NULL', 't', NULL, NULL];
    ints int[] := ARRAY[NULL, NULL, 0, 1, 2, 3, 4, 5, 6, 7, -1, 100, 2147483647, -2147483648];
    small int[] := ARRAY[NULL, 1, 2, 3, 4, 5];
    months date[] := ARRAY['2023-01-31', '2023-02-28', '2023-03-01', '2024-01-31', '2024-02-28', '2024-02-29', '2024-03-01', '2024-03-10',
        '2024-11-03', '2018-11-04', '2018-02-18', '2024-12-31', '2025-01-01', '0044-03-15 BC', 'infinity', '-infinity', NULL];
BEGIN
    TRUNCATE people, orders, items, loose, moments, texts, numbers, documents;
    INSERT INTO people
    SELECT i, CASE WHEN i % 3 > 0 THEN i * 7 % 1009 END, 'p' || i || pick(seed, i, 'email', ARRAY['@a', '@b', '%', '_']),
        pick(seed, i, 'name', words), pick(seed, i, 'city', ARRAY['Rome', 'rome', 'Oslo', 'Oslo', '', NULL]),
        CASE WHEN i > 1 THEN nullif(1 + pick(seed, i, 'boss', small) % (i - 1), 1) END,
        pick(seed, i, 'born', months), pick(seed, i, 'age', ARRAY[0, 17, 18, 40, 40, 41])
    FROM generate_series(1, many) AS i;
    INSERT INTO orders
    SELECT i, pick(seed, i, 'person', small) % many + 1, 1 + pick(seed, i, 'payer', ARRAY[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]) % many,
        pick(seed, i, 'state', ARRAY['new', 'new', 'paid', 'sent']), pick(seed, i, 'kind', ARRAY['a', 'b', '', NULL]),
        pick(seed, i, 'amount', ARRAY[0, 1, 1.5, 1.50, 10, 99.99, NULL]::numeric[]),
        coalesce((SELECT at FROM instants ORDER BY hashtextextended(extract(epoch FROM at)::text, seed + i) LIMIT 1), now()),
        pick(seed, i, 'day', months)
    FROM generate_series(1, many) AS i;
    INSERT INTO items
    SELECT o, l, pick(seed, o * 5 + l, 'product', small), pick(seed, o * 5 + l, 'quantity', ARRAY[NULL, 0, 1, 1, 2, 3]),
        pick(seed, o * 5 + l, 'price', ARRAY[NULL, 0, 1, 1.0, 2.50, 'NaN']::numeric[])
    FROM generate_series(1, many) AS o, generate_series(1, 4) AS l
    WHERE hashtextextended('items' || o || l, seed) % 3 <> 0;
    INSERT INTO loose
    SELECT pick(seed, i, 'a', small), pick(seed, i, 'b', small), pick(seed, i, 't', words) FROM generate_series(1, many) AS i;
    -- Every moment in every seed: the hour that breaks a rewrite is one among hundreds.
    INSERT INTO moments
    SELECT row_number() OVER (ORDER BY at), at, at AT TIME ZONE pick(seed, extract(epoch FROM at)::bigint, 'zone', ARRAY['UTC', 'Europe/Berlin']),
        pick(seed, extract(epoch FROM at)::bigint, 'day', months)
    FROM (SELECT DISTINCT at FROM instants) AS each;
    INSERT INTO moments
    SELECT 10000 + i, v::timestamptz, w::timestamp, pick(seed, i, 'extra', months)
    FROM unnest(ARRAY[NULL, 'infinity', '-infinity', '2024-03-10 00:00+00', '2024-02-29 12:00+00'],
        ARRAY['2024-03-10', NULL, 'infinity', '-infinity', '2024-02-29']) WITH ORDINALITY AS each (v, w, i);
    INSERT INTO texts
    SELECT i, pick(seed, i, 't', words), left(pick(seed, i, 'v', words), 12), left(pick(seed, i, 'c', words), 6), pick(seed, i, 'bytes', words),
        coalesce(pick(seed, i, 'filled', words), 'x'), pick(seed, i, 'soft', words)
    FROM generate_series(1, many * 3) AS i;
    INSERT INTO numbers
    SELECT i, pick(seed, i, 'i', ints), coalesce(pick(seed, i, 'filled', ints), 9), pick(seed, i, 's', ARRAY[NULL, 0, 1, 5, 32767, -32768])::smallint,
        pick(seed, i, 'b', ARRAY[NULL, 0, 1, 5, 9223372036854775807, -9223372036854775808]::bigint[]),
        pick(seed, i, 'n', ARRAY[NULL, 0, 1, 5, 5.0, 5.00, 5.5, 6, -1, 'NaN', 'Infinity', '-Infinity']::numeric[]),
        pick(seed, i, 'f', ARRAY[NULL, 0, '-0', 0.1, 0.3, 1, 5, 5.5, 'NaN', 'Infinity', 1e300]::float8[])
    FROM generate_series(1, many) AS i;
    INSERT INTO documents
    SELECT i, pick(seed, i, 'body', ARRAY['{}', '{"k": 5}', '{"k": "5"}', '{"k": "v"}', '{"k": ["v"]}', '["v"]', '"v"', '{"k": null}',
        '{"k": "v", "l": 1}', '{"k": {"k": "v"}}', '{"k": true}', 'null', NULL]::jsonb[]),
        pick(seed, i, 'tags', ARRAY['{}', '{a}', '{a,b}', '{NULL}', '{a,NULL}', '{a,a}', '{b}', '{{a,b},{c,a}}', NULL])::text[],
        pick(seed, i, 'numbers', ARRAY['{}', '{1}', '{1,2}', '{NULL}', '{1,NULL}', NULL])::int[]
    FROM generate_series(1, many) AS i;
END
$$;

-- What a query returns, row by row, each as text with the names of its columns; or the error that it raises.
CREATE FUNCTION answer(query text, OUT rows text[]) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('SELECT coalesce(array_agg(row_to_json(r)::text), ''{}'') FROM (%s) AS r', query) INTO rows;
EXCEPTION WHEN OTHERS THEN
    rows := ARRAY['error ' || SQLSTATE, SQLERRM];
END
$$;

CREATE FUNCTION sorted(rows text[]) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(array_agg(r ORDER BY r COLLATE "C"), '{}') FROM unnest(rows) AS r
$$;

-- The pairs to compare, and what came of it under one seed and time zone.
CREATE TABLE pairs (number int PRIMARY KEY, ordered boolean, original text, rewrite text);
CREATE TABLE outcomes (number int, seed int, zone text, row_count int, original_fails boolean, differ boolean, example text);

-- Compares all pairs on the data that there is. An original that raises an error says nothing about what is right; a
-- rewrite that raises one where the original did not is wrong.
CREATE FUNCTION compare(seed int, zone text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    pair record;
    one text[];
    other text[];
BEGIN
    PERFORM set_config('timezone', zone, true);
    FOR pair IN SELECT * FROM pairs LOOP
        one := answer(pair.original);
        other := answer(pair.rewrite);
        IF NOT pair.ordered THEN
            one := sorted(one);
            other := sorted(other);
        END IF;
        INSERT INTO outcomes
        SELECT pair.number, seed, zone, cardinality(one), one[1] LIKE 'error %', one <> other,
            -- Rows too many and rows missing.
            CASE WHEN one <> other THEN concat(
                'only the original: ', ARRAY(SELECT unnest(one) EXCEPT ALL SELECT unnest(other) LIMIT 3),
                '; only the rewrite: ', ARRAY(SELECT unnest(other) EXCEPT ALL SELECT unnest(one) LIMIT 3)) END;
    END LOOP;
END
$$;

-- The names and types of a query's columns.
CREATE FUNCTION shape(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answer text;
BEGIN
    EXECUTE format('CREATE TEMPORARY TABLE shape_of AS SELECT * FROM (%s) AS r WITH NO DATA', query);
    SELECT string_agg(format('%I %s', attname, format_type(atttypid, atttypmod)), ', ' ORDER BY attnum) INTO answer
    FROM pg_attribute WHERE attrelid = 'pg_temp.shape_of'::regclass AND attnum > 0;
    DROP TABLE pg_temp.shape_of;
    RETURN answer;
EXCEPTION WHEN OTHERS THEN
    RETURN 'error ' || SQLSTATE;
END
$$;

-- What dbm.advise() says about rewriting a query; nothing of one that the server itself refuses.
CREATE FUNCTION ask(query text) RETURNS TABLE (original text, rule text, sql text, proven boolean) LANGUAGE plpgsql AS $$
BEGIN
    BEGIN
        EXECUTE 'EXPLAIN ' || query;
    EXCEPTION WHEN OTHERS THEN
        RETURN;
    END;
    -- Proven to return the same rows, whatever the planner says of its cost.
    RETURN QUERY
    WITH a AS MATERIALIZED (SELECT * FROM dbm.advise(query))
    SELECT query, a.rule, a.sql, coalesce(a.evidence ->> 'same_rows' = 'proven', false) FROM a WHERE a.kind = 'rewrite'
    UNION ALL
    -- What another row says as well, or better.
    SELECT query, others.rule, NULL, false FROM a, jsonb_object_keys(a.evidence -> 'also_seen_as') AS others (rule);
EXCEPTION WHEN OTHERS THEN
    RETURN QUERY SELECT query, 'error', SQLERRM, false;
END
$$;
