-- Rewrites: each fires on its pattern, returns the same rows on data with NULLs and duplicates, and is silent or says
-- "only if" on what merely looks like it.
CREATE DATABASE dbm_rewrites;
\c dbm_rewrites
CREATE EXTENSION dbmastery;
SET client_min_messages = warning;
CREATE TABLE public.customers (id integer PRIMARY KEY, name text NOT NULL, region integer, code uuid);
CREATE TABLE public.orders (
    id bigint PRIMARY KEY, customer_id integer NOT NULL, parent_id integer, status text, amount numeric(10, 2),
    quantity integer, placed timestamp, paid timestamptz, day date, note varchar(20), price double precision);
CREATE TABLE public.visits (customer_id integer NOT NULL, at timestamp NOT NULL, page text, PRIMARY KEY (customer_id, at));
CREATE TABLE public.hits (customer_id integer, at timestamp, page text);
INSERT INTO public.customers SELECT i, 'c' || i, nullif(i % 7, 0), md5(i::text)::uuid FROM generate_series(1, 2000) AS i;
INSERT INTO public.orders
SELECT i, 1 + i % 1500, nullif(i % 50, 0), (ARRAY['new', 'paid', 'sent', NULL])[1 + i % 4], i % 97, nullif(i % 200, 0),
       timestamp '2024-01-01' + i * interval '17 minutes', timestamptz '2024-01-01 UTC' + i * interval '17 minutes',
       date '2024-01-01' + i % 400, 'n' || i % 30, i % 11
  FROM generate_series(1, 20000) AS i;
INSERT INTO public.orders VALUES (-1, 1, NULL, NULL, NULL, NULL, 'infinity', 'infinity', 'infinity', NULL, 'NaN'),
    (-2, 1, NULL, NULL, NULL, NULL, '-infinity', '-infinity', '-infinity', NULL, NULL), (-3, 2, 5, 'new', 5, 5, NULL, NULL, NULL, 'n5', 5);
INSERT INTO public.visits SELECT 1 + i % 300, timestamp '2024-01-01' + i * interval '1 hour', 'p' || i % 5 FROM generate_series(1, 9000) AS i;
INSERT INTO public.hits SELECT nullif(i % 300, 0), timestamp '2024-01-01' + (i % 100) * interval '1 hour', 'p' || i % 5 FROM generate_series(1, 9000) AS i;
INSERT INTO public.hits VALUES (5, NULL, 'x'), (NULL, '2030-01-01', 'y');
CREATE INDEX ON public.orders (placed);
CREATE INDEX ON public.orders (paid);
CREATE INDEX ON public.orders (day);
CREATE INDEX ON public.orders (quantity);
CREATE INDEX ON public.orders (customer_id);
VACUUM ANALYZE;

-- Runs a query and each text that is proposed for it, and compares the rows with their numbers.
CREATE FUNCTION public.compare(query text, OUT rule text, OUT proven boolean, OUT cheaper boolean, OUT same boolean, OUT sql text, OUT only_if text)
RETURNS SETOF record LANGUAGE plpgsql AS
$$ BEGIN
    FOR rule, proven, cheaper, sql, only_if IN
        SELECT a.rule, a.proven, a.cost_after < a.cost_before, a.sql, a.evidence ->> 'same_rows_if'
          FROM dbm.advise(query) AS a WHERE kind = 'rewrite' ORDER BY a.rule, a.cost_after
    LOOP
        same := NULL;
        IF sql IS NOT NULL AND sql !~ '\$\d' THEN
            EXECUTE format('WITH before AS (%s), after AS (%s) SELECT NOT EXISTS ((TABLE before EXCEPT ALL TABLE after) UNION ALL (TABLE after EXCEPT ALL TABLE before))', query, sql) INTO same;
        END IF;
        RETURN NEXT;
    END LOOP;
END $$;

-- Functions of a column.
SELECT * FROM compare('SELECT id FROM orders WHERE date(placed) = ''2024-03-01''');
SELECT * FROM compare('SELECT id FROM orders WHERE placed::date >= date ''2024-08-20'' AND status = ''new''');
SELECT * FROM compare('SELECT id FROM orders WHERE date(placed) = $1');
SELECT * FROM compare('SELECT id FROM orders WHERE date(placed) = date ''infinity''');
SET TimeZone = 'America/Havana';
SELECT * FROM compare('SELECT id FROM orders WHERE date(paid) = ''2024-03-10''');
SELECT * FROM compare('SELECT id FROM orders WHERE date_trunc(''day'', paid) = ''2024-03-10''');
SET TimeZone = 'UTC';
SELECT * FROM compare('SELECT id FROM orders WHERE date_trunc(''month'', placed) = ''2024-03-01''');
SELECT * FROM compare('SELECT id FROM orders WHERE date_trunc(''month'', placed) = ''2024-03-02''');
SELECT * FROM compare('SELECT id FROM orders WHERE extract(year FROM placed) = 2023');
SELECT * FROM compare('SELECT id FROM orders WHERE extract(year FROM day) > 2025');
SELECT * FROM compare('SELECT id FROM orders WHERE date_part(''year'', placed) <= 2023');
SELECT * FROM compare('SELECT id FROM orders WHERE extract(month FROM placed) = 3');
SELECT * FROM compare('SELECT id FROM orders WHERE to_char(placed, ''YYYY-MM'') = ''2024-03''');
-- Already with a range, or about no column.
SELECT * FROM compare('SELECT id FROM orders WHERE date(placed) = ''2024-03-01'' AND placed >= ''2024-03-01''');
SELECT * FROM compare('SELECT id FROM orders WHERE date(now()) = ''2024-03-01''');

-- Arithmetic.
SELECT * FROM compare('SELECT id FROM orders WHERE quantity + 10 = 12');
SELECT * FROM compare('SELECT id FROM orders WHERE 100 - quantity > 98');
SELECT * FROM compare('SELECT id FROM orders WHERE quantity - $1 = $2');
SELECT * FROM compare('SELECT id FROM orders WHERE placed + interval ''1 hour'' > timestamp ''2024-08-24''');
SELECT * FROM compare('SELECT id FROM orders WHERE placed + interval ''1 month'' < timestamp ''2024-02-05''');
SELECT * FROM compare('SELECT id FROM orders WHERE paid - interval ''3 days'' > timestamptz ''2024-08-22 UTC''');
SELECT * FROM compare('SELECT id FROM orders WHERE day + 5 = date ''2024-01-07''');
SELECT * FROM compare('SELECT id FROM orders WHERE price + 1 = 3');
SELECT * FROM compare('SELECT id FROM orders WHERE quantity + id = 3');

-- Casts.
SELECT * FROM compare('SELECT id FROM orders WHERE quantity::text = ''5''');
SELECT * FROM compare('SELECT id FROM orders WHERE quantity::text = ''05''');
SELECT * FROM compare('SELECT id FROM orders WHERE quantity::text = $1');
SELECT * FROM compare('SELECT id FROM orders WHERE quantity = 5.0');
SELECT * FROM compare('SELECT id FROM orders WHERE quantity = 5.5');
SELECT * FROM compare('SELECT id FROM orders WHERE quantity < 2.5');
SELECT * FROM compare('SELECT id FROM orders WHERE quantity = $1::numeric');
SELECT * FROM compare('SELECT id FROM orders WHERE day::text = ''2024-01-07''');

-- OR.
SELECT * FROM compare('SELECT o.id, c.name FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.quantity = 3 OR c.name = ''c7''');
SELECT * FROM compare('SELECT id FROM orders WHERE quantity = 3 OR customer_id = 7');

-- NOT IN.
SELECT * FROM compare('SELECT id FROM customers WHERE id NOT IN (SELECT customer_id FROM orders)');
SELECT * FROM compare('SELECT id FROM customers WHERE id NOT IN (SELECT parent_id FROM orders)');
SELECT rule, proven, same, sql, only_if FROM compare('SELECT id FROM customers WHERE region NOT IN (SELECT customer_id FROM orders)');
SELECT * FROM compare('SELECT id FROM customers c WHERE region NOT IN (SELECT parent_id FROM orders WHERE parent_id IS NOT NULL AND status = c.name) AND region > 2');
SELECT * FROM compare('SELECT id FROM customers WHERE id <> ALL (SELECT o.customer_id FROM orders o LEFT JOIN visits v ON v.customer_id = o.id)');

-- count(*) > 0.
SELECT * FROM compare('SELECT id FROM customers c WHERE (SELECT count(*) FROM orders o WHERE o.customer_id = c.id) > 0');
SELECT * FROM compare('SELECT id, (SELECT count(parent_id) FROM orders o WHERE o.customer_id = c.id) = 0 AS none FROM customers c');
SELECT * FROM compare('SELECT count(*) > 0 AS "Any" FROM orders WHERE quantity > 5');
SELECT * FROM compare('SELECT id FROM customers c WHERE (SELECT count(*) FROM orders o WHERE o.customer_id = c.id) > 1');

-- DISTINCT over a join.
SELECT * FROM compare('SELECT DISTINCT c.id, c.name FROM customers c JOIN orders o ON o.customer_id = c.id WHERE o.status = ''new''');
SELECT * FROM compare('SELECT DISTINCT c.region FROM customers c, orders o WHERE o.customer_id = c.id AND o.quantity < 3');
SELECT * FROM compare('SELECT DISTINCT c.id, o.status FROM customers c JOIN orders o ON o.customer_id = c.id');

-- UNION.
SELECT * FROM compare('SELECT id, status FROM orders WHERE status = ''new'' UNION SELECT id, status FROM orders WHERE status = ''paid''');
SELECT * FROM compare('SELECT id, status FROM orders WHERE status = ''new'' UNION SELECT id, status FROM orders WHERE quantity = 5');
SELECT * FROM compare('SELECT status FROM orders WHERE status = ''new'' UNION SELECT status FROM orders WHERE status = ''paid''');
SELECT * FROM compare('SELECT name FROM customers WHERE id IN (SELECT customer_id FROM orders UNION SELECT customer_id FROM visits)');

-- Correlated subqueries.
SELECT * FROM compare('SELECT c.id, (SELECT sum(o.amount) FROM orders o WHERE o.parent_id = c.id) AS total FROM customers c');
SELECT * FROM compare('SELECT c.id, (SELECT count(*) FROM orders o WHERE o.parent_id = c.region AND o.status = ''new'') AS many FROM customers c ORDER BY many');
SELECT * FROM compare('SELECT o.id, (SELECT c.name FROM customers c WHERE c.id = o.parent_id) AS name FROM orders o');
SELECT * FROM compare('SELECT o.id, (SELECT c.name FROM customers c WHERE c.region = o.parent_id) AS name FROM orders o');
SELECT * FROM compare('SELECT o.id FROM orders o WHERE o.amount > (SELECT avg(i.amount) FROM orders i WHERE i.parent_id = o.parent_id)');
SELECT * FROM compare('SELECT c.id, (SELECT sum(1 / o.quantity) FROM orders o WHERE o.parent_id = c.id) AS total FROM customers c');

-- The latest of each group.
SELECT * FROM compare('SELECT * FROM visits v WHERE at = (SELECT max(at) FROM visits i WHERE i.customer_id = v.customer_id)');
SELECT * FROM compare('SELECT v.customer_id, v.at FROM visits v WHERE at = (SELECT max(at) FROM visits i WHERE i.customer_id = v.customer_id)');
SELECT * FROM compare('SELECT * FROM hits v WHERE at = (SELECT max(at) FROM hits i WHERE i.customer_id = v.customer_id)');

-- OFFSET.
SELECT * FROM compare('SELECT id, placed FROM orders ORDER BY id LIMIT 10 OFFSET 10000');
SELECT * FROM compare('SELECT customer_id, id FROM orders ORDER BY customer_id DESC LIMIT $1 OFFSET $2');
SELECT * FROM compare('SELECT customer_id, id FROM orders ORDER BY customer_id DESC, id LIMIT 10 OFFSET 5000');
SELECT * FROM compare('SELECT id FROM orders ORDER BY quantity LIMIT 10 OFFSET 5000');
SELECT message FROM dbm.advise('SELECT id FROM orders ORDER BY quantity LIMIT 10 OFFSET 5000') WHERE kind = 'rewrite';
SELECT message FROM dbm.advise('SELECT id FROM orders LIMIT 10 OFFSET 5000') WHERE kind = 'rewrite';
SELECT * FROM compare('SELECT id FROM orders ORDER BY id LIMIT 10 OFFSET 20');

-- Literals mean the same whatever the styles of the session are, and look-alikes of placeholders stay.
SET DateStyle = 'SQL, DMY';
SET extra_float_digits = -10;
SELECT * FROM compare('SELECT id FROM orders WHERE date(placed) = ''01/03/2024'' AND price <> 0.12345678901234567 AND note <> ''$900100 $900101''');
RESET DateStyle;
RESET extra_float_digits;
-- Parameters keep their numbers and types.
SELECT sql FROM compare('SELECT id, $3::bigint + 1 AS n FROM orders WHERE date(placed) = ''2024-03-01'' AND status = $2 AND note = $1');
SELECT count(*) FROM dbm.advise('MERGE INTO orders USING customers c ON c.id = orders.id AND date(placed) = ''2024-03-01'' WHEN MATCHED THEN DELETE') WHERE kind = 'rewrite';
SELECT sql FROM dbm.advise('UPDATE orders SET status = ''old'' WHERE date(placed) = ''2024-03-01''') WHERE kind = 'rewrite';
SELECT sql FROM dbm.advise('WITH gone AS (DELETE FROM orders WHERE date(placed) = ''2024-03-01'' RETURNING id) SELECT * FROM gone') WHERE kind = 'rewrite';
-- One wide row is nothing to speak of; all of them are.
SELECT message FROM dbm.advise('SELECT * FROM orders WHERE id = 1') WHERE rule = 'query.select_star';
SELECT message FROM dbm.advise('SELECT * FROM orders') WHERE rule = 'query.select_star';

\c postgres
DROP DATABASE dbm_rewrites;
