-- Who has what is granted to others by being in them: one role of each kind. $1 is the table, $2 the roles that were granted
-- something or that policies name, 0 for everybody. Who is in one of them and is nothing else is like that one.
SELECT min(k.rolname)::text
  FROM (SELECT r.rolname, r.rolbypassrls, pg_has_role(r.oid, c.relowner, 'USAGE') AS owns,
               has_parameter_privilege(r.oid, 'dbm.tenant', 'SET') AS sets,
               ARRAY(SELECT u FROM unnest($2::oid[]) u WHERE u = 0 OR pg_has_role(r.oid, u, 'USAGE') ORDER BY u) AS has
          FROM pg_roles r, pg_class c
         WHERE c.oid = $1 AND NOT r.rolsuper AND r.oid >= 16384 AND r.oid <> c.relowner AND r.oid <> ALL ($2::oid[])) k
 WHERE cardinality(k.has) > 0 AND (k.rolbypassrls OR k.owns OR k.sets OR cardinality(k.has) > 1)
 GROUP BY k.rolbypassrls, k.owns, k.sets, k.has
 ORDER BY 1
