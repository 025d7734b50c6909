-- Run with a pinned search_path, so that every definition is qualified. $1 is the table.
SELECT json_build_object(
    'version', current_setting('server_version_num')::int4,
    'oid', c.oid::int8,
    'schema', n.nspname,
    'name', c.relname,
    'kind', c.relkind,
    'is_unlogged', c.relpersistence = 'u',
    'is_temporary', c.relpersistence = 't',
    'is_partition', c.relispartition,
    'is_typed', c.reloftype <> 0,
    'owner', quote_ident(pg_get_userbyid(c.relowner)),
    'is_own', pg_has_role(c.relowner, 'USAGE'),
    'is_owner_me', c.relowner = (SELECT r.oid FROM pg_roles r WHERE r.rolname = current_user),
    'may_create', has_schema_privilege(n.oid, 'CREATE'),
    'may_owner_create', has_schema_privilege(c.relowner, n.oid, 'CREATE'),
    'access_method', (SELECT quote_ident(m.amname) FROM pg_am m WHERE m.oid = c.relam AND m.amname <> 'heap'),
    'tablespace', (SELECT quote_ident(s.spcname) FROM pg_tablespace s WHERE s.oid = c.reltablespace),
    'options', coalesce((
        SELECT json_agg(o.option)
          FROM (SELECT o AS option FROM unnest(c.reloptions) o
                UNION ALL
                SELECT 'toast.' || o FROM pg_class t, unnest(t.reloptions) o WHERE t.oid = c.reltoastrelid) o), '[]'),
    'rows', c.reltuples,
    'bytes', pg_table_size(c.oid),
    'all_bytes', pg_total_relation_size(c.oid),
    'tablespace_number', c.reltablespace::int8,
    'blocks', pg_relation_size(c.oid) / current_setting('block_size')::int8,
    'has_rules', EXISTS (SELECT FROM pg_rewrite w WHERE w.ev_class = c.oid),
    'has_row_security', c.relrowsecurity,
    'forces_row_security', c.relforcerowsecurity,
    'replica_identity', c.relreplident,
    'comment', obj_description(c.oid, 'pg_class'),
    'extension', (SELECT e.extname
                    FROM pg_depend d
                    JOIN pg_extension e ON e.oid = d.refobjid
                   WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                     AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'),
    'parents', (SELECT coalesce(json_agg(i.inhparent::regclass::text), '[]') FROM pg_inherits i WHERE i.inhrelid = c.oid),
    'children', (SELECT coalesce(json_agg(i.inhrelid::regclass::text), '[]') FROM pg_inherits i WHERE i.inhparent = c.oid),
    'columns', (
        SELECT coalesce(json_agg(json_build_object(
                   'name', a.attname,
                   'number', a.attnum,
                   'type_name', format_type(a.atttypid, a.atttypmod),
                   'collation', (SELECT co.collname FROM pg_collation co WHERE co.oid = a.attcollation),
                   'is_not_null', a.attnotnull,
                   'not_null', (SELECT k.conname FROM pg_constraint k
                                 WHERE k.conrelid = c.oid AND k.contype = 'n' AND k.conkey = ARRAY[a.attnum]),
                   'generated', a.attgenerated,
                   'identity', a.attidentity,
                   'statistics', CASE WHEN a.attstattarget >= 0 THEN a.attstattarget END,
                   -- These alone are for people to set; a server may keep others there for itself.
                   'options', coalesce((SELECT string_agg(o, ', ') FROM unnest(a.attoptions) o WHERE starts_with(o, 'n_distinct')), ''),
                   'privileges', coalesce((
                       SELECT json_agg(json_build_array(g.what, g.whom, g.is_grantable) ORDER BY g.whom, g.is_grantable)
                         FROM (SELECT string_agg(format('%s (%I)', x.privilege_type, a.attname), ', ' ORDER BY x.privilege_type) AS what,
                                      CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END AS whom,
                                      x.is_grantable
                                 FROM aclexplode(a.attacl) x
                                GROUP BY x.grantee, x.is_grantable) g), '[]'))
                   ORDER BY a.attnum), '[]')
          FROM pg_attribute a
         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
    'constraints', (
        SELECT coalesce(json_agg(json_build_object(
                   'name', k.conname,
                   'kind', k.contype,
                   'definition', pg_get_constraintdef(k.oid),
                   'is_valid', k.convalidated,
                   'is_enforced', coalesce((to_jsonb(k) ->> 'conenforced')::bool, true),
                   'is_no_inherit', k.connoinherit,
                   'is_deferrable', k.condeferrable,
                   'is_deferred', k.condeferred,
                   'referenced', (SELECT format('%I.%I', rn.nspname, r.relname)
                                    FROM pg_class r
                                    JOIN pg_namespace rn ON rn.oid = r.relnamespace
                                   WHERE r.oid = k.confrelid),
                   'may_lock', k.confrelid <> 0 AND (has_table_privilege(k.confrelid, 'UPDATE, DELETE, TRUNCATE')
                                   AND (SELECT r.relkind = 'r' FROM pg_class r WHERE r.oid = k.confrelid)),
                   'may_owner_lock', k.confrelid <> 0 AND (has_table_privilege(c.relowner, k.confrelid, 'UPDATE, DELETE, TRUNCATE')
                                   AND (SELECT r.relkind = 'r' FROM pg_class r WHERE r.oid = k.confrelid)),
                   'may_owner_refer', k.confrelid = 0 OR has_table_privilege(c.relowner, k.confrelid, 'REFERENCES')
                                      OR has_any_column_privilege(c.relowner, k.confrelid, 'REFERENCES'),
                   'is_self', k.confrelid = c.oid,
                   'comment', obj_description(k.oid, 'pg_constraint'))
                   ORDER BY k.conname), '[]')
          FROM pg_constraint k
         WHERE k.conrelid = c.oid AND k.contype IN ('c', 'f', 'p', 'u', 'x', 'n')),
    'indexes', (
        SELECT coalesce(json_agg(json_build_object(
                   'schema', xn.nspname,
                   'name', x.relname,
                   'tail', substr(pg_get_indexdef(i.indexrelid), 1 + length(format('CREATE %sINDEX %I ON %I.%I ',
                               CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END, x.relname, n.nspname, c.relname))),
                   'tablespace', (SELECT quote_ident(s.spcname) FROM pg_tablespace s WHERE s.oid = x.reltablespace),
                   'key_columns', CASE WHEN 0 = ANY (i.indkey::int2[]) THEN '[]'::json ELSE (
                                       SELECT json_agg(a.attname ORDER BY k.place)
                                         FROM unnest(i.indkey::int2[]) WITH ORDINALITY k(number, place)
                                         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number
                                        WHERE k.place <= i.indnkeyatts) END,
                   'first_column', (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = i.indkey[0]),
                   'is_btree', (SELECT m.amname = 'btree' FROM pg_am m WHERE m.oid = x.relam),
                   'is_unique', i.indisunique,
                   'is_partial', i.indpred IS NOT NULL,
                   'is_valid', i.indisvalid AND i.indisready,
                   'is_exclusion', i.indisexclusion,
                   'is_clustered', i.indisclustered,
                   'is_replica_identity', i.indisreplident,
                   'constraint', k.conname,
                   'constraint_kind', k.contype,
                   'constraint_is_deferrable', coalesce(k.condeferrable, false),
                   'constraint_is_deferred', coalesce(k.condeferred, false),
                   'constraint_comment', obj_description(k.oid, 'pg_constraint'),
                   'comment', obj_description(i.indexrelid, 'pg_class'))
                   ORDER BY x.relname), '[]')
          FROM pg_index i
          JOIN pg_class x ON x.oid = i.indexrelid
          JOIN pg_namespace xn ON xn.oid = x.relnamespace
          LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = c.oid AND k.contype IN ('p', 'u', 'x')
         WHERE i.indrelid = c.oid),
    'statistics', (
        SELECT coalesce(json_agg(json_build_object(
                   'schema', sn.nspname,
                   'name', s.stxname,
                   'body', left(d.body, length(d.body) - length(format(' FROM %I.%I', n.nspname, c.relname))),
                   'owner', quote_ident(pg_get_userbyid(s.stxowner)),
                   'is_own', pg_has_role(s.stxowner, 'USAGE'),
                   'target', CASE WHEN s.stxstattarget >= 0 THEN s.stxstattarget END,
                   'comment', obj_description(s.oid, 'pg_statistic_ext'))
                   ORDER BY s.stxname), '[]')
          FROM pg_statistic_ext s
          JOIN pg_namespace sn ON sn.oid = s.stxnamespace
         CROSS JOIN LATERAL (SELECT substr(pg_get_statisticsobjdef(s.oid),
                                           1 + length(format('CREATE STATISTICS %I.%I ', sn.nspname, s.stxname))) AS body) d
         WHERE s.stxrelid = c.oid),
    'triggers', (
        SELECT coalesce(json_agg(json_build_object(
                   'name', g.tgname,
                   'definition', pg_get_triggerdef(g.oid),
                   'enabled', g.tgenabled,
                   'is_row', g.tgtype & 1 = 1,
                   'is_before', g.tgtype & 2 = 2,
                   'may_owner_make', has_function_privilege(c.relowner, g.tgfoid, 'EXECUTE'),
                   'has_transition_table', g.tgoldtable IS NOT NULL OR g.tgnewtable IS NOT NULL,
                   'comment', obj_description(g.oid, 'pg_trigger'))
                   ORDER BY g.tgname), '[]')
          FROM pg_trigger g
         WHERE g.tgrelid = c.oid AND NOT g.tgisinternal),
    'policies', (
        SELECT coalesce(json_agg(json_build_object(
                   'name', p.polname,
                   'body', format(' AS %s FOR %s TO %s%s%s',
                               CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
                               CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE'
                                             WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
                               (SELECT string_agg(CASE r.role WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(r.role)) END, ', ')
                                  FROM unnest(p.polroles) r(role)),
                               ' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')',
                               ' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')'),
                   'comment', obj_description(p.oid, 'pg_policy'))
                   ORDER BY p.polname), '[]')
          FROM pg_policy p
         WHERE p.polrelid = c.oid),
    'has_privileges', c.relacl IS NOT NULL,
    'privileges', coalesce((
        SELECT json_agg(json_build_array(g.what, g.whom, g.is_grantable) ORDER BY g.whom, g.is_grantable)
          FROM (SELECT string_agg(x.privilege_type, ', ' ORDER BY x.privilege_type) AS what,
                       CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END AS whom,
                       x.is_grantable
                  FROM aclexplode(c.relacl) x
                 GROUP BY x.grantee, x.is_grantable) g), '[]'),
    'default_grantees', (
        SELECT coalesce(json_agg(DISTINCT CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END), '[]')
          FROM pg_default_acl d
         CROSS JOIN aclexplode(d.defaclacl) x
         WHERE d.defaclobjtype = 'r' AND d.defaclnamespace IN (0, n.oid)
           AND d.defaclrole IN (c.relowner, (SELECT r.oid FROM pg_roles r WHERE r.rolname = current_user))),
    'sequences', (
        SELECT coalesce(json_agg(json_build_object(
                   'schema', sn.nspname,
                   'name', s.relname,
                   'column', a.attname,
                   'identity', CASE a.attidentity WHEN 'a' THEN 'ALWAYS' WHEN 'd' THEN 'BY DEFAULT' END,
                   'options', format('START WITH %s INCREMENT BY %s MINVALUE %s MAXVALUE %s CACHE %s %s',
                                  q.seqstart, q.seqincrement, q.seqmin, q.seqmax, q.seqcache,
                                  CASE WHEN q.seqcycle THEN 'CYCLE' ELSE 'NO CYCLE' END),
                   'privileges', coalesce((
                       SELECT json_agg(json_build_array(g.what, g.whom, g.is_grantable) ORDER BY g.whom, g.is_grantable)
                         FROM (SELECT string_agg(x.privilege_type, ', ' ORDER BY x.privilege_type) AS what,
                                      CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END AS whom,
                                      x.is_grantable
                                 FROM aclexplode(s.relacl) x
                                WHERE x.grantee <> s.relowner
                                GROUP BY x.grantee, x.is_grantable) g), '[]'),
                   'users', (SELECT coalesce(json_agg(pg_describe_object(o.classid, o.objid, o.objsubid)), '[]')
                               FROM pg_depend o
                              WHERE o.refclassid = 'pg_class'::regclass AND o.refobjid = s.oid AND o.deptype IN ('n', 'a')),
                   'comment', obj_description(s.oid, 'pg_class'))
                   ORDER BY s.relname), '[]')
          FROM pg_depend d
          JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
          JOIN pg_namespace sn ON sn.oid = s.relnamespace
          JOIN pg_sequence q ON q.seqrelid = s.oid
          JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid
         WHERE d.classid = 'pg_class'::regclass
           AND d.refclassid = 'pg_class'::regclass
           AND d.refobjid = c.oid
           AND d.deptype IN ('a', 'i')),
    'taken', (
        SELECT coalesce(json_agg(u.name), '[]')
          FROM (SELECT o.relname AS name FROM pg_class o WHERE o.relnamespace = c.relnamespace
                UNION
                SELECT o.conname FROM pg_constraint o WHERE o.connamespace = c.relnamespace
                UNION
                SELECT o.stxname FROM pg_statistic_ext o WHERE o.stxnamespace = c.relnamespace
                UNION
                SELECT o.typname FROM pg_type o WHERE o.typnamespace = c.relnamespace AND o.typtype <> 'b'
                UNION
                SELECT o.proname FROM pg_proc o WHERE o.pronamespace = c.relnamespace AND strpos(o.proname::text, 'dbm_') > 0) u
         WHERE starts_with(u.name::text, left(c.relname::text, 12)) OR strpos(u.name::text, 'dbm') > 0
            OR strpos(u.name::text, 'history') > 0),
    'print', (SELECT md5(string_agg(f.line, E'\n' ORDER BY f.line COLLATE "C")) FROM ({print}) f(line)))::text
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.oid = $1
