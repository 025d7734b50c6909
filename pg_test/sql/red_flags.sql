-- Each red flag on a real plan, and on a query that looks alike and is fine.
CREATE DATABASE dbm_red_flags;
\c dbm_red_flags
SET client_min_messages = warning;
CREATE EXTENSION dbmastery;
CREATE EXTENSION postgres_fdw;
SET max_parallel_workers_per_gather = 0;
SET work_mem = '1MB';
SET datestyle = 'ISO';
-- VACUUM marks no page whose rows are not known to be on disk.
SET synchronous_commit = on;
CREATE FUNCTION public.has(flag text, query text) RETURNS boolean LANGUAGE sql
    AS $$ SELECT EXISTS (SELECT FROM dbm.advise(query) WHERE rule = 'query.' || flag OR evidence -> 'also_seen_as' ? ('query.' || flag)) $$;
-- Numbers that depend on costs are left out.
CREATE FUNCTION public.says(flag text, query text) RETURNS text LANGUAGE sql
    AS $$ SELECT CASE WHEN rule = 'query.' || flag THEN kind || ' ' || severity || ': ' ELSE 'seen by ' || rule || ' too: ' END
                 || regexp_replace(CASE WHEN rule = 'query.' || flag THEN message ELSE evidence -> 'also_seen_as' ->> ('query.' || flag) END, '[0-9][0-9,.]*', 'N', 'g')
                 || coalesce(' | ' || CASE WHEN rule = 'query.' || flag THEN sql END, '')
            FROM dbm.advise(query) WHERE rule = 'query.' || flag OR evidence -> 'also_seen_as' ? ('query.' || flag) $$;

CREATE TABLE public.customers (id bigint PRIMARY KEY, email text NOT NULL, town text, zip text, street text);
CREATE TABLE public.orders (id bigint PRIMARY KEY, customer_id bigint, state text, day date, total numeric, note text);
CREATE TABLE public.items (id bigint, order_id bigint, product integer, colour integer, shape integer);
CREATE TABLE public.documents (id bigint PRIMARY KEY, title text, body text);
ALTER TABLE documents ALTER body SET STORAGE PLAIN;
CREATE TABLE public.patterns (pattern text);
INSERT INTO customers SELECT i, 'user' || i || '@x.org', 'town' || i % 200, 'zip' || i % 200, 'street' || i % 97 FROM generate_series(1, 20000) AS i;
INSERT INTO orders
    SELECT i, 1 + i % 20000, CASE WHEN i % 1000 = 0 THEN 'new' ELSE 'done' END, date '2020-01-01' + i % 1500, i % 977, repeat('x', 60)
      FROM generate_series(1, 120000) AS i;
INSERT INTO items SELECT i, 1 + i * 7 % 120000, i % 50, i % 100, i / 100 % 100 FROM generate_series(1, 120000) AS i;
INSERT INTO documents SELECT i, 'title ' || i, repeat('y', 2500) FROM generate_series(1, 3000) AS i;
INSERT INTO patterns SELECT 'title ' || i || repeat('-', 60) FROM generate_series(1, 2000) AS i;
CREATE INDEX by_customer ON orders (customer_id);
CREATE INDEX by_day ON orders (day, id);
CREATE INDEX by_email ON customers (email);
CREATE INDEX by_product ON items (product);
CREATE INDEX by_colour ON items (colour);
CREATE INDEX by_shape ON items (shape);
CREATE INDEX by_order ON items (order_id);
SELECT pg_stat_force_next_flush();
VACUUM ANALYZE;

SELECT flag, has(flag, wrong) AS flagged, has(flag, fine) AS look_alike
  FROM (VALUES
    ('selective_sequential_scan', 'SELECT * FROM orders WHERE state = ''new''', 'SELECT * FROM orders WHERE state = ''done'''),
    ('sequential_scan_in_loop', 'SELECT * FROM patterns p JOIN documents d ON d.title LIKE p.pattern || ''%''',
     'SELECT * FROM patterns p JOIN documents d ON d.title = p.pattern'),
    ('filter_after_index', 'SELECT * FROM orders WHERE customer_id BETWEEN 5 AND 100 AND state = ''new''', 'SELECT * FROM orders WHERE customer_id BETWEEN 5 AND 100 AND state = ''done'''),
    ('column_wrapped', 'SELECT * FROM customers WHERE upper(email) = ''X''', 'SELECT * FROM customers WHERE upper(street) = ''X'''),
    ('implicit_cast', 'SELECT * FROM customers WHERE id = 5.0', 'SELECT * FROM customers WHERE id = 5::integer'),
    ('avoidable_sort', 'SELECT * FROM orders ORDER BY total LIMIT 10', 'SELECT * FROM orders ORDER BY customer_id LIMIT 10'),
    ('index_in_other_order', 'SELECT * FROM orders ORDER BY day DESC, id LIMIT 10', 'SELECT * FROM orders ORDER BY day DESC, id DESC LIMIT 10'),
    ('sort_spills', 'SELECT * FROM orders ORDER BY total', 'SELECT * FROM orders ORDER BY total LIMIT 10'),
    ('hash_spills', 'SELECT * FROM orders o JOIN items i ON i.order_id = o.id', 'SELECT * FROM patterns p JOIN documents d ON d.title = p.pattern'),
    ('bitmap_and', 'SELECT * FROM items WHERE product = 7 AND order_id BETWEEN 1 AND 1000', 'SELECT * FROM items WHERE colour = 7 AND shape = 7'),
    ('cartesian_product', 'SELECT * FROM orders o, customers c WHERE o.state = ''new'' AND c.town IN (''town5'', ''town6'')',
     'SELECT * FROM items a JOIN items b ON a.product = b.product WHERE a.product = 7'),
    ('limit_trap', 'SELECT * FROM orders WHERE state = ''new'' ORDER BY id LIMIT 1', 'SELECT * FROM orders WHERE state = ''done'' ORDER BY id LIMIT 1'),
    ('deep_offset', 'SELECT * FROM orders ORDER BY id OFFSET 50000 LIMIT 10', 'SELECT * FROM orders ORDER BY id OFFSET 10 LIMIT 10'),
    ('subquery_for_each_row', 'SELECT id, (SELECT count(*) FROM items i WHERE i.order_id = o.id) FROM orders o', 'SELECT id, (SELECT count(*) FROM items) FROM orders o'),
    ('not_in_row_by_row', 'SELECT * FROM customers WHERE id NOT IN (SELECT order_id FROM items)', 'SELECT * FROM customers WHERE id NOT IN (SELECT order_id FROM items WHERE product = 7)'),
    ('cte_materialized', 'WITH w AS MATERIALIZED (SELECT * FROM orders) SELECT * FROM w WHERE id = 5', 'WITH w AS (SELECT * FROM orders) SELECT * FROM w WHERE id = 5'),
    ('cte_read_often', 'WITH w AS (SELECT * FROM orders) SELECT * FROM w a JOIN w b USING (customer_id) WHERE a.id = 5 AND b.id = 7',
     'WITH w AS (SELECT * FROM customers) SELECT * FROM w a JOIN w b USING (town) WHERE a.id = 5 AND b.id = 7'),
    ('distinct_undoes_join', 'SELECT DISTINCT c.id, c.email FROM customers c JOIN orders o ON o.customer_id = c.id', 'SELECT DISTINCT c.town FROM customers c JOIN orders o ON o.customer_id = c.id'),
    ('wide_rows', 'SELECT * FROM documents ORDER BY title', 'SELECT id, title FROM documents ORDER BY title'),
    ('correlated_columns', 'SELECT * FROM customers WHERE town = ''town5'' AND zip = ''zip5''', 'SELECT * FROM customers WHERE town = ''town5'' AND street = ''street5'''),
    ('large_in_list', (SELECT 'SELECT * FROM items WHERE id IN (' || string_agg(i::text, ',') || ')' FROM generate_series(1, 1500) AS i),
     'SELECT * FROM items WHERE id IN (1, 2, 3)')
  ) AS v (flag, wrong, fine);

-- What they say.
SELECT says('selective_sequential_scan', 'SELECT * FROM orders WHERE state = ''new''');
SELECT says('sequential_scan_in_loop', 'SELECT * FROM patterns p JOIN documents d ON d.title LIKE p.pattern || ''%''');
SELECT says('column_wrapped', 'SELECT * FROM customers WHERE upper(email) = ''X''');
SELECT says('implicit_cast', 'SELECT * FROM customers WHERE id = 5.0');
SELECT says('cartesian_product', 'SELECT * FROM orders o, customers c WHERE o.state = ''new'' AND c.town IN (''town5'', ''town6'')');
SELECT says('index_in_other_order', 'SELECT * FROM orders ORDER BY day DESC, id LIMIT 10');
SELECT says('limit_trap', 'SELECT * FROM orders WHERE state = ''new'' ORDER BY id LIMIT 1');
SELECT says('correlated_columns', 'SELECT * FROM customers WHERE town = ''town5'' AND zip = ''zip5''');
SELECT says('cte_materialized', 'WITH w AS MATERIALIZED (SELECT * FROM orders) SELECT * FROM w WHERE id = 5');
-- What helps against correlated columns, helps.
CREATE STATISTICS public.town_zip (dependencies, mcv) ON town, zip FROM customers;
ANALYZE customers;
SELECT has('correlated_columns', 'SELECT * FROM customers WHERE town = ''town5'' AND zip = ''zip5''');

-- Statistics: none, old, and those of the outer side of a loop.
CREATE TABLE public.guesses (id bigint, state text);
INSERT INTO guesses SELECT i, 'state' || i % 3 FROM generate_series(1, 50000) AS i;
SELECT pg_stat_force_next_flush();
SELECT says('statistics_missing', 'SELECT * FROM guesses WHERE state = ''state1''');
SELECT says('fragile_nested_loop', 'SELECT * FROM guesses g JOIN orders o ON o.id = g.id WHERE g.state = ''state1''');
ALTER TABLE guesses ALTER state SET STATISTICS 0;
ANALYZE guesses;
SELECT says('statistics_missing', 'SELECT * FROM guesses WHERE state = ''state1''');
ALTER TABLE guesses ALTER state SET STATISTICS -1;
ANALYZE guesses;
SELECT has('statistics_missing', 'SELECT * FROM guesses WHERE state = ''state1'''), has('statistics_stale', 'SELECT * FROM guesses WHERE state = ''state1''');
SELECT has('fragile_nested_loop', 'SELECT * FROM guesses g JOIN orders o ON o.id = g.id WHERE g.state = ''state1''');
INSERT INTO guesses SELECT i, 'state' || i % 3 FROM generate_series(1, 20000) AS i;
SELECT pg_stat_force_next_flush();
SELECT says('statistics_stale', 'SELECT * FROM guesses WHERE state = ''state1''');

-- A table whose pages are not known to be visible.
CREATE TABLE public.fresh (id bigint, pad text);
INSERT INTO fresh SELECT i, repeat('z', 100) FROM generate_series(1, 30000) AS i;
CREATE INDEX fresh_id ON fresh (id);
ANALYZE fresh;
SELECT says('index_only_scan_visits_table', 'SELECT id FROM fresh WHERE id < 500');
VACUUM fresh;
SELECT has('index_only_scan_visits_table', 'SELECT id FROM fresh WHERE id < 500');

-- Partitions.
CREATE TABLE public.events (at timestamp NOT NULL, what text) PARTITION BY RANGE (at);
SELECT format('CREATE TABLE public.events_%s PARTITION OF public.events FOR VALUES FROM (%L) TO (%L)', m, timestamp '2024-01-01' + (m - 1) * interval '1 month', timestamp '2024-01-01' + m * interval '1 month')
  FROM generate_series(1, 12) AS m \gexec
INSERT INTO events SELECT timestamp '2024-01-01' + i * interval '10 minutes', 'what' FROM generate_series(0, 52000) AS i;
ANALYZE events;
SELECT says('partitions_not_pruned', 'SELECT * FROM events WHERE date_trunc(''month'', at) = ''2024-05-01''');
SELECT has('partitions_not_pruned', 'SELECT * FROM events WHERE at >= ''2024-05-01'' AND at < ''2024-06-01''');
SELECT has('partitions_not_pruned', 'SELECT * FROM events WHERE upper(what) = ''X''');

-- Another server, which is never asked.
CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw OPTIONS (dbname 'nowhere');
CREATE USER MAPPING FOR PUBLIC SERVER elsewhere;
CREATE FOREIGN TABLE public.far (id bigint, name text) SERVER elsewhere;
CREATE FUNCTION public.odd(bigint) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT $1 % 2 = 1 $$;
CREATE FUNCTION public.even(n bigint) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN n % 2 = 0; END $$;
SELECT says('foreign_scan_not_pushed_down', 'SELECT * FROM far WHERE even(id)');
SELECT has('foreign_scan_not_pushed_down', 'SELECT * FROM far WHERE id = 5');

-- Settings.
SELECT says('not_parallel', 'SELECT count(*) FROM orders WHERE total = 5') IS NULL AS not_large;
SET min_parallel_table_scan_size = '1MB';
SELECT says('not_parallel', 'SELECT count(*) FROM orders WHERE total = 5');
SET max_parallel_workers_per_gather = 2;
SELECT says('not_parallel', 'SELECT count(*) FROM orders WHERE even(total::bigint)');
ALTER FUNCTION public.even(bigint) PARALLEL SAFE;
SELECT has('not_parallel', 'SELECT count(*) FROM orders WHERE even(total::bigint)');
SET enable_seqscan = off;
SELECT says('node_disabled', 'SELECT * FROM patterns');
SELECT has('node_disabled', 'SELECT * FROM orders WHERE id = 5');
RESET enable_seqscan;
SELECT has('node_disabled', 'SELECT * FROM patterns');

-- Conditions are printed as EXPLAIN prints them, in any kind of node.
CREATE FUNCTION public.filter_of(query text) RETURNS text LANGUAGE plpgsql AS
$$ DECLARE plan json; BEGIN EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO plan; RETURN plan -> 0 -> 'Plan' ->> 'Filter'; END $$;
SELECT query, condition IS NOT DISTINCT FROM filter_of(query) AS same
  FROM (VALUES ('SELECT * FROM documents WHERE title ~~ ''%x'' AND id <> 5'), ('SELECT * FROM documents d WHERE (d.title = ''x'' OR NOT d.body LIKE ''y'') AND d.title IS NOT NULL'),
               ('SELECT * FROM documents WHERE title = ANY (ARRAY[''a'', ''b'']) AND coalesce(body, title) < ''m''')) AS v (query),
       LATERAL (SELECT condition FROM dbm.why_no_index(query)) AS w;
-- A parameter of which one value is common: the server itself plans the two ways, and one of them for all.
CREATE TABLE public.jobs (id bigint, owner integer);
INSERT INTO jobs SELECT i, CASE WHEN i % 5 < 3 THEN 1 ELSE i END FROM generate_series(1, 50000) AS i;
CREATE INDEX by_owner ON jobs (owner);
ANALYZE jobs;
SELECT says('parameter_skew', 'SELECT * FROM jobs WHERE owner = $1');
SELECT has('parameter_skew', 'SELECT * FROM jobs WHERE owner = 7'), has('parameter_skew', 'SELECT * FROM orders WHERE customer_id = $1');
CREATE FUNCTION public.scan(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE plan json;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO plan;
    RETURN plan -> 0 -> 'Plan' ->> 'Node Type';
END $$;
PREPARE of_owner (integer) AS SELECT * FROM jobs WHERE owner = $1;
SET plan_cache_mode = force_generic_plan;
SELECT scan('EXECUTE of_owner (1)') = scan('EXECUTE of_owner (7)') AS one_plan_for_all;
SET plan_cache_mode = force_custom_plan;
SELECT scan('EXECUTE of_owner (1)') AS common, scan('EXECUTE of_owner (7)') AS rare;
RESET plan_cache_mode;

\c postgres
DROP DATABASE dbm_red_flags;
