-- What a table is and has of its own: a line each. Its OID is put in by its name, and with it the names that the conversion itself added;
-- no comment may hold them: a line break in a name would end the comment.
SELECT 'index ' || pg_catalog.pg_get_indexdef(i.indexrelid) || i.indisvalid::text || i.indisreplident::text
  FROM pg_catalog.pg_index i
  JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
 WHERE i.indrelid = {table} AND x.relname <> ALL ({names})
 UNION ALL
SELECT 'constraint ' || k.conname::text || ' ' || pg_catalog.pg_get_constraintdef(k.oid) || k.convalidated::text
  FROM pg_catalog.pg_constraint k WHERE k.conrelid = {table} AND k.contype <> 't' AND k.conname <> ALL ({names})
 UNION ALL
SELECT 'default ' || d.adnum::text || ' ' || pg_catalog.pg_get_expr(d.adbin, d.adrelid)
  FROM pg_catalog.pg_attrdef d WHERE d.adrelid = {table}
 UNION ALL
SELECT 'stored ' || a.attname::text || a.attnotnull::text || a.attstorage::text || a.attcompression::text || coalesce(a.attstattarget::text, '')
       || coalesce(a.attoptions::text, '')
  FROM pg_catalog.pg_attribute a WHERE a.attrelid = {table} AND a.attnum > 0 AND NOT a.attisdropped
 UNION ALL
SELECT 'options ' || coalesce(k.reloptions::text, '') || k.reltablespace::text FROM pg_catalog.pg_class k WHERE k.oid = {table}
 UNION ALL
SELECT 'comment ' || d.objsubid::text || ' ' || d.description
  FROM pg_catalog.pg_description d WHERE d.objoid = {table} AND d.classoid = 'pg_catalog.pg_class'::regclass
 UNION ALL
SELECT 'policy ' || p.polname::text || p.polcmd::text || p.polpermissive::text || p.polroles::text
       || coalesce(pg_catalog.pg_get_expr(p.polqual, p.polrelid), '') || coalesce(pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid), '')
  FROM pg_catalog.pg_policy p WHERE p.polrelid = {table}
