-- Before anything of ours is put into the schema it is looked at. Whatever is in it is passed by: what looks stands where nobody else
-- creates, is called by its full name, and has no arguments for which there could be a better match.
CREATE FUNCTION pg_catalog.dbm_look_at_own_schema() RETURNS pg_catalog.void LANGUAGE c
    AS 'MODULE_PATHNAME', 'look_at_own_schema_wrapper';
SELECT pg_catalog.dbm_look_at_own_schema();
DROP FUNCTION pg_catalog.dbm_look_at_own_schema();
