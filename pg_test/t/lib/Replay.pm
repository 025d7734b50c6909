# What the log says of tables against what they are, what they were, and what those who wrote say that they did.

package Replay;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use Server qw(start_loop);

our @EXPORT_OK = qw(differs look make_replay strays then_differs writer);

# Makes what is needed in a database: schema replay, open to everybody.
sub make_replay
{
	my ($node, $database) = @_;
	$node->safe_psql($database, <<'SQL');
CREATE SCHEMA replay;
GRANT USAGE ON SCHEMA replay TO PUBLIC;
CREATE AGGREGATE replay.merged (jsonb) (SFUNC = pg_catalog.jsonb_concat, STYPE = jsonb, INITCOND = '{}');
-- What those who write say of it themselves, in their transactions. n is taken after the table was locked.
CREATE TABLE replay.journal (n bigserial PRIMARY KEY, name text NOT NULL, op text NOT NULL, id text NOT NULL,
	transaction_id bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint);
CREATE TABLE replay.seen (moment text, name text, at timestamptz, r jsonb);
CREATE SEQUENCE replay.id START 1000000;
GRANT ALL ON ALL TABLES IN SCHEMA replay TO PUBLIC;
GRANT ALL ON ALL SEQUENCES IN SCHEMA replay TO PUBLIC;
-- So many rows, from a number on: id, at (one of ten days), n.
CREATE PROCEDURE replay.fill(name text, first int, last int, day date) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('WITH n AS (INSERT INTO %s (id, at, n, note) SELECT i, $4 + i %% 10, 0, ''n'' || i FROM generate_series($1, $2) AS i RETURNING id)
		INSERT INTO replay.journal (name, op, id) SELECT $3, ''I'', id FROM n', name) USING first, last, name, day;
END $$;
-- One row after the other, each in its transaction: of those up to `last`, and new ones.
CREATE PROCEDURE replay.work(name text, last int, day date) LANGUAGE plpgsql AS $$
DECLARE
	what text;
	op text;
BEGIN
	FOR i IN 1 .. 20 LOOP
		op := (ARRAY['I', 'I', 'U', 'U', 'U', 'U', 'K', 'K', 'D'])[1 + (random() * 8.99)::int % 9];
		what := CASE op WHEN 'I' THEN 'INSERT INTO %s (id, at, n, note) SELECT nextval(''replay.id''), $3 + (random() * 9)::int, 0, ''new'''
			WHEN 'U' THEN 'UPDATE %s SET n = n + 1 WHERE id = 1 + (random() * $1)::int'
			WHEN 'K' THEN 'UPDATE %s SET at = $3 + (random() * 9)::int, n = n + 1 WHERE id = 1 + (random() * $1)::int'
			ELSE 'DELETE FROM %s WHERE id = 1 + (random() * $1)::int AND id % 5 = 1' END;
		EXECUTE format('WITH w AS (' || replace(what, 'random()', (random())::text || '::float8') || ' RETURNING id) INSERT INTO replay.journal (name, op, id) SELECT $2, $4, id FROM w', name)
			USING last, name, day, op;
		COMMIT;
	END LOOP;
END $$;
SQL
	return;
}

# Somebody who writes to a table over and over, whatever becomes of the server.
sub writer
{
	my ($node, $database, $table, $last, $day) = @_;
	return start_loop($node, $database, "CALL replay.work('$table', $last, '$day')");
}

# Changes of a table: n grows into the past.
sub changes
{
	my ($table, $key) = @_;
	return "SELECT ordinality AS n, operation, $key AS id, new, transaction_id FROM dbm.changes('$table') WITH ORDINALITY";
}

# The rows in which a table and its log, played from empty, differ; one statement sees both. TRUNCATE is of all of
# it. Options: key, what tells rows apart
# in `key`; base, what columns hold of which no change tells; also, tables that hold rows which went without a change.
sub differs
{
	my ($node, $database, $table, %options) = @_;
	my $changes = changes($table, $options{key} // "key->>'id'");
	my $base = $options{base} // '{}';
	my $stands = join ' UNION ALL ', map { "SELECT to_jsonb(t) AS r FROM $_ t" } $table, @{ $options{also} // [] };
	return $node->safe_psql($database, <<"SQL");
WITH c AS MATERIALIZED ($changes),
    came AS (SELECT id, min(n) AS n FROM c WHERE operation = 'INSERT' GROUP BY 1),
    went AS (SELECT id, min(n) AS n FROM c WHERE operation = 'DELETE' GROUP BY 1),
    emptied AS (SELECT coalesce(min(n), 9223372036854775807) AS n FROM c WHERE operation = 'TRUNCATE'),
    told AS (SELECT to_jsonb(jsonb_populate_record(jsonb_populate_record(NULL::$table, '$base'), replay.merged(new ORDER BY c.n DESC))) AS r
        FROM emptied, c JOIN came ON came.id = c.id LEFT JOIN went ON went.id = c.id
        WHERE c.n <= came.n AND came.n < emptied.n AND operation <> 'DELETE' AND (went.n IS NULL OR went.n > came.n) GROUP BY c.id),
    stands AS ($stands)
SELECT string_agg(what || left(r::text, 200), E'\\n') FROM (
    SELECT 'only in the table: ' AS what, r FROM (SELECT r FROM stands EXCEPT ALL SELECT r FROM told) a
    UNION ALL SELECT 'only in the log: ', r FROM (SELECT r FROM told EXCEPT ALL SELECT r FROM stands) b LIMIT 5) d
SQL
}

# What the log has of a table that nobody who writes says that he did, and what they did that it has not. An UPDATE that moves a row
# into another partition is a DELETE and an INSERT. Options: key, as above; when, which rows of the journal j are to be in the log;
# others, which changes c of the log are those of somebody else.
sub strays
{
	my ($node, $database, $table, %options) = @_;
	my $changes = changes($table, $options{key} // "key->>'id'");
	my $when = $options{when} // 'true';
	my $others = $options{others} // 'false';
	return $node->safe_psql($database, <<"SQL");
WITH c AS MATERIALIZED ($changes),
    told AS (SELECT transaction_id, id, replace(string_agg(left(operation, 1), '' ORDER BY n DESC), 'DI', 'U') AS ops FROM c WHERE NOT ($others) GROUP BY 1, 2),
    written AS (SELECT transaction_id, id, replace(string_agg(op, '' ORDER BY n), 'K', 'U') AS ops FROM replay.journal j WHERE name = '$table' AND ($when) GROUP BY 1, 2)
SELECT string_agg(s, E'\\n') FROM (SELECT format('%s of %s in %s: written %s, told %s', '$table', id, transaction_id, w.ops, t.ops) AS s
    FROM written w FULL JOIN told t USING (transaction_id, id) WHERE w.ops IS DISTINCT FROM t.ops LIMIT 5) d
SQL
}

# Keeps a table as it is, while nobody writes to it for a moment.
sub look
{
	my ($node, $database, $moment, @tables) = @_;
	for my $table (@tables)
	{
		$node->safe_psql($database, <<"SQL");
BEGIN;
LOCK TABLE $table IN SHARE MODE;
WITH at AS MATERIALIZED (SELECT clock_timestamp() AS at) INSERT INTO replay.seen SELECT '$moment', '$table', at.at, to_jsonb(t) FROM at LEFT JOIN $table t ON true;
COMMIT;
SQL
	}
	return;
}

# The rows in which a table is told otherwise than it was at that moment: in the columns that it has now. And the names of columns
# that it had not then, or lost for the log. Option: but, columns that the log cannot have.
sub then_differs
{
	my ($node, $database, $moment, $table, %options) = @_;
	my $but = "'{" . join(',', @{ $options{but} // [] }) . "}'::text[]";
	my $at = $node->safe_psql($database, "SELECT min(at) FROM replay.seen WHERE moment = '$moment' AND name = '$table'");
	my $names = "(SELECT array_agg(attname::text) FROM pg_attribute WHERE attrelid = '$table'::regclass AND attnum > 0 AND NOT attisdropped)";
	my $shared = "(SELECT array_agg(k) FROM (SELECT DISTINCT jsonb_object_keys(r) AS k FROM replay.seen WHERE moment = '$moment' AND name = '$table') x WHERE k = ANY ($names\::text[]) AND k <> ALL ($but))";
	my $only = "(SELECT jsonb_object_agg(key, value) FROM jsonb_each(x.r) WHERE key = ANY (names))";
	my ($code, $out, $error) = $node->psql($database, <<"SQL");
SET client_min_messages = error;
WITH n AS MATERIALIZED (SELECT $shared AS names),
    was AS (SELECT $only AS r FROM n, replay.seen x WHERE moment = '$moment' AND name = '$table' AND x.r IS NOT NULL),
    told AS (SELECT $only AS r FROM n, (SELECT to_jsonb(t) AS r FROM dbm.rows_as_of(NULL::$table, '$at') t) x),
    columns AS (SELECT DISTINCT jsonb_object_keys(r) AS k FROM dbm.as_of('$table', '$at') AS a(r))
SELECT string_agg(what || left(r, 200), E'\\n') FROM (
    SELECT 'only then: ' AS what, r::text FROM (SELECT r FROM was EXCEPT ALL SELECT r FROM told) a
    UNION ALL SELECT 'only told: ', r::text FROM (SELECT r FROM told EXCEPT ALL SELECT r FROM was) b
    UNION ALL SELECT 'a column of later: ', k FROM columns WHERE k NOT IN (SELECT jsonb_object_keys(r) FROM replay.seen WHERE moment = '$moment' AND name = '$table') AND k <> ALL ($but)
    UNION ALL SELECT 'a column that is not told: ', k FROM n, unnest(names) k WHERE k NOT IN (SELECT k FROM columns) AND EXISTS (SELECT FROM columns) LIMIT 6) d
SQL
	return $code == 0 ? $out : $error;
}

1;
