-- The same questions as most audit scripts ask them: one SQL statement a check over the catalog views, deparsing every
-- index and asking for the size of every relation. Written for this comparison; each answers a part of what the two
-- dimensions of dbm.audit() answer.

-- Foreign keys without an index on their columns.
SELECT count(*)
FROM pg_constraint c
JOIN pg_class t ON t.oid = c.conrelid
JOIN pg_namespace n ON n.oid = t.relnamespace
WHERE c.contype = 'f'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND NOT EXISTS (
      SELECT 1 FROM pg_index i
      WHERE i.indrelid = c.conrelid
        AND (string_to_array(i.indkey::text, ' ')::int2[])[1:cardinality(c.conkey)] @> c.conkey);

-- Indexes whose definitions are equal but for their names.
SELECT count(*)
FROM (SELECT indrelid, regexp_replace(pg_get_indexdef(indexrelid), ' INDEX .* ON ', ' INDEX ON ')
      FROM pg_index
      GROUP BY 1, 2
      HAVING count(*) > 1) duplicates;

-- Indexes whose columns begin another one.
SELECT count(*)
FROM pg_index a
JOIN pg_index b ON a.indrelid = b.indrelid AND a.indexrelid <> b.indexrelid
JOIN pg_class ac ON ac.oid = a.indexrelid
JOIN pg_class bc ON bc.oid = b.indexrelid AND bc.relam = ac.relam
WHERE b.indkey::text LIKE a.indkey::text || ' %'
  AND NOT a.indisunique
  AND pg_get_expr(a.indpred, a.indrelid) IS NOT DISTINCT FROM pg_get_expr(b.indpred, b.indrelid);

-- Indexes without scans, largest first.
SELECT count(*)
FROM (SELECT s.indexrelid, pg_relation_size(s.indexrelid) AS size
      FROM pg_stat_user_indexes s
      JOIN pg_index i USING (indexrelid)
      WHERE s.idx_scan = 0 AND NOT i.indisunique
      ORDER BY 2 DESC) unused;

-- Tables without primary key.
SELECT count(*)
FROM information_schema.tables t
LEFT JOIN information_schema.table_constraints c
  ON c.table_schema = t.table_schema AND c.table_name = t.table_name AND c.constraint_type = 'PRIMARY KEY'
WHERE t.table_type = 'BASE TABLE' AND t.table_schema NOT IN ('pg_catalog', 'information_schema')
  AND c.constraint_name IS NULL;

-- Columns of types to avoid.
SELECT count(*)
FROM information_schema.columns
WHERE table_schema NOT IN ('pg_catalog', 'information_schema')
  AND data_type IN ('json', 'money', 'timestamp without time zone', 'character');

-- Sequences near their end.
SELECT count(*) FROM pg_sequences WHERE last_value > max_value * 0.7;
