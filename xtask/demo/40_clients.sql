-- The demo shop, part 4 of 4: what its applications and its people ask.
--
-- Each statement is sent as a client sends it, so that pg_stat_statements, where it is loaded, counts it as a client's;
-- dbm.slow_queries() and dbm.advise_workload() have something to say then. 30_use.sql stands for the week's traffic, but
-- what a DO block runs carries the names of its variables, and nobody could plan that again.

\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET timezone = 'UTC';

-- The load before is not what anybody asked.
SELECT format('SELECT %I.pg_stat_statements_reset()', n.nspname)
  FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
 WHERE p.proname = 'pg_stat_statements_reset' \gexec

\o /dev/null

-- The shop: well served.
SELECT format('SELECT id, name, list_price FROM public.products WHERE sku = %L', 'P-' || lpad(i::text, 6, '0')) FROM generate_series(1, 200) AS i \gexec
SELECT format('SELECT id, status, total_amount FROM public.orders WHERE customer_id = %s ORDER BY placed_at DESC LIMIT 10', i * 97) FROM generate_series(1, 200) AS i \gexec

-- Support: finds a ticket by its reference, which no index has.
SELECT format('SELECT id, subject, status FROM support.tickets WHERE reference = %L', 'T-' || 2026000000 + i * 70) FROM generate_series(1, 60) AS i \gexec

-- Accounting: which payments of the gateway came in under this reference?
SELECT format('SELECT id, order_id, amount, status FROM public.payments WHERE reference = %L', 'PAY-W' || i * 3) FROM generate_series(1, 60) AS i \gexec

-- The back office: what has to be packed, and the orders of a day.
SELECT format('SELECT o.id, o.order_number, c.email FROM public.orders AS o JOIN public.customers AS c ON c.id = o.customer_id WHERE o.status = ''pending'' AND o.placed_at > timestamptz ''2026-04-01'' + interval ''%s hours'' ORDER BY o.placed_at', i) FROM generate_series(1, 20) AS i \gexec
SELECT format('SELECT id, total_amount FROM public.orders WHERE placed_at::date = %L', date '2026-03-01' + i) FROM generate_series(1, 20) AS i \gexec

-- The newsletter: how often has everybody bought? One subquery for each customer.
SELECT 'SELECT c.id, (SELECT count(*) FROM public.orders AS o WHERE o.customer_id = c.id) FROM public.customers AS c' FROM generate_series(1, 5) \gexec

\o
