# Partitions that have keys of their own, while the table above them has none: the same key may be in several of them. The
# table as it was, the history of a row, and changes taken back, against the truth.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use PostgreSQL::Test::Utils;
use Test::More;
use Trail qw(apply sql start transaction);

my $seed = $ENV{TRAIL_SEED} // 20261126;
srand $seed;

my $node = start('apart', 'fsync = off');

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
	my ($script, $database) = @_;
	my ($out, $error) = ('', '');
	IPC::Run::run([ 'psql', '-X', '-q', '-A', '-t', '-d', $node->connstr($database // 'postgres') ], '<', \$script, '>', \$out, '2>', \$error);
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

# Restored elsewhere, where all of them have other OIDs, and changed there.
$node->command_ok([ 'pg_dump', '-Fc', '-f', $node->basedir . '/dump', '-d', $node->connstr('postgres') ], 'a dump');
sql('CREATE DATABASE restored');
$node->safe_psql('restored', 'CREATE TABLE filler (a int); DROP TABLE filler');
$node->command_ok([ 'pg_restore', '-d', $node->connstr('restored'), $node->basedir . '/dump' ], 'and its restore');
is(script(join('', map { statement('apart') . ";\n" } 1 .. 60), 'restored'), '', 'which goes on');
for my $place (0 .. $#moments)
{
	my ($at, $truth) = @{ $moments[$place] };
	is($node->safe_psql('restored', qq{SELECT string_agg(r::text, E'\\n' ORDER BY r::text COLLATE "C") FROM dbm.rows_as_of(NULL::apart, '$at') r}), $truth, "there, too, it is told as it was in round $place");
}

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
like(said(q{SET SESSION AUTHORIZATION clerk; SELECT * FROM dbm.row_history('parts', '{"tableoid": "parts_1", "id": 8}')}), qr/permission denied for column "tableoid" of public\.parts/, 'nor which row is in which');
my $hidden = said(q{SET SESSION AUTHORIZATION clerk; SELECT * FROM dbm.row_history('parts', '{"id": 8}')});
like($hidden, qr/several rows of public\.parts have this key/, 'nor in which there are several');
unlike($hidden, qr/parts_/, 'by their names');
sql('GRANT SELECT ON parts TO clerk');
is(sql(q{SET SESSION AUTHORIZATION clerk; SELECT string_agg(new::text, ' ') FROM dbm.row_history('parts', '{"tableoid": "parts_1", "id": 8}')}), '{"k": 1, "v": "eight", "id": 8} {"v": "eight."}', 'who may read the table is told of both');
is(sql(qq{SET SESSION AUTHORIZATION clerk; SELECT count(*) FROM dbm.as_of('parts', '$start')}), 5, 'who may read the table is told');

# --- Taking back

# One half of a move is not taken back without the other.
sql(<<'SQL');
CREATE TABLE halves (id int NOT NULL, k int NOT NULL, v text) PARTITION BY LIST (k);
CREATE TABLE halves_1 PARTITION OF halves FOR VALUES IN (1); ALTER TABLE halves_1 ADD PRIMARY KEY (id);
CREATE TABLE halves_2 PARTITION OF halves FOR VALUES IN (2); ALTER TABLE halves_2 ADD PRIMARY KEY (id);
SELECT dbm.install_audit_trigger('halves');
INSERT INTO halves VALUES (7, 1, 'x'), (8, 1, 'y');
SQL
my $whole = sql('SELECT clock_timestamp()');
sql('UPDATE halves SET k = 2');
like(said(qq{SELECT dbm.revert_plan('halves', '{"tableoid": "halves_1", "id": 7}', '$whole')}), qr/ERROR:  change \d+ may be half of a move that this key does not tell\nDETAIL:  The same command put a row into public\.halves_2/, 'a row that went, by where it was');
like(said(qq{SELECT dbm.revert_plan('halves', '{"tableoid": "halves_2", "id": 9}', '$whole')}), qr/not changed/, 'another row');
my $halves = sql(qq{SELECT dbm.revert_plan('halves', '{"id": 7}', '$whole')});
sql("CALL dbm.apply($halves)");
is(sql(q{SELECT string_agg(concat_ws('|', id, k, v), ' ' ORDER BY id) FROM halves}), '7|1|x 8|2|y', 'as a whole it goes back');
$whole = sql('SELECT clock_timestamp()');
sql('UPDATE halves SET k = 2, id = 9 WHERE id = 7');
like(said(qq{SELECT dbm.revert_plan('halves', '{"id": 9}', '$whole')}), qr/ERROR:  change \d+ may be half of a move that this key does not tell\nDETAIL:  The same command took a row out of public\.halves_1/, 'and one that got another key on the way is not taken away');
sql('DROP TABLE halves');

make('back');
sql('DELETE FROM back WHERE id > 3');
my %cases = (
	'an update of rows of the same key' => 'UPDATE back SET v = k::text WHERE id = 1',
	'an insert' => q{INSERT INTO back VALUES (5, 5, 5, 'x', 1.0), (5, 15, 5, 'x', 1.00), (5, 25, 5, 'x', NULL), (5, 55, 5, 'x', 1)},
	'a delete' => 'DELETE FROM back WHERE id = 2',
	'rows that go to other partitions' => 'UPDATE back SET k = k + 10, id = id + 10 WHERE k < 20 AND id < 3',
	'rows that change before they go, and after' => q{UPDATE back SET v = 'first' WHERE id = 3; UPDATE back SET k = (k + 20) % 60, id = id + 20, u = u + 20 WHERE id = 3; UPDATE back SET v = 'then' WHERE id = 23; DELETE FROM back WHERE id = 23 AND k < 20},
	'a row that goes to and fro' => q{UPDATE back SET k = 12, id = 30 WHERE id = 1 AND k = 1; UPDATE back SET v = 'there' WHERE id = 30; UPDATE back SET k = 1, id = 1 WHERE id = 30},
	'a key that goes from row to row' => 'UPDATE back_a SET id = 9 WHERE id = 1; UPDATE back_a SET id = 1 WHERE id = 2; UPDATE back_a SET id = 2 WHERE id = 9',
);
for my $case (sort keys %cases)
{
	my $before = rows_of('back');
	my $transaction = transaction($cases{$case});
	my $after = rows_of('back');
	isnt($after, $before, "$case: something changes") unless $case =~ /to and fro/;
	my $plan = sql("SELECT dbm.revert_plan($transaction)");
	is(apply($plan), 'done', "$case: the plan is applied");
	is(rows_of('back'), $before, "$case: all is as it was");
	sql("CALL dbm.undo($plan)");
	is(rows_of('back'), $after, "$case: and back again");
	my $last = sql('SELECT transaction_id FROM dbm.changes(max_rows => 1)');
	is(apply(sql("SELECT dbm.revert_plan($last)")), 'done', "$case: the way back is taken back");
	is(rows_of('back'), $before, "$case: all is as it was once more");
}

# What others did to a row of the same key elsewhere is not later; what they did to the row is.
my $first = transaction(q{UPDATE back SET v = 'mine' WHERE id = 1 AND k < 20});
sql(q{UPDATE back SET v = 'other' WHERE id = 1 AND k = 21; UPDATE back SET v = 'other' WHERE id = 2});
is(apply(sql("SELECT dbm.revert_plan($first)")), 'done', 'a change of another row of that key does not stand in the way');
$first = transaction(q{UPDATE back SET v = 'mine' WHERE id = 1 AND k < 20});
my $moved = transaction('UPDATE back SET k = 12, id = 50 WHERE id = 1 AND k = 1');
like(said("SELECT dbm.revert_plan($first)"), qr/transaction $first cannot be taken back: 1 later changes would be lost\nDETAIL:  change \d+, DELETE of public\.back_a \{"id": 1\} by transaction $moved/, 'that it went to another partition does');
is(apply(sql("SELECT dbm.revert_plan($moved)")), 'done', 'which can be taken back');
$first = transaction(q{UPDATE back SET v = 'again' WHERE id = 1 AND k < 20});
my $plan = sql("SELECT dbm.revert_plan($first)");
sql(q{UPDATE back SET v = 'theirs' WHERE id = 1 AND k = 11});
my $before = rows_of('back');
like(said("CALL dbm.apply($plan)"), qr/of public\.back_b cannot be taken back: the row is not what the change made of it/, 'what changes between plan and apply stops it');
is(rows_of('back'), $before, 'all or nothing');

# One row, and a range.
my $at = now();
$before = rows_of('back');
sql(q{UPDATE back SET v = 'a' WHERE id = 2 AND k = 1; UPDATE back SET k = 12, id = 7 WHERE id = 2 AND k = 1; UPDATE back SET v = 'b' WHERE id = 7});
is(apply(sql(qq{SELECT dbm.revert_plan('back', '{"id": 7}', '{"id": 7}', '$at')})), 'done', 'a row by a key that it got as it moved goes');
is(apply(sql(qq{SELECT dbm.revert_plan('back', '{"id": 2}', '{"id": 2}', '$at')})), 'done', 'and comes back by the one that it had');
is(rows_of('back'), $before, 'all is as it was');
$at = now();
sql(q{UPDATE back SET v = 'a' WHERE id = 3 AND k = 1; UPDATE back SET k = 12 WHERE id = 99; DELETE FROM back WHERE id = 3 AND k = 11; UPDATE back SET k = 12 WHERE id = 3 AND k = 1; UPDATE back SET v = 'b' WHERE id = 3 AND k = 12});
is(apply(sql(qq{SELECT dbm.revert_plan('back', '{"tableoid": "back_b", "id": 3}', '$at')})), 'done', 'a row in a partition, with what it was where it came from');
is(rows_of('back'), $before, 'all is as it was');
$at = now();
sql(q{UPDATE back SET v = 'a' WHERE id = 3 AND k IN (1, 11)});
like(said(qq{SELECT dbm.revert_plan('back', '{"id": 3}', '$at')}), qr/several rows of public\.back have this key/, 'of several the caller has to say which');
is(apply(sql(qq{SELECT dbm.revert_plan('back', '{"tableoid": "back_a", "id": 3}', '$at')})), 'done', 'and may');
is(sql(q{SELECT string_agg(k::text, ',') FROM back WHERE id = 3 AND v = 'a'}), '11', 'that one alone');
is(apply(sql(qq{SELECT dbm.revert_plan('back', '{"id": 1}', '{"id": 5}', '$at')})), 'done', 'a range of keys is one in every partition');
is(rows_of('back'), $before, 'all is as it was');
$at = now();
sql(q{UPDATE back SET v = 'a' WHERE id IN (1, 3) AND k < 20; UPDATE back SET k = k + 1 WHERE id = 2 AND k < 20; UPDATE back SET k = 13, id = 8 WHERE id = 3 AND k = 1; INSERT INTO back VALUES (2, 0, 2) ON CONFLICT DO NOTHING});
is(apply(sql(qq{SELECT dbm.revert_plan('back', '{"id": 1}', '{"id": 8}', '$at')})), 'done', 'rows of the same keys and such as moved');
is(rows_of('back'), $before, 'all is as it was');
$at = now();
sql(q{UPDATE back SET v = 'a' WHERE id = 1});
like(said(qq{SELECT dbm.revert_plan('back', '{"id": 1}', '{"id": 5}', '$at')}), qr/rows of public\.back (?:cannot be taken back by a range of keys|have no keys to be ordered by)/, 'where partitions have other keys a range means nothing');

# What is no partition any more, and what was truncated.
$first = transaction(q{UPDATE back SET v = 'late' WHERE id = 2 AND k < 30});
$plan = sql("SELECT dbm.revert_plan($first)");
sql('ALTER TABLE back DETACH PARTITION back_b');
like(said("SELECT dbm.revert_plan($first)"), qr/change \d+ of public\.back cannot be taken back\nDETAIL:  It changed a row of public\.back_b, which is no partition of it any more\./, 'a partition that was detached is named');
sql('ALTER TABLE back ATTACH PARTITION back_b FOR VALUES FROM (10) TO (20)');
is(apply($plan), 'done', 'once it is back, its rows are taken back');
my $truncate = transaction('TRUNCATE back_a');
like(said("SELECT dbm.revert_plan($truncate)"), qr/TRUNCATE of public\.back_a cannot be taken back by a plan/, 'a partition that was truncated');
$truncate = transaction('TRUNCATE back');
like(said("SELECT dbm.revert_plan($truncate)"), qr/TRUNCATE of public\.back(_\w+)? cannot be taken back by a plan/, 'the table');
$first = transaction(q{INSERT INTO back VALUES (1, 1, 1), (1, 11, 1)});
sql('TRUNCATE back_b');
like(said("SELECT dbm.revert_plan($first)"), qr/1 later changes would be lost\nDETAIL:  change \d+, TRUNCATE of public\.back_b/, 'what a TRUNCATE of one of them took is lost');

# A range is not refused for what others had in a partition that is gone.
sql(<<'SQL');
CREATE TABLE ranges (id int NOT NULL, k int NOT NULL, v text) PARTITION BY LIST (k);
CREATE TABLE ranges_1 PARTITION OF ranges (PRIMARY KEY (id)) FOR VALUES IN (1);
CREATE TABLE ranges_2 PARTITION OF ranges (PRIMARY KEY (id)) FOR VALUES IN (2);
CREATE TABLE ranges_3 PARTITION OF ranges (PRIMARY KEY (id)) FOR VALUES IN (3);
SELECT dbm.install_audit_trigger('ranges');
INSERT INTO ranges VALUES (1, 1, 'a'), (50, 2, 'b'), (60, 2, 'c'), (50, 3, 'd');
SQL
$at = now();
sql(q{UPDATE ranges SET v = 'x'; UPDATE ranges SET id = 70 WHERE id = 60; UPDATE ranges SET v = 'y' WHERE id = 70; DROP TABLE ranges_2});
for my $range ([ 50, 55 ], [ 60, 65 ], [ 70, 70 ], [ 0, 99 ])
{
	my ($from, $to) = @$range;
	like(said(qq{SELECT dbm.revert_plan('ranges', '{"id": $from}', '{"id": $to}', '$at')}), qr/change \d+ of public\.ranges cannot be taken back\nDETAIL:  It changed a row of public\.ranges_2, which is no partition of it any more\./, "what it had from $from to $to cannot be taken back");
}
is(apply(sql(qq{SELECT dbm.revert_plan('ranges', '{"id": 1}', '{"id": 49}', '$at')})), 'done', 'but others can');
is(sql(q{SELECT string_agg(concat_ws('|', id, k, v), ' ' ORDER BY id) FROM ranges}), '1|1|a 50|3|x', 'and are');

# A cascade that would take rows along is seen from a partition, too.
sql(q{CREATE TABLE up (id int NOT NULL, k int NOT NULL, x int NOT NULL, UNIQUE (id, k)) PARTITION BY LIST (k);
	CREATE TABLE up_1 PARTITION OF up (PRIMARY KEY (x)) FOR VALUES IN (1); CREATE TABLE up_2 PARTITION OF up (PRIMARY KEY (x)) FOR VALUES IN (2);
	CREATE TABLE down (id int PRIMARY KEY, up_id int, k int, FOREIGN KEY (up_id, k) REFERENCES up (id, k) ON DELETE CASCADE);
	SELECT dbm.install_audit_trigger('up'), dbm.install_audit_trigger('down')});
$first = transaction('INSERT INTO up VALUES (1, 1, 1), (1, 2, 1)');
$plan = sql("SELECT dbm.revert_plan($first)");
sql('INSERT INTO down VALUES (1, 1, 2)');
like(said("CALL dbm.apply($plan)"), qr/of public\.up_2 cannot be taken back: rows of public\.down refer to it, and would go with it/, 'nobody is taken along');
sql('DELETE FROM down');
is(apply($plan), 'done', 'else it is taken back');

# --- What the log cannot tell

sql(q{CREATE TABLE silent (id int NOT NULL, at date) PARTITION BY RANGE (at); CREATE TABLE silent_default PARTITION OF silent (PRIMARY KEY (id)) DEFAULT;
	CREATE TABLE silent_1 PARTITION OF silent (PRIMARY KEY (id)) FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
	SELECT dbm.install_audit_trigger('silent'); INSERT INTO silent VALUES (1, '2026-01-05'), (1, '2026-03-05')});
$at = now();
sql(q{INSERT INTO dbm_trail.event (event_id, happened_at, transaction_id, session_user_name, relation_id, kind, detail)
	SELECT nextval('dbm_trail.event_id'), clock_timestamp(), pg_current_xact_id()::text::bigint, session_user, relation_id, 'moved', 'rows of silent_default were moved' FROM dbm_trail.relation WHERE table_name = 'silent'});
my $then = now();
sql(q{INSERT INTO silent VALUES (2, '2026-01-05')});
like(said("SELECT * FROM dbm.as_of('silent', '$at')"), qr/ERROR:  table public\.silent cannot be told as it was then\nDETAIL:  Its partitions have keys of their own, and rows were moved out of one of them at .*, which no change of them tells\./, 'rows that were moved without a change');
is(sql("SELECT count(*) FROM dbm.as_of('silent', '$then')"), 2, 'since then it is told');

like(said(q{UPDATE silent SET at = at + 1 WHERE at > '2026-03-01'; SELECT * FROM dbm.row_history('silent', '{"id": 1}')}), qr/several rows of public\.silent have this key\nDETAIL:  .* Rows were moved out of one of them at .*: they may be one\./, 'nor whether two rows of a key are one');

done_testing();
