-- Run with a pinned search_path. $1 is the domain's name, quoted and qualified.
SELECT json_build_object(
    'name', $1,
    'base_type', format_type(t.typbasetype, t.typtypmod),
    'is_not_null', t.typnotnull,
    'default', t.typdefault,
    'checks', (SELECT coalesce(json_agg(json_build_array(k.conname, pg_get_constraintdef(k.oid)) ORDER BY k.conname), '[]')
                 FROM pg_constraint k
                WHERE k.contypid = t.oid AND k.contype = 'c'),
    'columns', (SELECT coalesce(json_agg(json_build_array(format('%I.%I', n.nspname, c.relname), quote_ident(a.attname))), '[]')
                  FROM pg_attribute a
                  JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p', 'f', 'm')
                  JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE a.atttypid = t.oid AND NOT a.attisdropped),
    'taken', (SELECT coalesce(json_agg(k.conname), '[]')
                FROM pg_constraint k
               WHERE k.connamespace = t.typnamespace))::text
  FROM pg_type t
 WHERE t.oid = to_regtype($1) AND t.typtype = 'd'
