-- What hangs on a table and is no part of it, and who may do what with it: a line each. The table's OID is put in by its name, which no
-- comment may hold: a line break in it would end the comment.
SELECT 'privileges ' || coalesce(k.relacl::text, '') || k.relowner::text || k.relrowsecurity::text || k.relforcerowsecurity::text || k.relreplident::text
  FROM pg_catalog.pg_class k WHERE k.oid = {table}
 UNION ALL
SELECT 'column ' || a.attname::text || a.atttypid::text || a.atttypmod::text || a.attidentity::text || a.attgenerated::text || coalesce(a.attacl::text, '')
  FROM pg_catalog.pg_attribute a WHERE a.attrelid = {table} AND a.attnum > 0 AND NOT a.attisdropped
 UNION ALL
SELECT 'dependent ' || d.classid::text || ' ' || d.objid::text
  FROM pg_catalog.pg_depend d
  LEFT JOIN pg_catalog.pg_trigger g ON d.classid = 'pg_catalog.pg_trigger'::regclass AND g.oid = d.objid
 WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = {table}
   AND d.classid IN ('pg_catalog.pg_rewrite'::regclass, 'pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_policy'::regclass,
                     'pg_catalog.pg_trigger'::regclass, 'pg_catalog.pg_publication_rel'::regclass,
                     'pg_catalog.pg_statistic_ext'::regclass)
   AND g.tgisinternal IS NOT TRUE
 UNION ALL
SELECT 'trigger ' || g.tgname::text || g.tgenabled::text
  FROM pg_catalog.pg_trigger g WHERE g.tgrelid = {table} AND NOT g.tgisinternal
