# The guard's back-stop: what a statement does that nobody could see before its lock; what is kept of what was let
# through; rows and DDL in one transaction; EXPLAIN, DO, and how long each form waits.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(rows utf8_locale);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;
use Time::HiRes qw(time usleep);

my $node = PostgreSQL::Test::Cluster->new('back_stop');
$node->init(extra => utf8_locale());
my $statements = -e $node->config_data('--pkglibdir') . '/pg_stat_statements.so';
my $libraries = $statements ? 'pg_stat_statements,dbmastery' : 'dbmastery';
$node->append_conf('postgresql.conf', <<"CONF");
autovacuum = off
fsync = off
max_prepared_transactions = 2
shared_preload_libraries = '$libraries'
CONF
$node->start;

# What is complained of, SQLSTATE included.
sub said
{
	my ($sql, %options) = @_;
	my ($status, $out, $error) = $node->psql('app', "\\set VERBOSITY verbose\n$sql", on_error_stop => 0, timeout => 120);
	return $error;
}

# One value.
sub one { return $node->safe_psql('app', $_[0]) }

sub mode { $node->safe_psql('postgres', "ALTER DATABASE app SET dbm.ddl_guard = $_[0]"); return; }

# Something with rows that goes with a collation, of which the name of the collation says nothing.
my $sorted = <<'SQL';
SET dbm.ddl_guard = off;
CREATE COLLATION own_order (locale = 'C');
CREATE TABLE sorted (a text, b int) PARTITION BY RANGE (a COLLATE own_order);
CREATE TABLE sorted_all PARTITION OF sorted DEFAULT;
INSERT INTO sorted SELECT g::text, g FROM generate_series(1, 1000) AS g;
SQL

$node->safe_psql('postgres', 'CREATE DATABASE app');
$node->safe_psql('app', <<'SQL');
CREATE EXTENSION dbmastery;
ALTER DATABASE app SET dbm.ddl_small_table = '8kB';
CREATE ROLE a;
CREATE ROLE b;
GRANT CREATE ON SCHEMA public TO a, b;
-- Waits behind the judge and before the lock, as a statement does that queues, but at a place of the test's choice.
CREATE FUNCTION stop_here() RETURNS event_trigger LANGUAGE plpgsql AS
$$ BEGIN IF current_setting('test.stops', true) = 'on' THEN PERFORM pg_advisory_lock_shared(1); PERFORM pg_advisory_unlock_shared(1); END IF; END $$;
CREATE EVENT TRIGGER zz_stop ON ddl_command_start EXECUTE FUNCTION stop_here();
SQL

my $fill = q(INSERT INTO filled SELECT g, 'x' FROM generate_series(1, 20000) AS g);

# Runs a statement on the empty table "filled", which gets rows when it was judged and is not locked yet.
sub filled_meanwhile
{
	my ($statement) = @_;
	$node->safe_psql('app', 'SET dbm.ddl_guard = off; DROP TABLE IF EXISTS filled; CREATE TABLE filled (a int, b text)');
	my $holder = Session->new($node, 'app');
	$holder->must('SELECT pg_advisory_lock(1)');
	my $session = Session->new($node, 'app');
	$session->must('SET test.stops = on');
	$session->begin("$statement;");
	$node->poll_query_until('app', q(SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)) or die 'does not stop';
	$node->safe_psql('app', $fill);
	$holder->must('SELECT pg_advisory_unlock(1)');
	my ($out, $error) = $session->run('SELECT 1');
	$holder->quit;
	$session->quit;
	return $error;
}

# What has to hold wherever the library comes from.
sub back_stop
{
	my ($how) = @_;
	mode('enforce');

	# --- Drops

	$node->safe_psql('app', $sorted);
	like(said('DROP COLLATION own_order CASCADE'),
		qr/ERROR:  UD001: unsafe DDL refused by ddl\.unforeseen_drop: public\.sorted_all is dropped with all its rows/,
		"$how: CASCADE takes no table along of which nothing was said");
	is(one('SELECT count(*) FROM sorted'), 1000, "$how: which is there with its rows");
	is(one(q(SELECT count(*) FROM pg_collation WHERE collname = 'own_order')), 1, "$how: as is what was to be dropped");
	like(said(q(DO $$ BEGIN EXECUTE 'DROP COLLATION own_order CASCADE'; END $$)), qr/UD001.*unforeseen_drop/, "$how: also in dynamic SQL");
	is(said(q(SELECT dbm.allow_ddl('ddl.unforeseen_drop', 'tested'); BEGIN; DROP COLLATION own_order CASCADE; ROLLBACK;)) =~ /UD001/ ? 1 : 0, 0,
		"$how: somebody may allow it");
	one(q(DELETE FROM dbm.ddl_allowance));
	like(said(q(BEGIN; TRUNCATE sorted; DROP COLLATION own_order CASCADE; ROLLBACK)) . 'end', qr/\A(?!.*unforeseen).*end\z/s, "$how: what holds nothing may go");

	like(filled_meanwhile('DROP TABLE filled'), qr/unsafe DDL refused by ddl\.unforeseen_drop: public\.filled/,
		"$how: a table that is filled between judging and locking is not dropped");
	is(one('SELECT count(*) FROM filled'), 20000, "$how: and keeps its rows");

	# Whoever lets a role's objects be dropped does not mean those of others.
	$node->safe_psql('app', <<'SQL');
SET dbm.ddl_guard = off;
SET ROLE a; CREATE TYPE pair AS (x int, y int); CREATE TABLE of_a (a int); INSERT INTO of_a VALUES (1); GRANT USAGE ON TYPE pair TO b; RESET ROLE;
SET ROLE b; CREATE TABLE of_b OF pair; INSERT INTO of_b VALUES (1, 2); RESET ROLE;
INSERT INTO dbm.rule_setting (rule, enabled) VALUES ('ddl.drop_owned', false);
SQL
	like(said('DROP OWNED BY a CASCADE'), qr/UD001: unsafe DDL refused by ddl\.unforeseen_drop: public\.of_b is dropped/,
		"$how: DROP OWNED takes nothing of others along");
	is(one('SELECT count(*) FROM of_a'), 1, "$how: nor then anything else");
	unlike(said('SET dbm.ddl_guard = off; DROP TABLE of_b; SET dbm.ddl_guard = enforce; DROP OWNED BY a CASCADE; GRANT CREATE ON SCHEMA public TO a'),
		qr/ERROR/, "$how: what was judged and let through is dropped");
	one(q(DELETE FROM dbm.rule_setting));

	# --- Rewrites

	like(filled_meanwhile('ALTER TABLE filled ALTER COLUMN a TYPE bigint'), qr/unsafe DDL refused by ddl\.unforeseen_rewrite: public\.filled is written anew/,
		"$how: nor is it written anew");
	is(one(q(SELECT format_type(atttypid, -1) FROM pg_attribute WHERE attrelid = 'filled'::regclass AND attname = 'a')), 'integer', "$how: so that it is as it was");
	is(said(q(CREATE TABLE made (a int); INSERT INTO made SELECT generate_series(1, 10); BEGIN; CREATE TABLE mine AS SELECT generate_series(1, 20000) AS a; ALTER TABLE mine ALTER a TYPE bigint; DROP TABLE mine; COMMIT; SET dbm.ddl_guard = off; DROP TABLE made)) =~ /UD001/ ? 1 : 0,
		0, "$how: what is the transaction's own is let pass");
	like(said('ALTER TABLE filled ALTER COLUMN a TYPE bigint'), qr/UD001.*ddl\.alter_column_type_rewrite/, "$how: what is foreseen is refused beforehand");

	# --- CONCURRENTLY

	$node->safe_psql('app', <<'SQL');
SET dbm.ddl_guard = off;
DROP TABLE IF EXISTS slow CASCADE;
CREATE TABLE slow (a int, b int) PARTITION BY RANGE (a);
CREATE TABLE slow_one PARTITION OF slow FOR VALUES FROM (0) TO (100000);
INSERT INTO slow SELECT g, g FROM generate_series(1, 20000) AS g;
CREATE INDEX slow_one_b ON slow_one (b);
CREATE INDEX slow_one_a ON slow_one (a);
INSERT INTO dbm.rule_setting (rule, severity) SELECT rule, 'error' FROM dbm.ddl_rules();
SQL
	my $gentle = 'CREATE INDEX CONCURRENTLY slow_one_ba ON slow_one (b, a); REINDEX INDEX CONCURRENTLY slow_one_b; DROP INDEX CONCURRENTLY slow_one_a; REINDEX TABLE CONCURRENTLY slow_one; ALTER TABLE slow DETACH PARTITION slow_one CONCURRENTLY';
	my $whole = 'SELECT (SELECT count(*) FROM pg_index WHERE NOT indisvalid) + (SELECT count(*) FROM pg_inherits WHERE inhdetachpending)';
	for my $step (split /; /, $gentle)
	{
		# What was found is let through, so that the back-stop looks and would have something to keep.
		# DROP INDEX CONCURRENTLY has to be the first to write in its transaction, before any use of an exception.
		my $error = said("SELECT dbm.allow_ddl('all', 'tested', uses => 20);\n$step;");
		unlike($error, qr/ERROR/, "$how: $step runs");
		is(one($whole), 0, "$how: and leaves nothing half done");
	}
	is(one(q(SELECT count(*) FROM pg_index WHERE indrelid = 'slow_one'::regclass)), 2, "$how: each did its work");
	{
		my $holder = Session->new($node, 'app');
		$holder->must('SET dbm.ddl_guard = off; BEGIN; LOCK TABLE dbm.ddl_record IN ACCESS EXCLUSIVE MODE');
		unlike(said("SELECT dbm.allow_ddl('all', 'tested', uses => 20);\nSET statement_timeout = '100s'; CREATE INDEX CONCURRENTLY slow_held ON slow_one (b);"),
			qr/canceling|ERROR/, "$how: nor while nothing can be written down");
		is(one($whole), 0, "$how: which leaves nothing half done");
		$holder->must('ROLLBACK');
		$holder->quit;
	}
	one('DELETE FROM dbm.rule_setting; DELETE FROM dbm.ddl_allowance');

	# --- What was let through is kept

	one('SET dbm.ddl_guard = off; DELETE FROM dbm.ddl_record; CREATE TABLE base (a int, b int); INSERT INTO base VALUES (1, 2); CREATE VIEW above AS SELECT a FROM base; CREATE TABLE child (a int)');
	my $drop = "SELECT dbm.allow_ddl('all', 'OPS-3', uses => 5);\n%s DROP TABLE base CASCADE; %s";
	unlike(said(sprintf $drop, 'BEGIN;', 'ROLLBACK;'), qr/UD001/, "$how: what is allowed runs");
	is(one(q(SELECT count(*) FROM dbm.ddl_record WHERE verdict = 'done')), 0, "$how: what is rolled back did nothing");
	said(sprintf $drop, '', '');
	is(one(q(SELECT rule || ' ' || object || ': ' || array_to_string(done, ', ') FROM dbm.ddl_record WHERE verdict = 'done')),
		'ddl.drop_table public.base: dropped table public.base, dropped view public.above', "$how: with what it took along");
	one('DELETE FROM dbm.ddl_allowance');
	mode('warn');
	said('ALTER TABLE filled ALTER COLUMN a TYPE bigint');
	is(one(q(SELECT rule || ': ' || array_to_string(done, ', ') FROM dbm.ddl_record WHERE verdict = 'done' AND tag = 'ALTER TABLE')),
		'ddl.alter_column_type_rewrite: ALTER TABLE public.filled', "$how: so is what was only warned of");
	like(said('DROP COLLATION own_order CASCADE'), qr/WARNING:  01U01: ddl\.unforeseen_drop: public\.sorted_all.*/, "$how: where the guard warns, the back-stop does");
	is(one(q(SELECT to_regclass('sorted') IS NULL)), 't', "$how: and lets it run");
	mode('off');
	$node->safe_psql('app', $sorted);
	is(said('SET client_min_messages = warning; DROP COLLATION own_order CASCADE; ALTER TABLE filled ALTER COLUMN a TYPE int; DROP TABLE filled'), '', "$how: off is off");
	one('DROP TABLE child; DROP TABLE slow_one; DROP TABLE slow; DELETE FROM dbm.ddl_record; DELETE FROM dbm.ddl_allowance');
	mode('enforce');
	return;
}
back_stop('preloaded');

# --- What is refused behind the lock is kept, too

$node->safe_psql('app', $sorted);
said('DROP COLLATION own_order CASCADE');
ok($node->poll_query_until('app', q(SELECT count(*) > 0 FROM dbm.ddl_record WHERE verdict = 'refused' AND rule = 'ddl.unforeseen_drop' AND object = 'public.sorted_all' AND rows > 0)),
	'a refusal by the back-stop is recorded');

# --- Rows and DDL in one transaction

one('SET dbm.ddl_guard = off; CREATE TABLE rows_of (a int, b text); CREATE TABLE altered (a int); INSERT INTO altered SELECT generate_series(1, 10000); CREATE TABLE empty (a int)');
my $together = 'ddl.ddl_and_dml_in_one_transaction';
my $alter = 'ALTER TABLE altered ALTER COLUMN a SET DEFAULT 1';
my $many = q(INSERT INTO rows_of SELECT g, 'x' FROM generate_series(1, 150) AS g);
like(said("BEGIN; $many; $alter; ROLLBACK"), qr/WARNING:  01U01: \Q$together\E: public\.altered is locked in ACCESS EXCLUSIVE behind 150 rows that this transaction wrote/,
	'a strong lock behind rows is told of');
like(said("DO \$\$ BEGIN $many; UPDATE rows_of SET b = 'y' WHERE a < 1000; $alter; RAISE 'no'; END \$\$"), qr/\Q$together\E: .* behind 300 rows/, 'also in a function, where all are counted');
unlike(said("$many; $alter"), qr/\Q$together\E/, 'not in a transaction of its own');
one(q(SET dbm.ddl_guard = off; TRUNCATE rows_of));
unlike(said("BEGIN; INSERT INTO rows_of VALUES (1); $alter; ROLLBACK"), qr/\Q$together\E/, 'nor behind a single row');
unlike(said("BEGIN; SAVEPOINT s; $many; ROLLBACK TO s; $alter; ROLLBACK"), qr/\Q$together\E/, 'nor behind rows that are rolled back');
like(said("BEGIN; SAVEPOINT s; $many; RELEASE s; SAVEPOINT t; $alter; ROLLBACK"), qr/\Q$together\E: .* 150 rows/, 'those of a savepoint that was released count');
unlike(said("BEGIN; CREATE TABLE own AS SELECT generate_series(1, 1000) AS a; CREATE TEMP TABLE mine AS SELECT a FROM own; INSERT INTO mine SELECT a FROM own; $alter; ROLLBACK"), qr/\Q$together\E/,
	'those of tables that nobody else sees do not');

# --- EXPLAIN, DO

like(said('EXPLAIN ANALYZE DELETE FROM altered'), qr/UD001: unsafe DDL refused by ddl\.delete_without_where/, 'EXPLAIN ANALYZE runs what it explains and is refused');
like(said('EXPLAIN (ANALYZE true, COSTS off) UPDATE altered SET a = 1'), qr/UD001.*ddl\.update_without_where/, 'in every spelling');
is(said('EXPLAIN DELETE FROM altered; EXPLAIN (ANALYZE off) DELETE FROM altered'), '', 'EXPLAIN alone is not');
is(said(q(DO $$ BEGIN EXECUTE 'EXPLAIN DELETE FROM altered'; END $$)), '', 'nor in a function');
like(said(q(DO $$ BEGIN EXECUTE 'EXPLAIN ANALYZE DELETE FROM altered'; END $$)), qr/UD001/, 'where ANALYZE is refused, too');
like(said(q(DO $$ BEGIN BEGIN EXECUTE 'EXPLAIN DELETE FROM nosuch'; EXCEPTION WHEN undefined_table THEN NULL; END; DELETE FROM altered; END $$)), qr/UD001/, 'an EXPLAIN that fails hides nothing behind it');
like(said('EXPLAIN DELETE FROM nosuch; DELETE FROM altered'), qr/UD001/, 'at top level neither');
is(one('SELECT count(*) FROM altered'), 10000, 'all rows are there');

my ($block) = rows($node, 'app', q(SELECT verdict, rule, message FROM dbm.explain_ddl('DO $x$ BEGIN DROP TABLE altered; END $x$')));
is("$block->{verdict} $block->{rule}", 'unknown ddl.unchecked_dynamic_sql', 'of a DO block nobody knows');
like($block->{message}, qr/the body of a DO block is code: its statements are judged when they run/, 'and why is said');
is(one(q(SELECT count(*) FROM dbm.explain_ddl('DO $x$ BEGIN DROP TABLE altered; END $x$'))), 1, 'once');
like(one(q(SELECT string_agg(message, ' ') FROM dbm.lint_migration('DO $x$ BEGIN DROP TABLE altered; END $x$'))), qr/the body of a DO block is code/, 'also of a file');

# --- Empty tables may be dropped

is(said('CREATE TABLE nothing (a int PRIMARY KEY); DROP TABLE nothing') =~ /ERROR|drop_table/ ? 1 : 0, 0, 'an empty table is dropped');
like(said('DROP TABLE altered'), qr/UD001.*ddl\.drop_table/, 'one with rows is not');
{
	my $user = Session->new($node, 'app');
	$user->must('BEGIN; SELECT count(*) FROM empty');
	like(said('DROP TABLE empty'), qr/UD001/, 'nor one that somebody uses just now');
	$user->must('COMMIT');
	$user->quit;
}

# --- A restore is told the way

my $way = qr/HINT:.*PGOPTIONS='-c dbm\.ddl_guard=off'/;
{
	local $ENV{PGAPPNAME} = 'pg_restore';
	like(said('CREATE INDEX ON altered (a)'), $way, 'pg_restore is told how it gets through');
}
like(said('SET check_function_bodies = false; SET row_security = off; CREATE INDEX ON altered (a)'), $way, 'so is a script of pg_dump');
unlike(said('CREATE INDEX ON altered (a)'), $way, 'and nobody else');

# --- How long each form waits

one(q(SET dbm.ddl_guard = off; CREATE SCHEMA s; CREATE TABLE s.waits (a int); INSERT INTO s.waits VALUES (1); CREATE INDEX waits_a ON s.waits (a); CLUSTER s.waits USING waits_a; INSERT INTO dbm.rule_setting (rule, enabled) SELECT rule, false FROM dbm.ddl_rules()));
{
	my $reader = Session->new($node, 'app');
	my $asks = Session->new($node, 'app');
	$asks->must(q(SET dbm.ddl_lock_timeout = '300ms'));
	$reader->must('BEGIN; LOCK TABLE s.waits IN ROW EXCLUSIVE MODE');
	for my $form ('ALTER TABLE s.waits ADD COLUMN b int', 'VACUUM FULL s.waits', 'VACUUM (FULL, ANALYZE) s.waits', 'CLUSTER s.waits', 'CLUSTER', 'REINDEX TABLE s.waits', 'REINDEX INDEX s.waits_a', 'REINDEX SCHEMA s', 'CREATE INDEX ON s.waits (a)', 'TRUNCATE s.waits')
	{
		# Once more where the machine stood still.
		my ($error, $took);
		for (1 .. 3)
		{
			my $started = time;
			(undef, $error) = $asks->run($form);
			$took = time - $started;
			last if $took < 20;
		}
		like($error, qr/canceling statement due to lock timeout/, "$form waits as long as dbm.ddl_lock_timeout says");
		cmp_ok($took, '<', 20, 'and no longer');
		is($asks->must('SHOW lock_timeout'), '0', 'behind it lock_timeout is as it was');
	}
	$reader->must('COMMIT');
	$asks->must($_) for ('VACUUM FULL s.waits', 'CLUSTER s.waits', 'CLUSTER', 'REINDEX TABLE s.waits', 'REINDEX SCHEMA s');
	is($asks->must('SHOW lock_timeout'), '0', 'also behind success');
	$asks->must(q(SET lock_timeout = '1h'; BEGIN; SAVEPOINT x));
	$asks->run('ALTER TABLE s.waits ADD COLUMN a int');
	$asks->must('ROLLBACK TO x');
	is($asks->must('SHOW lock_timeout'), '1h', 'and behind an error in a savepoint');
	$asks->must('ROLLBACK');
	is($asks->must('SHOW lock_timeout'), '1h', 'and behind that');

	# Those that would leave something behind wait as long as it takes.
	for my $form ('CREATE INDEX CONCURRENTLY waits_b ON s.waits (a)', 'REINDEX TABLE CONCURRENTLY s.waits', 'REINDEX INDEX CONCURRENTLY s.waits_a', 'DROP INDEX CONCURRENTLY s.waits_b')
	{
		$reader->must('BEGIN; LOCK TABLE s.waits IN ROW EXCLUSIVE MODE');
		$asks->begin("$form;");
		usleep(700_000);
		$reader->must('COMMIT');
		my ($out, $error) = $asks->run('SELECT 1');
		is($error, '', "$form is not stopped");
	}
	is(one('SELECT count(*) FROM pg_index WHERE NOT indisvalid'), 0, 'and leaves no index that is not valid');
	$reader->quit;
	$asks->quit;
}
one('DELETE FROM dbm.rule_setting');

# --- Who used a column lately

one('SET dbm.ddl_guard = off; CREATE TABLE used (id int PRIMARY KEY, going int, staying int); INSERT INTO used SELECT g, g, g FROM generate_series(1, 100) AS g; ANALYZE used');
my $uses = sub {
	my ($column) = @_;
	return one("SELECT string_agg(safe_sql, ' ') FROM dbm.explain_ddl('ALTER TABLE used DROP COLUMN $column') WHERE rule = 'ddl.drop_column'");
};
SKIP:
{
	skip 'pg_stat_statements is not there', 3 if !$statements;
	one('CREATE EXTENSION pg_stat_statements');
	$node->safe_psql('app', 'SELECT dbm.capture_reset(); SELECT pg_stat_statements_reset()');
	$node->safe_psql('app', "SET dbm.capture = off; SELECT going FROM used WHERE id = $_") for 1 .. 4;
	like($uses->('going'), qr/statements that ran lately use it: "SELECT going FROM used WHERE id = \$1" \(4 calls\)/, 'pg_stat_statements tells who uses a column that is to go');
	unlike($uses->('staying'), qr/ran lately/, 'and of no other');
	like(said('ALTER TABLE used DROP COLUMN going'), qr/UD001.*HINT:.*statements that ran lately use it/s, 'the refusal says it, too');
	one('SELECT pg_stat_statements_reset()');
}
SKIP:
{
	$node->safe_psql('app', "SET dbm.capture = on; SELECT going FROM used WHERE id = $_") for 1 .. 3;
	one(q(SET dbm.ddl_guard = off; DROP EXTENSION IF EXISTS pg_stat_statements));
	skip 'nothing is captured here', 2 if one(q(SELECT count(*) FROM dbm.captured_queries() WHERE query LIKE 'SELECT going%')) == 0;
	like($uses->('going'), qr/statements that ran lately use it: "SELECT going FROM used WHERE id = \$1" \(3 calls\)/, 'our own capture tells it as well');
	unlike($uses->('staying'), qr/ran lately/, 'and of no other');
}

# --- Without preload

$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', "''");
$node->restart;
$node->safe_psql('app', q(SELECT dbm.allow_ddl('all', 'clean', uses => 9); DROP TABLE sorted; DROP COLLATION own_order; DELETE FROM dbm.ddl_allowance));
back_stop('not preloaded');

$node->stop;
done_testing();
