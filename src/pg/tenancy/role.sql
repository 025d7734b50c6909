-- What a role can do to a table and to what stands around it. $1 is the table, $2 the role's name, $3 views, $4 partitions, $5 functions,
-- $6 the word by which the server says that a role can become another by SET ROLE.
WITH asked AS (SELECT r.*, c.oid AS relation, c.relowner FROM pg_roles r, pg_class c WHERE r.rolname = $2 AND c.oid = $1),
-- Who has the owner's rights, and who is above policies and can do something with the table.
above AS (
    SELECT m.oid, m.rolname, pg_has_role(m.oid, a.relowner, 'USAGE') AS owns,
           m.rolsuper OR m.rolbypassrls AND has_any_column_privilege(m.oid, a.relation, 'SELECT, INSERT, UPDATE')
               OR m.rolbypassrls AND has_table_privilege(m.oid, a.relation, 'DELETE') AS passes
      FROM asked a, pg_roles m
     WHERE m.oid <> a.oid AND (m.rolsuper OR m.rolbypassrls OR pg_has_role(m.oid, a.relowner, 'USAGE'))),
-- The grant of a role to oneself: by ADMIN OPTION, and before 16 by CREATEROLE.
ways AS (
    SELECT b.rolname, b.owns, b.passes, pg_has_role(a.oid, b.oid, $6) AS becomes,
           pg_has_role(a.oid, b.oid, 'MEMBER WITH ADMIN OPTION')
               OR $6 = 'MEMBER' AND a.rolcreaterole AND NOT (SELECT m.rolsuper FROM pg_roles m WHERE m.oid = b.oid) AS grants
      FROM asked a, above b
     WHERE NOT a.rolsuper)
SELECT json_build_object(
    'oid', r.oid::int8,
    'name', quote_ident(r.rolname),
    'passes', r.rolsuper OR r.rolbypassrls,
    'may_set', has_parameter_privilege(r.oid, 'dbm.tenant', 'SET'),
    'owns', pg_has_role(r.oid, r.relowner, 'USAGE'),
    'becomes_owner', (SELECT min(quote_ident(w.rolname)) FROM ways w WHERE w.owns AND w.becomes),
    'becomes_passing', (SELECT min(quote_ident(w.rolname)) FROM ways w WHERE w.passes AND w.becomes),
    'grants_itself', (SELECT min(quote_ident(w.rolname)) FROM ways w WHERE w.grants AND (w.owns OR w.passes)),
    'search_path', (SELECT substr(s.setting, length('search_path=') + 1)
                      FROM pg_db_role_setting d, unnest(d.setconfig) AS s(setting)
                     WHERE s.setting LIKE 'search\_path=%' AND d.setrole IN (0, r.oid)
                       AND d.setdatabase IN (0, (SELECT b.oid FROM pg_database b WHERE b.datname = current_database()))
                     ORDER BY d.setrole <> 0 DESC, d.setdatabase <> 0 DESC LIMIT 1),
    'privileges', (SELECT coalesce(json_agg(p), '[]')
                     FROM unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) p
                    WHERE has_table_privilege(r.oid, r.relation, p)
                       OR p IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES') AND has_any_column_privilege(r.oid, r.relation, p)),
    'views', (SELECT coalesce(json_agg(v::int8), '[]') FROM unnest($3::oid[]) v
               WHERE has_any_column_privilege(r.oid, v, 'SELECT, INSERT, UPDATE') OR has_table_privilege(r.oid, v, 'DELETE')),
    'view_columns', (SELECT coalesce(json_agg(json_build_object('view', v::int8, 'columns',
                                (SELECT coalesce(json_agg(a.attname ORDER BY a.attnum), '[]') FROM pg_attribute a
                                  WHERE a.attrelid = v AND a.attnum > 0 AND NOT a.attisdropped AND has_column_privilege(r.oid, v, a.attnum, 'SELECT')))), '[]')
                       FROM unnest($3::oid[]) v),
    'partitions', (SELECT coalesce(json_agg(v::int8), '[]') FROM unnest($4::oid[]) v
                    WHERE has_any_column_privilege(r.oid, v, 'SELECT, INSERT, UPDATE') OR has_table_privilege(r.oid, v, 'DELETE, TRUNCATE')),
    'on_partitions', (SELECT coalesce(json_agg(json_build_object('partition', v::int8, 'privilege', p)), '[]')
                        FROM unnest($4::oid[]) v, unnest('{TRUNCATE,REFERENCES,TRIGGER}'::text[]) p
                       WHERE has_table_privilege(r.oid, v, p) OR p = 'REFERENCES' AND has_any_column_privilege(r.oid, v, p)),
    'functions', (SELECT coalesce(json_agg(v::int8), '[]') FROM unnest($5::oid[]) v JOIN pg_proc p ON p.oid = v
                   WHERE has_function_privilege(r.oid, v, 'EXECUTE') AND has_schema_privilege(r.oid, p.pronamespace, 'USAGE')),
    'updates', (SELECT coalesce(json_agg(a.attname ORDER BY a.attnum), '[]') FROM pg_attribute a
                 WHERE a.attrelid = r.relation AND a.attnum > 0 AND NOT a.attisdropped AND has_column_privilege(r.oid, r.relation, a.attnum, 'UPDATE'))
)::text
  FROM asked r
