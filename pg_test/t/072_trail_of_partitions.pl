# Partitions that come and go: what the log has of one that is gone is none of another's, trees of them go as a whole, and what
# was kept back of one stays so. Tables as they were are compared with what was read then.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(utf8_locale);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('of_partitions');
$node->init(extra => utf8_locale(), auth_extra => [ '--create-role', 'reader' ]);
$node->append_conf('postgresql.conf', "autovacuum = off\nmax_worker_processes = 16\nfsync = off");
$node->start;
my $database = 'postgres';

sub sql { return $node->safe_psql($database, @_) }

# What is said meanwhile.
sub said
{
	my ($code, $out, $error) = $node->psql($database, "\\set VERBOSITY default\n$_[0]");
	return $error;
}

sub now { return sql('SELECT clock_timestamp()') }

# A table as it is, or was.
sub rows
{
	my ($table, $at) = @_;
	my $source = defined $at ? "dbm.as_of('$table', '$at')" : "(SELECT to_jsonb(t) FROM $table t)";
	return sql("SELECT string_agg(d::text, E'\\n' ORDER BY d::text) FROM $source AS r(d)");
}

# What a table was at moments, to be compared later.
my @seen;
sub look { my ($table, $when) = @_; push @seen, [ $table, $when, now(), rows($table) ]; return }

sub compare
{
	my ($what) = @_;
	is(rows($_->[0], $_->[2]), $_->[3], "$what: $_->[0] as it was $_->[1]") for @seen;
	@seen = ();
	return;
}

sub history
{
	my ($table, $key) = @_;
	return sql(qq{SELECT string_agg(concat_ws('|', operation, old, new), E'\\n') FROM dbm.row_history('$table', '$key')});
}

my $last = 0;
sub events
{
	my $events = sql("SELECT string_agg(kind || ' ' || detail, '; ' ORDER BY event_id) FROM dbm_trail.event WHERE event_id > $last AND kind IN ('attached', 'detached', 'came', 'went')");
	$last = sql('SELECT coalesce(max(event_id), 0) FROM dbm_trail.event');
	return $events;
}

sql('CREATE ROLE reader LOGIN; CREATE EXTENSION dbmastery; GRANT USAGE ON SCHEMA dbm TO reader; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA dbm TO reader');

# --- Another that takes the name of one that is gone

sql(<<'SQL');
CREATE TABLE part (id int, k int, v text, secret text, note text, PRIMARY KEY (id, k)) PARTITION BY RANGE (k);
CREATE TABLE part_0 PARTITION OF part FOR VALUES FROM (0) TO (10);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (10) TO (20);
SELECT dbm.install_audit_trigger('part');
GRANT SELECT (id, k, note) ON part TO reader;
INSERT INTO part VALUES (1, 1, 'a', 's1', 'n1'), (2, 12, 'b', 's2', 'n2'), (3, 13, 'c', 's3', 'n3');
SQL
look('part', 'at first');
sql(q{UPDATE part SET v = v || '!' WHERE id = 2; DELETE FROM part WHERE id = 3; INSERT INTO part VALUES (4, 14, 'd', 's4', 'n4')});
look('part', 'before a partition was dropped');
sql('DROP TABLE part_1');
look('part', 'without it');
# Its columns in another order.
sql(<<'SQL');
CREATE TABLE part_1 (k int NOT NULL, id int NOT NULL, secret text, note text, v text);
ALTER TABLE part ATTACH PARTITION part_1 FOR VALUES FROM (10) TO (20);
INSERT INTO part VALUES (2, 12, 'z', 't2', 'm2'), (13, 3, 'w', 't3', 'm3');
SQL
look('part', 'with another of its name');
sql(q{UPDATE part SET v = v || '?'});
look('part', 'a moment ago');
my $mixed = history('part', '{"id": 2, "k": 12}');
is($mixed, <<'ROWS' =~ s/\n\z//r, 'each change of a row has the columns of the partition that it was in');
INSERT|{"k": 12, "v": "b", "id": 2, "note": "n2", "secret": "s2"}
UPDATE|{"v": "b"}|{"v": "b!"}
INSERT|{"k": 12, "v": "z", "id": 2, "note": "m2", "secret": "t2"}
UPDATE|{"v": "z"}|{"v": "z?"}
ROWS
is(history('part', '{"id": 12, "k": 2}'), '', 'and no other key');
is($node->safe_psql($database, q{SELECT string_agg(new::text, ' ' ORDER BY new::text) FROM dbm.changes('part') WHERE operation = 'INSERT'}, extra_params => [ '-U', 'reader' ]) =~ /"[st]\d"/ ? 1 : 0, 0, 'who may not see a column does not see it in those of the one that is gone');
compare('a partition was dropped');
my $before = now();
sql('TRUNCATE part_1');
like(history('part', '{"id": 2, "k": 12}'), qr/\AINSERT.*\nUPDATE.*\nINSERT.*\nUPDATE.*\nTRUNCATE\z/, 'TRUNCATE takes what is in the one');
like(history('part', '{"id": 4, "k": 14}'), qr/\AINSERT[^\n]*\z/, 'and nothing of the other');
look('part', 'after TRUNCATE of a partition');
sql(q{INSERT INTO part VALUES (5, 15, 'e', 's5', 'n5'); DROP TABLE part_1; TRUNCATE part});
like(history('part', '{"id": 1, "k": 1}'), qr/TRUNCATE\z/, 'TRUNCATE of the table takes what is there');
like(history('part', '{"id": 5, "k": 15}'), qr/\AINSERT[^\n]*\z/, 'and nothing that went with a partition');
compare('forward');

# By no name at all: the same keys in a partition that is called otherwise, and a key of its own.
sql(<<'SQL');
CREATE TABLE log (id int, day int, v text, w text, PRIMARY KEY (id, day)) PARTITION BY LIST (day);
CREATE TABLE log_a PARTITION OF log FOR VALUES IN (1);
CREATE TABLE log_rest PARTITION OF log DEFAULT;
SELECT dbm.install_audit_trigger('log');
INSERT INTO log VALUES (1, 1, 'one', 'w'), (2, 1, 'two', 'w'), (1, 7, 'rest', 'w');
SQL
look('log', 'at first');
sql(q{UPDATE log SET v = upper(v) WHERE day = 1});
look('log', 'before');
my $transaction = (split /\n/, sql(q{BEGIN; UPDATE log SET v = 'new', w = 'x' WHERE id = 1 AND day = 1; SELECT pg_current_xact_id(); COMMIT}))[-1];
sql(q{DROP TABLE log_a; CREATE TABLE log_b PARTITION OF log FOR VALUES IN (1); INSERT INTO log VALUES (1, 1, 'new', 'x')});
look('log', 'after');
sql(q{UPDATE log SET w = 'y'; DROP TABLE log_rest});
look('log', 'without the default partition');
sql(q{UPDATE log SET w = 'z'});
compare('keys that come again');
like(said("SELECT dbm.revert_plan($transaction)"), qr/ERROR:  change \d+ of public\.log cannot be taken back\nDETAIL:  It was made in a partition that is none of the table any more/, 'what was done to a row that went is not taken back in another of its key');

# --- Attached with rows, detached, attached again

sql(<<'SQL');
CREATE TABLE own (LIKE log INCLUDING ALL);
SELECT dbm.install_audit_trigger('own');
INSERT INTO own VALUES (1, 3, 'own', 'w'), (2, 3, 'own', 'w'); UPDATE own SET w = 'x' WHERE id = 2;
SQL
look('log', 'before one came');
events();
is(said('ALTER TABLE log ATTACH PARTITION own FOR VALUES IN (3)') =~ s/^(?!ERROR|WARNING).*\n?//mgr, '', 'a table with a history comes');
is(events(), 'attached public.own', 'which is written down');
my $came = now();
sql(q{UPDATE log SET v = 'of the log' WHERE day = 3; DELETE FROM log WHERE id = 2 AND day = 3});
like(said("SELECT * FROM dbm.as_of('log', '$came')"), qr/\A\z/, 'which leaves no doubt later');
sql('ALTER TABLE log DETACH PARTITION own');
is(events(), 'detached public.own', 'and that it goes');
is(sql(q{SELECT count(*), count(problem) FROM dbm.audit_triggers() WHERE table_name = 'public.own'}), '1|0', 'who was watched on its own is so again');
look('log', 'after it went');
sql(q{UPDATE own SET v = 'alone'; INSERT INTO own VALUES (9, 3, 'alone', 'w')});
is(sql(q{SELECT count(*) FROM dbm.changes('log') WHERE new->>'v' = 'alone'}), 0, 'what is written to it meanwhile is none of the log\'s');
look('log', 'while it was away');
compare('one that came and went');
# What came with it and went with it was never written while it was there.
like(said("SELECT * FROM dbm.as_of('log', '$came')"), qr/WARNING:  not all that was done to public\.log is in the audit log\nDETAIL:  rows went with partition public\.own at /, 'what nobody knows is said');
is(history('own', '{"id": 2, "day": 3}'), qq(INSERT|{"v": "own", "w": "w", "id": 2, "day": 3}\nUPDATE|{"w": "w"}|{"w": "x"}), 'its own history is its own');
sql(q{TRUNCATE own});
events();
sql('ALTER TABLE log ATTACH PARTITION own FOR VALUES IN (3)');
is(events(), 'came public.own', 'that one comes again of which the log knows is written down, though it is empty');
sql(q{INSERT INTO log VALUES (1, 3, 'again', 'w')});
look('log', 'again');
sql(q{UPDATE log SET v = 'once more' WHERE day = 3});
compare('one that came again');
sql('ALTER TABLE log DETACH PARTITION own; DROP TABLE own');
events();

# --- Other names, other schemas, another table above

sql(<<'SQL');
CREATE SCHEMA aside;
CREATE TABLE month (id int, m int, v text, PRIMARY KEY (id, m)) PARTITION BY LIST (m);
CREATE TABLE month_1 PARTITION OF month FOR VALUES IN (1);
CREATE TABLE year (LIKE month INCLUDING ALL) PARTITION BY LIST (m);
SELECT dbm.install_audit_trigger('month'), dbm.install_audit_trigger('year');
INSERT INTO month VALUES (1, 1, 'a');
ALTER TABLE month_1 RENAME TO january; INSERT INTO month VALUES (2, 1, 'b');
ALTER TABLE january SET SCHEMA aside; UPDATE month SET v = v || '.';
SQL
look('month', 'by another name');
sql(q{ALTER SCHEMA aside RENAME TO attic; ALTER TABLE month RENAME TO months; UPDATE months SET v = v || '.'});
$_->[0] = 'months' for @seen;
look('months', 'in another schema');
events();
sql('ALTER TABLE months DETACH PARTITION attic.january; ALTER TABLE year ATTACH PARTITION attic.january FOR VALUES IN (1)');
is(events(), 'detached attic.january; attached attic.january', 'a partition under another table');
look('year', 'with it');
sql(q{UPDATE year SET v = 'year'; CREATE TABLE january PARTITION OF months FOR VALUES IN (1); INSERT INTO months VALUES (1, 1, 'next')});
look('months', 'with another'); look('year', 'changed');
sql(q{UPDATE months SET v = 'after'; DELETE FROM year WHERE id = 1});
compare('under another table');
is(history('months', '{"id": 1, "m": 1}'), <<'ROWS' =~ s/\n\z//r, 'a history has what was done while it was of that table');
INSERT|{"m": 1, "v": "a", "id": 1}
UPDATE|{"v": "a"}|{"v": "a."}
UPDATE|{"v": "a."}|{"v": "a.."}
INSERT|{"m": 1, "v": "next", "id": 1}
UPDATE|{"v": "next"}|{"v": "after"}
ROWS
is(history('year', '{"id": 1, "m": 1}'), <<'ROWS' =~ s/\n\z//r, 'and so has the other');
UPDATE|{"v": "a.."}|{"v": "year"}
DELETE|{"m": 1, "v": "year", "id": 1}
ROWS

# --- A tree

sub tree
{
	sql(<<'SQL');
CREATE TABLE tree (id int, a int, b int, v text, PRIMARY KEY (id, a, b)) PARTITION BY LIST (a);
CREATE TABLE tree_1 PARTITION OF tree FOR VALUES IN (1) PARTITION BY LIST (b);
CREATE TABLE tree_1_1 PARTITION OF tree_1 FOR VALUES IN (1);
CREATE TABLE tree_1_2 PARTITION OF tree_1 FOR VALUES IN (2);
CREATE TABLE tree_1_3 PARTITION OF tree_1 FOR VALUES IN (3);
CREATE TABLE tree_2 PARTITION OF tree FOR VALUES IN (2);
SELECT dbm.install_audit_trigger('tree');
INSERT INTO tree VALUES (1, 1, 1, 'a'), (2, 1, 2, 'b'), (3, 2, 1, 'c');
SQL
	events();
}
tree();
look('tree', 'whole');
sql('ALTER TABLE tree DETACH PARTITION tree_1');
is(events(), 'detached public.tree_1; went public.tree_1_1; went public.tree_1_2', 'all that goes with a partition is written down at once');
look('tree', 'without a branch');
unlike(said(q{INSERT INTO tree_1 VALUES (4, 1, 1, 'unseen'); UPDATE tree_1_2 SET v = 'unseen'; TRUNCATE tree_1_1; TRUNCATE tree_1}), qr/ERROR/, 'whoever writes there is not stopped');
is(sql(q{SELECT count(*) FROM dbm.changes('tree')}), 3, 'and it is none of the table\'s');
sql('DROP TABLE tree_1_1');
is(events(), '', 'nor is it told again as it is dropped');
compare('a branch that went');
sql(q{INSERT INTO tree_1 VALUES (5, 1, 2, 'x'); ALTER TABLE tree ATTACH PARTITION tree_1 FOR VALUES IN (1)});
is(events(), 'attached public.tree_1; came public.tree_1_2', 'and all that comes with one');
look('tree', 'with the branch');
sql(q{UPDATE tree SET v = v || '!'});
is(sql(q{SELECT count(*) FROM dbm.changes('tree')}), 5, 'each change is there once');
look('tree', 'changed');
compare('a branch that came');
sql('TRUNCATE tree_1');
look('tree', 'cut');
sql(q{UPDATE tree SET v = 'after'});
compare('a branch that was cut');
sql('DROP TABLE tree_1');
sql('DROP TABLE tree');

# One that was watched on its own, and its leaves with it.
sql(<<'SQL');
CREATE TABLE whole (id int, a int, b int, v text, PRIMARY KEY (id, a, b)) PARTITION BY LIST (a);
CREATE TABLE branch (LIKE whole INCLUDING ALL) PARTITION BY LIST (b);
CREATE TABLE branch_1 PARTITION OF branch FOR VALUES IN (1);
SELECT dbm.install_audit_trigger('whole'), dbm.install_audit_trigger('branch');
INSERT INTO branch VALUES (1, 1, 1, 'a');
ALTER TABLE whole ATTACH PARTITION branch FOR VALUES IN (1);
SQL
is(sql(q{SELECT string_agg(table_name || coalesce(problem, ''), ' ') FROM dbm.audit_triggers() WHERE table_name ~ 'whole|branch'}), 'public.whole', 'a branch that was watched is so as part of the whole');
sql('TRUNCATE branch_1');
is(sql(q{SELECT string_agg(operation, ' ') FROM dbm.changes('whole')}), 'TRUNCATE', 'with TRUNCATE of what is below');
sql(q{INSERT INTO whole VALUES (2, 1, 1, 'b'); ALTER TABLE whole DETACH PARTITION branch; INSERT INTO branch VALUES (3, 1, 1, 'c'); TRUNCATE branch_1});
is(sql(q{SELECT string_agg(table_name || coalesce(problem, ''), ' ') FROM dbm.audit_triggers() WHERE table_name ~ 'whole|branch'}), 'public.branch public.whole', 'and by itself when it went');
is(sql(q{SELECT string_agg(concat_ws('|', r.table_name, c.operation, c.key->>'id'), ' ' ORDER BY c.change_id) FROM dbm_trail.change c JOIN dbm_trail.shape s USING (shape_id) JOIN dbm_trail.relation r USING (relation_id) WHERE s.table_name ~ 'whole|branch'}),
	'branch|I|1 whole|T whole|I|2 branch|I|3 branch|T', 'each change is of the table that it was made to');
sql('DROP TABLE whole, branch'); events();

# --- A default partition that is split by hand

sql(<<'SQL');
CREATE TABLE split (id int, k int, v text, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
CREATE TABLE split_rest PARTITION OF split DEFAULT;
SELECT dbm.install_audit_trigger('split');
INSERT INTO split VALUES (1, 1, 'a'), (2, 2, 'b'), (3, 2, 'c');
SQL
look('split', 'before');
sql(<<'SQL');
BEGIN;
ALTER TABLE split DETACH PARTITION split_rest;
CREATE TABLE split_1 PARTITION OF split FOR VALUES IN (1);
WITH moved AS (DELETE FROM split_rest WHERE k = 1 RETURNING *) INSERT INTO split SELECT * FROM moved;
UPDATE split_rest SET v = 'unseen' WHERE id = 3;
ALTER TABLE split ATTACH PARTITION split_rest DEFAULT;
COMMIT;
SQL
my $unseen = now();
sql(q{UPDATE split SET v = v || '!' WHERE id < 3; DELETE FROM split WHERE id = 2});
compare('what was moved while a partition was away');
is(rows('split', $unseen), qq({"k": 1, "v": "a", "id": 1}\n{"k": 2, "v": "b", "id": 2}\n{"k": 2, "v": "unseen", "id": 3}), 'and after it came again');
sql('DROP TABLE split'); events();

# --- Who may read some columns only

sql(<<'SQL');
CREATE TABLE narrow (id int, k int, v text, secret text, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
CREATE TABLE narrow_1 (LIKE narrow INCLUDING ALL); INSERT INTO narrow_1 VALUES (1, 1, 'first', 's');
SELECT dbm.install_audit_trigger('narrow');
GRANT SELECT (id, k, v) ON narrow TO reader;
SQL
my $without = now();
sql(q{ALTER TABLE narrow ATTACH PARTITION narrow_1 FOR VALUES IN (1); UPDATE narrow SET v = 'second'});
is($node->safe_psql($database, "SELECT * FROM dbm.as_of('narrow', '$without')", extra_params => [ '-U', 'reader' ]), '{"k": 1, "v": "first", "id": 1}', 'cannot be told that a row came later, but not what became of it');
is(rows('narrow', $without), '', 'who may read all is');
sql('DROP TABLE narrow'); events();

# A column that came when another of its name was gone, and so was the partition that had that one.
for my $rights ('SELECT (id, k, secret)', 'SELECT')
{
	sql(<<"SQL");
CREATE TABLE named (id int, k int, secret text, note text, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
CREATE TABLE named_1 PARTITION OF named FOR VALUES IN (1);
SELECT dbm.install_audit_trigger('named');
INSERT INTO named VALUES (1, 1, 'hush', 'hush');
SQL
	my $then = now();
	sql(<<"SQL");
DROP TABLE named_1;
ALTER TABLE named DROP secret; ALTER TABLE named RENAME note TO other; ALTER TABLE named ADD secret text;
CREATE TABLE named_2 PARTITION OF named FOR VALUES IN (2);
INSERT INTO named VALUES (2, 2, 'other', 'told');
GRANT $rights ON named TO reader;
SQL
	my @reader = (extra_params => [ '-U', 'reader' ]);
	my $told = $node->safe_psql($database, q{SELECT string_agg((new - 'note' - 'other')::text, ' ' ORDER BY new->>'id') FROM dbm.changes('named')}, @reader);
	is($told, '{"k": 1, "id": 1} {"k": 2, "id": 2, "secret": "told"}', "$rights: what a column of its name had that is gone is not told");
	is($node->safe_psql($database, "SELECT d - 'note' FROM dbm.as_of('named', '$then') d", @reader), '{"k": 1, "id": 1}', "$rights: nor in the table as it was");
	is($node->safe_psql($database, q{SELECT new - 'note' FROM dbm.row_history('named', '{"id": 1, "k": 1}')}, @reader), '{"k": 1, "id": 1}', "$rights: nor of the row");
	is(sql(q{SELECT new FROM dbm.row_history('named', '{"id": 1, "k": 1}')}), '{"k": 1, "id": 1, "note": "hush", "secret": "hush"}', "$rights: who sees everything does");
	sql('DROP TABLE named'); events();
}

# --- Keys that tell rows apart within each partition alone

sql(<<'SQL');
CREATE TABLE apart (id int, k int, v text) PARTITION BY LIST (k);
CREATE TABLE apart_1 PARTITION OF apart (PRIMARY KEY (id)) FOR VALUES IN (1);
CREATE TABLE apart_2 PARTITION OF apart (PRIMARY KEY (id)) FOR VALUES IN (2);
CREATE TABLE apart_3 PARTITION OF apart FOR VALUES IN (3);
SELECT dbm.install_audit_trigger('apart');
INSERT INTO apart VALUES (1, 1, 'one'), (2, 1, 'one'), (1, 2, 'two'), (1, 3, 'three'), (1, 3, 'three');
SQL
look('apart', 'at first');
sql(q{UPDATE apart SET v = v || '!' WHERE id = 1 AND k < 3});
look('apart', 'before one went');
sql('ALTER TABLE apart DETACH PARTITION apart_1');
look('apart', 'after one went');
sql(q{UPDATE apart_1 SET v = 'away'; DELETE FROM apart_1 WHERE id = 2; UPDATE apart SET v = 'there' WHERE id = 1 AND k = 2});
look('apart', 'while one was away');
sql('ALTER TABLE apart ATTACH PARTITION apart_1 FOR VALUES IN (1)');
look('apart', 'when it had come again');
sql(q{UPDATE apart SET v = v || '?'; INSERT INTO apart VALUES (2, 1, 'new')});
look('apart', 'at last');
compare('a partition with a key of its own went and came again');
# Of what came with it the log knows what was changed since alone.
sql(q{DELETE FROM apart WHERE id = 1 AND k = 1; INSERT INTO apart VALUES (1, 1, 'anew')});
look('apart', 'before one was dropped');
sql('DROP TABLE apart_1');
compare('a partition with a key of its own was dropped');
sql('DROP TABLE apart'); events();

# --- Two phases

tree();
look('tree', 'whole');
sql('ALTER TABLE tree DETACH PARTITION tree_1 CONCURRENTLY');
is(events(), 'detached public.tree_1; went public.tree_1_1; went public.tree_1_2', 'a partition that is detached concurrently is written down once');
look('tree', 'without a branch');
compare('detached concurrently');
{
	my ($reader, $detaches) = map { Session->new($node, $database) } 1, 2;
	$reader->must('BEGIN; SELECT count(*) FROM tree');
	my $pid = $detaches->must('SELECT pg_backend_pid()');
	$detaches->begin('ALTER TABLE tree DETACH PARTITION tree_2 CONCURRENTLY;');
	$node->poll_query_until($database, q{SELECT count(*) = 1 FROM pg_inherits WHERE inhdetachpending}) or die 'it is not half detached';
	is(events(), 'detached public.tree_2', 'it went when who reads the table did not see it any more');
	sql("SELECT pg_cancel_backend($pid)");
	$node->poll_query_until($database, "SELECT state = 'idle' FROM pg_stat_activity WHERE pid = $pid") or die 'it does not end';
	$detaches->quit; $reader->must('COMMIT'); $reader->quit;
	look('tree', 'half detached');
	unlike(said(q{INSERT INTO tree_2 VALUES (7, 2, 7, 'half'); UPDATE tree_2 SET v = 'half'; TRUNCATE tree_2}), qr/ERROR/, 'whoever writes to a partition that is half detached is not stopped');
	is(sql(q{SELECT string_agg(operation, ' ' ORDER BY change_id) FROM dbm_trail.change JOIN dbm_trail.shape USING (shape_id) WHERE table_name = 'tree_2' AND home || relid = (SELECT home FROM dbm_trail.relation LIMIT 1) || 'tree_2'::regclass::oid}), 'I I U T', 'and is logged');
	look('tree', 'written to');
	compare('half detached');
	sql('ALTER TABLE tree DETACH PARTITION tree_2 FINALIZE');
	is(events(), '', 'it is not told again in the end');
	is(said('TRUNCATE tree_2; DROP TABLE tree_2'), '', 'it is free then');
	is(events(), '', 'and gone');
	sql('DROP TABLE tree');
}

# --- What is kept back

sql(<<'SQL');
CREATE TABLE people (id int, k int, gone int, ssn text, diary text, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
ALTER TABLE people DROP COLUMN gone;
CREATE TABLE people_1 PARTITION OF people FOR VALUES IN (1);
CREATE TABLE people_2 PARTITION OF people FOR VALUES IN (2);
CREATE TABLE people_3 PARTITION OF people FOR VALUES IN (3) PARTITION BY LIST (id);
CREATE TABLE people_3_1 PARTITION OF people_3 FOR VALUES IN (1);
CREATE TABLE people_4 PARTITION OF people FOR VALUES IN (4);
SELECT dbm.install_audit_trigger('people', redact => '{ssn}', exclude => '{diary}');
INSERT INTO people VALUES (1, 1, '123', 'dear'), (2, 2, '123', 'dear'), (1, 3, '123', 'dear'), (4, 4, '123', 'dear');
ALTER TABLE people DETACH PARTITION people_1;
ALTER TABLE people DETACH PARTITION people_2;
ALTER TABLE people DETACH PARTITION people_3;
ALTER TABLE people_2 RENAME TO humans; ALTER TABLE humans RENAME ssn TO social;
ALTER TABLE people_3 DETACH PARTITION people_3_1;
SQL
like(said("SELECT dbm.row_history('people_1', '{}')"), qr/table public\.people_1 is not in the audit log/, 'a table of which something is remembered was not watched for that');
my $again = sub {
	my ($where) = @_;
	is(sql("SELECT dbm.install_audit_trigger('people_1')"), 'public.people_1 is watched by statement triggers, as before with exclude diary; redact ssn', "$where: what was kept back of a partition stays so");
	is(sql("SELECT dbm.install_audit_trigger('humans')"), 'public.humans is watched by statement triggers, as before with exclude diary; redact social', "$where: by any name");
	is(sql("SELECT dbm.install_audit_trigger('people_3_1')"), 'public.people_3_1 is watched by statement triggers, as before with exclude diary; redact ssn', "$where: and of what was below one");
	sql(q{INSERT INTO people_1 VALUES (8, 1, '987', 'diary'); INSERT INTO humans VALUES (8, 2, '987', 'diary')});
	is(sql(q{SELECT count(*) FROM dbm_trail.change WHERE new::text ~ '"987"|diary"'}), 0, "$where: and holds");
	return;
};

# --- Restored

sql(<<'SQL');
CREATE TABLE kept (id int, k int, v text, PRIMARY KEY (id, k)) PARTITION BY RANGE (k);
CREATE TABLE kept_1 PARTITION OF kept FOR VALUES FROM (0) TO (10);
CREATE TABLE kept_2 PARTITION OF kept FOR VALUES FROM (10) TO (20);
CREATE TABLE kept_3 PARTITION OF kept FOR VALUES FROM (20) TO (30);
SELECT dbm.install_audit_trigger('kept');
INSERT INTO kept VALUES (1, 1, 'a'), (2, 12, 'b'), (3, 23, 'c');
SQL
look('kept', 'at first');
sql(q{DROP TABLE kept_2; CREATE TABLE kept_2 (v text, k int NOT NULL, id int NOT NULL); ALTER TABLE kept ATTACH PARTITION kept_2 FOR VALUES FROM (10) TO (20)});
look('kept', 'with another');
sql(q{UPDATE kept SET v = v || '!'});
sql('ALTER TABLE kept_3 RENAME TO kept_c');
look('kept', 'before the dump');
my $dump = $node->basedir . '/dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, '-d', $node->connstr('postgres') ], 'a dump');
sql('CREATE DATABASE there');
$node->safe_psql('there', 'CREATE TABLE filler (a int); CREATE TABLE filler_2 (a int); DROP TABLE filler, filler_2');
$node->command_ok([ 'pg_restore', '-d', $node->connstr('there'), $dump ], 'restored elsewhere');
$again->('here');
sql('SELECT dbm.seal_audit_log()');
is(sql('SELECT count(*) FROM dbm.verify_audit_log()'), 0, 'and nothing is taken for forged');
my @here = @seen;
compare('here');
$database = 'there';
$last = 0;
events();
@seen = @here;
# The first that is done there.
sql('ALTER TABLE kept DETACH PARTITION kept_1');
is(events(), 'detached public.kept_1', 'that a partition goes is written down in a restored database before anything else was');
compare('there');
sql(q{TRUNCATE kept_2, kept_c});
like(history('kept', '{"id": 3, "k": 23}'), qr/\AINSERT.*\nUPDATE.*\nTRUNCATE\z/, 'TRUNCATE takes there what is in a partition, by its last name');
is(history('kept', '{"id": 2, "k": 12}'), 'INSERT|{"k": 12, "v": "b", "id": 2}', 'TRUNCATE takes nothing there that was dropped before');
$again->('there');

done_testing();
