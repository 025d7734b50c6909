-- Run with a pinned search_path. $1 is the type's name, quoted and qualified.
SELECT json_build_object(
    'oid', t.oid::int8,
    'name', $1,
    'values', (SELECT coalesce(json_agg(e.enumlabel ORDER BY e.enumsortorder), '[]')
                 FROM pg_enum e
                WHERE e.enumtypid = t.oid),
    'columns', (SELECT coalesce(json_agg(json_build_array(format('%I.%I', n.nspname, c.relname), quote_ident(a.attname))), '[]')
                  FROM pg_attribute a
                  JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p', 'f', 'm')
                  JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE a.atttypid = t.oid AND NOT a.attisdropped))::text
  FROM pg_type t
 WHERE t.oid = to_regtype($1)
