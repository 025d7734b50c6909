# What a watched table looked like is known as soon as it does, whether rows change or not; and a transaction that sees all the
# while what it saw first is not taken for one that knows what is watched now.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use PostgreSQL::Test::Utils;
use Session;
use Test::More;
use Trail qw(sql start);

my $node = start('shapes', 'fsync = off');
sql('CREATE EXTENSION dbmastery');

sub now { return sql('SELECT clock_timestamp()') }

# The rows of a table as they were.
sub was
{
	my ($table, $at) = @_;
	return sql("SELECT string_agg(row_data::text, ' ' ORDER BY row_data::text) FROM dbm.as_of('$table', '$at') AS a (row_data)");
}

# A table that nothing changes.
sql(q{CREATE TABLE still (id int PRIMARY KEY, word text); INSERT INTO still VALUES (1, 'a');
	SELECT dbm.install_audit_trigger('still')});
my $installed = now();
sql('ALTER TABLE still ADD COLUMN added int DEFAULT 5');
my $added = now();
sql('ALTER TABLE still RENAME word TO term');
my $renamed = now();
sql('ALTER TABLE still RENAME term TO word');
my $back = now();
sql('CREATE DOMAIN counted AS int; ALTER TABLE still ADD COLUMN n counted DEFAULT 1');
my $domain = now();
sql('DROP DOMAIN counted CASCADE');
my $cascaded = now();
sql('ALTER TABLE still DROP COLUMN added');
my $dropped = now();
is(was('still', $installed), '{"id": 1, "word": "a"}', 'a column that came later was not there, though no change tells it');
is(was('still', $added), '{"id": 1, "word": "a"}', 'of one that has gone since no change tells the values');
is(was('still', $renamed), '{"id": 1, "term": "a"}', 'columns are called as they were');
is(was('still', $back), '{"id": 1, "word": "a"}', 'also where they got back an old name');
is(was('still', $domain), '{"id": 1, "word": "a"}', 'what came with a type');
is(was('still', $cascaded), '{"id": 1, "word": "a"}', 'is gone with it');
is(was('still', $dropped), '{"id": 1, "word": "a"}', 'and a column on its own');
my $noted = q{SELECT count(*) FROM dbm_trail.shape WHERE table_name = 'still' AND fingerprint = 0};
is(sql($noted), 7, 'each is written once');
sql('ALTER TABLE still SET (fillfactor = 90); ALTER TABLE still ADD CHECK (id > 0); COMMENT ON TABLE still IS $$still$$; CREATE INDEX ON still (word)');
sql(q{UPDATE still SET word = 'b'});
is(sql($noted), 7, 'what alters no column is none of them, nor is a change');
is(sql(q{SELECT count(*) FROM dbm_trail.change c JOIN dbm_trail.shape s ON s.shape_id = c.shape_id AND s.fingerprint = 0}), 0, 'and no change has one of them');
sql(q{ALTER TABLE still RENAME word TO term; UPDATE still SET term = 'c'; ALTER TABLE still RENAME term TO word; UPDATE still SET word = 'd'});
is(sql(q{SELECT string_agg(new::text, ' ' ORDER BY transaction_id) FROM dbm.changes('still')}), '{"word": "b"} {"term": "c"} {"word": "d"}', 'changes are told by the names of then');
is(was('still', now()), '{"id": 1, "word": "d"}', 'and rows');

# Tables that inherit, and partitions.
sql(q{CREATE TABLE above (id int, word text); CREATE TABLE below () INHERITS (above); CREATE TABLE far_below () INHERITS (below);
	INSERT INTO far_below VALUES (1, 'a'); SELECT dbm.install_audit_trigger('far_below');
	CREATE TABLE split (id int PRIMARY KEY, word text) PARTITION BY RANGE (id);
	CREATE TABLE split_1 PARTITION OF split FOR VALUES FROM (0) TO (100); CREATE TABLE split_2 PARTITION OF split FOR VALUES FROM (100) TO (200);
	INSERT INTO split VALUES (1, 'a'), (101, 'b'); SELECT dbm.install_audit_trigger('split')});
$installed = now();
sql('ALTER TABLE above ADD COLUMN n int DEFAULT 2; ALTER TABLE split ADD COLUMN n int DEFAULT 3');
is(was('far_below', $installed), '{"id": 1, "word": "a"}', 'a column that came from far above');
is(was('split', $installed), '{"id": 1, "word": "a"} {"id": 101, "word": "b"}', 'or to a partitioned table');
sql('UPDATE split SET n = 4 WHERE id = 1');
is(was('split', $installed), '{"id": 1, "word": "a"} {"id": 101, "word": "b"}', 'also once one of its partitions has changed');
is(sql(q{SELECT string_agg(table_name || ' ' || (fingerprint = 0), ',' ORDER BY shape_id) FROM dbm_trail.shape WHERE table_name LIKE 'split%'}), 'split true,split true,split_1 false', 'its shapes and that of the partition that was changed');

# Of a type.
sql(q{CREATE TYPE address AS (id int, word text); CREATE TABLE typed OF address (PRIMARY KEY (id)); INSERT INTO typed VALUES (1, 'a');
	SELECT dbm.install_audit_trigger('typed')});
$installed = now();
sql('ALTER TYPE address RENAME ATTRIBUTE word TO term CASCADE');
is(was('typed', $installed), '{"id": 1, "word": "a"}', 'an attribute of a type');
is(was('typed', now()), '{"id": 1, "term": "a"}', 'and by its other name');

# A column and a partition that are both gone.
sql(q{CREATE TABLE less (id int PRIMARY KEY, c text, v text) PARTITION BY RANGE (id);
	CREATE TABLE less_1 PARTITION OF less FOR VALUES FROM (0) TO (100); CREATE TABLE less_2 PARTITION OF less FOR VALUES FROM (100) TO (200);
	SELECT dbm.install_audit_trigger('less'); INSERT INTO less VALUES (1, 'x', 'y'), (101, 'x', 'y'); ALTER TABLE less ADD COLUMN w int});
my $both = now();
sql(q{ALTER TABLE less DROP COLUMN c; ALTER TABLE less ADD COLUMN c text; UPDATE less SET c = 'z'});
my $again = now();
sql(q{ALTER TABLE less DROP COLUMN c; DROP TABLE less_1});
is(was('less', $both), '{"c": "x", "v": "y", "id": 1} {"c": "x", "v": "y", "w": null, "id": 101}', 'a value of a column that has gone with its partition');
is(was('less', $again), '{"c": "z", "v": "y", "id": 1} {"c": "z", "v": "y", "w": null, "id": 101}', 'another of its name is another');

# What is not logged any more is not known by what it is now.
sql(q{CREATE TABLE kept (id int PRIMARY KEY, v text); SELECT dbm.install_audit_trigger('kept'); INSERT INTO kept VALUES (1, 'a')});
my $kept = now();
sql(q{SELECT dbm.install_audit_trigger('kept', exclude => '{v}'); UPDATE kept SET v = 'b'});
is(was('kept', $kept), '{"id": 1}', 'a column that is kept back since');

# Heirs that somebody else has locked are not waited for.
my $holder = Session->new($node, 'postgres');
$holder->must('SET client_min_messages = error; BEGIN; TRUNCATE far_below');
is(sql(q{SET lock_timeout = '5s'; COMMENT ON TABLE above IS 'x'; SELECT obj_description('above'::regclass)}), 'x', 'what inherits is not waited for');
$holder->must('ROLLBACK; BEGIN; DROP TABLE far_below');
is(sql(q{SET lock_timeout = '5s'; COMMENT ON TABLE above IS 'y'; SELECT obj_description('above'::regclass)}), 'y', 'nor what goes');
$holder->must('ROLLBACK');
$holder->quit;

# Transactions that keep what they saw first: what was committed after that, and what they do then.
my $session = Session->new($node, 'postgres');

# What a statement of such a transaction is refused with, after others have been committed.
sub meanwhile
{
	my ($committed, @statements) = @_;
	$session->must('BEGIN ISOLATION LEVEL REPEATABLE READ');
	$session->must('SELECT count(*) FROM pg_class');
	sql($committed) if $committed;
	my $error = '';
	for my $statement (@statements)
	{
		(undef, $error) = $session->run($statement);
		last if $error;
	}
	$session->must($error ? 'ROLLBACK' : 'COMMIT');
	return $error;
}

my $refused = qr/what the audit trail watches was changed since this transaction began/;
my $of_partition = 'CREATE TABLE % (id int PRIMARY KEY, word text)';
sub made { return join(';', map { $of_partition =~ s/%/$_/r } @_) }
sub watched { return join(';', map { "SELECT dbm.install_audit_trigger('$_')" } @_) }

sql(made(map { "alone_$_" } 1 .. 9));
sql('ALTER TABLE split DROP COLUMN n');
like(meanwhile(watched('alone_1'), 'ALTER TABLE split ATTACH PARTITION alone_1 FOR VALUES FROM (200) TO (300)'), $refused, 'a table that was put under the trail meanwhile, attached');
is(meanwhile('', 'ALTER TABLE split ATTACH PARTITION alone_1 FOR VALUES FROM (200) TO (300)'), '', 'and again');
is(sql(q{SELECT table_name FROM dbm.audit_triggers() WHERE table_name LIKE '%alone_1'}), '', 'it is handed over');
sql(q{INSERT INTO split VALUES (200, 'x')});
is(sql(q{SELECT count(*) FROM dbm.changes('split') WHERE key = '{"id": 200}'}), 1, 'and each change of it is logged once');

sql('CREATE TABLE later (id int PRIMARY KEY, word text) PARTITION BY RANGE (id)');
like(meanwhile(watched('later'), 'ALTER TABLE later ATTACH PARTITION alone_2 FOR VALUES FROM (0) TO (10)'), $refused, 'a partition of a table that was put under the trail meanwhile');
is(meanwhile('', 'ALTER TABLE later ATTACH PARTITION alone_2 FOR VALUES FROM (0) TO (10)'), '', 'and again');
is(sql(q{SELECT problem IS NULL FROM dbm.audit_triggers() WHERE table_name LIKE '%later'}), 't', 'nothing is missing');

like(meanwhile(watched('alone_3'), 'ALTER TABLE alone_3 RENAME TO another'), $refused, 'one that gets another name');
like(meanwhile(watched('alone_4'), 'DROP TABLE alone_4'), $refused, 'one that is dropped');
like(meanwhile(watched('alone_5'), 'ALTER TABLE alone_5 DISABLE TRIGGER ALL'), $refused, 'one whose triggers are put out of force');
like(meanwhile(watched('alone_6'), watched('alone_6')), $refused, 'one that is put under it twice');
is(sql(q{SELECT count(*) FROM dbm_trail.relation WHERE table_name = 'alone_6'}), 1, 'and is known once');
like(meanwhile(watched('alone_7'), q{SELECT dbm.remove_audit_trigger('alone_7')}), $refused, 'one that is taken out');
is(sql(q{SELECT count(*) FROM dbm_trail.relation WHERE table_name = 'alone_7' AND removed_at IS NULL}), 1, 'and is still watched');
sql('CREATE SCHEMA fresh');
like(meanwhile(q{SELECT dbm.install_audit_triggers('{fresh}')}, 'CREATE TABLE fresh.new (id int)'), $refused, 'a new table of a schema that is watched meanwhile');
is(meanwhile('', 'CREATE TABLE fresh.new (id int)'), '', 'and again');
is(sql(q{SELECT problem IS NULL FROM dbm.audit_triggers() WHERE table_name = 'fresh.new'}), 't', 'it is watched');
is(meanwhile(q{SELECT dbm.install_audit_triggers('{fresh}', include_new => false)}, 'CREATE TEMP TABLE scratch (id int)', 'CREATE TABLE public.elsewhere (id int)'), '', 'nor is a table of another schema, or a temporary one');
like(meanwhile(q{SELECT dbm.install_audit_triggers('{fresh}')}, 'ALTER SCHEMA fresh RENAME TO fresher'), $refused, 'a schema that gets another name');
sql('CREATE SCHEMA gone');
like(meanwhile(q{SELECT dbm.install_audit_triggers('{gone}')}, 'DROP SCHEMA gone'), $refused, 'or is dropped');
like(meanwhile('CREATE TABLE later_2 PARTITION OF later FOR VALUES FROM (20) TO (30)', watched('later')), $refused, 'a partition that came, and its table put under the trail');
like(meanwhile('CREATE TABLE later_3 PARTITION OF later FOR VALUES FROM (30) TO (40)', q{SELECT dbm.remove_audit_trigger('later')}), $refused, 'or taken out');
sql(watched('alone_9') . '; CREATE TABLE whole (id int PRIMARY KEY, word text) PARTITION BY RANGE (id);' . watched('whole'));
like(meanwhile('ALTER TABLE whole ATTACH PARTITION alone_9 FOR VALUES FROM (0) TO (10)', 'ALTER TABLE whole DETACH PARTITION alone_9'), $refused, 'a partition that was handed over, and is detached');
sql('CREATE TABLE part (id int PRIMARY KEY, word text) PARTITION BY RANGE (id); CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (10)');
like(meanwhile(watched('part') . q{; INSERT INTO part VALUES (1, 'a')}, 'DROP TABLE part_1'), $refused, 'one that has changes meanwhile, and is dropped');
like(meanwhile('CREATE TABLE quick (id int PRIMARY KEY);' . watched('quick'), 'DROP TRIGGER "00_dbm_audit_insert" ON quick'), $refused, 'a trigger of a table that was made meanwhile');
is(meanwhile(watched('alone_8'), 'ALTER TABLE public.elsewhere ADD COLUMN n int', 'CREATE TABLE public.unheeded (id int)', 'DROP TABLE public.unheeded'), '', 'what has nothing to do with it is not refused');

# The log itself is made meanwhile.
$node->safe_psql('template1', 'CREATE DATABASE other');
sub other { return $node->safe_psql('other', @_) }
other('CREATE EXTENSION dbmastery; CREATE TABLE watched (id int PRIMARY KEY)');
my $before = Session->new($node, 'other');
$before->must('BEGIN ISOLATION LEVEL REPEATABLE READ');
$before->must('SELECT count(*) FROM pg_class');
other(q{SELECT dbm.install_audit_trigger('watched')});
my (undef, $error) = $before->run('DROP TABLE watched');
like($error, $refused, 'a log that was made meanwhile');
$before->must('ROLLBACK');
$_->quit for $session, $before;

# Tables that a restore made are known by their names until something is done that may give them, or their columns, others: also where
# the statement does not name them.
sql('CREATE DATABASE dumped');
$node->safe_psql('dumped', <<'SQL');
CREATE EXTENSION dbmastery; CREATE SCHEMA shop;
CREATE TABLE shop.t (id int PRIMARY KEY); SELECT dbm.install_audit_trigger('shop.t');
CREATE TYPE address AS (id int, word text); CREATE TABLE typed OF address (PRIMARY KEY (id)); SELECT dbm.install_audit_trigger('typed', exclude => '{word}');
CREATE TABLE line (a int); CREATE TABLE book (id int PRIMARY KEY, l line); SELECT dbm.install_audit_trigger('book', exclude => '{l}');
SQL
my $dump = $node->basedir . '/dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, '-d', $node->connstr('dumped') ], 'a dump');
for my $case ([ 'ALTER SCHEMA shop RENAME TO store', 'store.t' ], [ 'ALTER TYPE address RENAME ATTRIBUTE word TO term CASCADE', 'typed' ],
	[ 'ALTER TYPE address DROP ATTRIBUTE word CASCADE', 'typed' ], [ 'DROP TABLE line CASCADE', 'book' ], [ 'ALTER INDEX book RENAME TO volume', 'volume' ])
{
	my ($statement, $table) = @$case;
	sql('CREATE DATABASE restored');
	$node->command_ok([ 'pg_restore', '-d', $node->connstr('restored'), $dump ], "restored: $statement");
	is($node->safe_psql('restored', "SET client_min_messages = error; $statement; INSERT INTO $table (id) VALUES (1); SELECT new FROM dbm.changes('$table')"), '{"id": 1}', "$table is written to");
	is($node->safe_psql('restored', q{SELECT string_agg(schema_name || '.' || table_name, ' ' ORDER BY table_name) FROM dbm_trail.relation WHERE table_name ~ '^(t|volume)$'}), ($table eq 'store.t' ? 'store.t' : 'shop.t') . ($table eq 'volume' ? ' public.volume' : ''), 'and known by its name');
	sql('DROP DATABASE restored');
}
done_testing();
