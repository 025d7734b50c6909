-- The views that stand on a column, each behind those on which it stands: what makes them anew as they are. Run with a
-- pinned search_path, so that every definition is qualified.
WITH RECURSIVE standing (oid, level) AS (
    SELECT w.ev_class, 1
      FROM pg_attribute a
      JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum
                      AND d.classid = 'pg_rewrite'::regclass
      JOIN pg_rewrite w ON w.oid = d.objid
     WHERE a.attrelid = $1::oid AND a.attname = $2::name AND w.ev_class <> a.attrelid
    UNION
    SELECT w.ev_class, s.level + 1
      FROM standing s
      JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = s.oid
                      AND d.classid = 'pg_rewrite'::regclass
      JOIN pg_rewrite w ON w.oid = d.objid
     WHERE w.ev_class <> s.oid AND s.level < 100),
views AS (SELECT oid, max(level) AS level FROM standing GROUP BY oid)
SELECT json_build_object(
    'name', format('%I.%I', n.nspname, c.relname),
    'kind', c.relkind,
    'definition', rtrim(pg_get_viewdef(c.oid), E' \n;'),
    'options', coalesce(array_to_string(c.reloptions, ', '), ''),
    'owner', quote_ident(pg_get_userbyid(c.relowner)),
    'owned_here', pg_has_role(c.relowner, 'USAGE'),
    'comment', obj_description(c.oid, 'pg_class'),
    'rights', {rights},
    'columns', (
        SELECT coalesce(json_agg(json_build_object(
                   'name', a.attname,
                   'comment', col_description(c.oid, a.attnum),
                   'default', pg_get_expr(e.adbin, e.adrelid),
                   'privileges', coalesce((
                       SELECT json_agg(json_build_array(g.what, g.whom, g.is_grantable))
                         FROM (SELECT string_agg(x.privilege_type, ', ' ORDER BY x.privilege_type) AS what,
                                      CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END AS whom,
                                      x.is_grantable
                                 FROM aclexplode(a.attacl) x
                                GROUP BY x.grantee, x.is_grantable) g), '[]'))
                   ORDER BY a.attnum), '[]')
          FROM pg_attribute a
          LEFT JOIN pg_attrdef e ON e.adrelid = c.oid AND e.adnum = a.attnum
         WHERE a.attrelid = c.oid AND a.attnum > 0),
    'has_own_acl', (
        SELECT count(*) <> (SELECT count(*) FROM aclexplode(acldefault('r', c.relowner))) OR bool_or(x.is_grantable)
          FROM aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) x
         WHERE x.grantee = c.relowner),
    'privileges', coalesce((
        SELECT json_agg(json_build_array(g.what, g.whom, g.is_grantable) ORDER BY g.whom, g.is_grantable)
          FROM (SELECT string_agg(x.privilege_type, ', ' ORDER BY x.privilege_type) AS what,
                       CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END AS whom,
                       x.is_grantable
                  FROM aclexplode(c.relacl) x
                 GROUP BY 2, 3) g), '[]'),
    -- Whom default privileges would give something that the view, as it stands, need not have.
    'given_by_default', (
        SELECT coalesce(json_agg(DISTINCT CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END), '[]')
          FROM pg_default_acl f
         CROSS JOIN LATERAL aclexplode(f.defaclacl) x
         WHERE f.defaclobjtype = 'r' AND f.defaclnamespace IN (0, c.relnamespace) AND x.grantee <> c.relowner),
    'rules', (
        SELECT coalesce(json_agg(json_build_object('name', w.rulename, 'definition', rtrim(pg_get_ruledef(w.oid), ';'),
                   'comment', obj_description(w.oid, 'pg_rewrite'), 'state', w.ev_enabled) ORDER BY w.rulename), '[]')
          FROM pg_rewrite w
         WHERE w.ev_class = c.oid AND w.rulename <> '_RETURN'),
    'triggers', (
        SELECT coalesce(json_agg(json_build_object('name', g.tgname, 'definition', pg_get_triggerdef(g.oid),
                   'comment', obj_description(g.oid, 'pg_trigger'), 'state', g.tgenabled) ORDER BY g.tgname), '[]')
          FROM pg_trigger g
         WHERE g.tgrelid = c.oid AND NOT g.tgisinternal),
    'labels', (
        SELECT coalesce(json_agg(json_build_array(l.provider, l.label) ORDER BY l.provider), '[]')
          FROM pg_seclabel l
         WHERE l.objoid = c.oid AND l.classoid = 'pg_class'::regclass AND l.objsubid = 0),
    -- What else stands on it: a function, a policy, a column of its row type. It keeps the view from being dropped.
    'others', (
        SELECT coalesce(json_agg(DISTINCT (pg_identify_object(d.classid, d.objid, d.objsubid)).type || ' '
                                       || (pg_identify_object(d.classid, d.objid, d.objsubid)).identity), '[]')
          FROM pg_depend d
         WHERE d.deptype IN ('n', 'a')
           AND (d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid
             OR d.refclassid = 'pg_type'::regclass AND d.refobjid IN (
                SELECT y.oid FROM pg_type y WHERE y.oid = c.reltype OR y.typelem = c.reltype AND y.typcategory = 'A'))
           AND CASE d.classid
                    WHEN 'pg_rewrite'::regclass THEN d.objid NOT IN (
                        SELECT w.oid FROM pg_rewrite w WHERE w.ev_class IN (SELECT oid FROM views))
                    WHEN 'pg_trigger'::regclass THEN d.objid NOT IN (SELECT g.oid FROM pg_trigger g WHERE g.tgrelid = c.oid)
                    WHEN 'pg_attrdef'::regclass THEN d.objid NOT IN (SELECT e.oid FROM pg_attrdef e WHERE e.adrelid = c.oid)
                    ELSE true END))::text
  FROM views v
  JOIN pg_class c ON c.oid = v.oid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 ORDER BY v.level, n.nspname, c.relname
