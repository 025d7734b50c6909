-- ALTER TABLE t ADD u uuid DEFAULT gen_random_uuid() NOT NULL UNIQUE
--
-- change:         ALTER TABLE t ADD u uuid DEFAULT gen_random_uuid() NOT NULL UNIQUE
-- risk:           medium
-- estimated time: under a second, beside waiting for locks
-- requires:       nothing
--
-- Run with psql, section by section; steps that say so run outside a transaction.

-- UP --------------------------------------------------------------------
\set ON_ERROR_STOP on
SET search_path TO public;
SET lock_timeout = '2s';

-- step 1 of 7: expand, ACCESS EXCLUSIVE
--   new rows have the default from here on; the others stay NULL and are not touched
BEGIN;
ALTER TABLE public.t ADD COLUMN u uuid, ALTER COLUMN u SET DEFAULT gen_random_uuid();
COMMIT;
--   done when true: SELECT EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = pg_catalog.to_regclass('public.t') AND attname = 'u' AND NOT attisdropped AND atthasdef);

-- step 2 of 7: backfill, ROW EXCLUSIVE
--   goes on where it was interrupted; SELECT * FROM dbm.backfill_status() shows how far it is
--   outside a transaction; must not be cut short by a timeout
SET lock_timeout = 0;
CALL dbm.backfill('public.t'::pg_catalog.regclass, 'u = gen_random_uuid()', 'u IS NULL');
SET lock_timeout = '2s';
--   done when true: SELECT NOT EXISTS (SELECT FROM public.t WHERE u IS NULL);

-- step 3 of 7: validate, ACCESS EXCLUSIVE
--   from here on nobody can write NULL; rows that are there are not read
BEGIN;
ALTER TABLE public.t ADD CONSTRAINT t_u_dbm_not_null CHECK (u IS NOT NULL) NOT VALID;
COMMIT;
--   done when true: SELECT EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE conrelid = pg_catalog.to_regclass('public.t') AND conname = 't_u_dbm_not_null');

-- step 4 of 7: validate, SHARE UPDATE EXCLUSIVE
--   reads every row while others read and write; stops at the first row that does not fit
BEGIN;
ALTER TABLE public.t VALIDATE CONSTRAINT t_u_dbm_not_null;
COMMIT;
--   done when true: SELECT EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE conrelid = pg_catalog.to_regclass('public.t') AND conname = 't_u_dbm_not_null' AND convalidated);

-- step 5 of 7: validate, SHARE UPDATE EXCLUSIVE
--   reads the table twice while others read and write; stops if two rows are equal, and the next attempt removes what it left
--   outside a transaction; must not be cut short by a timeout
SET lock_timeout = 0;
CREATE UNIQUE INDEX CONCURRENTLY t_u_key ON public.t (u);
SET lock_timeout = '2s';
--   if it was interrupted and this is true: SELECT EXISTS (SELECT FROM pg_catalog.pg_index WHERE indexrelid = pg_catalog.to_regclass('public.t_u_key') AND NOT (indisvalid AND indisready));
--   remove what it left: DROP INDEX CONCURRENTLY IF EXISTS public.t_u_key;
--   done when true: SELECT EXISTS (SELECT FROM pg_catalog.pg_index WHERE indexrelid = pg_catalog.to_regclass('public.t_u_key') AND indisvalid AND indisready);

-- step 6 of 7: switch, ACCESS EXCLUSIVE
--   no row is read: the CHECK proves it, and goes
BEGIN;
ALTER TABLE public.t ALTER COLUMN u SET NOT NULL;
ALTER TABLE public.t DROP CONSTRAINT t_u_dbm_not_null;
COMMIT;
--   done when true: SELECT EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = pg_catalog.to_regclass('public.t') AND attname = 'u' AND NOT attisdropped AND attnotnull);

-- step 7 of 7: switch, ACCESS EXCLUSIVE
--   no row is read; public.t_u_key belongs to the constraint from here on
BEGIN;
ALTER TABLE public.t ADD CONSTRAINT t_u_key UNIQUE USING INDEX t_u_key;
COMMIT;
--   done when true: SELECT EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE conrelid = pg_catalog.to_regclass('public.t') AND conname = 't_u_key');

-- DOWN ------------------------------------------------------------------
\set ON_ERROR_STOP on
SET search_path TO public;

-- back from step 7
BEGIN;
ALTER TABLE public.t DROP CONSTRAINT IF EXISTS t_u_key;
COMMIT;

-- back from step 6
BEGIN;
ALTER TABLE public.t ALTER COLUMN u DROP NOT NULL, ADD CONSTRAINT t_u_dbm_not_null CHECK (u IS NOT NULL) NOT VALID;
COMMIT;

-- back from step 5
--   outside a transaction
DROP INDEX CONCURRENTLY IF EXISTS public.t_u_key;

-- back from step 4
--   nothing is to be done, or nothing can be: see the step's note

-- back from step 3
BEGIN;
ALTER TABLE public.t DROP CONSTRAINT IF EXISTS t_u_dbm_not_null;
COMMIT;

-- back from step 2
--   nothing is to be done, or nothing can be: see the step's note

-- back from step 1
BEGIN;
ALTER TABLE public.t DROP COLUMN IF EXISTS u;
COMMIT;

-- VERIFY ----------------------------------------------------------------
\set ON_ERROR_STOP on
SET search_path TO public;
-- each has to be true once all of UP was run
SELECT EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = pg_catalog.to_regclass('public.t') AND attname = 'u' AND NOT attisdropped AND atthasdef);
SELECT EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = pg_catalog.to_regclass('public.t') AND attname = 'u' AND NOT attisdropped AND attnotnull);
SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE conrelid = pg_catalog.to_regclass('public.t') AND conname = 't_u_dbm_not_null');
SELECT EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE conrelid = pg_catalog.to_regclass('public.t') AND conname = 't_u_key');

-- ALTER TABLE t DROP b
--
-- change:         ALTER TABLE t DROP b
-- risk:           high
-- estimated time: under a second, beside waiting for locks
-- requires:       nothing
--
-- Run with psql, section by section; steps that say so run outside a transaction.

-- UP --------------------------------------------------------------------
\set ON_ERROR_STOP on
SET search_path TO public;
SET lock_timeout = '2s';

-- step 1 of 3: expand, ACCESS EXCLUSIVE
--   so that the application can leave the column out of its INSERTs
BEGIN;
ALTER TABLE public.t ALTER COLUMN b DROP NOT NULL;
COMMIT;
--   done when true: SELECT EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = pg_catalog.to_regclass('public.t') AND attname = 'b' AND NOT attisdropped AND NOT attnotnull);

-- step 2 of 3: contract
--   BY HAND: let the application neither read nor write b; confirm when that is so

-- step 3 of 3: contract, ACCESS EXCLUSIVE
--   no row is read or written, and there is no way back: the values, and indexes and constraints that use the column, are gone
BEGIN;
ALTER TABLE public.t DROP COLUMN IF EXISTS b;
COMMIT;
--   done when true: SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = pg_catalog.to_regclass('public.t') AND attname = 'b' AND NOT attisdropped);

-- DOWN ------------------------------------------------------------------
\set ON_ERROR_STOP on
SET search_path TO public;

-- back from step 3
--   nothing is to be done, or nothing can be: see the step's note

-- back from step 1
BEGIN;
ALTER TABLE public.t ADD CONSTRAINT t_b_dbm_undo CHECK (b IS NOT NULL) NOT VALID;
COMMIT;
BEGIN;
ALTER TABLE public.t VALIDATE CONSTRAINT t_b_dbm_undo;
COMMIT;
BEGIN;
ALTER TABLE public.t ALTER COLUMN b SET NOT NULL;
ALTER TABLE public.t DROP CONSTRAINT t_b_dbm_undo;
COMMIT;

-- VERIFY ----------------------------------------------------------------
\set ON_ERROR_STOP on
SET search_path TO public;
-- each has to be true once all of UP was run
SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = pg_catalog.to_regclass('public.t') AND attname = 'b' AND NOT attisdropped);
