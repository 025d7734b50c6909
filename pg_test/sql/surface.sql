-- Everything that the extension puts into a database, so that no change of the surface goes unseen.
CREATE EXTENSION dbmastery;
\pset format unaligned
\pset footer off

-- Functions: name and arguments, kind, volatility, parallel safety, whose rights, settings, and who else may run them.
CREATE TEMP VIEW member AS
    SELECT d.classid, d.objid
    FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
    WHERE e.extname = 'dbmastery' AND d.deptype = 'e'
      -- From PostgreSQL 18 on a table's row type is a member too.
      AND NOT (d.classid = 'pg_type'::regclass AND EXISTS (
          SELECT FROM pg_type t LEFT JOIN pg_type element ON element.oid = t.typelem
          WHERE t.oid = d.objid AND (t.typrelid <> 0 OR element.typrelid <> 0)));
CREATE TEMP VIEW routine AS
    SELECT p.* FROM pg_proc p JOIN member m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid;

SELECT n.nspname || '.' || p.proname || '(' || pg_get_function_arguments(p.oid) || ')' AS routine,
       CASE p.prokind WHEN 'f' THEN 'function' WHEN 'p' THEN 'procedure' ELSE p.prokind::text END AS kind,
       CASE p.provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END AS volatility,
       CASE p.proparallel WHEN 's' THEN 'safe' WHEN 'r' THEN 'restricted' ELSE 'unsafe' END AS parallel,
       CASE WHEN p.proisstrict THEN 'strict' ELSE 'called on null' END AS nulls,
       CASE WHEN p.prosecdef THEN 'definer' ELSE 'invoker' END AS security,
       p.proconfig AS settings,
       (SELECT string_agg(CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END, ', ' ORDER BY a.grantee::regrole::text)
        FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE a.grantee <> p.proowner) AS granted_to
FROM routine p JOIN pg_namespace n ON n.oid = p.pronamespace
ORDER BY 1;

-- What they return, column by column.
SELECT p.proname AS routine,
       CASE WHEN p.proretset THEN c.ordinality::text ELSE '' END AS "column",
       coalesce(c.name, '') AS name,
       format_type(coalesce(c.type, p.prorettype), NULL) AS type
FROM routine p
LEFT JOIN LATERAL (
    SELECT row_number() OVER (ORDER BY a.place) AS ordinality, a.name, a.type
    FROM unnest(p.proargnames, p.proargmodes, p.proallargtypes) WITH ORDINALITY AS a (name, mode, type, place)
    WHERE a.mode = 't'
) c ON true
ORDER BY 1, c.ordinality;

-- Tables, views and their columns.
SELECT n.nspname || '.' || c.relname AS relation,
       CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' WHEN 'S' THEN 'sequence' WHEN 'i' THEN 'index'
                      WHEN 'm' THEN 'materialized view' ELSE c.relkind::text END AS kind,
       (SELECT string_agg(a.grantee || ': ' || a.rights, '; ' ORDER BY a.grantee)
        FROM (SELECT CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE x.grantee::regrole::text END AS grantee,
                     string_agg(x.privilege_type, ', ' ORDER BY x.privilege_type) AS rights
              FROM aclexplode(c.relacl) x WHERE x.grantee <> c.relowner GROUP BY 1) a) AS granted_to,
       c.oid = ANY (e.extconfig) AS dumped
FROM pg_class c
JOIN member m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid
JOIN pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN pg_extension e
WHERE e.extname = 'dbmastery'
ORDER BY 1;

SELECT c.relname AS relation, a.attname AS "column", format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS not_null,
       pg_get_expr(d.adbin, d.adrelid) AS "default"
FROM pg_class c
JOIN member m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE c.relkind IN ('r', 'v', 'm')
ORDER BY c.relname, a.attnum;

-- From 18 on NOT NULL is a constraint too; the columns above show it.
SELECT c.conrelid::regclass AS relation, c.conname AS "constraint", pg_get_constraintdef(c.oid) AS definition
FROM pg_constraint c
JOIN member m ON m.classid = 'pg_class'::regclass AND m.objid = c.conrelid
WHERE c.contype <> 'n'
ORDER BY c.conrelid::regclass::text, c.conname;

-- Everything else that belongs to the extension: types, operators, triggers, event triggers, casts …
SELECT (pg_identify_object(m.classid, m.objid, 0)).type, (pg_identify_object(m.classid, m.objid, 0)).identity
FROM member m
WHERE m.classid NOT IN ('pg_proc'::regclass, 'pg_class'::regclass)
ORDER BY 1, 2;

SELECT name, vartype, unit, context, min_val, max_val, boot_val FROM pg_settings WHERE name LIKE 'dbm.%' ORDER BY name;

-- What must be nought, each a number of objects.
\pset format aligned
SELECT count(*) AS without_comment
FROM (
    SELECT obj_description(m.objid, c.relname) AS comment FROM member m JOIN pg_class c ON c.oid = m.classid
    UNION ALL
    SELECT col_description(a.attrelid, a.attnum)
    FROM pg_attribute a JOIN member m ON m.classid = 'pg_class'::regclass AND m.objid = a.attrelid
    JOIN pg_class c ON c.oid = a.attrelid
    WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'v', 'm')
    UNION ALL
    SELECT obj_description(c.oid, 'pg_constraint')
    FROM pg_constraint c JOIN member m ON m.classid = 'pg_class'::regclass AND m.objid = c.conrelid
    WHERE c.contype NOT IN ('n', 'p')
    UNION ALL
    SELECT obj_description(e.oid, 'pg_extension') FROM pg_extension e WHERE e.extname = 'dbmastery'
) AS described
WHERE comment IS NULL OR comment !~ '\S';

SELECT (SELECT count(*) FROM routine p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE a.grantee = 0)
           AS public_may_run,
       (SELECT count(*) FROM pg_class c JOIN member m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid,
               aclexplode(c.relacl) a WHERE a.grantee = 0) AS public_may_read_or_write,
       (SELECT count(*) FROM pg_namespace n, aclexplode(n.nspacl) a WHERE n.nspname = 'dbm' AND a.grantee = 0)
           AS public_may_enter,
       (SELECT count(*) FROM routine p WHERE p.prosecdef AND NOT EXISTS (
            SELECT FROM unnest(p.proconfig) s WHERE s LIKE 'search_path=%pg_temp')) AS definer_without_pinned_path,
       (SELECT count(*) FROM routine p WHERE p.probin IS NOT NULL AND p.probin !~ 'dbmastery$')
           AS from_another_library,
       (SELECT count(*) FROM pg_class c JOIN member m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid, pg_extension e
        WHERE e.extname = 'dbmastery' AND c.relkind = 'r' AND c.oid <> ALL (coalesce(e.extconfig, '{}'))) AS tables_not_dumped;

-- Tables that pg_dump writes must be empty to begin with, or a restore would meet the same rows twice.
CREATE FUNCTION pg_temp.rows_in(relation regclass) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE rows bigint;
BEGIN
    EXECUTE format('SELECT count(*) FROM %s', relation) INTO rows;
    RETURN rows;
END $$;
SELECT c.relation::regclass, pg_temp.rows_in(c.relation::regclass) AS rows
FROM pg_extension e, unnest(e.extconfig) c (relation) WHERE e.extname = 'dbmastery' ORDER BY 1;

-- It goes without a trace and comes back.
DROP VIEW routine, member;
DROP EXTENSION dbmastery;
SELECT (SELECT count(*) FROM pg_proc WHERE pronamespace = 'dbm'::regnamespace) AS functions,
       (SELECT count(*) FROM pg_class WHERE relnamespace = 'dbm'::regnamespace) AS relations,
       (SELECT count(*) FROM pg_type WHERE typnamespace = 'dbm'::regnamespace) AS types;
CREATE EXTENSION dbmastery;
SELECT extname, nspname, extrelocatable FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
WHERE extname = 'dbmastery';
