-- A large catalog: :tables tables with 15 columns, five and a half indexes and a foreign key each, by default
-- 8,000 tables, 44,000 indexes and 120,000 columns, one table in ten with a fault.
-- Usage: psql -v tables=8000 -f catalog.sql

CREATE PROCEDURE build_catalog(tables int) LANGUAGE plpgsql AS $$
DECLARE
    here text;
    other text;
BEGIN
    FOR number IN 1..tables LOOP
        IF number % 400 = 1 THEN
            EXECUTE format('CREATE SCHEMA area_%s', number / 400);
        END IF;
        here := format('area_%s.things_%s', (number - 1) / 400, number);
        EXECUTE format('CREATE TABLE %s (
            id %s GENERATED ALWAYS AS IDENTITY,
            owner_id bigint, category_id bigint NOT NULL, name text NOT NULL, status text,
            price %s, is_active boolean NOT NULL DEFAULT true, quantity int NOT NULL DEFAULT 0,
            description text, settings %s, code varchar(20), weight numeric,
            shipped_at %s, created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT things_%s_pkey PRIMARY KEY (id))',
            here,
            CASE WHEN number % 7 = 0 THEN 'int' ELSE 'bigint' END,
            CASE WHEN number % 11 = 0 THEN 'float8' ELSE 'numeric' END,
            CASE WHEN number % 13 = 0 THEN 'json' ELSE 'jsonb' END,
            CASE WHEN number % 17 = 0 THEN 'timestamp' ELSE 'timestamptz' END,
            number);
        EXECUTE format('CREATE INDEX idx_things_%s_category_id ON %s (category_id)', number, here);
        -- One table in ten lacks the index under its foreign key and has one that another makes redundant.
        IF number % 10 = 0 THEN
            EXECUTE format('CREATE INDEX idx_things_%s_name ON %s (name)', number, here);
        ELSE
            EXECUTE format('CREATE INDEX idx_things_%s_owner_id ON %s (owner_id)', number, here);
        END IF;
        EXECUTE format('CREATE INDEX idx_things_%s_lower_name ON %s (lower(name))', number, here);
        EXECUTE format('CREATE INDEX idx_things_%s_created_at ON %s (created_at) WHERE is_active', number, here);
        IF number % 2 = 0 THEN
            EXECUTE format('CREATE INDEX idx_things_%s_name_code ON %s (name, code)', number, here);
        END IF;
        IF number > 1 THEN
            other := format('area_%s.things_%s', (number - 2) / 400, number - 1);
            IF (number - 1) % 7 <> 0 THEN
                EXECUTE format('ALTER TABLE %s ADD CONSTRAINT fk_things_%s_owner FOREIGN KEY (owner_id) REFERENCES %s',
                               here, number, other);
            END IF;
        END IF;
        IF number % 100 = 0 THEN
            COMMIT;
        END IF;
    END LOOP;
END $$;

CALL build_catalog(:tables);
DROP PROCEDURE build_catalog;
VACUUM ANALYZE;
