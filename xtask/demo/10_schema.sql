-- The demo shop, part 1 of 3: what it is made of.
--
-- An online shop that has been growing for some years and changed hands once. Most of it is in good order. Some of it
-- is not: each planted mistake carries a mark. As many things which look like mistakes and are right carry another.
-- README.md beside this file says how the marks are read.
--
-- Load 10_schema.sql, 20_data.sql and 30_use.sql in this order, as a superuser, into an empty database.

\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET timezone = 'UTC';

CREATE SCHEMA warehouse;
CREATE SCHEMA support;
CREATE SCHEMA events;

COMMENT ON SCHEMA warehouse IS 'Stock, suppliers, shipments';
COMMENT ON SCHEMA support IS 'Tickets and what belongs to them';
COMMENT ON SCHEMA events IS 'What visitors do, written once and kept for months';

-- ---------------------------------------------------------------------------------------------------------------------
-- Shared types and functions
-- ---------------------------------------------------------------------------------------------------------------------

CREATE DOMAIN public.iso_country AS char(2)
    CONSTRAINT chk_iso_country CHECK (VALUE ~ '^[A-Z]{2}$');

-- LOOKALIKE schema.enum_type: public.order_state -- a list of values too, but of a domain: it changes as its CHECK does.
CREATE DOMAIN public.order_state AS text
    CONSTRAINT chk_order_state CHECK (VALUE IN ('pending', 'paid', 'packed', 'shipped', 'delivered', 'cancelled'));

-- MISTAKE schema.enum_type: public.refund_reason -- a value of an enum can be added, but never taken away.
CREATE TYPE public.refund_reason AS ENUM ('damaged', 'late', 'wrong_item', 'changed_mind');

CREATE FUNCTION public.set_updated_at() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION public.set_updated_at() IS 'Keeps updated_at honest, whoever writes the row';

-- LOOKALIKE schema.unowned_sequence: public.document_number_seq -- invoices and credit notes share one run of numbers, so neither table can own it.
CREATE SEQUENCE public.document_number_seq;

-- ---------------------------------------------------------------------------------------------------------------------
-- Reference data
-- ---------------------------------------------------------------------------------------------------------------------

CREATE TABLE public.countries (
    -- LOOKALIKE schema.char_type: public.countries.code -- ISO 3166 codes have two letters, always.
    -- LOOKALIKE schema.primary_key_name: public.countries.code -- a natural key keeps its own name.
    code            char(2) PRIMARY KEY,
    name            text NOT NULL,
    is_eu_member    boolean NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT uq_countries_name UNIQUE (name)
);

-- References nothing, but others reference it.
-- LOOKALIKE indexing.many_sequential_scans: public.currencies -- six rows on one page: a sequential scan is the fastest way.
CREATE TABLE public.currencies (
    -- ISO 4217 codes have three letters, always.
    code            char(3) PRIMARY KEY,
    name            text NOT NULL,
    -- Six rows prove nothing; some currencies have no symbol.
    symbol          text,
    minor_digits    smallint NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT chk_currencies_minor_digits CHECK (minor_digits BETWEEN 0 AND 4)
);

CREATE TABLE public.exchange_rates (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    currency_code   char(3) NOT NULL,
    quoted_on       date NOT NULL,
    rate            numeric(18, 8) NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT fk_exchange_rates_currency_code FOREIGN KEY (currency_code) REFERENCES public.currencies (code),
    CONSTRAINT uq_exchange_rates_currency_code_quoted_on UNIQUE (currency_code, quoted_on),
    CONSTRAINT chk_exchange_rates_rate CHECK (rate > 0)
);
-- MISTAKE schema.replica_identity_missing: public.exchange_rates -- published with its updates, yet it tells subscribers nothing by which to find the row.
ALTER TABLE public.exchange_rates REPLICA IDENTITY NOTHING;

CREATE TABLE public.tax_classes (
    -- LOOKALIKE schema.integer_primary_key: public.tax_classes -- four classes fixed by law, numbered by hand; nothing counts upwards here.
    id              smallint PRIMARY KEY,
    name            text NOT NULL,
    rate            numeric(5, 4) NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT uq_tax_classes_name UNIQUE (name),
    CONSTRAINT chk_tax_classes_rate CHECK (rate >= 0 AND rate < 1)
);

-- What the deployment tool writes down for itself.
-- LOOKALIKE schema.orphan_table: public.schema_migrations -- a deployment tool's own list stands alone by nature.
CREATE TABLE public.schema_migrations (
    version         text PRIMARY KEY,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now()
);

-- ---------------------------------------------------------------------------------------------------------------------
-- Staff
-- ---------------------------------------------------------------------------------------------------------------------

-- LOOKALIKE schema.table_name_number: public.people -- the plural of person.
CREATE TABLE public.people (
    id                  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    full_name           text NOT NULL,
    email               text NOT NULL,
    department          text NOT NULL,
    manager_person_id   bigint,
    hired_on            date NOT NULL,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    -- MISTAKE schema.self_reference_without_index: fk_people_manager_person_id on public.people -- walking down the hierarchy, and every delete, reads the whole table.
    CONSTRAINT fk_people_manager_person_id FOREIGN KEY (manager_person_id) REFERENCES public.people (id),
    CONSTRAINT uq_people_email UNIQUE (email),
    CONSTRAINT chk_people_department CHECK (department IN ('board', 'sales', 'support', 'warehouse', 'it'))
);

-- ---------------------------------------------------------------------------------------------------------------------
-- Catalogue
-- ---------------------------------------------------------------------------------------------------------------------

CREATE TABLE public.brands (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name            text NOT NULL,
    -- References countries(code), so it is the country's code, not its id.
    country_code    public.iso_country NOT NULL,
    website         text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    -- LOOKALIKE schema.foreign_key_type_mismatch: fk_brands_country_code on public.brands -- a domain over the type of the key is the type of the key.
    CONSTRAINT fk_brands_country_code FOREIGN KEY (country_code) REFERENCES public.countries (code),
    CONSTRAINT uq_brands_name UNIQUE (name)
);
CREATE INDEX idx_brands_country_code ON public.brands (country_code);
CREATE INDEX idx_brands_website ON public.brands (website);
-- LOOKALIKE indexing.duplicate_index: public.idx_brands_website_c -- byte order serves the exports, which sort by COLLATE "C"; the other one cannot.
CREATE INDEX idx_brands_website_c ON public.brands (website COLLATE "C");

CREATE TABLE public.categories (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- The roots of the tree have no parent.
    -- LOOKALIKE schema.foreign_key_name: public.categories.parent_id -- a self-reference is named by its role.
    parent_id       bigint,
    name            text NOT NULL,
    slug            text NOT NULL,
    -- LOOKALIKE schema.reserved_word_name: public.categories."position" -- a keyword, but PostgreSQL allows it as a column name.
    position        integer NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    -- LOOKALIKE schema.self_reference_without_index: fk_categories_parent_id on public.categories -- idx_categories_parent_id_position begins with it.
    CONSTRAINT fk_categories_parent_id FOREIGN KEY (parent_id) REFERENCES public.categories (id),
    CONSTRAINT uq_categories_slug UNIQUE (slug)
);
CREATE INDEX idx_categories_parent_id_position ON public.categories (parent_id, position);

-- LOOKALIKE indexing.too_many_indexes: public.products -- ten indexes, but it is read hundreds of times for each write.
CREATE TABLE public.products (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    brand_id        bigint NOT NULL,
    -- The key it references is a smallint too.
    tax_class_id    smallint NOT NULL,
    currency_code   char(3) NOT NULL,
    sku             text NOT NULL,
    -- An EAN has thirteen digits, and the CHECK says the same.
    ean             varchar(13),
    name            text NOT NULL,
    description     text,
    list_price      numeric(12, 2) NOT NULL,
    -- A weight is measured, not counted: a float is right for it.
    weight_kg       double precision NOT NULL,
    -- LOOKALIKE schema.json_type: public.products.attributes -- jsonb: searched through its GIN index.
    attributes      jsonb NOT NULL DEFAULT '{}',
    is_active       boolean NOT NULL DEFAULT true,
    discontinued_at timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT fk_products_brand_id FOREIGN KEY (brand_id) REFERENCES public.brands (id),
    CONSTRAINT fk_products_tax_class_id FOREIGN KEY (tax_class_id) REFERENCES public.tax_classes (id),
    CONSTRAINT fk_products_currency_code FOREIGN KEY (currency_code) REFERENCES public.currencies (code),
    CONSTRAINT uq_products_sku UNIQUE (sku),
    CONSTRAINT chk_products_ean CHECK (ean ~ '^[0-9]{13}$'),
    CONSTRAINT chk_products_list_price CHECK (list_price >= 0),
    CONSTRAINT chk_products_weight_kg CHECK (weight_kg > 0)
);
CREATE INDEX idx_products_brand_id ON public.products (brand_id);
-- LOOKALIKE indexing.low_cardinality_index: public.idx_products_tax_class_id -- four values, but it is the only cover of a foreign key.
CREATE INDEX idx_products_tax_class_id ON public.products (tax_class_id);
CREATE INDEX idx_products_currency_code ON public.products (currency_code);
CREATE INDEX idx_products_name ON public.products (name);
-- LOOKALIKE indexing.duplicate_index: public.idx_products_name_pattern -- text_pattern_ops serves LIKE 'abc%' under any collation, the other one serves ORDER BY.
CREATE INDEX idx_products_name_pattern ON public.products (name text_pattern_ops);
CREATE INDEX idx_products_name_search ON public.products USING gin (to_tsvector('simple', name));
CREATE INDEX idx_products_attributes ON public.products USING gin (attributes);
-- The boolean is its predicate, not its key.
CREATE INDEX idx_products_list_price_active ON public.products (list_price) WHERE is_active;
-- Measured together, and found to be independent.
CREATE STATISTICS public.st_products_brand_id_tax_class_id (dependencies) ON brand_id, tax_class_id FROM public.products;
CREATE TRIGGER trg_products_set_updated_at BEFORE UPDATE ON public.products
    FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();

-- A pure link: its rows come and go and are never changed.
CREATE TABLE public.product_categories (
    product_id      bigint NOT NULL,
    category_id     bigint NOT NULL,
    PRIMARY KEY (product_id, category_id),
    CONSTRAINT fk_product_categories_product_id FOREIGN KEY (product_id) REFERENCES public.products (id) ON DELETE CASCADE,
    CONSTRAINT fk_product_categories_category_id FOREIGN KEY (category_id) REFERENCES public.categories (id)
);
CREATE INDEX idx_product_categories_category_id ON public.product_categories (category_id);

CREATE TABLE public.product_variants (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    product_id      bigint NOT NULL,
    sku             text NOT NULL,
    colour          text NOT NULL,
    size_label      text NOT NULL,
    -- MISTAKE schema.float_money: public.product_variants.price -- 0.1 + 0.2 is not 0.3: sums of prices drift away from the invoice.
    price           double precision NOT NULL,
    -- MISTAKE schema.column_name_case: public.product_variants."unitsPerBox" -- needs double quotes in every statement for ever.
    "unitsPerBox"   integer NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT fk_product_variants_product_id FOREIGN KEY (product_id) REFERENCES public.products (id),
    CONSTRAINT uq_product_variants_sku UNIQUE (sku),
    CONSTRAINT chk_product_variants_price CHECK (price >= 0)
);
-- MISTAKE indexing.redundant_index: public.idx_product_variants_product_id -- the leading column of idx_product_variants_product_id_colour does the same work.
CREATE INDEX idx_product_variants_product_id ON public.product_variants (product_id);
CREATE INDEX idx_product_variants_product_id_colour ON public.product_variants (product_id, colour);

CREATE TABLE public.product_images (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- MISTAKE schema.nullable_foreign_key: public.product_images.product_id -- every picture shows a product, but nothing makes sure of it.
    product_id      bigint,
    url             text NOT NULL,
    -- MISTAKE schema.varchar_length: public.product_images -- 255 is a habit from another product: no rule of the shop stands behind it.
    alt_text        varchar(255) NOT NULL,
    -- MISTAKE schema.reserved_word_name: public.product_images."order" -- ORDER is reserved: unquoted it is a syntax error.
    "order"         integer NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT fk_product_images_product_id FOREIGN KEY (product_id) REFERENCES public.products (id) ON DELETE CASCADE
);
CREATE INDEX idx_product_images_product_id ON public.product_images (product_id);

CREATE TABLE public.product_attribute_translations (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    product_id      bigint NOT NULL,
    language_code   char(2) NOT NULL,
    attribute_name  text NOT NULL,
    translated_text text NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT fk_product_attribute_translations_product_id FOREIGN KEY (product_id) REFERENCES public.products (id) ON DELETE CASCADE,
    CONSTRAINT uq_product_attribute_translations_product_id_language_code UNIQUE (product_id, language_code, attribute_name),
    -- MISTAKE schema.name_at_length_limit: chk_product_attribute_translations_translated_text_must_not_be_ on public.product_attribute_translations -- the server cut the name that was written here to 63 bytes.
    CONSTRAINT chk_product_attribute_translations_translated_text_must_not_be_empty CHECK (translated_text <> ''),
    -- LOOKALIKE schema.name_at_length_limit: chk_product_attribute_translations_attribute_name_is_not_empty on public.product_attribute_translations -- 62 bytes: long, but whole.
    CONSTRAINT chk_product_attribute_translations_attribute_name_is_not_empty CHECK (attribute_name <> '')
);

CREATE TABLE public.price_changes (
    id                  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    product_variant_id  bigint NOT NULL,
    old_price           numeric(12, 2) NOT NULL,
    new_price           numeric(12, 2) NOT NULL,
    changed_at          timestamptz NOT NULL,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    -- MISTAKE indexing.foreign_key_without_index: fk_price_changes_product_variant_id on public.price_changes -- a BRIN index over scattered values excludes no page: each check still reads the table.
    CONSTRAINT fk_price_changes_product_variant_id FOREIGN KEY (product_variant_id) REFERENCES public.product_variants (id)
);
CREATE INDEX idx_price_changes_product_variant_id ON public.price_changes USING brin (product_variant_id);
-- LOOKALIKE indexing.unused_index: public.idx_price_changes_changed_at -- nobody searches by it, but CLUSTER orders the table by it every month.
CREATE INDEX idx_price_changes_changed_at ON public.price_changes (changed_at);
ALTER TABLE public.price_changes CLUSTER ON idx_price_changes_changed_at;

-- Somebody's import of the old shop's spreadsheet. The headings became column names as they were.
-- MISTAKE schema.orphan_table: public.old_product_imports -- left over: references nothing, and nothing references it.
CREATE TABLE public.old_product_imports (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    article_number  text NOT NULL,
    -- LOOKALIKE schema.column_name_case: public.old_product_imports."größe" -- lower case and without spaces: no quotes needed where it is typed.
    größe           text NOT NULL,
    -- MISTAKE schema.column_name_case: public.old_product_imports."a"";drop table x" -- a heading taken over unread: breaks every script that does not quote.
    "a"";drop table x" text NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now()
);

-- ---------------------------------------------------------------------------------------------------------------------
-- Customers
-- ---------------------------------------------------------------------------------------------------------------------

CREATE TABLE public.customers (
    id                      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email                   text NOT NULL,
    first_name              text NOT NULL,
    last_name               text NOT NULL,
    phone                   text,
    birth_on                date,
    country_code            char(2) NOT NULL,
    referrer_customer_id    bigint,
    -- MISTAKE schema.boolean_name: public.customers.active -- every other flag of this database reads as a question: is_active.
    active                  boolean NOT NULL DEFAULT true,
    -- LOOKALIKE schema.boolean_name: public.customers.has_newsletter -- reads as a question.
    has_newsletter          boolean NOT NULL DEFAULT false,
    -- MISTAKE schema.timestamp_name: public.customers.last_seen -- every other moment of this database ends in _at.
    last_seen               timestamptz,
    created_at              timestamptz NOT NULL DEFAULT now(),
    updated_at              timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT fk_customers_country_code FOREIGN KEY (country_code) REFERENCES public.countries (code),
    -- The partial index leaves out only NULLs, which no check ever looks for.
    CONSTRAINT fk_customers_referrer_customer_id FOREIGN KEY (referrer_customer_id) REFERENCES public.customers (id) ON DELETE SET NULL,
    CONSTRAINT uq_customers_email UNIQUE (email),
    CONSTRAINT chk_customers_email CHECK (position('@' IN email) > 1)
);
CREATE INDEX idx_customers_country_code ON public.customers (country_code);
-- MISTAKE indexing.low_cardinality_index: public.idx_customers_active -- two values: half the table qualifies, and each write pays for it.
CREATE INDEX idx_customers_active ON public.customers (active);
-- MISTAKE indexing.duplicate_index: public.idx_customers_lower_email_for_login -- the next index is the same; one of the two is written for nothing.
CREATE INDEX idx_customers_lower_email_for_login ON public.customers (lower(email));
CREATE INDEX idx_customers_lower_email ON public.customers (lower(email));
-- MISTAKE indexing.unused_index: public.idx_customers_birth_on -- made for a birthday mailing that was never sent.
CREATE INDEX idx_customers_birth_on ON public.customers (birth_on);
CREATE INDEX idx_customers_referrer_customer_id ON public.customers (referrer_customer_id) WHERE referrer_customer_id IS NOT NULL;
CREATE TRIGGER trg_customers_set_updated_at BEFORE UPDATE ON public.customers
    FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();

CREATE TABLE public.addresses (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id     bigint NOT NULL,
    street          text NOT NULL,
    -- MISTAKE schema.transitive_dependency: public.addresses.postal_code -- it alone decides the city, so each city is stored thousands of times.
    postal_code     text NOT NULL,
    city            text NOT NULL,
    -- LOOKALIKE schema.status_without_check: public.addresses.state -- Bavaria or Ohio, not the state of a process.
    state           text,
    country_code    char(2) NOT NULL,
    latitude        double precision NOT NULL,
    longitude       double precision NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT fk_addresses_customer_id FOREIGN KEY (customer_id) REFERENCES public.customers (id),
    CONSTRAINT fk_addresses_country_code FOREIGN KEY (country_code) REFERENCES public.countries (code)
);
CREATE INDEX idx_addresses_customer_id ON public.addresses (customer_id);
-- The longer index is partial and cannot find an address without a state.
CREATE INDEX idx_addresses_country_code ON public.addresses (country_code);
CREATE INDEX idx_addresses_country_code_state ON public.addresses (country_code, state) WHERE state IS NOT NULL;
-- MISTAKE indexing.redundant_index: public.idx_addresses_lower_city -- the same expression leads idx_addresses_lower_city_postal_code.
CREATE INDEX idx_addresses_lower_city ON public.addresses (lower(city));
CREATE INDEX idx_addresses_lower_city_postal_code ON public.addresses (lower(city), postal_code);
CREATE STATISTICS public.st_addresses_postal_code_city (dependencies) ON postal_code, city FROM public.addresses;

-- MISTAKE schema.table_name_case: public."CustomerNotes" -- written by a framework with the names of its classes: quotes for ever.
CREATE TABLE public."CustomerNotes" (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id     bigint NOT NULL,
    person_id       bigint NOT NULL,
    body            text NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT fk_customer_notes_customer_id FOREIGN KEY (customer_id) REFERENCES public.customers (id),
    CONSTRAINT fk_customer_notes_person_id FOREIGN KEY (person_id) REFERENCES public.people (id),
    CONSTRAINT uq_customer_notes_customer_id_created_at UNIQUE (customer_id, created_at),
    CONSTRAINT uq_customer_notes_person_id_created_at UNIQUE (person_id, created_at)
);

-- The questionnaire of the loyalty programme, one column a question.
-- MISTAKE schema.wide_table: public.customer_profiles -- 54 columns: each new question is a DDL statement, and a row is read whole for one answer.
CREATE TABLE public.customer_profiles (
    customer_id                 bigint PRIMARY KEY,
    likes_garden                smallint NOT NULL DEFAULT 0,
    likes_kitchen               smallint NOT NULL DEFAULT 0,
    likes_bathroom              smallint NOT NULL DEFAULT 0,
    likes_lighting              smallint NOT NULL DEFAULT 0,
    likes_furniture             smallint NOT NULL DEFAULT 0,
    likes_carpets               smallint NOT NULL DEFAULT 0,
    likes_curtains              smallint NOT NULL DEFAULT 0,
    likes_tools                 smallint NOT NULL DEFAULT 0,
    likes_paint                 smallint NOT NULL DEFAULT 0,
    likes_plants                smallint NOT NULL DEFAULT 0,
    likes_pets                  smallint NOT NULL DEFAULT 0,
    likes_books                 smallint NOT NULL DEFAULT 0,
    likes_music                 smallint NOT NULL DEFAULT 0,
    likes_films                 smallint NOT NULL DEFAULT 0,
    likes_games                 smallint NOT NULL DEFAULT 0,
    likes_toys                  smallint NOT NULL DEFAULT 0,
    likes_cycling               smallint NOT NULL DEFAULT 0,
    likes_running               smallint NOT NULL DEFAULT 0,
    likes_swimming              smallint NOT NULL DEFAULT 0,
    likes_hiking                smallint NOT NULL DEFAULT 0,
    likes_camping               smallint NOT NULL DEFAULT 0,
    likes_fishing               smallint NOT NULL DEFAULT 0,
    likes_travel                smallint NOT NULL DEFAULT 0,
    likes_photography           smallint NOT NULL DEFAULT 0,
    likes_electronics           smallint NOT NULL DEFAULT 0,
    likes_phones                smallint NOT NULL DEFAULT 0,
    likes_computers             smallint NOT NULL DEFAULT 0,
    likes_fashion               smallint NOT NULL DEFAULT 0,
    likes_shoes                 smallint NOT NULL DEFAULT 0,
    likes_jewellery             smallint NOT NULL DEFAULT 0,
    likes_watches               smallint NOT NULL DEFAULT 0,
    likes_cosmetics             smallint NOT NULL DEFAULT 0,
    likes_wellness              smallint NOT NULL DEFAULT 0,
    likes_coffee                smallint NOT NULL DEFAULT 0,
    likes_tea                   smallint NOT NULL DEFAULT 0,
    likes_wine                  smallint NOT NULL DEFAULT 0,
    likes_baking                smallint NOT NULL DEFAULT 0,
    likes_barbecue              smallint NOT NULL DEFAULT 0,
    trust_quality               smallint NOT NULL DEFAULT 0,
    trust_delivery              smallint NOT NULL DEFAULT 0,
    trust_support               smallint NOT NULL DEFAULT 0,
    trust_payment               smallint NOT NULL DEFAULT 0,
    trust_returns               smallint NOT NULL DEFAULT 0,
    wants_email                 smallint NOT NULL DEFAULT 0,
    wants_letters               smallint NOT NULL DEFAULT 0,
    wants_calls                 smallint NOT NULL DEFAULT 0,
    wants_offers                smallint NOT NULL DEFAULT 0,
    wants_events                smallint NOT NULL DEFAULT 0,
    household_persons           smallint NOT NULL DEFAULT 0,
    household_children          smallint NOT NULL DEFAULT 0,
    household_pets              smallint NOT NULL DEFAULT 0,
    created_at                  timestamptz NOT NULL DEFAULT now(),
    updated_at                  timestamptz NOT NULL DEFAULT now(),
    -- The primary key of a one-to-one table is the index of its foreign key.
    CONSTRAINT fk_customer_profiles_customer_id FOREIGN KEY (customer_id) REFERENCES public.customers (id) ON DELETE CASCADE
);

CREATE TABLE public.loyalty_accounts (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id     bigint NOT NULL,
    tier            text NOT NULL,
    points          bigint NOT NULL DEFAULT 0,
    -- MISTAKE schema.money_type: public.loyalty_accounts.balance -- what it shows and what it reads depends on lc_monetary of the session.
    balance         money NOT NULL DEFAULT 0,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT fk_loyalty_accounts_customer_id FOREIGN KEY (customer_id) REFERENCES public.customers (id),
    -- Shorter than the index below, but it is what keeps customers to one account.
    CONSTRAINT uq_loyalty_accounts_customer_id UNIQUE (customer_id),
    CONSTRAINT chk_loyalty_accounts_tier CHECK (tier IN ('basic', 'silver', 'gold')),
    CONSTRAINT chk_loyalty_accounts_points CHECK (points >= 0)
);
CREATE INDEX idx_loyalty_accounts_customer_id_points ON public.loyalty_accounts (customer_id, points);

-- LOOKALIKE schema.nullable_without_nulls: public.wishlists -- whether it is public was left open exactly once.
CREATE TABLE public.wishlists (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id     bigint NOT NULL,
    name            text NOT NULL,
    is_public       boolean DEFAULT false,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT fk_wishlists_customer_id FOREIGN KEY (customer_id) REFERENCES public.customers (id) ON DELETE CASCADE
);
CREATE INDEX idx_wishlists_customer_id ON public.wishlists (customer_id);

CREATE TABLE public.wishlist_items (
    wishlist_id         bigint NOT NULL,
    product_variant_id  bigint NOT NULL,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (wishlist_id, product_variant_id),
    CONSTRAINT fk_wishlist_items_wishlist_id FOREIGN KEY (wishlist_id) REFERENCES public.wishlists (id) ON DELETE CASCADE,
    CONSTRAINT fk_wishlist_items_product_variant_id FOREIGN KEY (product_variant_id) REFERENCES public.product_variants (id)
);
CREATE INDEX idx_wishlist_items_product_variant_id ON public.wishlist_items (product_variant_id);

CREATE TABLE public.reviews (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    product_id      bigint NOT NULL,
    customer_id     bigint NOT NULL,
    rating          smallint NOT NULL,
    title           text NOT NULL,
    body            text,
    helpful_count   integer NOT NULL DEFAULT 0,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT fk_reviews_product_id FOREIGN KEY (product_id) REFERENCES public.products (id),
    CONSTRAINT fk_reviews_customer_id FOREIGN KEY (customer_id) REFERENCES public.customers (id),
    CONSTRAINT chk_reviews_rating CHECK (rating BETWEEN 1 AND 5)
);
-- LOOKALIKE indexing.duplicate_index: public.idx_reviews_product_id_rating -- carries another payload than the next one: each answers its own query from the index alone.
CREATE INDEX idx_reviews_product_id_rating ON public.reviews (product_id) INCLUDE (rating);
CREATE INDEX idx_reviews_product_id_helpful_count ON public.reviews (product_id) INCLUDE (helpful_count);
CREATE INDEX idx_reviews_customer_id ON public.reviews (customer_id);
-- MISTAKE indexing.unused_index: public.idx_reviews_title -- nobody looks for a review by its exact title.
CREATE INDEX idx_reviews_title ON public.reviews (title);

-- ---------------------------------------------------------------------------------------------------------------------
-- Marketing
-- ---------------------------------------------------------------------------------------------------------------------

CREATE TABLE public.campaigns (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name            text NOT NULL,
    status          text NOT NULL,
    starts_on       date NOT NULL,
    ends_on         date,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT uq_campaigns_name UNIQUE (name),
    CONSTRAINT chk_campaigns_status CHECK (status IN ('planned', 'running', 'ended')),
    CONSTRAINT chk_campaigns_ends_on CHECK (ends_on >= starts_on)
);

-- MISTAKE schema.table_name_number: public.coupon -- one singular name among some fifty plural ones.
CREATE TABLE public.coupon (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign_id     bigint NOT NULL,
    code            text NOT NULL,
    percent_off     numeric(5, 2) NOT NULL,
    is_single_use   boolean NOT NULL,
    expires_at      timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT fk_coupon_campaign_id FOREIGN KEY (campaign_id) REFERENCES public.campaigns (id),
    CONSTRAINT uq_coupon_code UNIQUE (code),
    CONSTRAINT chk_coupon_percent_off CHECK (percent_off > 0 AND percent_off <= 100)
);
CREATE INDEX idx_coupon_campaign_id ON public.coupon (campaign_id);

CREATE TABLE public.flash_sales (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign_id     bigint NOT NULL,
    runs_during     tstzrange NOT NULL,
    percent_off     numeric(5, 2) NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT fk_flash_sales_campaign_id FOREIGN KEY (campaign_id) REFERENCES public.campaigns (id),
    -- LOOKALIKE schema.constraint_name: ex_flash_sales_runs_during on public.flash_sales -- an exclusion constraint is none of chk_, uq_ and fk_.
    -- The checks of an exclusion constraint are not counted as scans.
    CONSTRAINT ex_flash_sales_runs_during EXCLUDE USING gist (runs_during WITH &&)
);
CREATE INDEX idx_flash_sales_campaign_id ON public.flash_sales (campaign_id);
-- MISTAKE indexing.duplicate_index: public.idx_flash_sales_runs_during -- the exclusion constraint keeps the very same GiST index.
CREATE INDEX idx_flash_sales_runs_during ON public.flash_sales USING gist (runs_during);

CREATE TABLE public.newsletter_deliveries (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign_id     bigint NOT NULL,
    customer_id     bigint NOT NULL,
    delivered_at    timestamptz NOT NULL,
    opened_at       timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    -- MISTAKE indexing.foreign_key_without_index: fk_newsletter_deliveries_campaign_id on public.newsletter_deliveries -- the only index that begins with it is the invalid one which 20_data.sql leaves behind.
    CONSTRAINT fk_newsletter_deliveries_campaign_id FOREIGN KEY (campaign_id) REFERENCES public.campaigns (id),
    CONSTRAINT fk_newsletter_deliveries_customer_id FOREIGN KEY (customer_id) REFERENCES public.customers (id)
);
CREATE INDEX idx_newsletter_deliveries_customer_id ON public.newsletter_deliveries (customer_id);

-- ---------------------------------------------------------------------------------------------------------------------
-- Orders
-- ---------------------------------------------------------------------------------------------------------------------

-- The nightly reports read it whole, as they must; all else finds its rows by index.
CREATE TABLE public.orders (
    -- The old shop's numbers went on, so ids begin at 2.1 billion.
    -- LOOKALIKE schema.sequence_near_end: public.orders_id_seq -- past 2.1 billion, but it feeds a bigint.
    id                  bigint GENERATED ALWAYS AS IDENTITY (START WITH 2100000001) PRIMARY KEY,
    order_number        text NOT NULL,
    customer_id         bigint NOT NULL,
    shipping_address_id bigint NOT NULL,
    -- LOOKALIKE schema.nullable_foreign_key: public.orders.coupon_id -- most orders have no coupon, and a deleted coupon leaves the order alone.
    coupon_id           bigint,
    -- Text with a CHECK: a new value is one short transaction.
    status              text NOT NULL,
    total_amount        numeric(12, 2) NOT NULL,
    placed_at           timestamptz NOT NULL,
    paid_at             timestamptz,
    cancelled_at        timestamptz,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT fk_orders_customer_id FOREIGN KEY (customer_id) REFERENCES public.customers (id),
    CONSTRAINT fk_orders_shipping_address_id FOREIGN KEY (shipping_address_id) REFERENCES public.addresses (id),
    -- LOOKALIKE indexing.foreign_key_without_index: fk_orders_coupon_id on public.orders -- the partial index leaves out only NULLs, which no check ever looks for.
    CONSTRAINT fk_orders_coupon_id FOREIGN KEY (coupon_id) REFERENCES public.coupon (id) ON DELETE SET NULL,
    CONSTRAINT uq_orders_order_number UNIQUE (order_number),
    -- LOOKALIKE indexing.redundant_index: public.uq_orders_id_customer_id -- a composite foreign key references it; without it the pair cannot be enforced.
    CONSTRAINT uq_orders_id_customer_id UNIQUE (id, customer_id),
    CONSTRAINT chk_orders_status CHECK (status IN ('pending', 'paid', 'packed', 'shipped', 'delivered', 'cancelled')),
    CONSTRAINT chk_orders_total_amount CHECK (total_amount >= 0)
);
-- MISTAKE indexing.duplicate_index: public.idx_orders_order_number -- the UNIQUE constraint has the same index already.
CREATE INDEX idx_orders_order_number ON public.orders (order_number);
CREATE INDEX idx_orders_customer_id_placed_at ON public.orders (customer_id, placed_at);
-- LOOKALIKE indexing.duplicate_index: public.idx_orders_customer_id_placed_at_desc -- ORDER BY customer_id, placed_at DESC cannot be read from the other one in either direction.
CREATE INDEX idx_orders_customer_id_placed_at_desc ON public.orders (customer_id, placed_at DESC);
CREATE INDEX idx_orders_shipping_address_id ON public.orders (shipping_address_id);
CREATE INDEX idx_orders_coupon_id ON public.orders (coupon_id) WHERE coupon_id IS NOT NULL;
CREATE TRIGGER trg_orders_set_updated_at BEFORE UPDATE ON public.orders
    FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();

CREATE TABLE public.order_items (
    order_id            bigint NOT NULL,
    line_number         integer NOT NULL,
    product_variant_id  bigint NOT NULL,
    quantity            integer NOT NULL,
    unit_price          numeric(12, 2) NOT NULL,
    gift_note           text,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (order_id, line_number),
    -- The primary key begins with it.
    CONSTRAINT fk_order_items_order_id FOREIGN KEY (order_id) REFERENCES public.orders (id) ON DELETE CASCADE,
    CONSTRAINT fk_order_items_product_variant_id FOREIGN KEY (product_variant_id) REFERENCES public.product_variants (id),
    CONSTRAINT chk_order_items_quantity CHECK (quantity > 0),
    CONSTRAINT chk_order_items_unit_price CHECK (unit_price >= 0)
);
-- LOOKALIKE indexing.bloated_index: public.idx_order_items_product_variant_id -- its pages are 60 % full because fillfactor asks for it.
CREATE INDEX idx_order_items_product_variant_id ON public.order_items (product_variant_id) WITH (fillfactor = 60);

CREATE TABLE public.order_status_changes (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- LOOKALIKE schema.transitive_dependency: public.order_status_changes.order_id -- the customer follows from it, but the composite foreign key keeps the copy true.
    order_id        bigint NOT NULL,
    customer_id     bigint NOT NULL,
    -- The CHECK is in the domain.
    to_status       public.order_state NOT NULL,
    changed_at      timestamptz NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    -- LOOKALIKE indexing.foreign_key_without_index: fk_order_status_changes_order_id_customer_id on public.order_status_changes -- both columns lead the index; their order does not matter for equality.
    CONSTRAINT fk_order_status_changes_order_id_customer_id FOREIGN KEY (order_id, customer_id) REFERENCES public.orders (id, customer_id)
);
CREATE INDEX idx_order_status_changes_customer_id_order_id ON public.order_status_changes (customer_id, order_id);
CREATE STATISTICS public.st_order_status_changes_order_id_customer_id (dependencies) ON order_id, customer_id FROM public.order_status_changes;

CREATE TABLE public.order_returns (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id        bigint NOT NULL,
    line_number     integer NOT NULL,
    -- MISTAKE schema.status_without_check: public.order_returns.status -- nothing stops a value that no program knows.
    status          text NOT NULL,
    comment         text,
    returned_at     timestamptz NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    -- MISTAKE indexing.foreign_key_partly_indexed: fk_order_returns_order_id_line_number on public.order_returns -- line_number is only payload of the index: it cannot be searched by.
    CONSTRAINT fk_order_returns_order_id_line_number FOREIGN KEY (order_id, line_number) REFERENCES public.order_items (order_id, line_number)
);
CREATE INDEX idx_order_returns_order_id ON public.order_returns (order_id) INCLUDE (line_number);

CREATE TABLE public.invoices (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id        bigint NOT NULL,
    -- LOOKALIKE schema.serial_column: public.invoices.document_number -- draws from a sequence shared with credit_notes, which identity cannot do.
    document_number bigint NOT NULL DEFAULT nextval('public.document_number_seq'),
    total_amount    numeric(12, 2) NOT NULL,
    is_paid         boolean NOT NULL DEFAULT false,
    -- MISTAKE schema.timestamp_without_time_zone: public.invoices -- the same row names another moment in each session's time zone.
    issued_at       timestamp NOT NULL,
    -- LOOKALIKE schema.timestamp_name: public.invoices.due_on -- a day, not a moment.
    due_on          date NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    -- MISTAKE indexing.foreign_key_without_index: fk_invoices_order_id on public.invoices -- the index knows only unpaid invoices, the check asks for all.
    CONSTRAINT fk_invoices_order_id FOREIGN KEY (order_id) REFERENCES public.orders (id),
    CONSTRAINT uq_invoices_document_number UNIQUE (document_number)
);
CREATE INDEX idx_invoices_order_id_unpaid ON public.invoices (order_id) WHERE NOT is_paid;
-- The same key as the next one, but for the other invoices.
CREATE INDEX idx_invoices_due_on_paid ON public.invoices (due_on) WHERE is_paid;
CREATE INDEX idx_invoices_due_on_unpaid ON public.invoices (due_on) WHERE NOT is_paid;

CREATE TABLE public.credit_notes (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    invoice_id      bigint NOT NULL,
    document_number bigint NOT NULL DEFAULT nextval('public.document_number_seq'),
    amount          numeric(12, 2) NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT fk_credit_notes_invoice_id FOREIGN KEY (invoice_id) REFERENCES public.invoices (id),
    CONSTRAINT uq_credit_notes_document_number UNIQUE (document_number)
);
CREATE INDEX idx_credit_notes_invoice_id ON public.credit_notes (invoice_id);
-- LOOKALIKE schema.unvalidated_constraint: chk_credit_notes_amount on public.credit_notes -- added NOT VALID to spare the lock, then validated, as it should be.
ALTER TABLE public.credit_notes ADD CONSTRAINT chk_credit_notes_amount CHECK (amount > 0) NOT VALID;
ALTER TABLE public.credit_notes VALIDATE CONSTRAINT chk_credit_notes_amount;

CREATE TABLE public.carts (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- Guests fill carts too.
    customer_id     bigint,
    guest_number    bigint,
    token           text NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    -- LOOKALIKE indexing.foreign_key_without_index: fk_carts_customer_id on public.carts -- a hash index answers equality, and a check asks for nothing else.
    CONSTRAINT fk_carts_customer_id FOREIGN KEY (customer_id) REFERENCES public.customers (id) ON DELETE CASCADE,
    CONSTRAINT uq_carts_token UNIQUE (token)
);
CREATE INDEX idx_carts_customer_id ON public.carts USING hash (customer_id);
CREATE INDEX idx_carts_created_at ON public.carts (created_at);
-- LOOKALIKE indexing.duplicate_index: public.idx_carts_created_at_brin -- another access method: a few kilobytes for the monthly sweep over years.
CREATE INDEX idx_carts_created_at_brin ON public.carts USING brin (created_at);
-- Guests count downwards, so that their numbers never meet a customer's.
-- LOOKALIKE schema.sequence_near_end: public.carts_guest_number_seq -- counts downwards: some 6,000 of nine quintillion numbers are gone.
CREATE SEQUENCE public.carts_guest_number_seq INCREMENT BY -1 OWNED BY public.carts.guest_number;

CREATE TABLE public.cart_items (
    cart_id             bigint NOT NULL,
    product_variant_id  bigint NOT NULL,
    quantity            integer NOT NULL,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (cart_id, product_variant_id),
    CONSTRAINT fk_cart_items_cart_id FOREIGN KEY (cart_id) REFERENCES public.carts (id) ON DELETE CASCADE,
    CONSTRAINT fk_cart_items_product_variant_id FOREIGN KEY (product_variant_id) REFERENCES public.product_variants (id),
    CONSTRAINT chk_cart_items_quantity CHECK (quantity > 0)
);
CREATE INDEX idx_cart_items_product_variant_id ON public.cart_items (product_variant_id);

-- The tills of the two high-street shops, taken over with their own numbering.
-- MISTAKE schema.unowned_sequence: public.pos_receipt_number_seq -- belongs to no column, so dropping the table leaves it, and no tool connects the two.
-- MISTAKE schema.sequence_near_end: public.pos_receipt_number_seq -- a bigint sequence, but the key it feeds ends at 2,147,483,647: 97 % are gone.
CREATE SEQUENCE public.pos_receipt_number_seq;
CREATE TABLE public.pos_receipts (
    -- MISTAKE schema.serial_column: public.pos_receipts.id -- a serial by hand: the sequence is granted and copied apart from the column.
    -- MISTAKE schema.integer_primary_key: public.pos_receipts -- four bytes for something that is counted for ever.
    id                  integer PRIMARY KEY DEFAULT nextval('public.pos_receipt_number_seq'),
    cashier_person_id   bigint NOT NULL,
    slip_number         integer,
    total_amount        numeric(12, 2) NOT NULL,
    printed_at          timestamptz NOT NULL,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT fk_pos_receipts_cashier_person_id FOREIGN KEY (cashier_person_id) REFERENCES public.people (id)
);
CREATE INDEX idx_pos_receipts_cashier_person_id ON public.pos_receipts (cashier_person_id);
-- Tills that are offline number their slips downwards.
-- MISTAKE schema.sequence_near_end: public.pos_receipts_slip_number_seq -- counts downwards and has used 98,500 of its 100,000 numbers.
CREATE SEQUENCE public.pos_receipts_slip_number_seq AS integer INCREMENT BY -1 MINVALUE -100000 MAXVALUE -1 START WITH -1
    OWNED BY public.pos_receipts.slip_number;

-- ---------------------------------------------------------------------------------------------------------------------
-- Payments
-- ---------------------------------------------------------------------------------------------------------------------

CREATE TABLE public.payment_methods (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id     bigint NOT NULL,
    kind            text NOT NULL,
    -- LOOKALIKE schema.varchar_length: public.payment_methods -- ISO 13616 allows 34 characters at most.
    iban            varchar(34),
    is_default      boolean NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT fk_payment_methods_customer_id FOREIGN KEY (customer_id) REFERENCES public.customers (id),
    CONSTRAINT chk_payment_methods_kind CHECK (kind IN ('card', 'sepa', 'wallet')),
    CONSTRAINT chk_payment_methods_iban CHECK ((kind = 'sepa') = (iban IS NOT NULL))
);
CREATE INDEX idx_payment_methods_customer_id ON public.payment_methods (customer_id);
-- Partial and unique: it allows one default for each customer.
CREATE UNIQUE INDEX idx_payment_methods_customer_id_default ON public.payment_methods (customer_id) WHERE is_default;

CREATE TABLE public.payments (
    id                  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- orders.id is a bigint.
    order_id            integer NOT NULL,
    payment_method_id   bigint NOT NULL,
    currency_code       char(3) NOT NULL,
    amount              numeric(12, 2) NOT NULL,
    status              text NOT NULL,
    reference           text NOT NULL,
    -- MISTAKE schema.json_type: public.payments.gateway_response -- parsed anew at each use, and cannot be indexed.
    gateway_response    json NOT NULL,
    captured_at         timestamptz,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    -- MISTAKE schema.foreign_key_narrower_than_key: fk_payments_order_id on public.payments -- orders.id is already past 2.1 billion: soon no payment can be stored.
    CONSTRAINT fk_payments_order_id FOREIGN KEY (order_id) REFERENCES public.orders (id),
    -- MISTAKE schema.foreign_key_narrower_than_key: fk_payments_order_id_again on public.payments -- and so is its double.
    -- MISTAKE schema.duplicate_foreign_key: fk_payments_order_id_again on public.payments -- each payment is checked twice for the same thing.
    CONSTRAINT fk_payments_order_id_again FOREIGN KEY (order_id) REFERENCES public.orders (id),
    CONSTRAINT fk_payments_payment_method_id FOREIGN KEY (payment_method_id) REFERENCES public.payment_methods (id),
    CONSTRAINT fk_payments_currency_code FOREIGN KEY (currency_code) REFERENCES public.currencies (code),
    CONSTRAINT chk_payments_status CHECK (status IN ('authorised', 'captured', 'failed')),
    CONSTRAINT chk_payments_amount CHECK (amount >= 0)
);
CREATE INDEX idx_payments_order_id ON public.payments (order_id);
CREATE INDEX idx_payments_payment_method_id ON public.payments (payment_method_id);
-- LOOKALIKE indexing.bloated_index: public.idx_payments_currency_code -- keys of type char(n) are never deduplicated: large for four values, but its pages are full.
CREATE INDEX idx_payments_currency_code ON public.payments (currency_code);
-- LOOKALIKE indexing.unused_index: public.idx_payments_lower_reference -- never scanned, but the planner takes the statistics of lower(reference) from it.
CREATE INDEX idx_payments_lower_reference ON public.payments (lower(reference));

CREATE TABLE public.refunds (
    -- MISTAKE schema.serial_column: public.refunds.id -- identity is the standard's way and needs no rights on a sequence of its own.
    id              bigserial PRIMARY KEY,
    payment_id      bigint NOT NULL,
    reason          public.refund_reason NOT NULL,
    amount          numeric(12, 2) NOT NULL,
    -- LOOKALIKE schema.money_type: public.refunds.money_back_days -- money in the name only: it counts days.
    money_back_days integer NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT fk_refunds_payment_id FOREIGN KEY (payment_id) REFERENCES public.payments (id)
);
CREATE INDEX idx_refunds_payment_id ON public.refunds (payment_id);

CREATE TABLE public.gift_cards (
    -- MISTAKE schema.primary_key_name: public.gift_cards.card_key -- every other key is called id.
    card_key        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- MISTAKE schema.foreign_key_name: public.gift_cards.owner -- a customer's id that does not say so: customer_id.
    owner           bigint NOT NULL,
    -- MISTAKE schema.char_type: public.gift_cards.code -- codes have 8 to 16 characters; the rest is padded with blanks that come and go.
    code            char(16) NOT NULL,
    -- Whole cents in a bigint are exact.
    balance_cents   bigint NOT NULL,
    expires_at      timestamptz NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT fk_gift_cards_owner FOREIGN KEY (owner) REFERENCES public.customers (id),
    CONSTRAINT uq_gift_cards_code UNIQUE (code),
    -- MISTAKE schema.constraint_name: gift_cards_balance_positive on public.gift_cards -- every other check is called chk_, so a script that looks for those misses it.
    CONSTRAINT gift_cards_balance_positive CHECK (balance_cents >= 0)
);
CREATE INDEX idx_gift_cards_owner ON public.gift_cards (owner);

-- ---------------------------------------------------------------------------------------------------------------------
-- Warehouse
-- ---------------------------------------------------------------------------------------------------------------------

CREATE TABLE warehouse.warehouses (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name            text NOT NULL,
    country_code    char(2) NOT NULL,
    -- LOOKALIKE schema.timestamp_without_time_zone: warehouse.warehouses -- a time of day on the wall of the building has no zone.
    opens_at        time NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT fk_warehouses_country_code FOREIGN KEY (country_code) REFERENCES public.countries (code),
    CONSTRAINT uq_warehouses_name UNIQUE (name)
);
CREATE INDEX idx_warehouses_country_code ON warehouse.warehouses (country_code);

-- MISTAKE schema.missing_audit_columns: warehouse.bins -- nobody can say when a bin was added or renamed.
CREATE TABLE warehouse.bins (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    warehouse_id    bigint NOT NULL,
    code            text NOT NULL,
    CONSTRAINT fk_bins_warehouse_id FOREIGN KEY (warehouse_id) REFERENCES warehouse.warehouses (id),
    CONSTRAINT uq_bins_warehouse_id_code UNIQUE (warehouse_id, code)
);

-- Equipment has no plural.
CREATE TABLE warehouse.equipment (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    warehouse_id    bigint NOT NULL,
    kind            text NOT NULL,
    serial_number   text NOT NULL,
    bought_on       date NOT NULL,
    -- LOOKALIKE migration.column_blocks_upgrade: warehouse.equipment.readings_table -- an OID too, but of a table: pg_upgrade keeps those.
    readings_table  regclass,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT fk_equipment_warehouse_id FOREIGN KEY (warehouse_id) REFERENCES warehouse.warehouses (id),
    -- LOOKALIKE indexing.unused_index: warehouse.uq_equipment_serial_number -- never scanned, but it keeps serial numbers unique.
    CONSTRAINT uq_equipment_serial_number UNIQUE (serial_number),
    CONSTRAINT chk_equipment_kind CHECK (kind IN ('forklift', 'conveyor', 'scanner', 'scale'))
);
CREATE INDEX idx_equipment_warehouse_id ON warehouse.equipment (warehouse_id);

-- LOOKALIKE schema.replica_identity_missing: warehouse.carriers -- published, and its rows are told apart by the unique code.
CREATE TABLE warehouse.carriers (
    -- LOOKALIKE schema.primary_key_name: warehouse.carriers.carrier_id -- the singular of the table and _id: the other accepted form.
    carrier_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code            text NOT NULL,
    name            text NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    -- The longer index cannot replace the replica identity.
    CONSTRAINT uq_carriers_code UNIQUE (code)
);
CREATE INDEX idx_carriers_code_name ON warehouse.carriers (code, name);
ALTER TABLE warehouse.carriers REPLICA IDENTITY USING INDEX uq_carriers_code;

CREATE TABLE warehouse.suppliers (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name            text NOT NULL,
    vat_number      text NOT NULL,
    country_code    char(2) NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT fk_suppliers_country_code FOREIGN KEY (country_code) REFERENCES public.countries (code),
    CONSTRAINT uq_suppliers_vat_number UNIQUE (vat_number)
);
CREATE INDEX idx_suppliers_country_code ON warehouse.suppliers (country_code);
CREATE INDEX idx_suppliers_lower_name ON warehouse.suppliers (lower(name));
-- Another expression: the customs forms compare in capitals.
CREATE INDEX idx_suppliers_upper_name ON warehouse.suppliers (upper(name));
-- MISTAKE indexing.duplicate_index: warehouse.idx_suppliers_vat_number -- a second unique index; the constraint's own must stay, a foreign key stands on it.
CREATE UNIQUE INDEX idx_suppliers_vat_number ON warehouse.suppliers (vat_number);

CREATE TABLE warehouse.supplier_bank_accounts (
    id                  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    supplier_vat_number varchar NOT NULL,
    iban                varchar(34) NOT NULL,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    -- LOOKALIKE schema.foreign_key_type_mismatch: fk_supplier_bank_accounts_supplier_vat_number on warehouse.supplier_bank_accounts -- varchar here, text there: one type with two names to operators and indexes.
    CONSTRAINT fk_supplier_bank_accounts_supplier_vat_number FOREIGN KEY (supplier_vat_number) REFERENCES warehouse.suppliers (vat_number),
    CONSTRAINT uq_supplier_bank_accounts_supplier_vat_number_iban UNIQUE (supplier_vat_number, iban)
);

CREATE TABLE warehouse.supplier_prices (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    supplier_id     bigint NOT NULL,
    -- MISTAKE schema.char_type: warehouse.supplier_prices.product_sku -- eight characters today; the next product has nine.
    product_sku     char(8) NOT NULL,
    unit_cost       numeric(12, 4) NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT fk_supplier_prices_supplier_id FOREIGN KEY (supplier_id) REFERENCES warehouse.suppliers (id),
    -- MISTAKE indexing.foreign_key_without_index: fk_supplier_prices_product_sku on warehouse.supplier_prices -- what it compares is a text made of the column, and the index has only the column.
    -- MISTAKE schema.foreign_key_type_mismatch: fk_supplier_prices_product_sku on warehouse.supplier_prices -- char here, text there: each check takes the blanks off first.
    CONSTRAINT fk_supplier_prices_product_sku FOREIGN KEY (product_sku) REFERENCES public.products (sku),
    CONSTRAINT uq_supplier_prices_supplier_id_product_sku UNIQUE (supplier_id, product_sku)
);
CREATE INDEX idx_supplier_prices_product_sku ON warehouse.supplier_prices (product_sku);

CREATE TABLE warehouse.purchase_orders (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    supplier_id     bigint NOT NULL,
    warehouse_id    bigint NOT NULL,
    status          text NOT NULL,
    ordered_on      date NOT NULL,
    received_on     date,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    -- MISTAKE indexing.foreign_key_without_index: fk_purchase_orders_supplier_id on warehouse.purchase_orders -- it is the second column of the index: a check for one supplier walks through all of it.
    CONSTRAINT fk_purchase_orders_supplier_id FOREIGN KEY (supplier_id) REFERENCES warehouse.suppliers (id),
    CONSTRAINT chk_purchase_orders_status CHECK (status IN ('draft', 'sent', 'received'))
);
CREATE INDEX idx_purchase_orders_ordered_on_supplier_id ON warehouse.purchase_orders (ordered_on, supplier_id);
CREATE INDEX idx_purchase_orders_warehouse_id ON warehouse.purchase_orders (warehouse_id);

CREATE TABLE warehouse.purchase_order_items (
    purchase_order_id   bigint NOT NULL,
    product_variant_id  bigint NOT NULL,
    quantity            integer NOT NULL,
    unit_cost           numeric(12, 4) NOT NULL,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (purchase_order_id, product_variant_id),
    CONSTRAINT fk_purchase_order_items_purchase_order_id FOREIGN KEY (purchase_order_id) REFERENCES warehouse.purchase_orders (id) ON DELETE CASCADE,
    CONSTRAINT fk_purchase_order_items_product_variant_id FOREIGN KEY (product_variant_id) REFERENCES public.product_variants (id),
    CONSTRAINT chk_purchase_order_items_quantity CHECK (quantity > 0)
);
CREATE INDEX idx_purchase_order_items_product_variant_id ON warehouse.purchase_order_items (product_variant_id);

CREATE TABLE warehouse.lots (
    product_variant_id  bigint NOT NULL,
    lot_number          text NOT NULL,
    expires_on          date NOT NULL,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (product_variant_id, lot_number),
    CONSTRAINT fk_lots_product_variant_id FOREIGN KEY (product_variant_id) REFERENCES public.product_variants (id)
);

CREATE TABLE warehouse.lot_inspections (
    id                  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    product_variant_id  bigint NOT NULL,
    lot_number          text NOT NULL,
    inspector_person_id bigint NOT NULL,
    is_passed           boolean NOT NULL,
    inspected_at        timestamptz NOT NULL,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    -- MISTAKE indexing.foreign_key_partly_indexed: fk_lot_inspections_product_variant_id_lot_number on warehouse.lot_inspections -- another column stands between the two: only the first one bounds what is read of the index.
    CONSTRAINT fk_lot_inspections_product_variant_id_lot_number FOREIGN KEY (product_variant_id, lot_number) REFERENCES warehouse.lots (product_variant_id, lot_number),
    CONSTRAINT fk_lot_inspections_inspector_person_id FOREIGN KEY (inspector_person_id) REFERENCES public.people (id)
);
CREATE INDEX idx_lot_inspections_product_variant_id_inspected_at_lot_number ON warehouse.lot_inspections (product_variant_id, inspected_at, lot_number);
CREATE INDEX idx_lot_inspections_inspector_person_id ON warehouse.lot_inspections (inspector_person_id);

CREATE TABLE warehouse.lot_labels (
    id                  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    product_variant_id  bigint NOT NULL,
    lot_number          text NOT NULL,
    printed_at          timestamptz NOT NULL,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    -- LOOKALIKE indexing.foreign_key_partly_indexed: fk_lot_labels_product_variant_id_lot_number on warehouse.lot_labels -- lot number first, then variant, then more: both lead the index.
    CONSTRAINT fk_lot_labels_product_variant_id_lot_number FOREIGN KEY (product_variant_id, lot_number) REFERENCES warehouse.lots (product_variant_id, lot_number)
);
CREATE INDEX idx_lot_labels_lot_number_product_variant_id_printed_at ON warehouse.lot_labels (lot_number, product_variant_id, printed_at);

CREATE TABLE warehouse.stock_levels (
    warehouse_id        bigint NOT NULL,
    product_variant_id  bigint NOT NULL,
    quantity            integer NOT NULL,
    reorder_quantity    integer,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (warehouse_id, product_variant_id),
    CONSTRAINT fk_stock_levels_warehouse_id FOREIGN KEY (warehouse_id) REFERENCES warehouse.warehouses (id),
    CONSTRAINT fk_stock_levels_product_variant_id FOREIGN KEY (product_variant_id) REFERENCES public.product_variants (id)
) WITH (fillfactor = 80);
CREATE INDEX idx_stock_levels_product_variant_id ON warehouse.stock_levels (product_variant_id);

CREATE FUNCTION warehouse.refuse_negative_stock() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.quantity < 0 THEN
        RAISE EXCEPTION 'stock of variant % in warehouse % would become negative', NEW.product_variant_id, NEW.warehouse_id
            USING ERRCODE = 'check_violation';
    END IF;
    NEW.updated_at := now();
    RETURN NEW;
END
$$;
CREATE TRIGGER trg_stock_levels_refuse_negative BEFORE UPDATE ON warehouse.stock_levels
    FOR EACH ROW EXECUTE FUNCTION warehouse.refuse_negative_stock();
-- LOOKALIKE schema.disabled_trigger: trg_stock_levels_refuse_negative on warehouse.stock_levels -- ENABLE ALWAYS: it fires for replicated rows as well.
ALTER TABLE warehouse.stock_levels ENABLE ALWAYS TRIGGER trg_stock_levels_refuse_negative;

-- MISTAKE indexing.too_many_indexes: warehouse.stock_movements -- thirteen indexes on the table that is written most: each movement writes all of them.
CREATE TABLE warehouse.stock_movements (
    id                  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    warehouse_id        bigint NOT NULL,
    bin_id              bigint NOT NULL,
    product_variant_id  bigint NOT NULL,
    person_id           bigint NOT NULL,
    kind                text NOT NULL,
    quantity            integer NOT NULL,
    batch_number        text NOT NULL,
    document_number     text NOT NULL,
    moved_at            timestamptz NOT NULL,
    booked_at           timestamptz,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT fk_stock_movements_warehouse_id FOREIGN KEY (warehouse_id) REFERENCES warehouse.warehouses (id),
    CONSTRAINT fk_stock_movements_bin_id FOREIGN KEY (bin_id) REFERENCES warehouse.bins (id),
    CONSTRAINT fk_stock_movements_product_variant_id FOREIGN KEY (product_variant_id) REFERENCES public.product_variants (id),
    CONSTRAINT fk_stock_movements_person_id FOREIGN KEY (person_id) REFERENCES public.people (id),
    CONSTRAINT chk_stock_movements_kind CHECK (kind IN ('in', 'out', 'count'))
);
CREATE INDEX idx_stock_movements_warehouse_id_moved_at ON warehouse.stock_movements (warehouse_id, moved_at);
CREATE INDEX idx_stock_movements_bin_id ON warehouse.stock_movements (bin_id);
CREATE INDEX idx_stock_movements_product_variant_id ON warehouse.stock_movements (product_variant_id);
CREATE INDEX idx_stock_movements_person_id ON warehouse.stock_movements (person_id);
CREATE INDEX idx_stock_movements_kind_moved_at ON warehouse.stock_movements (kind, moved_at);
CREATE INDEX idx_stock_movements_quantity ON warehouse.stock_movements (quantity);
CREATE INDEX idx_stock_movements_batch_number ON warehouse.stock_movements (batch_number);
CREATE INDEX idx_stock_movements_document_number ON warehouse.stock_movements (document_number);
CREATE INDEX idx_stock_movements_moved_at ON warehouse.stock_movements (moved_at);
CREATE INDEX idx_stock_movements_booked_at ON warehouse.stock_movements (booked_at);
CREATE INDEX idx_stock_movements_created_at ON warehouse.stock_movements (created_at);
CREATE INDEX idx_stock_movements_updated_at ON warehouse.stock_movements (updated_at);

CREATE FUNCTION warehouse.apply_stock_movement() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    UPDATE warehouse.stock_levels
       SET quantity = quantity + NEW.quantity
     WHERE warehouse_id = NEW.warehouse_id
       AND product_variant_id = NEW.product_variant_id;
    RETURN NULL;
END
$$;
CREATE TRIGGER trg_stock_movements_apply AFTER INSERT ON warehouse.stock_movements
    FOR EACH ROW EXECUTE FUNCTION warehouse.apply_stock_movement();

CREATE TABLE warehouse.transfers (
    id                  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    from_warehouse_id   bigint NOT NULL,
    to_warehouse_id     bigint NOT NULL,
    product_variant_id  bigint NOT NULL,
    quantity            integer NOT NULL,
    arrived_at          timestamptz,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT fk_transfers_from_warehouse_id FOREIGN KEY (from_warehouse_id) REFERENCES warehouse.warehouses (id),
    -- LOOKALIKE schema.duplicate_foreign_key: fk_transfers_to_warehouse_id on warehouse.transfers -- the same target from another column.
    CONSTRAINT fk_transfers_to_warehouse_id FOREIGN KEY (to_warehouse_id) REFERENCES warehouse.warehouses (id),
    CONSTRAINT fk_transfers_product_variant_id FOREIGN KEY (product_variant_id) REFERENCES public.product_variants (id),
    CONSTRAINT chk_transfers_warehouses CHECK (from_warehouse_id <> to_warehouse_id)
);
CREATE INDEX idx_transfers_from_warehouse_id_created_at ON warehouse.transfers (from_warehouse_id, created_at);
CREATE INDEX idx_transfers_to_warehouse_id_created_at ON warehouse.transfers (to_warehouse_id, created_at);
CREATE INDEX idx_transfers_product_variant_id ON warehouse.transfers (product_variant_id);
CREATE TRIGGER trg_transfers_set_updated_at BEFORE UPDATE ON warehouse.transfers
    FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();
-- MISTAKE schema.disabled_trigger: trg_transfers_set_updated_at on warehouse.transfers -- switched off for a bulk load and forgotten: updated_at lies since then.
ALTER TABLE warehouse.transfers DISABLE TRIGGER trg_transfers_set_updated_at;

CREATE TABLE warehouse.shipments (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id        bigint NOT NULL,
    carrier_id      bigint NOT NULL,
    -- LOOKALIKE schema.float_money: warehouse.shipments.total_weight_kg -- a total, but of kilograms.
    total_weight_kg double precision NOT NULL,
    tracking_code   text NOT NULL,
    pick_wave       smallint NOT NULL,
    shipped_at      timestamptz NOT NULL,
    delivered_at    timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT fk_shipments_order_id FOREIGN KEY (order_id) REFERENCES public.orders (id),
    CONSTRAINT fk_shipments_carrier_id FOREIGN KEY (carrier_id) REFERENCES warehouse.carriers (carrier_id)
);
CREATE INDEX idx_shipments_order_id ON warehouse.shipments (order_id);
CREATE INDEX idx_shipments_carrier_id_shipped_at ON warehouse.shipments (carrier_id, shipped_at);
-- MISTAKE schema.index_name: warehouse.shipments_by_tracking_code -- every other index is called idx_, the table, the columns.
CREATE INDEX shipments_by_tracking_code ON warehouse.shipments (tracking_code);
-- LOOKALIKE schema.sequence_near_end: warehouse.shipments_pick_wave_seq -- 985 of 999, but CYCLE begins again by design: waves are numbered by the day.
CREATE SEQUENCE warehouse.shipments_pick_wave_seq AS smallint MAXVALUE 999 CYCLE OWNED BY warehouse.shipments.pick_wave;

-- ---------------------------------------------------------------------------------------------------------------------
-- Support
-- ---------------------------------------------------------------------------------------------------------------------

-- MISTAKE indexing.many_sequential_scans: support.tickets -- agents search by reference all day, and each search reads every ticket.
-- MISTAKE schema.nullable_without_nulls: support.tickets -- the channel has a default and was never empty in 12,000 rows: NOT NULL would keep it so.
CREATE TABLE support.tickets (
    -- MISTAKE schema.integer_primary_key: support.tickets -- ends at 2,147,483,647, and changing it later rewrites the table under a lock.
    id                  integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_type       text NOT NULL,
    -- LOOKALIKE schema.polymorphic_association: support.tickets.customer_id -- customer_type stands beside it, but a foreign key holds it.
    customer_id         bigint NOT NULL,
    -- LOOKALIKE schema.nullable_foreign_key: support.tickets.agent_person_id -- new tickets have no agent yet, and an agent may leave.
    agent_person_id     bigint,
    reference           text NOT NULL,
    subject             text NOT NULL,
    status              text NOT NULL,
    channel             text DEFAULT 'mail',
    -- Exactly one ticket waits for its first answer.
    first_answered_at   timestamptz,
    closed_at           timestamptz,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT fk_tickets_customer_id FOREIGN KEY (customer_id) REFERENCES public.customers (id),
    CONSTRAINT fk_tickets_agent_person_id FOREIGN KEY (agent_person_id) REFERENCES public.people (id) ON DELETE SET NULL,
    CONSTRAINT chk_tickets_customer_type CHECK (customer_type IN ('private', 'business')),
    CONSTRAINT chk_tickets_status CHECK (status IN ('new', 'open', 'waiting', 'closed')),
    CONSTRAINT chk_tickets_channel CHECK (channel IN ('mail', 'chat', 'phone'))
);
CREATE INDEX idx_tickets_customer_id ON support.tickets (customer_id);
CREATE INDEX idx_tickets_agent_person_id ON support.tickets (agent_person_id);

CREATE TABLE support.ticket_messages (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ticket_id       integer NOT NULL,
    sender          text NOT NULL,
    body            text NOT NULL,
    sent_at         timestamptz NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    -- LOOKALIKE schema.foreign_key_narrower_than_key: fk_ticket_messages_ticket_id on support.ticket_messages -- four bytes, as the key that it references (which is a mistake of its own).
    CONSTRAINT fk_ticket_messages_ticket_id FOREIGN KEY (ticket_id) REFERENCES support.tickets (id),
    CONSTRAINT chk_ticket_messages_sender CHECK (sender IN ('customer', 'agent'))
);
CREATE INDEX idx_ticket_messages_ticket_id ON support.ticket_messages (ticket_id);

-- MISTAKE schema.no_primary_key: support.ticket_tags -- two equal rows cannot be told apart, so one of them cannot be deleted.
-- MISTAKE schema.replica_identity_missing: support.ticket_tags -- published with its updates, but nothing names its rows: UPDATE and DELETE fail.
CREATE TABLE support.ticket_tags (
    ticket_id       integer NOT NULL,
    tag             text NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT fk_ticket_tags_ticket_id FOREIGN KEY (ticket_id) REFERENCES support.tickets (id)
);
CREATE INDEX idx_ticket_tags_ticket_id ON support.ticket_tags (ticket_id);

CREATE TABLE support.attachments (
    id                  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    attachable_type     text NOT NULL,
    -- MISTAKE schema.polymorphic_association: support.attachments.attachable_id -- points at three tables, so no foreign key can hold it and nothing cleans up after a delete.
    attachable_id       bigint NOT NULL,
    uploader_person_id  bigint NOT NULL,
    file_name           text NOT NULL,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT fk_attachments_uploader_person_id FOREIGN KEY (uploader_person_id) REFERENCES public.people (id),
    CONSTRAINT chk_attachments_attachable_type CHECK (attachable_type IN ('Ticket', 'TicketMessage', 'Order'))
);
CREATE INDEX idx_attachments_attachable_type_attachable_id ON support.attachments (attachable_type, attachable_id);
CREATE INDEX idx_attachments_uploader_person_id ON support.attachments (uploader_person_id);

CREATE TABLE support.escalations (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- LOOKALIKE schema.polymorphic_association: support.escalations.ticket_id -- one of two: each has its own foreign key, and a CHECK asks for exactly one.
    ticket_id       integer,
    -- Empty whenever ticket_id is filled.
    order_id        bigint,
    reason          text NOT NULL,
    -- MISTAKE migration.column_blocks_upgrade: support.escalations.search_language -- the OID of a text search configuration, which a new cluster numbers anew: pg_upgrade refuses it.
    search_language regconfig,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT fk_escalations_ticket_id FOREIGN KEY (ticket_id) REFERENCES support.tickets (id),
    CONSTRAINT fk_escalations_order_id FOREIGN KEY (order_id) REFERENCES public.orders (id),
    CONSTRAINT chk_escalations_one_subject CHECK (num_nonnulls(ticket_id, order_id) = 1)
);
CREATE INDEX idx_escalations_ticket_id ON support.escalations (ticket_id) WHERE ticket_id IS NOT NULL;
CREATE INDEX idx_escalations_order_id ON support.escalations (order_id) WHERE order_id IS NOT NULL;

-- ---------------------------------------------------------------------------------------------------------------------
-- Events
-- ---------------------------------------------------------------------------------------------------------------------

-- One row a page shown. A month a partition.
-- LOOKALIKE schema.missing_audit_columns: events.page_views -- rows are written once and never changed: created_at says all there is.
CREATE TABLE events.page_views (
    id              bigint GENERATED ALWAYS AS IDENTITY,
    created_at      timestamptz NOT NULL DEFAULT now(),
    customer_id     bigint,
    product_id      bigint NOT NULL,
    visit_token     text NOT NULL,
    load_ms         integer NOT NULL,
    PRIMARY KEY (id, created_at),
    -- MISTAKE indexing.foreign_key_without_index: fk_page_views_customer_id on events.page_views -- forgetting one customer reads every partition.
    CONSTRAINT fk_page_views_customer_id FOREIGN KEY (customer_id) REFERENCES public.customers (id) ON DELETE SET NULL,
    -- The index on the parent has its counterpart in every partition.
    CONSTRAINT fk_page_views_product_id FOREIGN KEY (product_id) REFERENCES public.products (id)
) PARTITION BY RANGE (created_at);

CREATE INDEX idx_page_views_product_id ON events.page_views (product_id);
-- MISTAKE indexing.duplicate_index: events.idx_page_views_visit_token_again -- the next index is the same, and both are kept in every partition.
CREATE INDEX idx_page_views_visit_token_again ON events.page_views (visit_token);
CREATE INDEX idx_page_views_visit_token ON events.page_views (visit_token);

-- A partition is called after its table and its month, and has its table's keys.
CREATE TABLE events.page_views_2025_11 PARTITION OF events.page_views FOR VALUES FROM ('2025-11-01') TO ('2025-12-01');
-- LOOKALIKE schema.table_name_case: events.page_views_2025_12 -- digits are as good as letters in snake_case.
CREATE TABLE events.page_views_2025_12 PARTITION OF events.page_views FOR VALUES FROM ('2025-12-01') TO ('2026-01-01');
CREATE TABLE events.page_views_2026_01 PARTITION OF events.page_views FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
-- LOOKALIKE schema.index_name: events.page_views_2026_02_product_id_idx -- the server named it; the name to judge is the parent's.
CREATE TABLE events.page_views_2026_02 PARTITION OF events.page_views FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
CREATE TABLE events.page_views_2026_03 PARTITION OF events.page_views FOR VALUES FROM ('2026-03-01') TO ('2026-04-01');
CREATE TABLE events.page_views_2026_04 PARTITION OF events.page_views FOR VALUES FROM ('2026-04-01') TO ('2026-05-01');
-- LOOKALIKE migration.default_partition_holds_rows: events.page_views_default -- it is empty: a new partition reads nothing.
CREATE TABLE events.page_views_default PARTITION OF events.page_views DEFAULT;
-- LOOKALIKE indexing.unused_index: events.page_views_2025_11_product_id_idx -- nobody asks for November any more, but a partitioned index is judged as one.

-- Built the careful way: the parent's index first and ONLY there, then each partition's, then attached.
-- LOOKALIKE indexing.invalid_index: events.idx_page_views_load_ms -- was invalid until its last partition was attached, and is valid now.
CREATE INDEX idx_page_views_load_ms ON ONLY events.page_views (load_ms);
DO $$
DECLARE
    partition regclass;
    index_name text;
BEGIN
    FOR partition IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'events.page_views'::regclass ORDER BY inhrelid LOOP
        index_name := format('idx_%s_load_ms', (SELECT relname FROM pg_class WHERE oid = partition));
        EXECUTE format('CREATE INDEX %I ON %s (load_ms)', index_name, partition);
        EXECUTE format('ALTER INDEX events.idx_page_views_load_ms ATTACH PARTITION events.%I', index_name);
    END LOOP;
END
$$;

CREATE TABLE events.sessions (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id     bigint NOT NULL,
    token           text NOT NULL,
    user_agent      text NOT NULL,
    seen_at         timestamptz NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT fk_sessions_customer_id FOREIGN KEY (customer_id) REFERENCES public.customers (id) ON DELETE CASCADE
);
CREATE INDEX idx_sessions_customer_id ON events.sessions (customer_id);
-- MISTAKE indexing.bloated_index: events.idx_sessions_token -- six of seven sessions were purged, and its pages stayed: mostly air.
CREATE INDEX idx_sessions_token ON events.sessions (token);
-- LOOKALIKE indexing.bloated_index: events.sessions_pkey -- lost as many rows, but 30_use.sql rebuilds it.

-- MISTAKE schema.no_primary_key: events.search_queries -- duplicates cannot be told apart.
-- LOOKALIKE schema.replica_identity_missing: events.search_queries -- published for INSERT only, and inserts need no identity.
CREATE TABLE events.search_queries (
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    product_id      bigint NOT NULL,
    query_text      text NOT NULL,
    result_count    integer NOT NULL,
    CONSTRAINT fk_search_queries_product_id FOREIGN KEY (product_id) REFERENCES public.products (id)
);
COMMENT ON COLUMN events.search_queries.product_id IS 'The product that was clicked in the end';
CREATE INDEX idx_search_queries_product_id ON events.search_queries (product_id);
CREATE INDEX idx_search_queries_created_at ON events.search_queries USING brin (created_at);

-- ---------------------------------------------------------------------------------------------------------------------
-- Views and functions
-- ---------------------------------------------------------------------------------------------------------------------

CREATE VIEW public.active_products AS
    SELECT p.id, p.sku, p.name, p.list_price, b.name AS brand_name, t.rate AS tax_rate
      FROM public.products AS p
      JOIN public.brands AS b ON b.id = p.brand_id
      JOIN public.tax_classes AS t ON t.id = p.tax_class_id
     WHERE p.is_active;

CREATE VIEW public.order_totals AS
    SELECT o.id AS order_id, o.customer_id, sum(i.quantity * i.unit_price) AS items_amount, count(*) AS item_count
      FROM public.orders AS o
      JOIN public.order_items AS i ON i.order_id = o.id
     GROUP BY o.id;

CREATE VIEW warehouse.missing_stocks AS
    SELECT s.warehouse_id, s.product_variant_id, s.quantity, s.reorder_quantity
      FROM warehouse.stock_levels AS s
     WHERE s.quantity < s.reorder_quantity;

-- LOOKALIKE schema.wide_table: public.profile_exports -- a view with 57 columns stores none of them.
CREATE VIEW public.profile_exports AS
    SELECT p.*, c.email, c.first_name, c.last_name
      FROM public.customer_profiles AS p
      JOIN public.customers AS c ON c.id = p.customer_id;

-- LOOKALIKE schema.no_primary_key: public.daily_sales -- a materialised view cannot have one; its unique index serves REFRESH CONCURRENTLY.
CREATE MATERIALIZED VIEW public.daily_sales AS
    SELECT (placed_at AT TIME ZONE 'UTC')::date AS sold_on, count(*) AS order_count, sum(total_amount) AS sold_amount
      FROM public.orders
     WHERE status <> 'cancelled'
     GROUP BY 1
    WITH NO DATA;
CREATE UNIQUE INDEX idx_daily_sales_sold_on ON public.daily_sales (sold_on);

CREATE FUNCTION public.order_amount(bigint) RETURNS numeric
    LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum(quantity * unit_price), 0) FROM public.order_items WHERE order_id = $1
$$;
COMMENT ON FUNCTION public.order_amount(bigint) IS 'What the items of an order cost together';

CREATE FUNCTION warehouse.free_stock(bigint) RETURNS bigint
    LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum(quantity), 0) FROM warehouse.stock_levels WHERE product_variant_id = $1
$$;
COMMENT ON FUNCTION warehouse.free_stock(bigint) IS 'Units of a variant in all warehouses';

-- ---------------------------------------------------------------------------------------------------------------------
-- What the reporting database subscribes to
-- ---------------------------------------------------------------------------------------------------------------------

-- A server whose wal_level is below logical warns that nothing is sent yet; the demo does not mind.
SET client_min_messages = error;
CREATE PUBLICATION reporting FOR TABLE
    public.orders, public.order_items, public.exchange_rates, support.ticket_tags, warehouse.carriers;
CREATE PUBLICATION search_log FOR TABLE events.search_queries WITH (publish = 'insert');
SET client_min_messages = warning;

-- ---------------------------------------------------------------------------------------------------------------------
-- Who may do what
-- ---------------------------------------------------------------------------------------------------------------------

-- MISTAKE security.public_database_privilege: shop -- as every database is born: each role of the cluster may connect and make temporary tables.

-- MISTAKE security.definer_without_search_path: public.customer_order_count(bigint) -- runs as a superuser and finds "orders" wherever its caller says.
-- MISTAKE security.definer_open_to_public: public.customer_order_count(bigint) -- was made for the support desk, and everybody may call it.
CREATE FUNCTION public.customer_order_count(customer bigint) RETURNS bigint
    LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
BEGIN
    RETURN (SELECT count(*) FROM orders WHERE customer_id = customer);
END
$$;
COMMENT ON FUNCTION public.customer_order_count(bigint) IS 'How many orders a customer has placed';

-- LOOKALIKE security.definer_without_search_path: public.customer_since(bigint) -- lends its owner's rights too, with a search_path of its own.
-- LOOKALIKE security.definer_open_to_public: public.customer_since(bigint) -- and nobody but those it is granted to may call it.
CREATE FUNCTION public.customer_since(customer bigint) RETURNS timestamptz
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT c.created_at FROM public.customers c WHERE c.id = $1
$$;
COMMENT ON FUNCTION public.customer_since(bigint) IS 'Since when somebody is a customer';
REVOKE EXECUTE ON FUNCTION public.customer_since(bigint) FROM PUBLIC;

-- MISTAKE security.policies_without_row_security: support.ticket_messages -- the policy looks as if it held, and nobody turned row-level security on.
CREATE POLICY own_messages ON support.ticket_messages
    USING (ticket_id = nullif(current_setting('shop.ticket_id', true), '')::integer);

-- LOOKALIKE security.policies_without_row_security: support.attachments -- here it is on.
-- LOOKALIKE security.row_security_not_forced: support.attachments -- the owner is a superuser, whom no policy binds anyway.
ALTER TABLE support.attachments ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_files ON support.attachments USING (uploader_person_id = nullif(current_setting('shop.person_id', true), '')::bigint);

-- MISTAKE security.public_table_privilege: public.price_changes_today -- every role of the cluster may read it, those of other applications too.
CREATE VIEW public.price_changes_today AS
    SELECT id, updated_at FROM public.product_variants WHERE updated_at >= current_date;
GRANT SELECT ON public.price_changes_today TO PUBLIC;
