# A plan whose worker is killed, at every boundary of every step and in the middle of one, goes on with the next call and
# comes to the same end; and so does the way back.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(utf8_locale);
use Plan qw(by_hand plan_row schema_of statuses steps wait_until);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Server qw(wait_for_restart wait_for_server);
use Session;
use Test::More;
use Time::HiRes;

my $node = PostgreSQL::Test::Cluster->new('resume');
$node->init(extra => utf8_locale(), auth_extra => [ '--create-role', 'alice' ]);
$node->append_conf('postgresql.conf', "autovacuum = off\nrestart_after_crash = on\nfsync = off");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION dbmastery;
CREATE ROLE alice LOGIN;
GRANT USAGE ON SCHEMA dbm TO alice;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA dbm TO alice;
CREATE SCHEMA shop AUTHORIZATION alice;
SET ROLE alice;
CREATE TABLE shop.orders (id bigint PRIMARY KEY, customer bigint, note text);
INSERT INTO shop.orders SELECT i, i % 1000, md5(i::text) FROM generate_series(1, 5000) AS i;
SQL

sub sql { return $node->safe_psql('postgres', @_) }

# Calls as alice, whose settings may hold a fault; returns what was complained of.
sub call
{
	my ($sql, $fault) = @_;
	my ($out, $error) = ('', '');
	# The fault is for superusers to set: the call is theirs, the rights are the creator's.
	local $ENV{PGOPTIONS} = $fault ? "-c dbm.fault_in_step=$fault" : '';
	IPC::Run::run([ 'psql', '-X', '-q', '-A', '-t', '-d', $node->connstr('postgres'), '-c', $sql ], '>', \$out, '2>', \$error);
	return $error;
}

# Whoever called a plan was told by the server that it falls.
sub up_again { return wait_for_server($node) }

# What tells whether a step was done once or twice: it cannot be repeated, and counts itself.
my $valid = q{SELECT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('shop.orders_customer_idx') AND %s indisvalid)};
my @steps = (
	{ sql => [ 'CREATE TABLE shop.counted (step int)', 'INSERT INTO shop.counted VALUES (1)' ], undo => 'DROP TABLE shop.counted' },
	{ sql => 'CREATE INDEX CONCURRENTLY orders_customer_idx ON shop.orders (customer)', runs => 'alone',
	  lock => 'SHARE UPDATE EXCLUSIVE', verify => sprintf($valid, ''), leftover_query => sprintf($valid, 'NOT'),
	  leftover_sql => 'DROP INDEX CONCURRENTLY IF EXISTS shop.orders_customer_idx',
	  undo => 'DROP INDEX CONCURRENTLY IF EXISTS shop.orders_customer_idx' },
	{ sql => [ 'ALTER TABLE shop.orders ADD CONSTRAINT customer_there CHECK (customer IS NOT NULL) NOT VALID',
		'INSERT INTO shop.counted VALUES (3)' ], lock => 'ACCESS EXCLUSIVE',
	  undo => [ 'DELETE FROM shop.counted WHERE step = 3', 'ALTER TABLE shop.orders DROP CONSTRAINT customer_there' ] },
	{ sql => [ 'ALTER TABLE shop.orders VALIDATE CONSTRAINT customer_there', 'INSERT INTO shop.counted VALUES (4)' ],
	  phase => 'validate', lock => 'SHARE UPDATE EXCLUSIVE', undo => 'DELETE FROM shop.counted WHERE step = 4' });

my $before = schema_of($node, 'postgres');
my $number = by_hand($node, 'postgres', as => 'alice', steps => \@steps);
is(call("CALL dbm.apply($number)"), '', 'without a fault');
my $after = schema_of($node, 'postgres');
my $counted = sql('SELECT string_agg(step::text, \' \' ORDER BY step) FROM shop.counted');
is($counted, '1 3 4', 'each step is counted once');
is(call("CALL dbm.undo($number)"), '', 'and back');
is(schema_of($node, 'postgres'), $before, 'to where it was');

# --- Killed at every boundary

for my $step (1 .. @steps)
{
	for my $place ('before', 'recorded', 'uncommitted', 'committed')
	{
		my $error = call("CALL dbm.apply($number)", "$step:$place");
		like($error, qr/server closed the connection|terminating connection/, "killed at step $step, $place");
		up_again();
		my $row = plan_row($node, 'postgres', $number);
		my $is_over = $step == @steps && $place eq 'committed';
		is($row->{status}, 'interrupted', 'the plan is interrupted');
		is(call("CALL dbm.apply($number)"), '', 'the next call goes on') unless $is_over;
		call("CALL dbm.apply($number)") if $is_over;
		is(statuses($node, 'postgres', $number), join(' ', ('done') x @steps), 'to the end');
		is(schema_of($node, 'postgres'), $after, 'which is the same');
		is(sql('SELECT string_agg(step::text, \' \' ORDER BY step) FROM shop.counted'), $counted, 'each step is done once');
		is(sql('SELECT count(*) FROM pg_index WHERE NOT indisvalid'), '0', 'no invalid index is left');

		# And taken back from the middle.
		call("CALL dbm.undo($number)");
		is(schema_of($node, 'postgres'), $before, 'and back');
		next if $place eq 'before' && $step == 1;
		call("CALL dbm.apply($number)", "$step:$place");
		up_again();
		is(call("CALL dbm.undo($number)"), '', 'from the middle too');
		is(schema_of($node, 'postgres'), $before, 'nothing is left');
		is(sql('SELECT count(*) FROM pg_index WHERE NOT indisvalid'), '0', 'no invalid index either');
	}
}

# --- Killed on the way back

for my $step (reverse 1 .. @steps)
{
	for my $place ('undo_recorded', 'undo_statement', 'undo_committed')
	{
		is(call("CALL dbm.apply($number)"), '', 'applied again');
		my $error = call("CALL dbm.undo($number)", "$step:$place");
		like($error, qr/server closed the connection|terminating connection/, "killed on the way back at step $step, $place");
		up_again();
		call("CALL dbm.undo($number)");
		is(statuses($node, 'postgres', $number), join(' ', ('undone') x @steps), 'the next call goes on to the end');
		is(schema_of($node, 'postgres'), $before, 'which is the same');
	}
}

# --- Killed in the middle of a concurrent build, which waits for somebody

my $reader = Session->new($node, 'postgres');
$reader->must('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM shop.orders');
my $caller = Session->new($node, 'postgres');
$caller->begin("CALL dbm.apply($number);");
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM pg_stat_progress_create_index WHERE phase LIKE 'waiting%'});
my $worker = plan_row($node, 'postgres', $number)->{pid};
my $log = -s $node->logfile;
kill 'KILL', $worker;
wait_for_restart($node, $log);
is(sql(sprintf $valid, 'NOT'), 't', 'kill -9 in the middle of a concurrent build leaves an invalid index');
is(statuses($node, 'postgres', $number), 'done running undone undone', 'and the step under way');
is(plan_row($node, 'postgres', $number)->{status}, 'interrupted', 'interrupted');
is(call("CALL dbm.apply($number)"), '', 'the next call goes on');
is(schema_of($node, 'postgres'), $after, 'and comes to the same end');
is(steps_of_attempts(), '1 2 1 1', 'the step was begun twice');
call("CALL dbm.undo($number)");
is(schema_of($node, 'postgres'), $before, 'all is as it was');

sub steps_of_attempts { return join ' ', map { $_->{attempts} } steps($node, 'postgres', $number) }

# --- Killed in the middle of a transaction, which waits for a lock; the whole server is stopped at once

$reader = Session->new($node, 'postgres');
$reader->must('BEGIN; SELECT count(*) FROM shop.orders');
$caller = Session->new($node, 'postgres');
$caller->begin("SET dbm.apply_lock_timeout = '1h'; CALL dbm.apply($number);");
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'});
$node->stop('immediate');
$node->start;
is(statuses($node, 'postgres', $number), 'done done running undone', 'an immediate stop of the server in the middle of a step');
is(call("CALL dbm.apply($number)"), '', 'is no end');
is(schema_of($node, 'postgres'), $after, 'and leads to the same one');
is(sql('SELECT string_agg(step::text, \' \' ORDER BY step) FROM shop.counted'), $counted, 'each step is done once');

# --- A fast shutdown does not wait for a plan

call("CALL dbm.undo($number)");
$reader = Session->new($node, 'postgres');
$reader->must('BEGIN; SELECT count(*) FROM shop.orders');
$caller = Session->new($node, 'postgres');
$caller->begin("CALL dbm.apply($number);");
wait_until($node, 'postgres', "SELECT attempts > 1 FROM dbm.plan_status($number)");
my $started = Time::HiRes::time();
$node->stop('fast');
# Who waited for the plan would wait for the reader, until pg_ctl gives up after a minute.
cmp_ok(Time::HiRes::time() - $started, '<', 50, 'a fast shutdown does not wait for a plan');
$node->start;
is(call("CALL dbm.apply($number)"), '', 'which goes on afterwards');
is(schema_of($node, 'postgres'), $after, 'to the same end');

# --- Plans go with pg_dump, and a plan restored elsewhere is nobody's to run by mistake

my ($out, $error) = ('', '');
my $dump = $node->basedir . '/plans.sql';
IPC::Run::run([ 'pg_dump', '-d', $node->connstr('postgres'), '-f', $dump ], '>', \$out, '2>', \$error) or die $error;
$node->safe_psql('postgres', 'CREATE DATABASE restored');
IPC::Run::run([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-d', $node->connstr('restored'), '-f', $dump ], '2>', \$error);
is($error, '', 'a dump with plans is restored without complaint');
is($node->safe_psql('restored', "SELECT string_agg(status, ' ' ORDER BY step) FROM dbm.plan_steps($number)"),
	join(' ', ('done') x @steps), 'with its plans and steps');
is($node->safe_psql('restored', "SELECT nextval('dbm.plan_plan_seq') > $number"), 't', 'and the next plan gets a number of its own');

$node->stop;
done_testing();
