SELECT quote_ident(r.rolname),
       r.rolsuper,
       coalesce((SELECT string_agg(DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END, ', ')
                   FROM aclexplode(n.nspacl) a LEFT JOIN pg_roles g ON g.oid = a.grantee
                  WHERE a.privilege_type = 'CREATE' AND a.grantee <> n.nspowner AND g.rolsuper IS NOT TRUE), ''),
       coalesce((SELECT string_agg(o.what, ', ')
                   FROM (SELECT pg_describe_object(d.classid, d.objid, d.objsubid) AS what
                           FROM pg_depend d
                          WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = n.oid AND d.deptype = 'n'
                            AND NOT (d.classid = 'pg_extension'::regclass
                                     AND d.objid = (SELECT e.oid FROM pg_extension e WHERE e.extname = 'dbmastery'))
                          ORDER BY 1 LIMIT 5) o), ''),
       quote_ident(current_user)
  FROM pg_namespace n JOIN pg_roles r ON r.oid = n.nspowner
 WHERE n.nspname = 'dbm'
