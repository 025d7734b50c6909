-- Names: each rule speaks of the one name that breaks the convention and of none of its look-alikes; what prevails in a
-- database is told once and then is its convention.
CREATE DATABASE dbm_names;
\c dbm_names
CREATE EXTENSION dbmastery;
CREATE SCHEMA shop;
SET search_path = shop;

-- A database that keeps to the convention has nothing to hear.
CREATE TABLE customers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    is_active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT chk_customers_name CHECK (name <> ''));
CREATE TABLE products (
    product_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    title text NOT NULL,
    has_picture boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT chk_products_title CHECK (title <> ''),
    CONSTRAINT uq_products_title UNIQUE (title));
CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id bigint NOT NULL CONSTRAINT fk_orders_customer_id REFERENCES customers,
    is_paid boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE order_lines (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id bigint NOT NULL CONSTRAINT fk_order_lines_order_id REFERENCES orders,
    product_id bigint NOT NULL CONSTRAINT fk_order_lines_product_id REFERENCES products,
    is_gift boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE payments (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id bigint NOT NULL CONSTRAINT fk_payments_order_id REFERENCES orders,
    is_refunded boolean NOT NULL DEFAULT false,
    settled_at timestamptz);
CREATE INDEX idx_customers_name ON customers (name);
CREATE INDEX idx_orders_customer_id ON orders (customer_id);
CREATE INDEX idx_order_lines_order_id ON order_lines (order_id);
CREATE INDEX idx_order_lines_product_id ON order_lines (product_id);
CREATE INDEX idx_payments_order_id ON payments (order_id);
CREATE VIEW public.told AS
    SELECT status, severity, rule, object, evidence ->> 'suggested_name' AS suggested, fix
    FROM dbm.audit('schema') WHERE rule ~ '_(name|case|number|limit)$' ;
SELECT * FROM public.told;

-- Look-alikes of every rule; still nothing.
CREATE TABLE news (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, iso2 text, address_line_2 text, utf8 text);
CREATE TABLE _prisma_migrations ("Id" varchar(36) PRIMARY KEY, "finishedAt" timestamp, started timestamp);
CREATE TABLE countries (code char(2) PRIMARY KEY, name text, type text, value text, position int, language text);
CREATE TABLE customer_product (
    customer_id bigint NOT NULL CONSTRAINT fk_customer_product_customer_id REFERENCES customers,
    product_id bigint NOT NULL CONSTRAINT fk_customer_product_product_id REFERENCES products,
    PRIMARY KEY (customer_id, product_id));
CREATE INDEX idx_customer_product_product_id ON customer_product (product_id);
CREATE TABLE documents (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    billing_customer_id bigint NOT NULL CONSTRAINT fk_documents_billing_customer_id REFERENCES customers,
    parent_id bigint CONSTRAINT fk_documents_parent_id REFERENCES documents,
    created_by bigint NOT NULL CONSTRAINT fk_documents_created_by REFERENCES customers,
    country_code char(2) CONSTRAINT fk_documents_country_code REFERENCES countries,
    accepts_mail boolean NOT NULL DEFAULT false,
    needs_review boolean NOT NULL DEFAULT false,
    can_login boolean NOT NULL DEFAULT false,
    valid_until timestamptz,
    birthday date,
    updated_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX idx_documents_billing_customer_id ON documents (billing_customer_id);
CREATE INDEX idx_documents_parent_id ON documents (parent_id);
CREATE INDEX idx_documents_created_by ON documents (created_by);
CREATE INDEX idx_documents_country_code ON documents (country_code);
CREATE UNIQUE INDEX documents_birthday_key ON documents (birthday);
-- A child shares its parent's key and names it so.
CREATE TABLE customer_profiles (customer_id bigint PRIMARY KEY CONSTRAINT fk_customer_profiles_customer_id REFERENCES customers, motto text);
-- 62 bytes; and a constraint of 63 whose name the server itself made and cut.
CREATE TABLE a_table_with_a_name_that_is_almost_but_not_quite_too_long_rows (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY);
CREATE TABLE measurements_of_everything (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    the_temperature_of_the_room_in_the_morning numeric CHECK (the_temperature_of_the_room_in_the_morning < 100));
-- A partition is named as its tree likes, and so are its index and constraints.
CREATE TABLE events (id bigint NOT NULL, occurred_at timestamptz NOT NULL, PRIMARY KEY (id, occurred_at),
    CONSTRAINT chk_events_id CHECK (id > 0)) PARTITION BY RANGE (occurred_at);
CREATE TABLE "Events-2026" PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE INDEX idx_events_occurred_at ON events (occurred_at);
SELECT * FROM public.told;

-- One mistake of each kind.
CREATE TABLE "OrderNotes" (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY);
CREATE TABLE invoice (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY);
CREATE TABLE addresses (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "streetName" text);
CREATE TABLE vouchers (number_of_voucher bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY);
CREATE TABLE visits (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer bigint CONSTRAINT fk_visits_customer REFERENCES customers,
    product_id bigint CONSTRAINT fk_visits_product_id REFERENCES orders);
CREATE INDEX idx_visits_customer ON visits (customer);
CREATE INDEX idx_visits_product_id ON visits (product_id);
CREATE TABLE ratings (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, stars int, hidden boolean, submitted timestamptz, "order" int,
    CONSTRAINT stars_are_few CHECK (stars < 6));
CREATE INDEX quick_stars ON ratings (stars);
CREATE TABLE "user" (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY);
CREATE INDEX idx_measurements_of_everything_the_temperature_of_the_room_in_the_morning
    ON measurements_of_everything (the_temperature_of_the_room_in_the_morning);
CREATE TABLE table_whose_name_is_just_as_long_as_the_server_lets_it_be_files (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY);
-- Small letters beyond ASCII need no quotes, unlike capitals: nothing to tell.
CREATE TABLE "größen" (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY);
\pset format unaligned
SELECT status, severity, rule, object, suggested, fix FROM public.told ORDER BY rule, object;
\pset format aligned
SELECT count(*) AS without_quotes FROM größen;
-- Every rule about names has spoken.
SELECT rule FROM dbm.rules() WHERE rule ~ '^schema.*_(name|case|number|limit)$' EXCEPT SELECT rule FROM public.told ORDER BY 1;
-- What can be repaired in place is repaired, and its undo takes that back.
CREATE TEMP TABLE repair AS SELECT rule, object, fix, undo FROM dbm.audit('schema')
WHERE rule ~ '_(name|case|number|limit)$' AND fix IS NOT NULL;
SELECT fix FROM repair ORDER BY object \gexec
SELECT rule, object FROM public.told WHERE fix IS NOT NULL;
SELECT undo FROM repair ORDER BY object \gexec
SELECT rule, object, fix FROM repair EXCEPT SELECT rule, object, fix FROM dbm.audit('schema');

-- Whoever keeps to another convention is told once, and judged by that convention.
CREATE DATABASE dbm_names_otherwise;
\c dbm_names_otherwise
CREATE EXTENSION dbmastery;
CREATE TABLE "Author" ("authorId" bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT "Author_pkey" PRIMARY KEY, "lastName" text, active boolean, "createdAt" timestamptz);
CREATE TABLE "Book" ("bookId" bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT "Book_pkey" PRIMARY KEY, "authorId" bigint REFERENCES "Author", printed boolean, "createdAt" timestamptz);
CREATE TABLE "Review" ("reviewId" bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT "Review_pkey" PRIMARY KEY, "bookId" bigint REFERENCES "Book", hidden boolean, "createdAt" timestamptz);
CREATE TABLE "Shelf" ("shelfId" bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT "Shelf_pkey" PRIMARY KEY, "bookId" bigint REFERENCES "Book", "full" boolean, "createdAt" timestamptz);
CREATE TABLE "Reader" ("readerId" bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT "Reader_pkey" PRIMARY KEY, "bookId" bigint REFERENCES "Book", banned boolean, "createdAt" timestamptz);
CREATE TABLE "Loan" ("loanId" bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT "Loan_pkey" PRIMARY KEY, "readerId" bigint REFERENCES "Reader", "bookId" bigint REFERENCES "Book", overdue boolean, "createdAt" timestamptz);
CREATE INDEX "Book_authorId_idx" ON "Book" ("authorId");
CREATE INDEX "Review_bookId_idx" ON "Review" ("bookId");
CREATE INDEX "Shelf_bookId_idx" ON "Shelf" ("bookId");
CREATE INDEX "Reader_bookId_idx" ON "Reader" ("bookId");
CREATE INDEX "Loan_readerId_idx" ON "Loan" ("readerId");
CREATE INDEX "Loan_bookId_idx" ON "Loan" ("bookId");
SELECT severity, rule, object, evidence ->> 'prevailing_style' AS prevailing FROM dbm.audit('schema')
WHERE rule ~ '_(name|case|number|limit)$' ORDER BY rule, object;
CREATE TABLE fines ("fineId" bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, loan_number bigint, "isPaid" boolean, "createdAt" timestamptz);
CREATE INDEX idx_fines_loan_number ON fines (loan_number);
SELECT severity, rule, object, evidence ->> 'style' AS style, evidence ->> 'expected_style' AS expected FROM dbm.audit('schema')
WHERE rule ~ '_(name|case|number|limit)$' AND object NOT LIKE 'database%' ORDER BY rule, object;
