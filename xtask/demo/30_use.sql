-- The demo shop, part 3 of 3: a week of use, 31 March to 6 April 2026.
--
-- Customers look around and buy, the warehouse books, agents answer, reports run at night. The statistics views count it
-- as they would count the real thing. Only the age of the statistics cannot be had in seconds: a real "unused" needs a
-- week by the clock.

\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET timezone = 'UTC';

CREATE FUNCTION pg_temp.pick(row_number bigint, salt bigint, n bigint) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (hashint8extended(row_number, salt) & 9007199254740991) % n;

-- What the load did is not use.
SELECT pg_stat_reset() \g /dev/null

-- ---------------------------------------------------------------------------------------------------------------------
-- The purge before the week: six of seven sessions go, and the repair afterwards forgot one index
-- ---------------------------------------------------------------------------------------------------------------------

DELETE FROM events.sessions WHERE id % 7 <> 0;
VACUUM events.sessions;
REINDEX INDEX events.sessions_pkey;
REINDEX INDEX events.idx_sessions_customer_id;

-- ---------------------------------------------------------------------------------------------------------------------
-- Seven days
-- ---------------------------------------------------------------------------------------------------------------------

-- As on a server with fast disks.
SET random_page_cost = 1.1;

DO $$
DECLARE
    visits_a_day constant integer := 300;
    visit bigint;           -- counts through the week
    moment timestamptz;
    visitor bigint;         -- customers.id
    product bigint;         -- products.id
    variant bigint;         -- product_variants.id
    place bigint;           -- warehouses.id
    new_order bigint;       -- orders.id
    price numeric;
    made bigint;
BEGIN
    FOR day IN 0..6 LOOP

        -- By day: visits, and every third ends with an order.
        FOR visit IN day * visits_a_day + 1 .. (day + 1) * visits_a_day LOOP
            moment := timestamptz '2026-03-31 06:00' + day * interval '1 day' + (visit % visits_a_day) * interval '3 minutes';
            visitor := 1 + pg_temp.pick(visit, 200, 20000);
            product := 1 + pg_temp.pick(visit, 201, 4000);
            variant := product * 2 - pg_temp.pick(visit, 202, 2);
            place := 1 + pg_temp.pick(visit, 203, 2);

            -- They look at things.
            PERFORM FROM public.products WHERE sku = 'P-' || lpad(product::text, 6, '0');
            PERFORM FROM public.products AS p JOIN public.brands AS b ON b.id = p.brand_id WHERE p.id = product;
            PERFORM FROM public.product_categories WHERE product_id = product;
            PERFORM FROM public.product_variants WHERE product_id = product AND colour = 'red';
            PERFORM FROM public.product_images WHERE product_id = product;
            PERFORM FROM public.product_attribute_translations WHERE product_id = product AND language_code = 'de';
            PERFORM avg(rating) FROM public.reviews WHERE product_id = product;
            PERFORM FROM public.currencies WHERE code = 'EUR';
            PERFORM FROM public.currencies WHERE code = 'GBP';
            PERFORM warehouse.free_stock(variant);
            INSERT INTO events.page_views (created_at, customer_id, product_id, visit_token, load_ms)
            VALUES (moment, CASE WHEN visit % 5 < 2 THEN visitor END, product, substr(md5('week' || visit), 1, 20), 20 + visit % 700);
            IF visit % 3 = 0 THEN
                INSERT INTO events.search_queries (created_at, updated_at, product_id, query_text, result_count)
                VALUES (moment, moment, product, 'lamp ' || visit % 400, visit % 60);
            END IF;

            -- They sign in.
            IF visit % 2 = 0 THEN
                PERFORM FROM public.customers WHERE lower(email) = 'ada.bauer.' || visitor || '@mail.example';
                PERFORM FROM public.customers WHERE id = visitor;
                PERFORM FROM public.addresses WHERE customer_id = visitor;
                PERFORM FROM public.orders WHERE customer_id = visitor ORDER BY placed_at DESC LIMIT 10;
                PERFORM FROM events.sessions WHERE token = md5('session' || visit * 33);
                PERFORM FROM public.wishlists AS w JOIN public.wishlist_items AS i ON i.wishlist_id = w.id WHERE w.customer_id = visitor;
                PERFORM FROM public.loyalty_accounts WHERE customer_id = visitor;
            END IF;
            IF visit % 10 = 0 THEN
                UPDATE public.customers SET last_seen = moment WHERE id = visitor;
            END IF;

            -- They fill carts and empty them.
            IF visit % 4 = 0 THEN
                INSERT INTO public.carts (guest_number, token, created_at, updated_at)
                VALUES (nextval('public.carts_guest_number_seq'), md5('week' || visit), moment, moment) RETURNING id INTO made;
                INSERT INTO public.cart_items (cart_id, product_variant_id, quantity, created_at, updated_at) VALUES (made, variant, 1, moment, moment);
            END IF;
            IF visit % 8 = 0 THEN
                DELETE FROM public.carts WHERE token = md5('week' || visit);
            END IF;

            -- They buy.
            IF visit % 3 = 0 THEN
                SELECT list_price INTO price FROM public.products WHERE id = product;
                INSERT INTO public.orders (order_number, customer_id, shipping_address_id, status, total_amount, placed_at, created_at, updated_at)
                VALUES ('S' || 1050000 + visit, visitor, visitor, 'pending', price * 2, moment, moment, moment) RETURNING id INTO new_order;
                INSERT INTO public.order_items (order_id, line_number, product_variant_id, quantity, unit_price, created_at, updated_at)
                VALUES (new_order, 1, variant, 1, price, moment, moment), (new_order, 2, variant, 1, price, moment, moment);
                INSERT INTO public.order_status_changes (order_id, customer_id, to_status, changed_at, created_at, updated_at)
                VALUES (new_order, visitor, 'pending', moment, moment, moment);
                INSERT INTO public.payments (order_id, payment_method_id, currency_code, amount, status, reference, gateway_response, captured_at, created_at, updated_at)
                VALUES (new_order, visitor, 'EUR', price * 2, 'captured', 'PAY-W' || visit, '{"gateway": "acme", "attempt": 1}', moment, moment, moment);
                INSERT INTO public.invoices (order_id, total_amount, is_paid, issued_at, due_on, created_at, updated_at)
                VALUES (new_order, price * 2, visit % 2 = 0, moment, moment::date + 14, moment, moment);
                UPDATE public.orders SET status = 'paid', paid_at = moment WHERE id = new_order;
                PERFORM public.order_amount(new_order);
                PERFORM FROM public.payments WHERE order_id = new_order;
                PERFORM FROM public.orders WHERE order_number = 'S' || 1000000 + visit;
                PERFORM FROM warehouse.shipments WHERE order_id = new_order - 3000;
                PERFORM FROM warehouse.shipments WHERE tracking_code = 'TR' || upper(substr(md5('track' || new_order - 3000), 1, 14));
            END IF;

            -- Agents search by reference; there is no index for it.
            PERFORM FROM support.tickets WHERE reference = 'T-' || 2026000000 + (visit % 12000) * 7;
            IF visit % 10 = 0 THEN
                PERFORM FROM support.tickets AS t JOIN support.ticket_messages AS m ON m.ticket_id = t.id WHERE t.customer_id = visitor;
                INSERT INTO support.ticket_messages (ticket_id, sender, body, sent_at, created_at, updated_at)
                VALUES (1 + visit % 12000, 'agent', 'We look into it.', moment, moment, moment);
            END IF;
        END LOOP;

        -- The warehouse books 900 movements, and confirms them in the evening.
        moment := timestamptz '2026-03-31 08:00' + day * interval '1 day';
        INSERT INTO warehouse.stock_movements (warehouse_id, bin_id, product_variant_id, person_id, kind, quantity, batch_number, document_number, moved_at, created_at, updated_at)
        SELECT w, (w - 1) * 150 + 1 + pg_temp.pick(i, 210, 150), 1 + pg_temp.pick(i, 211, 8000), 1 + pg_temp.pick(i, 212, 300),
               'in', 1 + pg_temp.pick(i, 213, 20), 'B' || pg_temp.pick(i, 214, 5000), 'D' || 400000 + i,
               moment + i % 900 * interval '30 seconds', moment, moment
          FROM generate_series(day * 900 + 1, (day + 1) * 900) AS i, LATERAL (SELECT 1 + pg_temp.pick(i, 215, 4) AS w) AS choice;
        UPDATE warehouse.stock_movements SET booked_at = moment + interval '10 hours', updated_at = moment
         WHERE moved_at >= moment AND moved_at < moment + interval '1 day' AND quantity % 10 > 0;
        FOR i IN 1..20 LOOP
            PERFORM FROM warehouse.stock_movements WHERE document_number = 'D' || 300000 + i * 17;
            PERFORM FROM warehouse.stock_movements WHERE batch_number = 'B' || i * 17;
            PERFORM FROM warehouse.stock_movements WHERE bin_id = i * 3;
            PERFORM FROM warehouse.stock_movements WHERE person_id = i * 3;
            PERFORM FROM warehouse.stock_movements WHERE product_variant_id = i * 31;
            PERFORM nextval('warehouse.shipments_pick_wave_seq');
        END LOOP;
        PERFORM setval('warehouse.shipments_pick_wave_seq', 985);

        -- Somebody registers and thinks better of it; test data of a release goes; a supplier does not sign after all.
        INSERT INTO public.customers (email, first_name, last_name, country_code) VALUES ('gone' || day || '@mail.example', 'Gone', 'Soon', 'DE') RETURNING id INTO made;
        DELETE FROM public.customers WHERE id = made;
        INSERT INTO public.product_variants (product_id, sku, colour, size_label, price, "unitsPerBox") VALUES (1, 'TEST-' || day, 'red', 'M', 1, 1) RETURNING id INTO made;
        DELETE FROM public.product_variants WHERE id = made;
        INSERT INTO public.orders (order_number, customer_id, shipping_address_id, status, total_amount, placed_at) VALUES ('TEST-' || day, 1, 1, 'cancelled', 0, moment) RETURNING id INTO made;
        DELETE FROM public.orders WHERE id = made;
        INSERT INTO public.campaigns (name, status, starts_on) VALUES ('Draft ' || day, 'planned', '2026-06-01') RETURNING id INTO made;
        DELETE FROM public.campaigns WHERE id = made;
        INSERT INTO public.people (full_name, email, department, hired_on) VALUES ('Trial Day', 'trial' || day || '@shop.example', 'sales', '2026-04-01') RETURNING id INTO made;
        DELETE FROM public.people WHERE id = made;
        INSERT INTO warehouse.suppliers (name, vat_number, country_code) VALUES ('Unsigned ' || day, 'VATX' || day, 'IT') RETURNING id INTO made;
        DELETE FROM warehouse.suppliers WHERE id = made;

        -- New prices for two products.
        UPDATE public.products SET list_price = list_price + 1 WHERE id IN (day * 2 + 1, day * 2 + 2);

        -- By night: reports read all orders once.
        PERFORM count(*), sum(total_amount) FROM public.orders WHERE total_amount > 0;
        REFRESH MATERIALIZED VIEW CONCURRENTLY public.daily_sales;

        COMMIT;
    END LOOP;
END
$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- What is asked a few times a day, and which index answers it
-- ---------------------------------------------------------------------------------------------------------------------

-- In a shop of this size the planner would read some of these small tables whole. In the shop it stands for, it would not.
SET enable_seqscan = off;

DO $$
BEGIN
    FOR i IN 1..25 LOOP
        -- catalogue
        PERFORM FROM public.brands WHERE website = 'https://www.brand-' || i || '.example';
        PERFORM FROM public.brands WHERE website COLLATE "C" >= 'https://www.brand-1' ORDER BY website COLLATE "C" LIMIT 5;
        PERFORM FROM public.brands WHERE country_code = 'SE';
        PERFORM FROM public.categories WHERE parent_id = i % 12 + 1 ORDER BY position;
        PERFORM FROM public.product_categories WHERE category_id = 13 + i;
        PERFORM FROM public.products WHERE brand_id = i;
        PERFORM FROM public.products WHERE name >= 'Glass' ORDER BY name LIMIT 20;
        PERFORM FROM public.products WHERE name ~>=~ 'Copper' AND name ~<~ 'Coppes';
        PERFORM FROM public.products WHERE to_tsvector('simple', name) @@ to_tsquery('simple', 'oak & rug');
        PERFORM FROM public.products WHERE attributes @> '{"material": 3, "warranty_years": 2}';
        PERFORM FROM public.products WHERE is_active AND list_price < 6 + i * 0.1;
        PERFORM product_id, rating FROM public.reviews WHERE product_id BETWEEN i * 10 AND i * 10 + 5;
        PERFORM product_id, helpful_count FROM public.reviews WHERE product_id BETWEEN i * 10 AND i * 10 + 5;
        PERFORM FROM public.reviews WHERE customer_id = i;
        -- customers
        PERFORM FROM public.customers WHERE NOT active AND id < i * 100;
        PERFORM count(*) FROM public.customers WHERE NOT active;
        PERFORM FROM public.customers WHERE referrer_customer_id = i;
        PERFORM FROM public.customers WHERE country_code = 'NL' LIMIT 5;
        PERFORM FROM public.addresses WHERE country_code = 'FR' LIMIT 5;
        PERFORM FROM public.addresses WHERE country_code = 'US' AND state = 'Ohio' LIMIT 5;
        PERFORM FROM public.addresses WHERE lower(city) = 'oakville heights' LIMIT 5;
        PERFORM FROM public.addresses WHERE lower(city) = 'oakville heights' AND postal_code = '54011';
        PERFORM customer_id, points FROM public.loyalty_accounts WHERE customer_id BETWEEN i * 50 AND i * 50 + 40 AND points > 500;
        PERFORM FROM public."CustomerNotes" WHERE customer_id = i;
        PERFORM FROM public.customer_profiles WHERE customer_id = i * 8;
        -- marketing
        PERFORM FROM public.flash_sales WHERE runs_during @> timestamptz '2026-01-01' + i * interval '1 day';
        PERFORM FROM public.coupon WHERE code = 'SAVE' || lpad(i::text, 5, '0');
        PERFORM FROM public.coupon WHERE campaign_id = i;
        PERFORM FROM public.newsletter_deliveries WHERE customer_id = i;
        -- orders and payments
        PERFORM FROM public.orders WHERE customer_id BETWEEN i * 100 AND i * 100 + 50 ORDER BY customer_id, placed_at LIMIT 20;
        PERFORM FROM public.orders WHERE customer_id BETWEEN i * 100 AND i * 100 + 50 ORDER BY customer_id, placed_at DESC LIMIT 20;
        PERFORM FROM public.orders WHERE shipping_address_id = i;
        PERFORM FROM public.orders WHERE coupon_id = i;
        PERFORM FROM public.order_items WHERE product_variant_id = i;
        PERFORM FROM public.order_status_changes WHERE customer_id = i AND order_id > 2100020000;
        PERFORM FROM public.order_returns WHERE order_id = 2100000000 + i * 12;
        PERFORM FROM public.invoices WHERE NOT is_paid AND order_id = 2100010000 + i;
        PERFORM FROM public.invoices WHERE is_paid AND due_on = date '2026-01-01' + i;
        PERFORM FROM public.invoices WHERE NOT is_paid AND due_on = date '2026-01-01' + i;
        PERFORM FROM public.invoices WHERE document_number = i * 100;
        PERFORM FROM public.credit_notes WHERE invoice_id = i * 20;
        PERFORM FROM public.carts WHERE customer_id = i;
        PERFORM FROM public.carts WHERE created_at >= timestamptz '2026-03-05' + i * interval '1 hour' ORDER BY created_at LIMIT 3;
        PERFORM FROM public.cart_items WHERE product_variant_id = i;
        PERFORM FROM public.pos_receipts WHERE cashier_person_id = i;
        PERFORM FROM public.payment_methods WHERE customer_id = i;
        PERFORM FROM public.payment_methods WHERE customer_id = i AND is_default;
        PERFORM FROM public.payments WHERE payment_method_id = i;
        PERFORM FROM public.refunds WHERE payment_id = i * 25;
        PERFORM FROM public.gift_cards WHERE owner = i;
        PERFORM FROM public.daily_sales WHERE sold_on = date '2026-03-01' + i;
        PERFORM FROM public.exchange_rates WHERE currency_code = 'USD' AND quoted_on = date '2026-03-01' + i;
        -- warehouse
        PERFORM FROM warehouse.carriers WHERE code >= 'C1' ORDER BY code, name;
        PERFORM FROM warehouse.suppliers WHERE lower(name) = 'supplier ' || i;
        PERFORM FROM warehouse.suppliers WHERE upper(name) = 'SUPPLIER ' || i;
        PERFORM FROM warehouse.supplier_prices WHERE product_sku = 'P-' || lpad(i::text, 6, '0');
        PERFORM FROM warehouse.purchase_orders WHERE ordered_on = date '2025-01-01' + i AND supplier_id = i;
        PERFORM FROM warehouse.purchase_orders WHERE warehouse_id = 1 + i % 4 LIMIT 3;
        PERFORM FROM warehouse.purchase_order_items WHERE product_variant_id = i;
        PERFORM FROM warehouse.lot_inspections WHERE product_variant_id = i * 2 AND inspected_at > '2025-01-01';
        PERFORM FROM warehouse.lot_inspections WHERE inspector_person_id = i;
        PERFORM FROM warehouse.lot_labels WHERE lot_number = 'L' || 50000 + i;
        PERFORM FROM warehouse.equipment WHERE warehouse_id = 1 + i % 4;
        PERFORM FROM warehouse.shipments WHERE carrier_id = 1 + i % 12 AND shipped_at >= '2026-03-30' LIMIT 5;
        PERFORM FROM warehouse.transfers WHERE product_variant_id = i;
        PERFORM FROM warehouse.transfers WHERE from_warehouse_id = 1 + i % 4 AND created_at > '2026-01-01' LIMIT 5;
        PERFORM FROM warehouse.transfers WHERE to_warehouse_id = 1 + i % 4 AND created_at > '2026-01-01' LIMIT 5;
        PERFORM FROM warehouse.stock_movements WHERE warehouse_id = 1 + i % 4 ORDER BY moved_at DESC LIMIT 5;
        PERFORM FROM warehouse.stock_movements WHERE kind = 'count' ORDER BY moved_at DESC LIMIT 5;
        PERFORM FROM warehouse.stock_movements WHERE quantity = -20 LIMIT 5;
        PERFORM FROM warehouse.stock_movements WHERE booked_at > '2026-04-06' ORDER BY booked_at LIMIT 5;
        PERFORM FROM warehouse.stock_movements WHERE created_at > '2026-04-06' ORDER BY created_at LIMIT 5;
        PERFORM FROM warehouse.stock_movements WHERE updated_at > '2026-04-06' ORDER BY updated_at LIMIT 5;
        -- support
        PERFORM FROM support.tickets WHERE agent_person_id = i;
        PERFORM FROM support.ticket_tags WHERE ticket_id = i * 2;
        PERFORM FROM support.attachments WHERE attachable_type = 'Ticket' AND attachable_id = i;
        PERFORM FROM support.attachments WHERE uploader_person_id = i;
        PERFORM FROM support.escalations WHERE ticket_id = i;
        PERFORM FROM support.escalations WHERE order_id = 2100000000 + i;
        -- events of the last weeks
        PERFORM FROM events.page_views WHERE visit_token = substr(md5('week' || i), 1, 20) AND created_at >= '2026-03-01';
        PERFORM FROM events.page_views WHERE product_id = i AND created_at >= '2026-03-01';
        PERFORM FROM events.page_views WHERE load_ms > 915 AND created_at >= '2026-03-01';
        PERFORM FROM events.sessions WHERE customer_id = i;
        PERFORM FROM events.search_queries WHERE product_id = i;
    END LOOP;
END
$$;

-- The monthly sweeps read by BRIN, which only a bitmap scan can do.
SET enable_indexscan = off;
SELECT count(*) FROM public.carts WHERE created_at < '2026-03-28' \g /dev/null
SELECT count(*) FROM events.search_queries WHERE created_at < '2026-01-02' \g /dev/null
SELECT count(*) FROM public.price_changes WHERE product_variant_id = 42 \g /dev/null
RESET enable_indexscan;
RESET enable_seqscan;
RESET random_page_cost;

-- ---------------------------------------------------------------------------------------------------------------------
-- Fresh statistics, and the counters written out
-- ---------------------------------------------------------------------------------------------------------------------

ANALYZE;
SELECT pg_stat_force_next_flush() \g /dev/null
