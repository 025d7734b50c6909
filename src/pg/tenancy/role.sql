-- What a role can do to a table and to what stands around it. $1 is the table, $2 the role's name, $3 views, $4 partitions, $5 functions.
SELECT json_build_object(
    'oid', r.oid::int8,
    'name', quote_ident(r.rolname),
    'passes', r.rolsuper OR r.rolbypassrls,
    'may_set', has_parameter_privilege(r.oid, 'dbm.tenant', 'SET'),
    'owns', pg_has_role(r.oid, c.relowner, 'USAGE'),
    'privileges', (SELECT coalesce(json_agg(p), '[]')
                     FROM unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) p
                    WHERE has_table_privilege(r.oid, c.oid, p)
                       OR p IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES') AND has_any_column_privilege(r.oid, c.oid, p)),
    'views', (SELECT coalesce(json_agg(v::int8), '[]') FROM unnest($3::oid[]) v
               WHERE has_any_column_privilege(r.oid, v, 'SELECT, INSERT, UPDATE') OR has_table_privilege(r.oid, v, 'DELETE')),
    'partitions', (SELECT coalesce(json_agg(v::int8), '[]') FROM unnest($4::oid[]) v
                    WHERE has_any_column_privilege(r.oid, v, 'SELECT, INSERT, UPDATE') OR has_table_privilege(r.oid, v, 'DELETE, TRUNCATE')),
    'functions', (SELECT coalesce(json_agg(v::int8), '[]') FROM unnest($5::oid[]) v JOIN pg_proc p ON p.oid = v
                   WHERE has_function_privilege(r.oid, v, 'EXECUTE') AND has_schema_privilege(r.oid, p.pronamespace, 'USAGE')),
    'updates', (SELECT coalesce(json_agg(a.attname ORDER BY a.attnum), '[]') FROM pg_attribute a
                 WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND has_column_privilege(r.oid, c.oid, a.attnum, 'UPDATE'))
)::text
  FROM pg_roles r, pg_class c
 WHERE r.rolname = $2 AND c.oid = $1
