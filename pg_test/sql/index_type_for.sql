-- dbm.index_type_for(): for every purpose and type an answer; what it offers can be built, and is as large as it says.
CREATE DATABASE dbm_index_type_for;
\c dbm_index_type_for
CREATE EXTENSION dbmastery;
CREATE TABLE thing (id integer PRIMARY KEY, grp integer, day timestamptz, name text, tags text[], doc jsonb, plain json, words tsvector, span int4range, place point, address inet, yes boolean, rare integer);
INSERT INTO thing
SELECT i, i % 500, timestamptz '2020-01-01 00:00+00' + i * interval '1 minute', md5(i::text), ARRAY['t' || i % 100, 'u' || i % 70], jsonb_build_object('k', i % 300),
    '{}', to_tsvector('simple', 'w' || i % 400 || ' v' || i % 30), int4range(i, i + 10), point(i % 173, i % 311), ('10.0.' || i % 256 || '.' || i / 256 % 256)::inet, i % 2 = 0, CASE WHEN i % 50 = 0 THEN i END
FROM generate_series(1, 30000) AS i;
ANALYZE;

-- The first of each.
SELECT c.name, p.purpose, i.index_type, i.verdict, i.create_sql
FROM unnest(ARRAY['grp', 'name', 'tags', 'doc', 'words', 'span', 'place', 'address', 'yes', 'rare', 'plain']) AS c (name),
    unnest(ARRAY['any', 'equality', 'join', 'range', 'sort', 'prefix', 'contains', 'overlaps', 'nearest', 'full_text', 'unique']) AS p (purpose),
    LATERAL (SELECT * FROM dbm.index_type_for('thing', ARRAY[c.name], p.purpose) LIMIT 1) AS i
WHERE i.verdict <> 'unfit'
ORDER BY c.name, p.purpose;

-- All that is offered can be built, and is within a quarter of the size that was told. Small GIN indexes are told too large
-- by up to a half, and GiST indexes of words, whose entries are signatures, by more.
CREATE PROCEDURE verify() LANGUAGE plpgsql AS $$
DECLARE
    offer record;
    size bigint;
    built bigint := 0;
    sized bigint := 0;
BEGIN
    FOR offer IN
        SELECT DISTINCT i.index_type, i.create_sql, i.estimated_bytes
        FROM unnest(ARRAY['{id}', '{grp}', '{day}', '{name}', '{tags}', '{doc}', '{words}', '{span}', '{place}', '{address}', '{yes}', '{rare}', '{grp,id}', '{grp,name}']::text[]) AS c (names),
            unnest(ARRAY['any', 'equality', 'join', 'range', 'sort', 'prefix', 'pattern', 'contains', 'overlaps', 'nearest', 'full_text', 'unique']) AS p (purpose),
            LATERAL dbm.index_type_for('thing', c.names::text[], p.purpose) AS i
        WHERE i.create_sql IS NOT NULL
    LOOP
        BEGIN
            EXECUTE replace(offer.create_sql, 'INDEX ON', 'INDEX offered ON');
        EXCEPTION WHEN unique_violation THEN
            CONTINUE;
        END;
        built := built + 1;
        size := pg_relation_size('offered');
        IF offer.estimated_bytes IS NOT NULL THEN
            sized := sized + 1;
            IF abs(size - offer.estimated_bytes) > greatest(size * CASE WHEN offer.create_sql ~ 'gist \(words' THEN 1.5 WHEN offer.create_sql ~ 'gin' THEN 0.5 ELSE 0.25 END, 16384) THEN
                RAISE NOTICE '%: % bytes and not %', offer.create_sql, size, offer.estimated_bytes;
            END IF;
        END IF;
        DROP INDEX offered;
    END LOOP;
    RAISE NOTICE 'built %, sized %', built, sized;
END $$;
CALL verify();

-- What it is not asked for.
SELECT * FROM dbm.index_type_for('thing', '{nowhere}');
SELECT * FROM dbm.index_type_for('thing', '{grp}', 'speed');
SELECT * FROM dbm.index_type_for('thing', '{}');
SELECT * FROM dbm.index_type_for('thing', '{NULL}');
SELECT * FROM dbm.index_type_for('nowhere', '{grp}');
SELECT * FROM dbm.index_type_for('thing_pkey', '{id}');
SELECT count(*) FROM dbm.index_type_for(NULL, '{id}');
CREATE VIEW seen AS SELECT * FROM thing;
SELECT * FROM dbm.index_type_for('seen', '{id}');
SELECT index_type, verdict FROM dbm.index_type_for('thing', '{grp,grp}') LIMIT 1;
