-- What stands around a table. Run with a pinned search_path, so that every definition is qualified. $1 is the table.
SELECT json_build_object(
    'incoming', (
        SELECT coalesce(json_agg(json_build_object(
                   'schema', rn.nspname,
                   'table', r.relname,
                   'is_plain', r.relkind = 'r' AND NOT r.relispartition,
                   'is_own', pg_has_role(r.relowner, 'USAGE'),
                   'is_of_owner', pg_has_role(c.relowner, r.relowner, 'USAGE'),
                   'is_same_owner', r.relowner = c.relowner,
                   'forces_row_security', r.relforcerowsecurity,
                   'name', k.conname,
                   'definition', pg_get_constraintdef(k.oid),
                   'is_valid', k.convalidated,
                   'is_deferrable', k.condeferrable,
                   'match', k.confmatchtype,
                   'on_update', k.confupdtype,
                   'on_delete', k.confdeltype,
                   'columns', (SELECT json_agg(a.attname ORDER BY u.place)
                                 FROM unnest(k.conkey) WITH ORDINALITY u(number, place)
                                 JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum = u.number),
                   'referenced_columns', (SELECT json_agg(a.attname ORDER BY u.place)
                                 FROM unnest(k.confkey) WITH ORDINALITY u(number, place)
                                 JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.number),
                   'has_key', EXISTS (SELECT FROM pg_index i WHERE i.indrelid = r.oid AND i.indisunique AND i.indisvalid
                                        AND i.indpred IS NULL AND NOT 0 = ANY (i.indkey::int2[])
                                        AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = r.oid
                                                           AND a.attnum = ANY (i.indkey::int2[]) AND NOT a.attnotnull)),
                   'rows', r.reltuples,
                   'taken', (SELECT json_agg(u.name)
                               FROM (SELECT a.attname AS name FROM pg_attribute a WHERE a.attrelid = r.oid
                                     UNION
                                     SELECT o.conname FROM pg_constraint o WHERE o.conrelid = r.oid
                                     UNION
                                     SELECT g.tgname FROM pg_trigger g WHERE g.tgrelid = r.oid) u),
                   'comment', obj_description(k.oid, 'pg_constraint'))
                   ORDER BY rn.nspname, r.relname, k.conname), '[]')
          FROM pg_constraint k
          JOIN pg_class r ON r.oid = k.conrelid
          JOIN pg_namespace rn ON rn.oid = r.relnamespace
         WHERE k.confrelid = c.oid AND k.contype = 'f' AND k.conparentid = 0 AND k.conrelid <> c.oid),
    'rebuilt', (
        SELECT coalesce(json_agg(json_build_object('kind', b.kind, 'name', b.name, 'is_own', pg_has_role(b.owner, 'USAGE'),
                                                   'is_of_owner', pg_has_role(c.relowner, b.owner, 'USAGE'), 'sql', b.sql)
                                 ORDER BY b.place, b.name), '[]')
          FROM (
            SELECT 1 AS place, 'view' AS kind, format('%I.%I', vn.nspname, v.relname) AS name, v.relowner AS owner,
                   format('CREATE OR REPLACE VIEW %I.%I%s AS%s%s', vn.nspname, v.relname,
                          ' WITH (' || array_to_string(v.reloptions, ', ') || ')', E'\n', rtrim(pg_get_viewdef(v.oid), ';')) AS sql
              FROM pg_class v
              JOIN pg_namespace vn ON vn.oid = v.relnamespace
             WHERE v.relkind = 'v'
               AND EXISTS (SELECT FROM pg_depend d
                             JOIN pg_rewrite w ON w.oid = d.objid AND w.rulename = '_RETURN'
                            WHERE d.classid = 'pg_rewrite'::regclass AND w.ev_class = v.oid
                              AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid AND d.deptype = 'n')
            UNION ALL
            SELECT DISTINCT 2, 'rule', format('%I on %I.%I', w.rulename, vn.nspname, v.relname), v.relowner,
                   regexp_replace(rtrim(pg_get_ruledef(w.oid), ';'), '^CREATE RULE', 'CREATE OR REPLACE RULE')
              FROM pg_depend d
              JOIN pg_rewrite w ON w.oid = d.objid AND w.rulename <> '_RETURN'
              JOIN pg_class v ON v.oid = w.ev_class AND v.oid <> c.oid
              JOIN pg_namespace vn ON vn.oid = v.relnamespace
             WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid AND d.deptype = 'n'
            UNION ALL
            SELECT DISTINCT 3, 'function', p.oid::regprocedure::text, p.proowner, pg_get_functiondef(p.oid)
              FROM pg_depend d
              JOIN pg_proc p ON p.oid = d.objid
             WHERE d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid AND d.deptype = 'n'
            UNION ALL
            SELECT DISTINCT 4, 'policy', format('%I on %I.%I', p.polname, vn.nspname, v.relname), v.relowner,
                   format('ALTER POLICY %I ON %I.%I%s%s', p.polname, vn.nspname, v.relname,
                          ' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')',
                          ' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')')
              FROM pg_depend d
              JOIN pg_policy p ON p.oid = d.objid AND p.polrelid <> c.oid
              JOIN pg_class v ON v.oid = p.polrelid
              JOIN pg_namespace vn ON vn.oid = v.relnamespace
             WHERE d.classid = 'pg_policy'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid AND d.deptype = 'n'
          ) b),
    'materialized_views', (
        SELECT coalesce(json_agg(DISTINCT format('%I.%I', vn.nspname, v.relname)), '[]')
          FROM pg_depend d
          JOIN pg_rewrite w ON w.oid = d.objid
          JOIN pg_class v ON v.oid = w.ev_class AND v.relkind = 'm'
          JOIN pg_namespace vn ON vn.oid = v.relnamespace
         WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid AND d.deptype = 'n'),
    'row_type_users', (
        SELECT coalesce(json_agg(DISTINCT pg_describe_object(d.classid, d.objid, d.objsubid)), '[]')
          FROM pg_depend d
          JOIN pg_type t ON t.oid = d.refobjid AND (t.oid = c.reltype OR t.typelem = c.reltype AND t.typcategory = 'A')
         WHERE d.refclassid = 'pg_type'::regclass AND d.deptype = 'n'
           AND NOT (d.classid = 'pg_class'::regclass AND d.objid = c.oid)),
    'primary_key_users', (
        SELECT coalesce(json_agg(DISTINCT CASE WHEN v.oid IS NULL THEN pg_describe_object(d.classid, d.objid, d.objsubid)
                                               ELSE format('view %I.%I', vn.nspname, v.relname) END), '[]')
          FROM pg_constraint k
          JOIN pg_depend d ON d.refclassid = 'pg_constraint'::regclass AND d.refobjid = k.oid AND d.deptype = 'n'
          LEFT JOIN pg_rewrite w ON d.classid = 'pg_rewrite'::regclass AND w.oid = d.objid
          LEFT JOIN pg_class v ON v.oid = w.ev_class
          LEFT JOIN pg_namespace vn ON vn.oid = v.relnamespace
         WHERE k.conrelid = c.oid AND k.contype = 'p'),
    'publications', (
        SELECT coalesce(json_agg(json_build_object(
                   'name', quote_ident(p.pubname),
                   'is_own', pg_has_role(p.pubowner, 'USAGE'),
                   'is_of_owner', pg_has_role(c.relowner, p.pubowner, 'USAGE'),
                   'is_via_root', p.pubviaroot,
                   'columns', (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)
                                 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (r.prattrs::int2[])),
                   'condition', pg_get_expr(r.prqual, c.oid))
                   ORDER BY p.pubname), '[]')
          FROM pg_publication_rel r
          JOIN pg_publication p ON p.oid = r.prpubid
         WHERE r.prrelid = c.oid),
    'wide_publications', (
        SELECT coalesce(json_agg(quote_ident(p.pubname) ORDER BY p.pubname), '[]')
          FROM pg_publication p
         WHERE NOT p.pubviaroot
           AND (p.puballtables OR EXISTS (SELECT FROM pg_publication_namespace m
                                           WHERE m.pnpubid = p.oid AND m.pnnspid = c.relnamespace))),
    'slots', (
        SELECT coalesce(json_agg(s.slot_name ORDER BY s.slot_name), '[]')
          FROM pg_replication_slots s
         WHERE s.slot_type = 'logical' AND s.database = current_database()),
    'subscriptions', (SELECT count(*) FROM pg_subscription_rel s WHERE s.srrelid = c.oid),
    'labels', (SELECT count(*) FROM pg_seclabel l WHERE l.classoid = 'pg_class'::regclass AND l.objoid = c.oid),
    'prepared', (
        SELECT coalesce(json_agg(p.gid), '[]')
          FROM pg_prepared_xacts p
          JOIN pg_locks l ON l.virtualtransaction = '-1/' || p.transaction::text
         WHERE l.relation = c.oid AND p.database = current_database()),
    'longest_transaction', (
        SELECT extract(epoch FROM clock_timestamp() - min(a.xact_start))::float8
          FROM pg_stat_activity a
          JOIN pg_locks l ON l.pid = a.pid AND l.relation = c.oid
         WHERE a.pid <> pg_backend_pid()))::text
  FROM pg_class c
 WHERE c.oid = $1
