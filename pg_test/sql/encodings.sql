-- A database may hold its names in any encoding, or in none; they come back as they are.
CREATE DATABASE dbm_encodings_latin1 ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0;
\c dbm_encodings_latin1
SET client_encoding = 'UTF8';
CREATE EXTENSION dbmastery;
CREATE SCHEMA "Läden";
CREATE TABLE "Läden"."größe" ("straße" int, price real);
CREATE INDEX "größe_1" ON "Läden"."größe" ("straße");
CREATE INDEX "größe_2" ON "Läden"."größe" ("straße");
INSERT INTO "Läden"."größe" VALUES (1, 1);
ANALYZE;
SELECT object FROM dbm.audit(schemas => array['Läden']) WHERE rule IN ('indexing.duplicate_index', 'schema.float_money', 'schema.no_primary_key') ORDER BY rule;
SELECT drop_sql, recreate_sql FROM dbm.duplicate_indexes();
SELECT drop_sql FROM dbm.duplicate_indexes() \gexec
SELECT count(*) AS superfluous_now FROM dbm.duplicate_indexes();
SELECT dbm.suppress('schema.float_money', 'Läden."größe".price', 'für immer') IS NOT NULL AS suppressed;
SELECT dbm.suppress('schema.no_primary_key', '"Läden"."größe"', 'für immer') IS NOT NULL AS suppressed;
SELECT rule, status, evidence -> 'suppressed' ->> 'reason' AS reason FROM dbm.audit('schema')
WHERE rule IN ('schema.float_money', 'schema.no_primary_key') ORDER BY rule;
SELECT * FROM dbm.audit(schemas => array['Lüden']);
SELECT table_name FROM dbm.table_sizes();

-- In a database without encoding a name may be no text in any; it is no reason to break, and other names are as they are.
CREATE DATABASE dbm_encodings_none ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0;
\c dbm_encodings_none
CREATE EXTENSION dbmastery;
DO $$ BEGIN
    EXECUTE format('CREATE TABLE %I (a int)', 'bytes_' || convert_from('\xff80', 'SQL_ASCII'));
    EXECUTE format('CREATE INDEX index_1 ON %I (a)', 'bytes_' || convert_from('\xff80', 'SQL_ASCII'));
    EXECUTE format('CREATE INDEX index_2 ON %I (a)', 'bytes_' || convert_from('\xff80', 'SQL_ASCII'));
END $$;
CREATE TABLE plain (a int);
SELECT status, count(*) > 0 AS rows FROM dbm.audit() GROUP BY status ORDER BY status;
SELECT rule, count(*) AS objects, count(*) FILTER (WHERE object = 'public.plain') AS plain FROM dbm.audit()
WHERE rule IN ('schema.no_primary_key', 'indexing.duplicate_index') GROUP BY rule ORDER BY rule;
-- The statement still finds its index.
SELECT drop_sql FROM dbm.duplicate_indexes() \gexec
SELECT count(*) AS superfluous_now FROM dbm.duplicate_indexes();
