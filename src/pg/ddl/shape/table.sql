-- Run with a pinned search_path, so that every definition is qualified.
SELECT json_build_object(
    'oid', c.oid::int8,
    'schema', n.nspname,
    'name', c.relname,
    'relkind', c.relkind,
    'owner', quote_ident(pg_get_userbyid(c.relowner)),
    'has_row_security', c.relrowsecurity,
    'forces_row_security', c.relforcerowsecurity,
    'options', coalesce(array_to_string(c.reloptions, ', '), ''),
    'replica_identity', CASE c.relreplident WHEN 'n' THEN 'NOTHING' WHEN 'f' THEN 'FULL' WHEN 'i' THEN (
                             SELECT format('USING INDEX %I', x.relname)
                               FROM pg_index i
                               JOIN pg_class x ON x.oid = i.indexrelid
                              WHERE i.indrelid = c.oid AND i.indisreplident) ELSE 'DEFAULT' END,
    'partition_key', pg_get_partkeydef(c.oid),
    'bound', pg_get_expr(c.relpartbound, c.oid),
    'parent', (SELECT format('%I.%I', pn.nspname, p.relname)
                 FROM pg_inherits i
                 JOIN pg_class p ON p.oid = i.inhparent
                 JOIN pg_namespace pn ON pn.oid = p.relnamespace
                WHERE i.inhrelid = c.oid
                ORDER BY i.inhseqno
                LIMIT 1),
    'has_children', EXISTS (SELECT FROM pg_inherits i
                              JOIN pg_class k ON k.oid = i.inhrelid
                             WHERE i.inhparent = c.oid AND NOT k.relispartition AND k.relkind NOT IN ('i', 'I')),
    'columns', (
        SELECT coalesce(json_agg(json_build_object(
                   'name', a.attname,
                   'number', a.attnum,
                   'type_name', format_type(a.atttypid, a.atttypmod),
                   'collation', CASE WHEN a.attcollation <> t.typcollation AND a.attcollation <> 0 THEN (
                                     SELECT format('%I.%I', cn.nspname, co.collname)
                                       FROM pg_collation co
                                       JOIN pg_namespace cn ON cn.oid = co.collnamespace
                                      WHERE co.oid = a.attcollation) END,
                   'is_not_null', a.attnotnull,
                   'not_null_name', (SELECT k.conname
                                       FROM pg_constraint k
                                      WHERE k.conrelid = c.oid AND k.contype = 'n' AND k.conkey = ARRAY[a.attnum]
                                      LIMIT 1),
                   'default', CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END,
                   'generated', CASE WHEN a.attgenerated <> '' THEN pg_get_expr(d.adbin, d.adrelid) END,
                   'is_generated_stored', a.attgenerated = 's',
                   'sequence', (
                       SELECT json_build_object(
                                  'name', format('%I.%I', sn.nspname, s.relname),
                                  'identity', CASE a.attidentity WHEN 'a' THEN 'ALWAYS' WHEN 'd' THEN 'BY DEFAULT' END,
                                  'type_name', format_type(q.seqtypid, NULL),
                                  'options', format('START WITH %s INCREMENT BY %s', q.seqstart, q.seqincrement)
                                      || CASE WHEN q.seqincrement > 0 AND q.seqmin <> 1
                                                OR q.seqincrement < 0 AND q.seqmin <> b.least
                                              THEN format(' MINVALUE %s', q.seqmin) ELSE '' END
                                      || CASE WHEN q.seqincrement > 0 AND q.seqmax <> b.most
                                                OR q.seqincrement < 0 AND q.seqmax <> -1
                                              THEN format(' MAXVALUE %s', q.seqmax) ELSE '' END
                                      || format(' CACHE %s', q.seqcache)
                                      || CASE WHEN q.seqcycle THEN ' CYCLE' ELSE '' END)
                         FROM pg_depend e
                         JOIN pg_class s ON s.oid = e.objid AND s.relkind = 'S'
                         JOIN pg_namespace sn ON sn.oid = s.relnamespace
                         JOIN pg_sequence q ON q.seqrelid = s.oid
                        CROSS JOIN LATERAL (
                              SELECT CASE format_type(q.seqtypid, NULL)
                                          WHEN 'smallint' THEN -32768
                                          WHEN 'integer' THEN -2147483648
                                          ELSE -9223372036854775808 END AS least,
                                     CASE format_type(q.seqtypid, NULL)
                                          WHEN 'smallint' THEN 32767
                                          WHEN 'integer' THEN 2147483647
                                          ELSE 9223372036854775807 END AS most) b
                        WHERE e.classid = 'pg_class'::regclass
                          AND e.refclassid = 'pg_class'::regclass
                          AND e.refobjid = c.oid
                          AND e.refobjsubid = a.attnum
                          AND e.deptype IN ('a', 'i')
                        LIMIT 1),
                   'comment', col_description(c.oid, a.attnum),
                   'statistics', CASE WHEN a.attstattarget >= 0 THEN a.attstattarget END,
                   'storage', CASE a.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END,
                   'compression', CASE a.attcompression WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' ELSE 'default' END,
                   'options', coalesce(array_to_string(a.attoptions, ', '), ''),
                   'privileges', coalesce((
                       SELECT json_agg(json_build_array(g.what, g.whom, g.is_grantable))
                         FROM (SELECT string_agg(x.privilege_type, ', ' ORDER BY x.privilege_type) AS what,
                                      CASE x.grantee WHEN 0 THEN 'PUBLIC'
                                           ELSE quote_ident(pg_get_userbyid(x.grantee)) END AS whom,
                                      x.is_grantable
                                 FROM aclexplode(a.attacl) x
                                GROUP BY x.grantee, x.is_grantable) g), '[]'),
                   'is_partition_key', EXISTS (SELECT FROM pg_partitioned_table pt
                                                WHERE pt.partrelid = c.oid AND a.attnum = ANY (pt.partattrs)))
                   ORDER BY a.attnum), '[]')
          FROM pg_attribute a
          JOIN pg_type t ON t.oid = a.atttypid
          LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
    'indexes', (
        SELECT coalesce(json_agg(json_build_object(
                   'schema', xn.nspname,
                   'name', x.relname,
                   'definition', pg_get_indexdef(i.indexrelid),
                   'tablespace', (SELECT quote_ident(s.spcname) FROM pg_tablespace s WHERE s.oid = x.reltablespace),
                   'columns', (SELECT coalesce(json_agg(DISTINCT u.number), '[]')
                                 FROM (SELECT unnest(i.indkey::int2[]) AS number
                                        UNION
                                       SELECT e.refobjsubid
                                         FROM pg_depend e
                                        WHERE e.classid = 'pg_class'::regclass AND e.objid = i.indexrelid
                                          AND e.refclassid = 'pg_class'::regclass AND e.refobjid = c.oid) u
                                WHERE u.number > 0),
                   'key_columns', CASE WHEN 0 = ANY (i.indkey::int2[]) THEN '[]'::json ELSE (
                                       SELECT json_agg(k.number ORDER BY k.place)
                                         FROM unnest(i.indkey::int2[]) WITH ORDINALITY k(number, place)
                                        WHERE k.place <= i.indnkeyatts) END,
                   'is_unique', i.indisunique,
                   'is_partial', i.indpred IS NOT NULL,
                   'is_valid', i.indisvalid AND i.indisready,
                   'is_partitioned', x.relkind = 'I',
                   'constraint', (SELECT k.conname
                                    FROM pg_constraint k
                                   WHERE k.conindid = i.indexrelid AND k.conrelid = c.oid
                                     AND k.contype IN ('p', 'u', 'x')),
                   'comment', obj_description(i.indexrelid, 'pg_class'),
                   'is_clustered', i.indisclustered,
                   'is_replica_identity', i.indisreplident)
                   ORDER BY x.relname), '[]')
          FROM pg_index i
          JOIN pg_class x ON x.oid = i.indexrelid
          JOIN pg_namespace xn ON xn.oid = x.relnamespace
         WHERE i.indrelid = c.oid),
    'constraints', (
        SELECT coalesce(json_agg(json_build_object(
                   'name', k.conname,
                   'kind', k.contype,
                   'definition', pg_get_constraintdef(k.oid),
                   'columns', coalesce(to_json(k.conkey), '[]'),
                   'is_valid', k.convalidated,
                   'is_inherited', NOT k.conislocal OR k.conparentid <> 0,
                   'table', format('%I.%I', n.nspname, c.relname),
                   'referenced', (SELECT format('%I.%I', rn.nspname, r.relname)
                                    FROM pg_class r
                                    JOIN pg_namespace rn ON rn.oid = r.relnamespace
                                   WHERE r.oid = k.confrelid),
                   'referenced_columns', coalesce(to_json(k.confkey), '[]'),
                   'comment', obj_description(k.oid, 'pg_constraint'))
                   ORDER BY k.conname), '[]')
          FROM pg_constraint k
         WHERE k.conrelid = c.oid AND k.contype IN ('c', 'f', 'p', 'u', 'x', 'n')),
    'referencing', (
        SELECT coalesce(json_agg(json_build_object(
                   'name', k.conname,
                   'kind', k.contype,
                   'definition', pg_get_constraintdef(k.oid),
                   'columns', coalesce(to_json(k.conkey), '[]'),
                   'is_valid', k.convalidated,
                   'is_inherited', NOT k.conislocal,
                   'table', format('%I.%I', rn.nspname, r.relname),
                   'referenced', format('%I.%I', n.nspname, c.relname),
                   'referenced_columns', coalesce(to_json(k.confkey), '[]'),
                   'comment', obj_description(k.oid, 'pg_constraint'))
                   ORDER BY r.relname, k.conname), '[]')
          FROM pg_constraint k
          JOIN pg_class r ON r.oid = k.conrelid
          JOIN pg_namespace rn ON rn.oid = r.relnamespace
         WHERE k.confrelid = c.oid AND k.contype = 'f' AND k.conparentid = 0),
    'triggers', (
        SELECT coalesce(json_agg(json_build_object(
                   'name', g.tgname,
                   'definition', pg_get_triggerdef(g.oid),
                   'comment', obj_description(g.oid, 'pg_trigger'),
                   'state', g.tgenabled)
                   ORDER BY g.tgname), '[]')
          FROM pg_trigger g
         WHERE g.tgrelid = c.oid AND NOT g.tgisinternal),
    'rules', (
        SELECT coalesce(json_agg(json_build_object(
                   'name', w.rulename,
                   'definition', rtrim(pg_get_ruledef(w.oid), ';'),
                   'comment', obj_description(w.oid, 'pg_rewrite'),
                   'state', w.ev_enabled)
                   ORDER BY w.rulename), '[]')
          FROM pg_rewrite w
         WHERE w.ev_class = c.oid AND w.rulename <> '_RETURN'),
    'policies', (
        SELECT coalesce(json_agg(json_build_object(
                   'name', y.polname,
                   'definition', format('CREATE POLICY %I ON %I.%I AS %s FOR %s TO %s', y.polname, n.nspname, c.relname,
                                        CASE WHEN y.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
                                        CASE y.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE'
                                                      WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
                                        (SELECT string_agg(CASE r.role WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(r.role)) END, ', ')
                                           FROM unnest(y.polroles) AS r (role)))
                                 || coalesce(' USING (' || pg_get_expr(y.polqual, y.polrelid) || ')', '')
                                 || coalesce(' WITH CHECK (' || pg_get_expr(y.polwithcheck, y.polrelid) || ')', ''),
                   'comment', obj_description(y.oid, 'pg_policy'))
                   ORDER BY y.polname), '[]')
          FROM pg_policy y
         WHERE y.polrelid = c.oid),
    'partitions', (
        SELECT coalesce(json_agg(json_build_object(
                   'schema', kn.nspname,
                   'name', k.relname,
                   'parent', (SELECT format('%I.%I', pn.nspname, p.relname)
                                FROM pg_class p
                                JOIN pg_namespace pn ON pn.oid = p.relnamespace
                               WHERE p.oid = t.parentrelid),
                   'is_partitioned', k.relkind = 'p',
                   'bound', pg_get_expr(k.relpartbound, k.oid),
                   'condition', pg_get_partition_constraintdef(k.oid),
                   'taken', (
                       SELECT coalesce(json_agg(u.name), '[]')
                         FROM (SELECT o.relname AS name FROM pg_class o WHERE o.relnamespace = k.relnamespace
                               UNION
                               SELECT o.conname FROM pg_constraint o WHERE o.connamespace = k.relnamespace) u
                        WHERE starts_with(u.name::text, left(k.relname::text, 20))))
                   ORDER BY t.level, k.relname), '[]')
          FROM pg_partition_tree(c.oid) t
          JOIN pg_class k ON k.oid = t.relid
          JOIN pg_namespace kn ON kn.oid = k.relnamespace
         WHERE t.level > 0),
    'privileges', coalesce((
        SELECT json_agg(json_build_array(g.what, g.whom, g.is_grantable))
          FROM (SELECT string_agg(x.privilege_type, ', ' ORDER BY x.privilege_type) AS what,
                       CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END AS whom,
                       x.is_grantable
                  FROM aclexplode(c.relacl) x
                 WHERE x.grantee <> c.relowner
                 GROUP BY x.grantee, x.is_grantable) g), '[]'),
    'taken', (
        SELECT coalesce(json_agg(u.name), '[]')
          FROM (SELECT o.relname AS name FROM pg_class o WHERE o.relnamespace = c.relnamespace
                UNION
                SELECT o.conname FROM pg_constraint o WHERE o.connamespace = c.relnamespace
                UNION
                SELECT o.proname FROM pg_proc o WHERE o.pronamespace = c.relnamespace AND strpos(o.proname::text, 'dbm_') > 0) u
         WHERE starts_with(u.name::text, left(c.relname::text, 20)) OR strpos(u.name::text, 'dbm_') > 0),
    'dependents', (
        SELECT coalesce(json_agg(json_build_array(u.number, u.kind, u.name, true)), '[]')
          FROM (SELECT DISTINCT e.refobjsubid AS number,
                       CASE e.classid
                            WHEN 'pg_rewrite'::regclass THEN CASE v.relkind WHEN 'm' THEN 'materialized view' ELSE 'view' END
                            WHEN 'pg_policy'::regclass THEN 'policy'
                            WHEN 'pg_trigger'::regclass THEN 'trigger'
                            WHEN 'pg_statistic_ext'::regclass THEN 'statistics object'
                            WHEN 'pg_attrdef'::regclass THEN 'generated column'
                            WHEN 'pg_proc'::regclass THEN 'function'
                            WHEN 'pg_publication_rel'::regclass THEN 'publication'
                       END AS kind,
                       CASE WHEN v.oid IS NOT NULL THEN format('%I.%I', vn.nspname, v.relname)
                            WHEN d.oid IS NOT NULL THEN (SELECT format('%I.%I.%I', n.nspname, c.relname, a.attname)
                                                           FROM pg_attribute a
                                                          WHERE a.attrelid = d.adrelid AND a.attnum = d.adnum)
                            ELSE (pg_identify_object(e.classid, e.objid, e.objsubid)).identity END AS name
                  FROM pg_depend e
                  LEFT JOIN pg_rewrite w ON e.classid = 'pg_rewrite'::regclass AND w.oid = e.objid
                  LEFT JOIN pg_class v ON v.oid = w.ev_class
                  LEFT JOIN pg_namespace vn ON vn.oid = v.relnamespace
                  LEFT JOIN pg_attrdef d ON e.classid = 'pg_attrdef'::regclass AND d.oid = e.objid
                  LEFT JOIN pg_trigger g ON e.classid = 'pg_trigger'::regclass AND g.oid = e.objid
                 WHERE e.refclassid = 'pg_class'::regclass
                   AND e.refobjid = c.oid
                   AND e.refobjsubid > 0
                   AND e.deptype IN ('n', 'a')
                   AND (d.oid IS NULL OR d.adnum <> e.refobjsubid)
                   AND g.tgisinternal IS NOT TRUE) u
         WHERE u.kind IS NOT NULL))::text
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.oid = $1
