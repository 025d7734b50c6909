# Partitions that have keys of their own, while the table above them has none: the same key may be in several of them. The
# table as it was and the history of a row, against the truth.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(utf8_locale);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = $ENV{TRAIL_SEED} // 20261126;
srand $seed;

my $node = PostgreSQL::Test::Cluster->new('apart');
$node->init(extra => utf8_locale());
$node->append_conf('postgresql.conf', "autovacuum = off\nfsync = off\nmax_worker_processes = 16");
$node->start;

sub sql { return $node->safe_psql('postgres', @_) }
sub now { return sql('SELECT clock_timestamp()') }

# What is said meanwhile.
sub said
{
	my ($code, $out, $error) = $node->psql('postgres', "\\set VERBOSITY default\n$_[0]");
	return $error;
}

sql('CREATE EXTENSION dbmastery');

# Keys of one column; of more than it; a unique index alone; none. One has its columns in another order, one is partitioned again
# by another column.
sub make
{
	my ($table) = @_;
	sql(<<"SQL");
CREATE TABLE $table (id int NOT NULL, k int NOT NULL, u int NOT NULL, v text, n numeric) PARTITION BY RANGE (k);
CREATE TABLE ${table}_a PARTITION OF $table (PRIMARY KEY (id)) FOR VALUES FROM (0) TO (10);
CREATE TABLE ${table}_b (n numeric, gone int, v text, u int NOT NULL, k int NOT NULL, id int PRIMARY KEY);
ALTER TABLE ${table}_b DROP COLUMN gone;
ALTER TABLE $table ATTACH PARTITION ${table}_b FOR VALUES FROM (10) TO (20);
CREATE TABLE ${table}_c PARTITION OF $table (PRIMARY KEY (id, k)) FOR VALUES FROM (20) TO (30);
CREATE TABLE ${table}_d PARTITION OF $table FOR VALUES FROM (30) TO (40);
CREATE UNIQUE INDEX ON ${table}_d (u);
CREATE TABLE ${table}_e PARTITION OF $table FOR VALUES FROM (40) TO (50) PARTITION BY LIST (u);
CREATE TABLE ${table}_e1 PARTITION OF ${table}_e (PRIMARY KEY (id)) FOR VALUES IN (0, 1, 2, 3, 4);
CREATE TABLE ${table}_e2 PARTITION OF ${table}_e (PRIMARY KEY (k, id)) DEFAULT;
CREATE TABLE ${table}_f PARTITION OF $table FOR VALUES FROM (50) TO (60);
INSERT INTO $table SELECT i, k, i, 'before', k FROM generate_series(1, 3) i, unnest(ARRAY[1, 11, 21, 31, 41, 51]) k;
SELECT dbm.install_audit_trigger('$table');
SQL
	return;
}

sub any { return $_[ int rand @_ ] }
sub id { return int rand 8 }
sub k { return int rand 60 }

# A statement on the table, or on one of its partitions.
sub statement
{
	my ($table) = @_;
	my $part = any($table, $table, $table, map { "${table}_$_" } qw(a b c d e e1 e2 f));
	return any(
		sub { "INSERT INTO $table VALUES (" . join(', ', id(), k(), id(), any(q{'x'}, q{'y'}, 'NULL'), any('1.0', '1.00', 'NULL')) . ')' },
		sub { "INSERT INTO $table SELECT i, " . k() . ", i, 'many', i FROM generate_series(0, 7) i" },
		sub { "UPDATE $part SET v = " . any(q{'p'}, q{'q'}, 'NULL') . ', n = ' . any('2.0', '2.00', 'n') . ' WHERE id ' . any('=', '<') . ' ' . id() },
		# To another partition: with its key, with another, and several that meet there.
		sub { "UPDATE $table SET k = " . k() . ' WHERE id = ' . id() . ' AND k = ' . k() },
		sub { "UPDATE $table SET k = (k + " . any(10, 20, 30) . ') % 60 WHERE id = ' . id() },
		sub { "UPDATE $table SET k = (k + 10) % 60, v = 'moved' WHERE u = " . id() },
		sub { "UPDATE $table SET k = (k + 10) % 60, id = id + 8 WHERE id < 8 AND u = " . id() },
		sub { "UPDATE $part SET id = " . any(id(), 'id + 1', 'id - 1') . ' WHERE id = ' . id() },
		sub { "UPDATE $table SET u = u + 1 WHERE id = " . id() },
		sub { "DELETE FROM $part WHERE id = " . id() },
		sub { "DELETE FROM $table WHERE id > 7 AND k % 2 = " . int rand 2 },
		sub { "WITH gone AS (DELETE FROM $table WHERE id = " . id() . " AND k < 10 RETURNING *) INSERT INTO $table SELECT id, k + 20, u, 'led', n FROM gone" },
		sub { "BEGIN; UPDATE $table SET k = (k + 20) % 60 WHERE id = " . id() . "; UPDATE $table SET v = 'after' WHERE id = " . id() . "; DELETE FROM $table WHERE id = " . id() . ' AND u = ' . id() . '; COMMIT' },
		sub { "BEGIN; UPDATE $table SET v = 'lost', k = (k + 10) % 60; ROLLBACK" })->();
}

# Runs a script, whose statements may fail; returns what was complained of beside what is expected.
sub script
{
	my ($script) = @_;
	my ($out, $error) = ('', '');
	IPC::Run::run([ 'psql', '-X', '-q', '-A', '-t', '-d', $node->connstr('postgres') ], '<', \$script, '>', \$out, '2>', \$error);
	return join "\n", grep { /ERROR|FATAL|PANIC/ && !/duplicate key|current transaction is aborted/ } split /\n/, $error;
}

# All rows, sorted.
sub rows_of { my ($table) = @_; return sql(qq{SELECT string_agg(r::text, E'\\n' ORDER BY r::text COLLATE "C") FROM $table r}) }

sub then { my ($table, $at) = @_; return sql(qq{SELECT string_agg(r::text, E'\\n' ORDER BY r::text COLLATE "C") FROM dbm.rows_as_of(NULL::$table, '$at') r}) }

sub json_then
{
	my ($table, $at) = @_;
	return sql(qq{SELECT string_agg(r, E'\\n' ORDER BY r COLLATE "C") FROM (SELECT ROW((d->>'id')::int, (d->>'k')::int, (d->>'u')::int, d->>'v', (d->>'n')::numeric)::text AS r FROM dbm.as_of('$table', '$at') d) x});
}

# --- As it was: from now back, and after a TRUNCATE forward

my @moments;
make('apart');
for my $round (0 .. 12)
{
	is(script(join '', map { statement('apart') . ";\n" } 1 .. ($round ? 60 : 0)), '', "round $round runs");
	push @moments, [ now(), rows_of('apart') ];
	# What has a key gets another one, on the way.
	sql('ALTER TABLE apart_a DROP CONSTRAINT apart_a_pkey, ADD PRIMARY KEY (id, k)') if $round == 5;
	sql('DELETE FROM apart_c a USING apart_c b WHERE a.id = b.id AND a.ctid < b.ctid; ALTER TABLE apart_c DROP CONSTRAINT apart_c_pkey, ADD PRIMARY KEY (id)') if $round == 7;
	sql('ALTER TABLE apart RENAME v TO w; ALTER TABLE apart_b RENAME TO apart_2; ALTER TABLE apart RENAME w TO v; ALTER TABLE apart_2 RENAME TO apart_b') if $round == 9;
}
is(sql(q{SELECT count(*) > 100 FROM dbm_trail.change d JOIN dbm_trail.change i USING (transaction_id, statement_no)
	WHERE d.operation = 'D' AND i.operation = 'I' AND d.shape_id <> i.shape_id}), 't', 'many rows went to other partitions');
is(sql(q{SELECT count(*) > 3 FROM (SELECT key->'id' FROM dbm_trail.change WHERE key ? 'id' GROUP BY 1 HAVING count(DISTINCT shape_id) > 3) x}), 't', 'and the same key is in several');
for my $place (0 .. $#moments)
{
	my ($at, $truth) = @{ $moments[$place] };
	is(then('apart', $at), $truth, "as it was in round $place");
	is(json_then('apart', $at), $truth, "as it was in round $place, as JSON");
}
is(said("SELECT count(*) FROM dbm.as_of('apart', '$moments[3][0]')"), '', 'without a doubt');

# From nothing, so that all is known forward.
make('onward');
sql('TRUNCATE onward');
my @onward;
for my $round (1 .. 6)
{
	is(script(join '', map { statement('onward') . ";\n" } 1 .. 60), '', "onward, round $round runs");
	sql('TRUNCATE onward_a') if $round == 3;
	push @onward, [ now(), rows_of('onward') ];
}
sql('TRUNCATE onward');
is(then('onward', $onward[$_][0]), $onward[$_][1], "forward, as it was in round $_") for 0 .. $#onward;

# --- The history of a row

sql(<<'SQL');
CREATE TABLE parts (id int NOT NULL, k int NOT NULL, v text) PARTITION BY LIST (k);
CREATE TABLE parts_1 PARTITION OF parts (PRIMARY KEY (id)) FOR VALUES IN (1);
CREATE TABLE parts_2 PARTITION OF parts (PRIMARY KEY (id)) FOR VALUES IN (2);
CREATE TABLE "Parts 3" PARTITION OF parts (PRIMARY KEY (id, k)) FOR VALUES IN (3, 4);
SELECT dbm.install_audit_trigger('parts');
INSERT INTO parts VALUES (1, 1, 'one'), (7, 1, 'seven'), (8, 1, 'eight'), (8, 2, 'another'), (9, 3, 'nine');
UPDATE parts SET v = v || '!' WHERE id = 7;
SQL
my $start = now();
sql(q{UPDATE parts SET k = 2 WHERE id = 7; UPDATE parts SET v = v || '?' WHERE id = 7; UPDATE parts SET v = v || '.' WHERE id = 8; UPDATE parts SET k = 3 WHERE id = 1});
sub history { my ($key, $table) = @_; return sql(sprintf q{SELECT string_agg(concat_ws('|', operation, key, new->>'v', old->>'v'), E'\n') FROM dbm.row_history('%s', '%s')}, $table // 'parts', $key) }
is(history('{"id": 7}'), <<'ROWS' =~ s/\n\z//r, 'a row is followed to another partition');
INSERT|{"id": 7}|seven
UPDATE|{"id": 7}|seven!|seven
DELETE|{"id": 7}|seven!
INSERT|{"id": 7}|seven!
UPDATE|{"id": 7}|seven!?|seven!
ROWS
my $all = history('{"id": 7}');
is(history('{"tableoid": "parts_2", "id": 7}'), $all, 'which may be named');
is(history('{"id": 7, "tableoid": "public.parts_1"}'), join("\n", (split /\n/, $all)[ 0 .. 2 ]), 'where it came from it has what it had there');
my $ambiguous = said(q{SELECT * FROM dbm.row_history('parts', '{"id": 8}')});
like($ambiguous, qr/ERROR:  several rows of public\.parts have this key\nDETAIL:  Its partitions have keys of their own, and each of these has, or had, such a row: public\.parts_1, public\.parts_2\.\nHINT:  The key may say which is meant: '\{"tableoid": "public\.parts_1", "id": 8\}'/, 'two rows of the same key are not one');
is(history('{"tableoid": "public.parts_1", "id": 8}'), "INSERT|{\"id\": 8}|eight\nUPDATE|{\"id\": 8}|eight.|eight", 'the one');
is(history(sprintf '{"tableoid": %d, "id": 8}', sql(q{SELECT 'parts_2'::regclass::oid})), "INSERT|{\"id\": 8}|another\nUPDATE|{\"id\": 8}|another.|another", 'and the other');
is(history('{"id": 1, "k": 3}'), "INSERT|{\"id\": 1}|one\nDELETE|{\"id\": 1}|one\nINSERT|{\"k\": 3, \"id\": 1}|one", 'a row that goes where another key tells rows apart');
is(history('{"id": 9, "k": 3}'), 'INSERT|{"k": 3, "id": 9}|nine', 'one by that key');
is(history('{"tableoid": "\"Parts 3\"", "id": 9, "k": 3}'), 'INSERT|{"k": 3, "id": 9}|nine', 'with its partition');
like(said(q{SELECT * FROM dbm.row_history('parts', '{"tableoid": "orders", "id": 8}')}), qr/orders is no partition of public\.parts/, 'a partition that is none');
like(said(q{SELECT * FROM dbm.row_history('parts', '{"v": "x"}')}), qr/this is no key of public\.parts/, 'a key that is none');
sql('DELETE FROM parts_1 WHERE id = 8');
like(said(q{SELECT * FROM dbm.row_history('parts', '{"id": 8}')}), qr/several rows of public\.parts have this key/, 'also where one of them is gone since');
sql('TRUNCATE parts_2');
like(history('{"tableoid": "parts_2", "id": 8}'), qr/TRUNCATE$/, 'a partition that was truncated');
like(history('{"tableoid": "parts_1", "id": 8}'), qr/DELETE\|[^\n]*$/, 'the other was not');
sql(q{INSERT INTO parts VALUES (8, 2, 'once more')});
like(history('{"tableoid": "parts_2", "id": 8}'), qr/TRUNCATE\nINSERT\|[^\n]*once more$/, 'and has another row since');
sql('TRUNCATE parts');
like(history('{"tableoid": "parts_2", "id": 8}'), qr/once more\nTRUNCATE$/, 'the table above it was truncated');

# Who may read some columns alone does not see which partition a row is in.
sql(q{CREATE ROLE clerk LOGIN; GRANT USAGE ON SCHEMA dbm TO clerk; GRANT EXECUTE ON ALL ROUTINES IN SCHEMA dbm TO clerk; GRANT SELECT (id, v) ON parts TO clerk});
like(said(qq{SET SESSION AUTHORIZATION clerk; SELECT * FROM dbm.as_of('parts', '$start')}), qr/permission denied for column "tableoid" of public\.parts/, 'who may not see in which partition a row is is told nothing of then');
is(sql(q{SET SESSION AUTHORIZATION clerk; SELECT string_agg(new::text, ' ') FROM dbm.row_history('parts', '{"tableoid": "parts_1", "id": 8}')}), '{"v": "eight", "id": 8} {"v": "eight."}', 'while a history has the columns that he may read');
sql('GRANT SELECT ON parts TO clerk');
is(sql(qq{SET SESSION AUTHORIZATION clerk; SELECT count(*) FROM dbm.as_of('parts', '$start')}), 5, 'who may read the table is told');

# --- What the log cannot tell

sql(q{CREATE TABLE silent (id int NOT NULL, at date) PARTITION BY RANGE (at); CREATE TABLE silent_default PARTITION OF silent (PRIMARY KEY (id)) DEFAULT;
	CREATE TABLE silent_1 PARTITION OF silent (PRIMARY KEY (id)) FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
	SELECT dbm.install_audit_trigger('silent'); INSERT INTO silent VALUES (1, '2026-01-05'), (1, '2026-03-05')});
my $at = now();
sql(q{INSERT INTO dbm_trail.event (event_id, happened_at, transaction_id, session_user_name, relation_id, kind, detail)
	SELECT nextval('dbm_trail.event_id'), clock_timestamp(), pg_current_xact_id()::text::bigint, session_user, relation_id, 'moved', 'rows of silent_default were moved' FROM dbm_trail.relation WHERE table_name = 'silent'});
my $then = now();
sql(q{INSERT INTO silent VALUES (2, '2026-01-05')});
like(said("SELECT * FROM dbm.as_of('silent', '$at')"), qr/ERROR:  table public\.silent cannot be told as it was then\nDETAIL:  Its partitions have keys of their own, and rows were moved out of one of them at .*, which no change of them tells\./, 'rows that were moved without a change');
is(sql("SELECT count(*) FROM dbm.as_of('silent', '$then')"), 2, 'since then it is told');

like(said(q{UPDATE silent SET at = at + 1 WHERE at > '2026-03-01'; SELECT * FROM dbm.row_history('silent', '{"id": 1}')}), qr/several rows of public\.silent have this key\nDETAIL:  .* Rows were moved out of one of them at .*: they may be one\./, 'nor whether two rows of a key are one');

done_testing();
