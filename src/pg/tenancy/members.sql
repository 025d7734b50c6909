-- Who has what is granted to others by being in them: one role of each kind. $1 is the table, $2 the roles that were granted
-- something or that policies name, 0 for everybody, $3 the word by which the server says that a role can become another by SET ROLE.
-- Who is in one of them and is nothing else is like that one.
WITH of_owner AS MATERIALIZED (
    SELECT m.oid FROM pg_roles m, pg_class c WHERE c.oid = $1 AND NOT m.rolsuper AND pg_has_role(m.oid, c.relowner, 'USAGE')),
passing AS MATERIALIZED (SELECT m.oid FROM pg_roles m WHERE m.rolsuper OR m.rolbypassrls)
SELECT min(k.rolname)::text
  FROM (SELECT r.rolname, r.rolbypassrls,
               EXISTS (SELECT FROM of_owner o WHERE o.oid = r.oid OR pg_has_role(r.oid, o.oid, $3) OR pg_has_role(r.oid, o.oid, 'MEMBER WITH ADMIN OPTION'))
                   OR EXISTS (SELECT FROM passing p WHERE p.oid <> r.oid
                                 AND (pg_has_role(r.oid, p.oid, $3) OR pg_has_role(r.oid, p.oid, 'MEMBER WITH ADMIN OPTION')))
                   OR $3 = 'MEMBER' AND r.rolcreaterole AS rises,
               has_parameter_privilege(r.oid, 'dbm.tenant', 'SET') AS sets,
               ARRAY(SELECT u FROM unnest($2::oid[]) u WHERE u = 0 OR pg_has_role(r.oid, u, 'USAGE') OR pg_has_role(r.oid, u, $3) ORDER BY u) AS has
          FROM pg_roles r, pg_class c
         WHERE c.oid = $1 AND NOT r.rolsuper AND r.oid >= 16384 AND r.oid <> c.relowner AND r.oid <> ALL ($2::oid[])) k
 WHERE cardinality(k.has) > 0 AND (k.rolbypassrls OR k.rises OR k.sets OR cardinality(k.has) > 1)
 GROUP BY k.rolbypassrls, k.rises, k.sets, k.has
 ORDER BY 1
