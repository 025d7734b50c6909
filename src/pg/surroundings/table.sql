-- What one table is for whoever divides it between tenants. Run with a pinned search_path, so that every definition is
-- qualified. $1 is the table, $2 the tenant column.
WITH RECURSIVE below(oid) AS (
    SELECT i.inhrelid FROM pg_inherits i WHERE i.inhparent = $1
    UNION
    SELECT i.inhrelid FROM pg_inherits i JOIN below b ON i.inhparent = b.oid),
-- Privileges to which no policy applies, one by one as they were granted, on the table, its partitions and their columns.
beyond(relation, document) AS (
    SELECT x.oid, json_build_object(
               'grantee', x.grantee::int8,
               'grantee_name', CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END,
               'grantor', x.grantor::int8,
               'grantor_name', pg_get_userbyid(x.grantor),
               'is_of_owner', x.grantor = x.relowner,
               'privilege', x.privilege_type,
               'is_grantable', x.is_grantable,
               'column', x.attname)
      FROM (SELECT t.oid, t.relowner, NULL::name AS attname, a.grantor, a.grantee, a.privilege_type, a.is_grantable
              FROM pg_class t, aclexplode(t.relacl) a
             WHERE t.oid = $1 OR t.oid IN (SELECT b.oid FROM below b)
            UNION ALL
            SELECT t.oid, t.relowner, u.attname, a.grantor, a.grantee, a.privilege_type, a.is_grantable
              FROM pg_class t JOIN pg_attribute u ON u.attrelid = t.oid AND NOT u.attisdropped, aclexplode(u.attacl) a
             WHERE t.oid = $1 OR t.oid IN (SELECT b.oid FROM below b)) x
     WHERE x.grantee <> x.relowner AND x.privilege_type IN ('TRUNCATE', 'REFERENCES', 'TRIGGER')
     ORDER BY x.oid, x.grantee, x.attname NULLS FIRST, x.privilege_type, x.grantor),
-- The table and its partitions, each of which answers to its own row security: `is_bare` where none stands before a partition.
sources(oid, owner, is_forced, is_bare) AS (
    SELECT t.oid, t.relowner, t.relforcerowsecurity, t.oid <> $1 AND NOT t.relrowsecurity
      FROM pg_class t WHERE t.oid = $1 OR t.oid IN (SELECT b.oid FROM below b)),
-- Everything that reads the table or a partition through views. `passes`: on the way somebody's rights are used to whom policies do
-- not apply; `asks`: all the way the rights of whoever asks are used, of the source that is then asked for.
above(oid, kind, owner, is_invoker, asks, passes, source) AS (
    SELECT v.oid, v.relkind, v.relowner, u.is_invoker, v.relkind = 'v' AND u.is_invoker,
           v.relkind = 'v' AND NOT u.is_invoker
               AND (r.rolsuper OR r.rolbypassrls OR c.is_bare OR NOT c.is_forced AND pg_has_role(v.relowner, c.owner, 'USAGE')),
           c.oid
      FROM sources c
      JOIN pg_depend d ON d.refobjid = c.oid
      JOIN pg_rewrite w ON w.oid = d.objid
      JOIN pg_class v ON v.oid = w.ev_class AND v.relkind IN ('v', 'm')
      JOIN pg_roles r ON r.oid = v.relowner,
           LATERAL (SELECT coalesce((SELECT x.option_value::boolean FROM pg_options_to_table(v.reloptions) x WHERE x.option_name = 'security_invoker'), false)) u(is_invoker)
     WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'n'
    UNION
    SELECT v.oid, v.relkind, v.relowner, u.is_invoker, a.asks AND v.relkind = 'v' AND u.is_invoker,
           a.passes OR a.kind = 'm'
               OR (a.asks AND v.relkind = 'v' AND NOT u.is_invoker
                   AND (r.rolsuper OR r.rolbypassrls OR c.is_bare OR NOT c.is_forced AND pg_has_role(v.relowner, c.owner, 'USAGE'))),
           a.source
      FROM above a
      JOIN sources c ON c.oid = a.source
      JOIN pg_depend d ON d.refobjid = a.oid
      JOIN pg_rewrite w ON w.oid = d.objid
      JOIN pg_class v ON v.oid = w.ev_class AND v.relkind IN ('v', 'm') AND v.oid <> a.oid
      JOIN pg_roles r ON r.oid = v.relowner,
           LATERAL (SELECT coalesce((SELECT x.option_value::boolean FROM pg_options_to_table(v.reloptions) x WHERE x.option_name = 'security_invoker'), false)) u(is_invoker)
     WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'n')
SELECT json_build_object(
    'version', current_setting('server_version_num')::int4,
    'oid', c.oid::int8,
    'schema', n.nspname,
    'name', c.relname,
    'kind', c.relkind,
    'persistence', c.relpersistence,
    'is_partition', c.relispartition,
    'extension', EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'),
    'owner', quote_ident(o.rolname),
    'owner_oid', c.relowner::int8,
    'owner_passes', o.rolsuper OR o.rolbypassrls,
    'is_own', pg_has_role(c.relowner, 'USAGE'),
    'has_row_security', c.relrowsecurity,
    'forces_row_security', c.relforcerowsecurity,
    'bytes', pg_table_size(c.oid),
    'columns', (
        SELECT coalesce(json_agg(json_build_object(
                   'name', a.attname,
                   'type_name', format_type(a.atttypid, a.atttypmod),
                   'type', a.atttypid::int8,
                   'base', (SELECT coalesce(b.typname, t.typname) FROM pg_type t LEFT JOIN pg_type b ON b.oid = t.typbasetype WHERE t.oid = a.atttypid),
                   'category', (SELECT t.typcategory FROM pg_type t WHERE t.oid = a.atttypid),
                   'label', (SELECT e.enumlabel FROM pg_enum e WHERE e.enumtypid = a.atttypid ORDER BY e.enumsortorder LIMIT 1),
                   'length', CASE WHEN a.atttypmod > 4 AND a.atttypid IN ('varchar'::regtype, 'bpchar'::regtype) THEN a.atttypmod - 4 END,
                   'is_not_null', a.attnotnull,
                   'is_generated', a.attgenerated <> '',
                   'has_default', a.atthasdef OR a.attidentity <> '',
                   'default', (SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d WHERE d.adrelid = c.oid AND d.adnum = a.attnum AND a.attgenerated = ''),
                   'collation', (SELECT co.collname FROM pg_collation co WHERE co.oid = a.attcollation AND co.collname NOT IN ('default')))
                   ORDER BY a.attnum), '[]')
          FROM pg_attribute a
         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
    'indexes', (
        SELECT coalesce(json_agg(json_build_object(
                   'name', x.relname,
                   'schema', n.nspname,
                   'columns', CASE WHEN 0 = ANY (i.indkey::int2[]) THEN NULL ELSE (
                                  SELECT json_agg(a.attname ORDER BY k.place)
                                    FROM unnest(i.indkey::int2[]) WITH ORDINALITY k(number, place)
                                    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number
                                   WHERE k.place <= i.indnkeyatts) END,
                   'first', (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = i.indkey[0]),
                   'holds_tenant', EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = $2 AND NOT a.attisdropped
                                              AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])),
                   'method', m.amname,
                   'tail', substr(pg_get_indexdef(i.indexrelid), 1 + length(format('CREATE %sINDEX %I ON %s%I.%I ',
                               CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END, x.relname,
                               CASE WHEN x.relkind = 'I' THEN 'ONLY ' ELSE '' END, n.nspname, c.relname))),
                   'is_unique', i.indisunique,
                   'is_exclusion', i.indisexclusion,
                   'is_partial', i.indpred IS NOT NULL,
                   'is_valid', i.indisvalid AND i.indisready,
                   'is_replica_identity', i.indisreplident,
                   'nulls_not_distinct', coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::bool, false),
                   'constraint', k.conname,
                   'constraint_kind', k.contype,
                   'is_deferrable', coalesce(k.condeferrable, false),
                   'is_deferred', coalesce(k.condeferred, false),
                   'needed_by', (SELECT coalesce(json_agg(DISTINCT w.ev_class::regclass::text), '[]')
                                   FROM pg_depend d JOIN pg_rewrite w ON w.oid = d.objid
                                  WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_constraint'::regclass AND d.refobjid = k.oid))
                   ORDER BY x.relname), '[]')
          FROM pg_index i
          JOIN pg_class x ON x.oid = i.indexrelid
          JOIN pg_am m ON m.oid = x.relam
          LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = c.oid AND k.contype IN ('p', 'u', 'x')
         WHERE i.indrelid = c.oid),
    'foreign_keys', (
        SELECT coalesce(json_agg(json_build_object(
                   'name', k.conname,
                   'referenced', k.confrelid::int8,
                   'referenced_name', format('%I.%I', rn.nspname, r.relname),
                   'referenced_has_tenant', EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = r.oid AND a.attname = $2 AND NOT a.attisdropped),
                   'columns', (SELECT json_agg(a.attname ORDER BY u.place)
                                 FROM unnest(k.conkey) WITH ORDINALITY u(number, place)
                                 JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.number),
                   'referenced_columns', (SELECT json_agg(a.attname ORDER BY u.place)
                                 FROM unnest(k.confkey) WITH ORDINALITY u(number, place)
                                 JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum = u.number),
                   'equalities', (SELECT json_agg(format('OPERATOR(%I.%s)', en.nspname, e.oprname) ORDER BY u.place)
                                 FROM unnest(k.conpfeqop) WITH ORDINALITY u(number, place)
                                 JOIN pg_operator e ON e.oid = u.number
                                 JOIN pg_namespace en ON en.oid = e.oprnamespace),
                   'definition', pg_get_constraintdef(k.oid),
                   'is_valid', k.convalidated,
                   'is_deferrable', k.condeferrable,
                   'is_deferred', k.condeferred,
                   'match', k.confmatchtype,
                   'on_update', k.confupdtype,
                   'on_delete', k.confdeltype)
                   ORDER BY k.conname), '[]')
          FROM pg_constraint k
          JOIN pg_class r ON r.oid = k.confrelid
          JOIN pg_namespace rn ON rn.oid = r.relnamespace
         WHERE k.conrelid = c.oid AND k.contype = 'f' AND k.conparentid = 0),
    'incoming', (
        SELECT coalesce(json_agg(json_build_object(
                   'table', k.conrelid::int8,
                   'table_name', format('%I.%I', rn.nspname, r.relname),
                   'name', k.conname,
                   'referenced_columns', (SELECT json_agg(a.attname ORDER BY u.place)
                                 FROM unnest(k.confkey) WITH ORDINALITY u(number, place)
                                 JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.number))
                   ORDER BY rn.nspname, r.relname, k.conname), '[]')
          FROM pg_constraint k
          JOIN pg_class r ON r.oid = k.conrelid
          JOIN pg_namespace rn ON rn.oid = r.relnamespace
         WHERE k.confrelid = c.oid AND k.contype = 'f' AND k.conparentid = 0),
    'policies', (
        SELECT coalesce(json_agg(json_build_object(
                   'name', p.polname,
                   'is_permissive', p.polpermissive,
                   'command', p.polcmd,
                   'is_for_all', 0 = ANY (p.polroles),
                   'roles', (SELECT coalesce(json_agg(u.role::int8), '[]') FROM unnest(p.polroles) u(role)),
                   'is_for_owner', EXISTS (SELECT FROM unnest(p.polroles) u(role)
                                            WHERE CASE u.role WHEN 0 THEN true ELSE pg_has_role(c.relowner, u.role, 'USAGE') END),
                   'using', pg_get_expr(p.polqual, p.polrelid),
                   'check', pg_get_expr(p.polwithcheck, p.polrelid))
                   ORDER BY p.polname), '[]')
          FROM pg_policy p WHERE p.polrelid = c.oid),
    'grants', (
        SELECT coalesce(json_agg(json_build_object('role', g.grantee::int8, 'name', CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END,
                   'privileges', g.privileges) ORDER BY g.grantee), '[]')
          FROM (SELECT x.grantee, json_agg(DISTINCT x.privilege_type ORDER BY x.privilege_type) AS privileges
                  FROM (SELECT a.grantee, a.privilege_type FROM aclexplode(c.relacl) a
                        UNION
                        SELECT a.grantee, a.privilege_type FROM pg_attribute t, aclexplode(t.attacl) a WHERE t.attrelid = c.oid) x
                 WHERE x.grantee <> c.relowner
                 GROUP BY x.grantee) g),
    'beyond', (SELECT coalesce(json_agg(b.document), '[]') FROM beyond b WHERE b.relation = c.oid),
    'partitions', (
        SELECT coalesce(json_agg(json_build_object(
                   'name', format('%I.%I', pn.nspname, p.relname),
                   'oid', p.oid::int8,
                   'is_partition', p.relispartition,
                   'has_row_security', p.relrowsecurity,
                   'owner', quote_ident(pg_get_userbyid(p.relowner)),
                   'is_own', pg_has_role(p.relowner, 'USAGE'),
                   'is_of_another', p.relowner <> c.relowner AND NOT (SELECT r.rolsuper FROM pg_roles r WHERE r.oid = p.relowner),
                   'beyond', (SELECT coalesce(json_agg(y.document), '[]') FROM beyond y WHERE y.relation = p.oid),
                   'grantees', (SELECT coalesce(json_agg(DISTINCT g.grantee::int8), '[]')
                                  FROM (SELECT a.grantee FROM aclexplode(p.relacl) a
                                        UNION
                                        SELECT a.grantee FROM pg_attribute t, aclexplode(t.attacl) a WHERE t.attrelid = p.oid) g
                                 WHERE g.grantee <> p.relowner))
                   ORDER BY pn.nspname, p.relname), '[]')
          FROM below b JOIN pg_class p ON p.oid = b.oid JOIN pg_namespace pn ON pn.oid = p.relnamespace),
    'views', (
        SELECT coalesce(json_agg(json_build_object(
                   'oid', a.oid::int8,
                   'name', format('%I.%I', vn.nspname, v.relname),
                   'kind', a.kind,
                   'is_invoker', a.is_invoker,
                   'passes', a.passes,
                   'is_own', pg_has_role(a.owner, 'USAGE'),
                   'owner', quote_ident(pg_get_userbyid(a.owner)),
                   'has_tenant', EXISTS (SELECT FROM pg_attribute t WHERE t.attrelid = a.oid AND t.attname = $2 AND NOT t.attisdropped),
                   'grants', (SELECT coalesce(json_agg(DISTINCT g.grantee::int8), '[]')
                                FROM (SELECT x.grantee FROM aclexplode(v.relacl) x WHERE x.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
                                      UNION
                                      SELECT x.grantee FROM pg_attribute t, aclexplode(t.attacl) x WHERE t.attrelid = v.oid) g
                               WHERE g.grantee <> v.relowner))
                   ORDER BY vn.nspname, v.relname), '[]')
          FROM (SELECT oid, kind, owner, is_invoker, bool_or(passes) AS passes FROM above GROUP BY oid, kind, owner, is_invoker) a
          JOIN pg_class v ON v.oid = a.oid JOIN pg_namespace vn ON vn.oid = v.relnamespace),
    'functions', (
        -- Functions with their owner's rights that name the table, or one of its views; in a body of text a name is a word.
        SELECT coalesce(json_agg(json_build_object(
                   'signature', p.oid::regprocedure::text,
                   'oid', p.oid::int8,
                   'owner', quote_ident(r.rolname),
                   'owner_passes', r.rolsuper OR r.rolbypassrls,
                   'passes', u.passes,
                   'is_trigger', p.prorettype = 'trigger'::regtype,
                   -- Can be asked without a word, says that it only reads, and answers rows that say whose they are.
                   'is_askable', p.prokind = 'f' AND p.pronargs = 0 AND p.provolatile <> 'v'
                       AND (EXISTS (SELECT FROM pg_type t JOIN pg_attribute a ON a.attrelid = t.typrelid
                                     WHERE t.oid = p.prorettype AND a.attname = $2 AND NOT a.attisdropped)
                            OR p.prorettype = 'record'::regtype AND $2 = ANY (p.proargnames)),
                   'grants', (SELECT coalesce(json_agg(DISTINCT g.grantee::int8), '[]')
                                FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) g WHERE g.grantee <> p.proowner))
                   ORDER BY p.oid::regprocedure::text), '[]')
          FROM pg_proc p
          JOIN pg_roles r ON r.oid = p.proowner
          JOIN pg_language l ON l.oid = p.prolang,
               LATERAL (SELECT bool_or(x.passes OR x.asks AND (r.rolsuper OR r.rolbypassrls OR b.is_bare
                                   OR NOT b.is_forced AND pg_has_role(p.proowner, b.owner, 'USAGE'))) AS passes
                          FROM (SELECT b.oid, t.relname, true AS asks, false AS passes, b.oid AS source FROM sources b JOIN pg_class t ON t.oid = b.oid
                                UNION ALL
                                SELECT a.oid, v.relname, a.asks, a.passes OR a.kind = 'm', a.source FROM above a JOIN pg_class v ON v.oid = a.oid) x
                          JOIN sources b ON b.oid = x.source
                         WHERE EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid
                                          AND d.refclassid = 'pg_class'::regclass AND d.refobjid = x.oid)
                            OR p.prosqlbody IS NULL
                               AND p.prosrc ~* ('\m' || regexp_replace(x.relname, '([\\.^$|?*+(){}\[\]-])', '\\\1', 'g') || '\M')) u
         WHERE p.prosecdef AND l.lanname NOT IN ('c', 'internal') AND u.passes IS NOT NULL
           AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')),
    'publications', (
        SELECT coalesce(json_agg(quote_ident(b.pubname) ORDER BY b.pubname), '[]')
          FROM pg_publication b
         WHERE b.puballtables
            OR EXISTS (SELECT FROM pg_publication_rel x WHERE x.prpubid = b.oid AND x.prrelid = c.oid)
            OR EXISTS (SELECT FROM pg_publication_namespace x WHERE x.pnpubid = b.oid AND x.pnnspid = c.relnamespace)),
    'taken', (
        SELECT coalesce(json_agg(u.name), '[]')
          FROM (SELECT x.relname AS name FROM pg_class x WHERE x.relnamespace = c.relnamespace
                UNION
                SELECT k.conname FROM pg_constraint k WHERE k.conrelid = c.oid
                UNION
                SELECT t.tgname FROM pg_trigger t WHERE t.tgrelid = c.oid
                UNION
                SELECT p.proname FROM pg_proc p WHERE p.pronamespace = c.relnamespace) u)
)::text
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_roles o ON o.oid = c.relowner
 WHERE c.oid = $1
