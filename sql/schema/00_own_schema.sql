-- Whoever owns the schema, or may create in it, could take the extension's objects away or put a better match beside them, which
-- every policy and trigger would then use. CREATE EXTENSION makes the schema where it is missing; one that is there already, as in
-- every restore, is taken if it is a superuser's, nobody else may create in it and nothing is in it.
DO $$
DECLARE
    path   text := pg_catalog.current_setting('search_path');
    own    record;
    others text;
BEGIN
    -- What is in the schema is not to be called before it is known.
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    SELECT n.oid, n.nspacl, n.nspowner, quote_ident(r.rolname) AS owner, r.rolsuper INTO STRICT own
      FROM pg_namespace n JOIN pg_roles r ON r.oid = n.nspowner
     WHERE n.nspname = 'dbm';
    IF NOT own.rolsuper THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('schema "dbm" belongs to role %s, who is not a superuser', own.owner),
            DETAIL = 'Its owner could take the extension away, or have others call functions of his own in its place.',
            HINT = format('Look who made it and what is in it; then DROP SCHEMA dbm, or ALTER SCHEMA dbm OWNER TO %I.', current_user);
    END IF;
    SELECT string_agg(DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END, ', ') INTO others
      FROM aclexplode(own.nspacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
     WHERE a.privilege_type = 'CREATE' AND a.grantee <> own.nspowner AND r.rolsuper IS NOT TRUE;
    IF others IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('%s may create in schema "dbm"', others),
            DETAIL = 'Whoever may could put functions beside those of the extension that others would then call.',
            HINT = format('REVOKE CREATE ON SCHEMA dbm FROM %s; where the schema is new, it comes of ALTER DEFAULT PRIVILEGES.', others);
    END IF;
    SELECT string_agg(o.what, ', ') INTO others
      FROM (SELECT pg_describe_object(d.classid, d.objid, d.objsubid) AS what
              FROM pg_depend d
             WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = own.oid AND d.deptype = 'n'
               AND NOT (d.classid = 'pg_extension'::regclass
                        AND d.objid = (SELECT e.oid FROM pg_extension e WHERE e.extname = 'dbmastery'))
             ORDER BY 1 LIMIT 5) o;
    IF others IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = 'schema "dbm" is not empty',
            DETAIL = format('In it there is: %s.', others),
            HINT = 'The schema is to be the extension''s alone: look at what is in it, and move or drop it first.';
    END IF;
    PERFORM pg_catalog.set_config('search_path', path, true);
END
$$;
