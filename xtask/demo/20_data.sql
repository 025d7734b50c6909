-- The demo shop, part 2 of 3: what is in it.
--
-- Every value follows from its row's number, so each load gives the same rows. "Today" is Tuesday, 7 April 2026.

\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET timezone = 'UTC';
-- As pg_restore --disable-triggers does: the rows are right by construction, and checking each reference again is slow.
SET session_replication_role = replica;

-- A number from 0 to n - 1 which looks random and depends on nothing but the row and the salt.
CREATE FUNCTION pg_temp.pick(row_number bigint, salt bigint, n bigint) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (hashint8extended(row_number, salt) & 9007199254740991) % n;

-- ---------------------------------------------------------------------------------------------------------------------
-- Reference data and staff
-- ---------------------------------------------------------------------------------------------------------------------

INSERT INTO public.countries (code, name, is_eu_member, created_at, updated_at)
SELECT code, name, is_eu_member, '2021-03-01', '2021-03-01'
  FROM (VALUES ('AT', 'Austria', true), ('BE', 'Belgium', true), ('CH', 'Switzerland', false), ('CZ', 'Czechia', true),
               ('DE', 'Germany', true), ('DK', 'Denmark', true), ('ES', 'Spain', true), ('FR', 'France', true),
               ('GB', 'United Kingdom', false), ('IT', 'Italy', true), ('NL', 'Netherlands', true), ('NO', 'Norway', false),
               ('PL', 'Poland', true), ('PT', 'Portugal', true), ('SE', 'Sweden', true), ('US', 'United States', false)
       ) AS country (code, name, is_eu_member);

INSERT INTO public.currencies (code, name, symbol, minor_digits, created_at, updated_at)
SELECT code, name, symbol, 2, '2021-03-01', '2021-03-01'
  FROM (VALUES ('CHF', 'Swiss franc', 'Fr.'), ('EUR', 'Euro', '€'), ('GBP', 'Pound sterling', '£'),
               ('PLN', 'Złoty', 'zł'), ('SEK', 'Swedish krona', 'kr'), ('USD', 'US dollar', '$')
       ) AS currency (code, name, symbol);

INSERT INTO public.exchange_rates (currency_code, quoted_on, rate, created_at, updated_at)
SELECT c.code, d::date, round((0.8 + 3.0 * pg_temp.pick(ascii(c.code) * 100 + ascii(substr(c.code, 2)), 1, 100) / 100
                               + pg_temp.pick(extract(epoch FROM d)::bigint, 2, 1000) / 100000.0)::numeric, 8), d, d
  FROM public.currencies AS c,
       generate_series(timestamptz '2025-04-07', timestamptz '2026-04-06', interval '1 day') AS d
 WHERE c.code <> 'EUR'
 ORDER BY d.d, c.code;

INSERT INTO public.tax_classes (id, name, rate, created_at, updated_at)
VALUES (1, 'standard', 0.1900, '2021-03-01', '2021-03-01'), (2, 'reduced', 0.0700, '2021-03-01', '2021-03-01'),
       (3, 'books', 0.0500, '2021-03-01', '2021-03-01'), (4, 'exempt', 0.0000, '2021-03-01', '2021-03-01');

INSERT INTO public.schema_migrations (version, created_at, updated_at)
SELECT to_char(d, 'YYYYMMDD') || '01', d, d
  FROM generate_series(timestamptz '2021-03-01', timestamptz '2026-03-30', interval '16 days') AS d;

INSERT INTO public.people (full_name, email, department, manager_person_id, hired_on, created_at, updated_at)
SELECT first_name || ' ' || last_name, lower(first_name) || '.' || lower(last_name) || i || '@shop.example',
       (ARRAY['sales', 'support', 'support', 'warehouse', 'warehouse', 'it'])[1 + pg_temp.pick(i, 10, 6)],
       CASE WHEN i > 20 THEN 1 + pg_temp.pick(i, 11, 20) END,
       date '2015-01-01' + (i * 13)::int, '2021-03-01', '2021-03-01'
  FROM (SELECT i,
               (ARRAY['Anna', 'Ben', 'Clara', 'David', 'Eva', 'Felix', 'Greta', 'Henri', 'Ida', 'Jan'])[1 + pg_temp.pick(i, 12, 10)] AS first_name,
               (ARRAY['Adler', 'Brandt', 'Costa', 'Dubois', 'Ek', 'Fischer', 'Greco', 'Huber', 'Ito', 'Janssen'])[1 + pg_temp.pick(i, 13, 10)] AS last_name
          FROM generate_series(1, 300) AS i) AS person
 ORDER BY i;

-- ---------------------------------------------------------------------------------------------------------------------
-- Catalogue
-- ---------------------------------------------------------------------------------------------------------------------

INSERT INTO public.brands (name, country_code, website, created_at, updated_at)
SELECT 'Brand ' || chr(65 + (i % 26)::int) || i,
       (ARRAY['DE', 'DE', 'FR', 'IT', 'NL', 'SE', 'US', 'GB'])[1 + pg_temp.pick(i, 20, 8)],
       CASE WHEN i % 5 > 0 THEN 'https://www.brand-' || i || '.example' END, '2021-03-01', '2021-03-01'
  FROM generate_series(1, 200) AS i
 ORDER BY i;

INSERT INTO public.categories (parent_id, name, slug, position, created_at, updated_at)
SELECT CASE WHEN i > 12 THEN 1 + pg_temp.pick(i, 21, 12) END, 'Category ' || i, 'category-' || i, i, '2021-03-01', '2021-03-01'
  FROM generate_series(1, 120) AS i
 ORDER BY i;

INSERT INTO public.products (brand_id, tax_class_id, currency_code, sku, ean, name, description, list_price, weight_kg,
                             attributes, is_active, discontinued_at, created_at, updated_at)
SELECT 1 + pg_temp.pick(i, 30, 200), 1 + pg_temp.pick(i, 31, 4),
       (ARRAY['EUR', 'EUR', 'EUR', 'GBP', 'USD', 'CHF'])[1 + pg_temp.pick(i, 32, 6)],
       'P-' || lpad(i::text, 6, '0'),
       CASE WHEN i % 8 > 0 THEN lpad((4000000000000 + i * 7919)::text, 13, '0') END,
       (ARRAY['Oak', 'Steel', 'Linen', 'Glass', 'Bamboo', 'Copper', 'Cotton', 'Cork'])[1 + pg_temp.pick(i, 33, 8)] || ' ' ||
       (ARRAY['table', 'lamp', 'chair', 'shelf', 'kettle', 'curtain', 'mirror', 'clock', 'bowl', 'rug'])[1 + pg_temp.pick(i, 34, 10)] || ' ' || i,
       CASE WHEN i % 4 > 0 THEN 'A well made thing, number ' || i || ', which lasts for ' || 2 + pg_temp.pick(i, 35, 20) || ' years.' END,
       round((5 + pg_temp.pick(i, 36, 49500) / 100.0)::numeric, 2),
       0.1 + pg_temp.pick(i, 37, 3000) / 100.0,
       jsonb_build_object('material', 1 + pg_temp.pick(i, 33, 8), 'warranty_years', 1 + pg_temp.pick(i, 38, 5)),
       i % 9 > 0,
       CASE WHEN i % 9 = 0 THEN timestamptz '2025-01-01' + i * interval '1 hour' END,
       timestamptz '2021-03-01' + i * interval '11 hours', timestamptz '2021-03-01' + i * interval '11 hours'
  FROM generate_series(1, 4000) AS i
 ORDER BY i;

INSERT INTO public.product_categories (product_id, category_id)
SELECT i, 13 + (pg_temp.pick(i, 40, 107) + k * 29) % 108
  FROM generate_series(1, 4000) AS i, generate_series(0, 1) AS k
 ORDER BY i, k;

INSERT INTO public.product_variants (product_id, sku, colour, size_label, price, "unitsPerBox", created_at, updated_at)
SELECT p.id, p.sku || '-' || k, (ARRAY['black', 'white', 'red', 'green', 'blue'])[1 + pg_temp.pick(p.id * 2 + k, 41, 5)],
       (ARRAY['S', 'M', 'L', 'XL'])[1 + pg_temp.pick(p.id * 2 + k, 42, 4)], p.list_price::double precision + k,
       (ARRAY[1, 4, 6, 12])[1 + pg_temp.pick(p.id, 43, 4)], p.created_at, p.created_at
  FROM public.products AS p, generate_series(1, 2) AS k
 ORDER BY p.id, k;

INSERT INTO public.product_images (product_id, url, alt_text, "order", created_at, updated_at)
SELECT i, 'https://img.shop.example/' || i || '/' || k || '.webp', 'Picture ' || k || ' of product ' || i, k,
       timestamptz '2021-03-02' + i * interval '11 hours', timestamptz '2021-03-02' + i * interval '11 hours'
  FROM generate_series(1, 4000) AS i, generate_series(1, 2) AS k
 ORDER BY i, k;

INSERT INTO public.product_attribute_translations (product_id, language_code, attribute_name, translated_text, created_at, updated_at)
SELECT i, language_code, 'material', 'material no. ' || pg_temp.pick(i, 33, 8) || ' (' || language_code || ')', '2024-05-01', '2024-05-01'
  FROM generate_series(1, 4000) AS i, unnest(ARRAY['de', 'fr']) AS language_code
 ORDER BY i, language_code;

INSERT INTO public.price_changes (product_variant_id, old_price, new_price, changed_at, created_at, updated_at)
SELECT 1 + pg_temp.pick(i, 45, 8000), 20 + pg_temp.pick(i, 46, 100), 21 + pg_temp.pick(i, 47, 100), t, t, t
  FROM generate_series(1, 12000) AS i, LATERAL (SELECT timestamptz '2024-01-01' + i * interval '98 minutes' AS t) AS moment
 ORDER BY i;

INSERT INTO public.old_product_imports (article_number, größe, "a"";drop table x", created_at, updated_at)
SELECT 'A' || i, (ARRAY['klein', 'mittel', 'groß'])[1 + pg_temp.pick(i, 48, 3)], 'cell ' || i, '2023-02-14', '2023-02-14'
  FROM generate_series(1, 1500) AS i
 ORDER BY i;

-- ---------------------------------------------------------------------------------------------------------------------
-- Customers
-- ---------------------------------------------------------------------------------------------------------------------

-- Sixty cities of four countries; each has seven postal codes, and no postal code has two cities.
CREATE TEMPORARY TABLE city AS
SELECT n, (ARRAY['DE', 'FR', 'US', 'NL'])[1 + n / 15] AS country_code,
       (ARRAY['Ahlen', 'Birken', 'Clermont', 'Dorfen', 'Elm', 'Ferney', 'Grafton', 'Haren', 'Ilmen', 'Jouy',
              'Kirchdorf', 'Lunel', 'Milton', 'Noorden', 'Oakville'])[1 + n % 15] || ' ' || (ARRAY['am See', 'sur Mer', 'Heights', 'aan Zee'])[1 + n / 15] AS name,
       CASE WHEN n / 15 IN (0, 2) THEN (ARRAY['Bavaria', 'Saxony', 'Ohio', 'Maine', 'Texas'])[CASE WHEN n / 15 = 0 THEN 1 + n % 2 ELSE 3 + n % 3 END] END AS state
  FROM generate_series(0, 59) AS n;

INSERT INTO public.customers (email, first_name, last_name, phone, birth_on, country_code, referrer_customer_id, active,
                              has_newsletter, last_seen, created_at, updated_at)
SELECT lower(first_name) || '.' || lower(last_name) || '.' || i || '@mail.example', first_name, last_name,
       CASE WHEN i % 10 > 2 THEN '+49 30 ' || 1000000 + pg_temp.pick(i, 50, 9000000) END,
       CASE WHEN i % 7 > 0 THEN date '1940-01-01' + pg_temp.pick(i, 51, 24000)::int END,
       (ARRAY['DE', 'FR', 'US', 'NL'])[1 + pg_temp.pick(i, 70, 60) / 15],
       CASE WHEN i > 100 AND i % 4 = 0 THEN 1 + pg_temp.pick(i, 52, i / 2) END,
       pg_temp.pick(i, 53, 10) > 0, pg_temp.pick(i, 54, 3) = 0,
       CASE WHEN i % 6 > 0 THEN timestamptz '2026-03-31' - pg_temp.pick(i, 55, 40000) * interval '10 minutes' END,
       timestamptz '2021-03-01' + i * interval '2 hours', timestamptz '2021-03-01' + i * interval '2 hours'
  FROM (SELECT i,
               (ARRAY['Ada', 'Boris', 'Chloe', 'Dario', 'Elena', 'Farid', 'Gina', 'Hugo', 'Iris', 'Jonas', 'Kira', 'Leon',
                      'Mila', 'Nils', 'Olga', 'Paul'])[1 + pg_temp.pick(i, 56, 16)] AS first_name,
               (ARRAY['Albrecht', 'Bauer', 'Chen', 'Diaz', 'Evans', 'Fontaine', 'Garcia', 'Hansen', 'Ivanov', 'Jung',
                      'Klein', 'Lopez', 'Meyer', 'Novak', 'Okafor', 'Petit'])[1 + pg_temp.pick(i, 57, 16)] AS last_name
          FROM generate_series(1, 20000) AS i) AS customer
 ORDER BY i;

-- The first 20,000 are everybody's own; 4,000 customers have a second one.
INSERT INTO public.addresses (customer_id, street, postal_code, city, state, country_code, latitude, longitude, created_at, updated_at)
SELECT customer_id, (ARRAY['Main Street', 'Lindenweg', 'Rue Verte', 'Kerkstraat'])[1 + pg_temp.pick(i, 60, 4)] || ' ' || 1 + pg_temp.pick(i, 61, 180),
       (10000 + city.n * 1000 + pg_temp.pick(i, 62, 7) * 11)::text, city.name, city.state, city.country_code,
       35 + pg_temp.pick(i, 63, 200000) / 10000.0, -5 + pg_temp.pick(i, 64, 200000) / 10000.0,
       timestamptz '2021-03-01' + customer_id * interval '2 hours', timestamptz '2021-03-01' + customer_id * interval '2 hours'
  FROM (SELECT i, CASE WHEN i <= 20000 THEN i ELSE (i - 20000) * 5 END AS customer_id FROM generate_series(1, 24000) AS i) AS address
  JOIN city ON city.n = pg_temp.pick(customer_id, 70, 60)
 ORDER BY i;

INSERT INTO public."CustomerNotes" (customer_id, person_id, body, created_at, updated_at)
SELECT 1 + pg_temp.pick(i, 65, 20000), 1 + pg_temp.pick(i, 66, 300), 'Called about order, note ' || i, t, t
  FROM generate_series(1, 2000) AS i, LATERAL (SELECT timestamptz '2025-05-01' + i * interval '4 hours' AS t) AS moment
 ORDER BY i;

-- Column by column the same rule, so the statement is made from the catalog.
SELECT format('INSERT INTO public.customer_profiles (customer_id, %s, created_at, updated_at) SELECT i * 8, %s, %L, %3$L FROM generate_series(1, 2000) AS i ORDER BY i',
              string_agg(quote_ident(attname), ', ' ORDER BY attnum),
              string_agg(format('pg_temp.pick(i, %s, 6)', 1000 + attnum), ', ' ORDER BY attnum), '2025-11-01')
  FROM pg_attribute
 WHERE attrelid = 'public.customer_profiles'::regclass AND atttypid = 'smallint'::regtype
\gexec

INSERT INTO public.loyalty_accounts (customer_id, tier, points, balance, created_at, updated_at)
SELECT i * 2, CASE WHEN points < 700 THEN 'basic' WHEN points < 950 THEN 'silver' ELSE 'gold' END, points,
       (points / 100.0)::numeric::money, '2022-01-01', '2026-01-01'
  FROM (SELECT i, pg_temp.pick(i, 67, 1000) AS points FROM generate_series(1, 8000) AS i) AS account
 ORDER BY i;

INSERT INTO public.wishlists (customer_id, name, is_public, created_at, updated_at)
SELECT 1 + pg_temp.pick(i, 71, 20000), 'Wishes ' || i, CASE WHEN i <> 1500 THEN i % 3 = 0 END, '2025-09-01', '2025-09-01'
  FROM generate_series(1, 3000) AS i
 ORDER BY i;

INSERT INTO public.wishlist_items (wishlist_id, product_variant_id, created_at, updated_at)
SELECT i, 1 + (pg_temp.pick(i, 72, 7990) + k * 2), '2025-09-02', '2025-09-02'
  FROM generate_series(1, 3000) AS i, generate_series(0, 2) AS k
 ORDER BY i, k;

INSERT INTO public.reviews (product_id, customer_id, rating, title, body, helpful_count, created_at, updated_at)
SELECT 1 + pg_temp.pick(i, 73, 4000), 1 + pg_temp.pick(i, 74, 20000), 1 + pg_temp.pick(i, 75, 5), 'Review ' || i,
       CASE WHEN i % 3 > 0 THEN 'I have used it for ' || 1 + pg_temp.pick(i, 76, 50) || ' weeks and would buy it again.' END,
       pg_temp.pick(i, 77, 40), t, t
  FROM generate_series(1, 12000) AS i, LATERAL (SELECT timestamptz '2023-01-01' + i * interval '2 hours' AS t) AS moment
 ORDER BY i;

-- ---------------------------------------------------------------------------------------------------------------------
-- Marketing
-- ---------------------------------------------------------------------------------------------------------------------

INSERT INTO public.campaigns (name, status, starts_on, ends_on, created_at, updated_at)
SELECT 'Campaign ' || i, CASE WHEN i <= 34 THEN 'ended' WHEN i <= 37 THEN 'running' ELSE 'planned' END,
       date '2023-01-01' + (i * 33)::int, CASE WHEN i <= 34 THEN date '2023-01-20' + (i * 33)::int END, '2022-12-01', '2022-12-01'
  FROM generate_series(1, 40) AS i
 ORDER BY i;

INSERT INTO public.coupon (campaign_id, code, percent_off, is_single_use, expires_at, created_at, updated_at)
SELECT 1 + i % 40, 'SAVE' || lpad(i::text, 5, '0'), 5 + 5 * pg_temp.pick(i, 80, 4), i % 2 = 0,
       CASE WHEN i % 3 = 0 THEN timestamptz '2026-12-31' END, '2024-01-01', '2024-01-01'
  FROM generate_series(1, 800) AS i
 ORDER BY i;

INSERT INTO public.flash_sales (campaign_id, runs_during, percent_off, created_at, updated_at)
SELECT 1 + i % 40, tstzrange(t, t + interval '6 hours'), 30, '2025-01-01', '2025-01-01'
  FROM generate_series(1, 300) AS i, LATERAL (SELECT timestamptz '2025-04-07' + i * interval '29 hours' AS t) AS moment
 ORDER BY i;

INSERT INTO public.newsletter_deliveries (campaign_id, customer_id, delivered_at, opened_at, created_at, updated_at)
SELECT 1 + pg_temp.pick(i, 81, 40), 1 + pg_temp.pick(i, 82, 20000), t, CASE WHEN i % 5 < 2 THEN t + interval '3 hours' END, t, t
  FROM generate_series(1, 20000) AS i, LATERAL (SELECT timestamptz '2025-04-07' + i * interval '25 minutes' AS t) AS moment
 ORDER BY i;

-- ---------------------------------------------------------------------------------------------------------------------
-- Orders and payments: 40,000 orders in the year before 31 March 2026
-- ---------------------------------------------------------------------------------------------------------------------

CREATE TEMPORARY TABLE planned_item AS
SELECT i, k AS line_number, v.id AS product_variant_id, 1 + pg_temp.pick(i * 4 + k, 90, 3) AS quantity, v.price::numeric(12, 2) AS unit_price
  FROM generate_series(1, 40000) AS i,
       LATERAL generate_series(1, 1 + pg_temp.pick(i, 91, 4)) AS k
  JOIN LATERAL (SELECT 1 + pg_temp.pick(i * 4 + k, 92, 8000) AS id) AS choice ON true
  JOIN public.product_variants AS v ON v.id = choice.id;

INSERT INTO public.orders (order_number, customer_id, shipping_address_id, coupon_id, status, total_amount, placed_at, paid_at,
                           cancelled_at, created_at, updated_at)
SELECT 'S' || 1000000 + i, customer_id, customer_id,
       CASE WHEN i % 9 = 0 THEN 1 + pg_temp.pick(i, 93, 800) END,
       CASE WHEN i % 25 = 0 THEN 'cancelled'
            WHEN i <= 39000 THEN 'delivered'
            WHEN i <= 39500 THEN 'shipped'
            WHEN i <= 39800 THEN 'paid' ELSE 'pending' END,
       total_amount, t,
       CASE WHEN i % 25 > 0 AND i <= 39800 AND i % 11 > 0 THEN t + interval '4 minutes' END,
       CASE WHEN i % 25 = 0 THEN t + interval '1 day' END, t, t
  FROM (SELECT i, sum(quantity * unit_price) AS total_amount,
               1 + pg_temp.pick(i, 94, CASE WHEN i % 3 = 0 THEN 2000 ELSE 20000 END) AS customer_id,
               timestamptz '2025-04-07' + i * interval '778 seconds' AS t
          FROM planned_item GROUP BY i) AS planned
 ORDER BY i;

INSERT INTO public.order_items (order_id, line_number, product_variant_id, quantity, unit_price, gift_note, created_at, updated_at)
SELECT 2100000000 + i, line_number, product_variant_id, quantity, unit_price,
       CASE WHEN i % 6 = 0 THEN 'With kind regards, no. ' || i END, t, t
  FROM planned_item, LATERAL (SELECT timestamptz '2025-04-07' + i * interval '778 seconds' AS t) AS moment
 ORDER BY i, line_number;

INSERT INTO public.order_status_changes (order_id, customer_id, to_status, changed_at, created_at, updated_at)
SELECT o.id, o.customer_id, 'pending', o.placed_at, o.placed_at, o.placed_at
  FROM public.orders AS o
 WHERE o.id > 2100010000
 ORDER BY o.id;

INSERT INTO public.order_returns (order_id, line_number, status, comment, returned_at, created_at, updated_at)
SELECT 2100000000 + i * 12, 1, (ARRAY['announced', 'arrived', 'settled', 'settled'])[1 + pg_temp.pick(i, 95, 4)],
       CASE WHEN i % 2 = 0 THEN 'Too small' END, t, t, t
  FROM generate_series(1, 3000) AS i, LATERAL (SELECT timestamptz '2025-05-01' + i * interval '160 minutes' AS t) AS moment
 ORDER BY i;

INSERT INTO public.invoices (order_id, total_amount, is_paid, issued_at, due_on, created_at, updated_at)
SELECT o.id, o.total_amount, o.paid_at IS NOT NULL, o.placed_at, o.placed_at::date + 14, o.placed_at, o.placed_at
  FROM public.orders AS o
 WHERE o.status <> 'cancelled' AND o.id > 2100010000
 ORDER BY o.id;

INSERT INTO public.credit_notes (invoice_id, amount, created_at, updated_at)
SELECT i * 20, 10 + pg_temp.pick(i, 96, 90), '2026-02-01', '2026-02-01'
  FROM generate_series(1, 1200) AS i
 ORDER BY i;

INSERT INTO public.carts (customer_id, guest_number, token, created_at, updated_at)
SELECT CASE WHEN i % 10 < 1 THEN 1 + pg_temp.pick(i, 97, 20000) END, CASE WHEN i % 10 >= 1 THEN nextval('public.carts_guest_number_seq') END,
       md5('cart' || i), t, t
  FROM generate_series(1, 6000) AS i, LATERAL (SELECT timestamptz '2026-03-01' + i * interval '7 minutes' AS t) AS moment
 ORDER BY i;

INSERT INTO public.cart_items (cart_id, product_variant_id, quantity, created_at, updated_at)
SELECT i, 1 + (pg_temp.pick(i, 98, 7990) + k * 3), 1 + k, '2026-03-29', '2026-03-29'
  FROM generate_series(1, 6000) AS i, generate_series(0, 1) AS k
 ORDER BY i, k;

INSERT INTO public.pos_receipts (id, cashier_person_id, slip_number, total_amount, printed_at, created_at, updated_at)
SELECT 2083056138 + i, 1 + pg_temp.pick(i, 99, 300), CASE WHEN i % 20 = 0 THEN -98350 - i / 20 END,
       round((3 + pg_temp.pick(i, 100, 9000) / 100.0)::numeric, 2), t, t, t
  FROM generate_series(1, 3000) AS i, LATERAL (SELECT timestamptz '2026-01-02' + i * interval '41 minutes' AS t) AS moment
 ORDER BY i;
SELECT setval('public.pos_receipt_number_seq', 2083059138), setval('public.pos_receipts_slip_number_seq', -98500) \g /dev/null

INSERT INTO public.payment_methods (customer_id, kind, iban, is_default, created_at, updated_at)
SELECT i, kind, CASE WHEN kind = 'sepa' THEN 'DE' || lpad((i * 104729)::text, 20, '0') END, true,
       timestamptz '2021-03-01' + i * interval '2 hours', timestamptz '2021-03-01' + i * interval '2 hours'
  FROM generate_series(1, 20000) AS i,
       LATERAL (SELECT (ARRAY['card', 'sepa', 'wallet'])[1 + pg_temp.pick(i, 101, 3)] AS kind) AS choice
 ORDER BY i;

INSERT INTO public.payments (order_id, payment_method_id, currency_code, amount, status, reference, gateway_response, captured_at, created_at, updated_at)
SELECT o.id, o.customer_id, (ARRAY['EUR', 'EUR', 'EUR', 'GBP', 'USD', 'CHF'])[1 + pg_temp.pick(o.id, 102, 6)], o.total_amount,
       CASE WHEN o.paid_at IS NULL THEN 'authorised' ELSE 'captured' END,
       'PAY-' || upper(substr(md5(o.id::text), 1, 12)),
       json_build_object('gateway', 'acme', 'attempt', 1 + pg_temp.pick(o.id, 103, 3)), o.paid_at, o.placed_at, o.placed_at
  FROM public.orders AS o
 WHERE o.status <> 'cancelled'
 ORDER BY o.id;

INSERT INTO public.refunds (payment_id, reason, amount, money_back_days, created_at, updated_at)
SELECT i * 25, ((enum_range(NULL::public.refund_reason))[1 + pg_temp.pick(i, 104, 4)]), 10 + pg_temp.pick(i, 105, 60), 14 + 16 * (i % 2), '2026-02-10', '2026-02-10'
  FROM generate_series(1, 1500) AS i
 ORDER BY i;
-- MISTAKE schema.unvalidated_constraint: chk_refunds_amount on public.refunds -- added in a hurry: new rows are checked, the old ones never were.
ALTER TABLE public.refunds ADD CONSTRAINT chk_refunds_amount CHECK (amount > 0) NOT VALID;

INSERT INTO public.gift_cards (owner, code, balance_cents, expires_at, created_at, updated_at)
SELECT 1 + pg_temp.pick(i, 106, 20000), substr(upper(md5('gift' || i)), 1, 8 + (i % 9)::int), 500 * pg_temp.pick(i, 107, 20), '2027-12-31', '2025-12-01', '2025-12-01'
  FROM generate_series(1, 2500) AS i
 ORDER BY i;

-- ---------------------------------------------------------------------------------------------------------------------
-- Warehouse
-- ---------------------------------------------------------------------------------------------------------------------

INSERT INTO warehouse.warehouses (name, country_code, opens_at, created_at, updated_at)
VALUES ('Hamburg', 'DE', '06:00', '2021-03-01', '2021-03-01'), ('Lyon', 'FR', '06:30', '2021-03-01', '2021-03-01'),
       ('Utrecht', 'NL', '06:00', '2021-03-01', '2021-03-01'), ('Columbus', 'US', '07:00', '2022-03-01', '2022-03-01');

INSERT INTO warehouse.bins (warehouse_id, code)
SELECT w, chr(65 + (i % 12)::int) || '-' || lpad(i::text, 3, '0')
  FROM generate_series(1, 4) AS w, generate_series(1, 150) AS i
 ORDER BY w, i;

INSERT INTO warehouse.equipment (warehouse_id, kind, serial_number, bought_on, created_at, updated_at)
SELECT 1 + i % 4, (ARRAY['forklift', 'conveyor', 'scanner', 'scale'])[1 + pg_temp.pick(i, 110, 4)], 'EQ-' || 7000 + i, date '2020-01-01' + (i * 17)::int, '2021-03-01', '2021-03-01'
  FROM generate_series(1, 80) AS i
 ORDER BY i;

INSERT INTO warehouse.carriers (code, name, created_at, updated_at)
SELECT 'C' || i, 'Carrier ' || i, '2021-03-01', '2021-03-01' FROM generate_series(1, 12) AS i ORDER BY i;

INSERT INTO warehouse.suppliers (name, vat_number, country_code, created_at, updated_at)
SELECT 'Supplier ' || i, 'VAT' || 100000 + i * 37, (ARRAY['DE', 'FR', 'IT', 'PL'])[1 + pg_temp.pick(i, 111, 4)], '2021-03-01', '2021-03-01'
  FROM generate_series(1, 160) AS i
 ORDER BY i;

INSERT INTO warehouse.supplier_bank_accounts (supplier_vat_number, iban, created_at, updated_at)
SELECT vat_number, 'DE' || lpad((id * 15485863)::text, 20, '0'), '2021-03-01', '2021-03-01' FROM warehouse.suppliers ORDER BY id;

INSERT INTO warehouse.supplier_prices (supplier_id, product_sku, unit_cost, created_at, updated_at)
SELECT 1 + pg_temp.pick(p.id, 112, 160), p.sku, round(p.list_price * 0.55, 4), '2025-01-01', '2025-01-01' FROM public.products AS p ORDER BY p.id;

INSERT INTO warehouse.purchase_orders (supplier_id, warehouse_id, status, ordered_on, received_on, created_at, updated_at)
SELECT 1 + pg_temp.pick(i, 113, 160), 1 + i % 4, CASE WHEN i <= 2800 THEN 'received' WHEN i < 2950 THEN 'sent' ELSE 'draft' END,
       t::date, CASE WHEN i <= 2800 AND i % 12 > 0 THEN t::date + 9 END, t, t
  FROM generate_series(1, 3000) AS i, LATERAL (SELECT timestamptz '2023-01-01' + i * interval '9 hours' AS t) AS moment
 ORDER BY i;
-- MISTAKE schema.unvalidated_constraint: fk_purchase_orders_warehouse_id on warehouse.purchase_orders -- a foreign key that never looked at the rows which were there before it.
ALTER TABLE warehouse.purchase_orders ADD CONSTRAINT fk_purchase_orders_warehouse_id
    FOREIGN KEY (warehouse_id) REFERENCES warehouse.warehouses (id) NOT VALID;

INSERT INTO warehouse.purchase_order_items (purchase_order_id, product_variant_id, quantity, unit_cost, created_at, updated_at)
SELECT i, 1 + (pg_temp.pick(i, 114, 7990) + k * 2), 10 + 10 * k, 12.5 + k, '2025-01-01', '2025-01-01'
  FROM generate_series(1, 3000) AS i, generate_series(0, 2) AS k
 ORDER BY i, k;

INSERT INTO warehouse.lots (product_variant_id, lot_number, expires_on, created_at, updated_at)
SELECT 1 + (i * 2) % 8000, 'L' || 50000 + i, date '2026-06-01' + (i % 700)::int, '2025-06-01', '2025-06-01'
  FROM generate_series(1, 4000) AS i
 ORDER BY i;

INSERT INTO warehouse.lot_inspections (product_variant_id, lot_number, inspector_person_id, is_passed, inspected_at, created_at, updated_at)
SELECT product_variant_id, lot_number, 1 + row_number() OVER lots % 300, row_number() OVER lots % 50 > 0, '2025-06-02', '2025-06-02', '2025-06-02'
  FROM warehouse.lots
WINDOW lots AS (ORDER BY lot_number)
 ORDER BY lot_number;

INSERT INTO warehouse.lot_labels (product_variant_id, lot_number, printed_at, created_at, updated_at)
SELECT product_variant_id, lot_number, '2025-06-03', '2025-06-03', '2025-06-03' FROM warehouse.lots ORDER BY lot_number;

INSERT INTO warehouse.stock_levels (warehouse_id, product_variant_id, quantity, reorder_quantity, created_at, updated_at)
SELECT w, v, 40 + pg_temp.pick(v * 4 + w, 115, 400), CASE WHEN (v + w) % 3 > 0 THEN 20 + pg_temp.pick(v, 116, 60) END, '2025-01-01', '2026-03-30'
  FROM generate_series(1, 2) AS w, generate_series(1, 8000) AS v
 ORDER BY w, v;

INSERT INTO warehouse.stock_movements (warehouse_id, bin_id, product_variant_id, person_id, kind, quantity, batch_number, document_number, moved_at, booked_at, created_at, updated_at)
SELECT w, (w - 1) * 150 + 1 + pg_temp.pick(i, 120, 150), 1 + pg_temp.pick(i, 121, 8000), 1 + pg_temp.pick(i, 122, 300),
       (ARRAY['in', 'out', 'out', 'count'])[1 + pg_temp.pick(i, 123, 4)], pg_temp.pick(i, 124, 41) - 20,
       'B' || pg_temp.pick(i, 125, 5000), 'D' || 300000 + i, t, CASE WHEN i % 10 > 0 THEN t + interval '1 hour' END, t, t
  FROM generate_series(1, 20000) AS i,
       LATERAL (SELECT 1 + pg_temp.pick(i, 126, 4) AS w, timestamptz '2025-10-01' + i * interval '13 minutes' AS t) AS moment
 ORDER BY i;

INSERT INTO warehouse.transfers (from_warehouse_id, to_warehouse_id, product_variant_id, quantity, arrived_at, created_at, updated_at)
SELECT 1 + i % 4, 1 + (i + 1) % 4, 1 + pg_temp.pick(i, 127, 8000), 5 + i % 20, CASE WHEN i % 8 > 0 THEN t + interval '3 days' END, t, t
  FROM generate_series(1, 2000) AS i, LATERAL (SELECT timestamptz '2025-06-01' + i * interval '3 hours' AS t) AS moment
 ORDER BY i;

INSERT INTO warehouse.shipments (order_id, carrier_id, total_weight_kg, tracking_code, pick_wave, shipped_at, delivered_at, created_at, updated_at)
SELECT o.id, 1 + pg_temp.pick(o.id, 130, 12), 0.5 + pg_temp.pick(o.id, 131, 3000) / 100.0, 'TR' || upper(substr(md5('track' || o.id), 1, 14)),
       1 + o.id % 985, t, CASE WHEN o.id % 10 > 0 THEN t + interval '2 days' END, t, t
  FROM public.orders AS o, LATERAL (SELECT o.placed_at + interval '1 day' AS t) AS moment
 WHERE o.status IN ('shipped', 'delivered') AND o.id > 2100009000
 ORDER BY o.id;
SELECT setval('warehouse.shipments_pick_wave_seq', 985) \g /dev/null

-- ---------------------------------------------------------------------------------------------------------------------
-- Support
-- ---------------------------------------------------------------------------------------------------------------------

INSERT INTO support.tickets (customer_type, customer_id, agent_person_id, reference, subject, status, channel, first_answered_at, closed_at, created_at, updated_at)
SELECT CASE WHEN i % 7 = 0 THEN 'business' ELSE 'private' END, 1 + pg_temp.pick(i, 140, 20000),
       CASE WHEN i % 6 > 0 THEN 1 + pg_temp.pick(i, 141, 300) END, 'T-' || 2026000000 + i * 7, 'Question about order, case ' || i,
       CASE WHEN i > 11900 THEN 'new' WHEN i > 11000 THEN 'open' WHEN i > 10000 THEN 'waiting' ELSE 'closed' END,
       (ARRAY['mail', 'chat', 'phone'])[1 + pg_temp.pick(i, 142, 3)],
       CASE WHEN i < 12000 THEN t + interval '2 hours' END, CASE WHEN i <= 10000 THEN t + interval '2 days' END, t, t
  FROM generate_series(1, 12000) AS i, LATERAL (SELECT timestamptz '2025-04-07' + i * interval '43 minutes' AS t) AS moment
 ORDER BY i;

INSERT INTO support.ticket_messages (ticket_id, sender, body, sent_at, created_at, updated_at)
SELECT i, CASE k WHEN 1 THEN 'customer' ELSE 'agent' END, 'Message ' || k || ' of ticket ' || i || ': thank you for writing to us.', t, t, t
  FROM generate_series(1, 12000) AS i, generate_series(1, 2) AS k,
       LATERAL (SELECT timestamptz '2025-04-07' + i * interval '43 minutes' + k * interval '1 hour' AS t) AS moment
 ORDER BY i, k;

INSERT INTO support.ticket_tags (ticket_id, tag, created_at, updated_at)
SELECT i * 2, (ARRAY['delivery', 'refund', 'quality', 'account'])[1 + pg_temp.pick(i, 143, 4)], '2026-01-01', '2026-01-01'
  FROM generate_series(1, 5000) AS i
 ORDER BY i;

INSERT INTO support.attachments (attachable_type, attachable_id, uploader_person_id, file_name, created_at, updated_at)
SELECT (ARRAY['Ticket', 'TicketMessage', 'Order'])[1 + i % 3], CASE WHEN i % 3 = 2 THEN 2100000000 ELSE 0 END + 1 + pg_temp.pick(i, 144, 12000),
       1 + pg_temp.pick(i, 145, 300), 'scan-' || i || '.pdf', '2026-01-15', '2026-01-15'
  FROM generate_series(1, 2500) AS i
 ORDER BY i;

INSERT INTO support.escalations (ticket_id, order_id, reason, created_at, updated_at)
SELECT CASE WHEN i % 2 = 0 THEN 1 + pg_temp.pick(i, 146, 12000) END, CASE WHEN i % 2 = 1 THEN 2100000001 + pg_temp.pick(i, 147, 40000) END,
       'Customer is waiting, case ' || i, '2026-03-01', '2026-03-01'
  FROM generate_series(1, 1200) AS i
 ORDER BY i;

-- ---------------------------------------------------------------------------------------------------------------------
-- Events: five months of page views, a quarter's sessions
-- ---------------------------------------------------------------------------------------------------------------------

INSERT INTO events.page_views (created_at, customer_id, product_id, visit_token, load_ms)
SELECT timestamptz '2025-11-01' + i * interval '217 seconds', CASE WHEN i % 5 < 2 THEN 1 + pg_temp.pick(i, 150, 20000) END,
       1 + pg_temp.pick(i, 151, 4000), substr(md5('visit' || i / 4), 1, 20), 20 + pg_temp.pick(i, 152, 900)
  FROM generate_series(1, 60000) AS i
 ORDER BY i;

INSERT INTO events.sessions (customer_id, token, user_agent, seen_at, created_at, updated_at)
SELECT 1 + pg_temp.pick(i, 153, 20000), md5('session' || i), 'Mozilla/5.0 (device ' || pg_temp.pick(i, 154, 40) || ')', t, t, t
  FROM generate_series(1, 70000) AS i, LATERAL (SELECT timestamptz '2026-01-01' + i * interval '110 seconds' AS t) AS moment
 ORDER BY i;

INSERT INTO events.search_queries (created_at, updated_at, product_id, query_text, result_count)
SELECT t, t, 1 + pg_temp.pick(i, 155, 4000), (ARRAY['oak table', 'lamp', 'rug', 'kettle', 'mirror'])[1 + pg_temp.pick(i, 156, 5)] || ' ' || i % 400, pg_temp.pick(i, 157, 60)
  FROM generate_series(1, 10000) AS i, LATERAL (SELECT timestamptz '2026-01-01' + i * interval '13 minutes' AS t) AS moment
 ORDER BY i;

-- ---------------------------------------------------------------------------------------------------------------------
-- Finish
-- ---------------------------------------------------------------------------------------------------------------------

SET session_replication_role = origin;

-- A rebuild makes it as full as its fillfactor says.
REINDEX INDEX public.idx_order_items_product_variant_id;

REFRESH MATERIALIZED VIEW public.daily_sales;

-- MISTAKE indexing.invalid_index: public.idx_newsletter_deliveries_campaign_id_customer_id -- the build failed on a duplicate and left this behind: never used, still in the way.
\warn 'The next ERROR is wanted: it is how an invalid index comes about.'
\set ON_ERROR_STOP off
\set VERBOSITY terse
CREATE UNIQUE INDEX CONCURRENTLY idx_newsletter_deliveries_campaign_id_customer_id ON public.newsletter_deliveries (campaign_id, customer_id);
\set VERBOSITY default
\set ON_ERROR_STOP on

VACUUM (ANALYZE);
