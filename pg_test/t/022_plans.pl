# Plans apply themselves: steps in transactions and alone, skipped, repeated, refused, taken back, with the rights of
# their creators and nobody else's.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(rows utf8_locale);
use Plan qw(by_hand literal plan_row schema_of start_writers statuses steps stop_writers wait_until);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;
use Time::HiRes qw(time usleep);

my $node = PostgreSQL::Test::Cluster->new('plans');
$node->init(extra => utf8_locale(), auth_extra => [ '--create-role', 'alice,bob,watcher' ]);
$node->append_conf('postgresql.conf', "autovacuum = off\nmax_worker_processes = 16\nlog_min_messages = log");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION dbmastery;
CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN; CREATE ROLE watcher LOGIN;
GRANT pg_monitor TO watcher;
GRANT USAGE ON SCHEMA dbm TO alice, bob;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA dbm TO alice, bob;
CREATE SCHEMA shop AUTHORIZATION alice;
SET ROLE alice;
CREATE TABLE shop.orders (id bigint PRIMARY KEY, customer bigint, note text);
INSERT INTO shop.orders SELECT i, i % 1000, md5(i::text) FROM generate_series(1, 100000) AS i;
CREATE TABLE shop.small (id int PRIMARY KEY, a int);
SQL

sub sql { return $node->safe_psql('postgres', @_) }
sub made { return by_hand($node, 'postgres', as => 'alice', steps => [@_]) }

# Runs a statement that may fail; returns what was complained of.
sub try
{
	my ($sql, %options) = @_;
	my (undef, undef, $error) = $node->psql('postgres', "SET client_min_messages = notice; $sql",
		extra_params => [ '-v', 'VERBOSITY=verbose', $options{role} ? ('-U', $options{role}) : () ]);
	return $error;
}

# psql sends what stands in one -c string as one transaction: a CALL goes alone.
sub call
{
	my ($sql, %options) = @_;
	my ($out, $error) = ('', '');
	my @settings = map { "-c $_" } @{ $options{set} // [] };
	local $ENV{PGOPTIONS} = join ' ', @settings;
	IPC::Run::run([ 'psql', '-X', '-q', '-A', '-t', '-v', 'VERBOSITY=verbose', '-d', $node->connstr('postgres'),
		($options{role} ? ('-U', $options{role}) : ()), '-c', $sql ], '>', \$out, '2>', \$error);
	return $error;
}

my $constraint = q{SELECT EXISTS (SELECT FROM pg_constraint WHERE conname = 'customer_there' AND conrelid = 'shop.orders'::regclass};
my $not_null = q{SELECT attnotnull FROM pg_attribute WHERE attrelid = 'shop.orders'::regclass AND attname = 'customer'};
my @not_null = (
	{ sql => 'ALTER TABLE shop.orders ADD CONSTRAINT customer_there CHECK (customer IS NOT NULL) NOT VALID',
	  lock => 'ACCESS EXCLUSIVE', verify => "$constraint)", undo => 'ALTER TABLE shop.orders DROP CONSTRAINT IF EXISTS customer_there' },
	{ sql => 'ALTER TABLE shop.orders VALIDATE CONSTRAINT customer_there', phase => 'validate',
	  lock => 'SHARE UPDATE EXCLUSIVE', verify => "$constraint AND convalidated)" },
	{ sql => 'ALTER TABLE shop.orders ALTER COLUMN customer SET NOT NULL', phase => 'switch', lock => 'ACCESS EXCLUSIVE',
	  verify => $not_null, undo => 'ALTER TABLE shop.orders ALTER COLUMN customer DROP NOT NULL' },
	{ sql => 'ALTER TABLE shop.orders DROP CONSTRAINT IF EXISTS customer_there', phase => 'contract', lock => 'ACCESS EXCLUSIVE',
	  verify => "$constraint) IS FALSE",
	  undo => 'ALTER TABLE shop.orders ADD CONSTRAINT customer_there CHECK (customer IS NOT NULL) NOT VALID' });
my $valid = q{SELECT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('shop.orders_customer_idx') AND indisvalid)};
my $invalid = q{SELECT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('shop.orders_customer_idx') AND NOT indisvalid)};
my %index = (
	sql => 'CREATE INDEX CONCURRENTLY orders_customer_idx ON shop.orders (customer)', runs => 'alone',
	lock => 'SHARE UPDATE EXCLUSIVE', verify => $valid, undo => 'DROP INDEX CONCURRENTLY IF EXISTS shop.orders_customer_idx',
	leftover_query => $invalid, leftover_sql => 'DROP INDEX CONCURRENTLY IF EXISTS shop.orders_customer_idx');

my $writers = <<'SQL';
\set id random(1, 100000)
UPDATE shop.orders SET customer = :id WHERE id = :id;
SQL

# Applies or takes back while others write: what was complained of, how many transactions were written, and how long the
# longest took. While the machine stands still all of them wait, so that it may be tried again: the best of three.
sub beside_writers
{
	my ($direction, $number) = @_;
	my $back = $direction eq 'apply' ? 'undo' : 'apply';
	my ($error, $count, $longest);
	for my $try (1 .. 3)
	{
		my $running = start_writers($node, 'postgres', $writers);
		$error = call("CALL dbm.$direction($number)", role => 'alice');
		($count, $longest) = stop_writers($running);
		last if $error ne '' || $try == 3 || ($count > 100 && $longest < 1000);
		call("CALL dbm.$back($number)", role => 'alice');
	}
	return ($error, $count, $longest);
}

# --- A change under writers, and back

my $before = schema_of($node, 'postgres');
my $number = made(@not_null, \%index);
is(plan_row($node, 'postgres', $number)->{status}, 'ready', 'a plan is ready');
my ($error, $count, $longest) = beside_writers('apply', $number);
is($error, '', 'it is applied by its creator while others write');
cmp_ok($count, '>', 100, "$count transactions were written meanwhile");
cmp_ok($longest, '<', 1000, sprintf 'nobody waited longer than a second: %.0f ms', $longest);
note(sprintf '%d writes, the longest took %.1f ms', $count, $longest);
is(statuses($node, 'postgres', $number), 'done done done done done', 'every step is done');
is(plan_row($node, 'postgres', $number)->{status}, 'done', 'and so is the plan');
is(sql('SELECT customer_is, index_is FROM ' .
	"(SELECT ($not_null) AS customer_is, ($valid) AS index_is) AS x"), 't|t', 'the column is NOT NULL and the index valid');
is(sql("SELECT tableowner FROM pg_indexes JOIN pg_tables USING (schemaname, tablename) WHERE indexname = 'orders_customer_idx'"),
	'alice', 'its creator owns the index');
like(call("CALL dbm.apply($number)", role => 'alice'), qr/NOTICE: .*plan $number is applied already/, 'a second time there is nothing to do');

($error, $count, $longest) = beside_writers('undo', $number);
is($error, '', 'it is taken back');
cmp_ok($longest, '<', 1000, sprintf 'while nobody waited longer than a second: %.0f ms', $longest);
is(statuses($node, 'postgres', $number), 'undone undone undone undone undone', 'every step');
is(schema_of($node, 'postgres'), $before, 'and the schema is what it was');
is(call("CALL dbm.apply($number)", role => 'alice'), '', 'it can be applied again');
is(statuses($node, 'postgres', $number), 'done done done done done', 'every step');
call("CALL dbm.undo($number)", role => 'alice');
is(schema_of($node, 'postgres'), $before, 'and taken back again');

# --- What was there before is not ours

sql('SET ROLE alice; CREATE INDEX orders_customer_idx ON shop.orders (customer)');
$number = made(\%index, { sql => 'ALTER TABLE shop.small ADD COLUMN b int', undo => 'ALTER TABLE shop.small DROP COLUMN b' });
is(call("CALL dbm.apply($number)", role => 'alice'), '', 'a plan whose first step has been done by somebody');
is(statuses($node, 'postgres', $number), 'skipped done', 'skips it');
call("CALL dbm.undo($number)", role => 'alice');
is(sql("SELECT to_regclass('shop.orders_customer_idx') IS NOT NULL"), 't', 'and does not take it back');
sql('DROP INDEX shop.orders_customer_idx');

# --- A step that fails, and what is in the way

sql(q{SET ROLE alice; INSERT INTO shop.small VALUES (1, 7), (2, 7)});
my $unique = q{SELECT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('shop.small_a_idx') AND %s indisvalid)};
my %unique = (sql => 'CREATE UNIQUE INDEX CONCURRENTLY small_a_idx ON shop.small (a)', runs => 'alone',
	verify => sprintf($unique, ''), leftover_query => sprintf($unique, 'NOT'),
	leftover_sql => 'DROP INDEX CONCURRENTLY IF EXISTS shop.small_a_idx', undo => 'DROP INDEX CONCURRENTLY IF EXISTS shop.small_a_idx');
$number = made({ sql => 'ALTER TABLE shop.small ADD COLUMN c int', undo => 'ALTER TABLE shop.small DROP COLUMN c' }, \%unique);
$error = call("CALL dbm.apply($number)", role => 'alice');
like($error, qr/ERROR:  23505: step 2 of plan $number failed: could not create unique index "small_a_idx"/, 'a step that fails passes on its error');
like($error, qr/DETAIL:  Key \(a\)=\(7\) is duplicated/, 'with what it says of the cause');
like($error, qr/HINT:  .*CALL dbm.apply\($number\) goes on from there; CALL dbm.undo\($number\)/, 'and what can be done');
is(statuses($node, 'postgres', $number), 'done failed', 'what is done is done');
is(plan_row($node, 'postgres', $number)->{status}, 'failed', 'the plan has failed');
like(plan_row($node, 'postgres', $number)->{error}, qr/^could not create unique index/, 'and says why');
is(sql(sprintf $unique, 'NOT'), 't', 'the server left an invalid index');
is(call("CALL dbm.undo($number)", role => 'alice'), '', 'taken back');
is(schema_of($node, 'postgres'), $before, 'all is as it was, without the invalid index');
call("CALL dbm.apply($number)", role => 'alice');
sql('UPDATE shop.small SET a = id');
is(call("CALL dbm.apply($number)", role => 'alice'), '', 'when the cause is gone it goes on');
is(sql(sprintf $unique, ''), 't', 'over the leftover of the first attempt');
call("CALL dbm.undo($number)", role => 'alice');

sql(q{UPDATE shop.small SET a = 7});
try('CREATE UNIQUE INDEX CONCURRENTLY small_a_idx ON shop.small (a)');
sql('UPDATE shop.small SET a = id');
$number = made(\%unique);
like(call("CALL dbm.apply($number)", role => 'alice'),
	qr/ERROR:  55000: step 1 of plan $number failed: something is in its way that this plan did not make/, 'an invalid index of others is not removed');
is(statuses($node, 'postgres', $number), 'failed', 'neither the first time');
call("CALL dbm.apply($number)", role => 'alice');
is(sql(sprintf $unique, 'NOT'), 't', 'nor the second');
sql('DROP INDEX shop.small_a_idx');

# --- A check that does not hold after the step

$number = made({ sql => 'ALTER TABLE shop.small ADD COLUMN d int', verify => 'SELECT false' });
like(call("CALL dbm.apply($number)", role => 'alice'), qr/step 1 of plan $number failed: it was run, but its check does not hold/, 'a check that does not hold stops the plan');
is(schema_of($node, 'postgres'), $before, 'and the step is rolled back');

# Nothing of a later phase is run before it holds, whichever way the step is run.
$number = made({ sql => 'ALTER TABLE shop.small ADD COLUMN d int', undo => 'ALTER TABLE shop.small DROP COLUMN d' },
	{ sql => 'CREATE INDEX CONCURRENTLY small_d_idx ON shop.small (d)', runs => 'alone', phase => 'validate', verify => 'SELECT false',
	  undo => 'DROP INDEX CONCURRENTLY IF EXISTS shop.small_d_idx' },
	{ sql => 'ALTER TABLE shop.small DROP COLUMN a', phase => 'contract' });
like(call("CALL dbm.apply($number)", role => 'alice'), qr/step 2 of plan $number failed: it was run, but its check does not hold\nDETAIL:  This is not true: SELECT false/, 'neither is one that runs alone');
is(statuses($node, 'postgres', $number), 'done failed pending', 'and what follows is not begun');
is(call("CALL dbm.undo($number)", role => 'alice'), '', 'what is there can be taken back');
is(schema_of($node, 'postgres'), $before, 'with nothing left');

# What somebody undoes between two steps is seen at the end.
$number = $node->safe_psql('postgres', q{SELECT dbm.migration_plan('ALTER TABLE shop.small ADD COLUMN z uuid DEFAULT gen_random_uuid(), ADD COLUMN y int NOT NULL')},
	extra_params => [ '-U', 'alice' ]);
like(call("CALL dbm.apply($number)", role => 'alice'), qr/waits: step (\d+) has to be done by hand/, 'a plan that waits for people');
my ($waiting) = map { $_->{step} } grep { $_->{status} eq 'waiting' } steps($node, 'postgres', $number);
sql('ALTER TABLE shop.small DROP COLUMN z; UPDATE shop.small SET y = 1');
try("SELECT dbm.confirm_step($number, $waiting)", role => 'alice');
like(call("CALL dbm.apply($number)", role => 'alice'),
	qr/ERROR:  55000: plan $number failed: every step is done, but this is not true: SELECT .*attname = 'z'/, 'what was undone between the steps is found by the proof of the whole');
is(plan_row($node, 'postgres', $number)->{status}, 'failed', 'the plan is not said to be done');
like(plan_row($node, 'postgres', $number)->{error}, qr/^every step is done, but this is not true/, 'and why');
sql('ALTER TABLE shop.small ADD COLUMN z uuid DEFAULT gen_random_uuid()');
is(call("CALL dbm.apply($number)", role => 'alice'), '', 'once it is so again, the next call sees it');
is(plan_row($node, 'postgres', $number)->{status}, 'done', 'and the plan is done');
sql('ALTER TABLE shop.small DROP COLUMN z, DROP COLUMN y');
is(schema_of($node, 'postgres'), $before, 'all is as it was');

# --- Views on a column whose type changes: what somebody did to them since the plan was made is not lost

sql('SET ROLE alice; CREATE VIEW shop.seen AS SELECT id, a FROM shop.small; CREATE VIEW shop.over AS SELECT a FROM shop.seen');
for my $case ([ 'GRANT SELECT ON shop.over TO PUBLIC', 'privileges, options or owner of view shop.over changed', 'REVOKE SELECT ON shop.over FROM PUBLIC' ],
	[ 'CREATE OR REPLACE VIEW shop.seen AS SELECT id, a FROM shop.small WHERE a > 0', 'the query of view shop.seen changed', 'CREATE OR REPLACE VIEW shop.seen AS SELECT id, a FROM shop.small' ])
{
	my ($change, $said, $back) = @$case;
	$number = $node->safe_psql('postgres', q{SELECT dbm.migration_plan('ALTER TABLE shop.small ALTER COLUMN a TYPE bigint')}, extra_params => [ '-U', 'alice' ]);
	sql("SET ROLE alice; $change");
	my $then = schema_of($node, 'postgres');
	like(call("CALL dbm.apply($number)", role => 'alice'), qr/ERROR:  55000: step \d+ of plan $number failed: $said since the plan was made/, "$change: the switch stops");
	is(call("CALL dbm.undo($number)", role => 'alice'), '', 'and what came before it is taken back');
	is(schema_of($node, 'postgres'), $then, 'nothing is lost');
	sql("SET ROLE alice; $back");
}
$number = $node->safe_psql('postgres', q{SELECT dbm.migration_plan('ALTER TABLE shop.small ALTER COLUMN a TYPE bigint')}, extra_params => [ '-U', 'alice' ]);
like(call("CALL dbm.apply($number)", role => 'alice'), qr/waits: step \d+ has to be done by hand/, 'with views as they were the switch is made');
is(sql(q{SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'shop.over'::regclass AND attname = 'a'}), 'bigint', 'and views on views have the new type');
is(call("CALL dbm.undo($number)", role => 'alice'), '', 'and taken back');
sql('CREATE VIEW shop.others AS SELECT a FROM shop.seen; ALTER VIEW shop.others OWNER TO bob');
like(try(q{SELECT dbm.migration_plan('ALTER TABLE shop.small ALTER COLUMN a TYPE bigint')}, role => 'alice'),
	qr/ERROR:  0A000: .*view shop.others belongs to role bob, whose rights you do not have/, 'a view of somebody else is not for alice to drop');
sql('DROP VIEW shop.others, shop.over, shop.seen');
is(schema_of($node, 'postgres'), $before, 'all is as it was');

# --- What a step may not do

for my $case ([ 'COMMIT', qr/SPI_ERROR_TRANSACTION/ ], [ 'COPY shop.small FROM STDIN', qr/SPI_ERROR_COPY/ ])
{
	$number = made({ sql => [ 'ALTER TABLE shop.small ADD COLUMN d int', $case->[0] ] });
	like(call("CALL dbm.apply($number)", role => 'alice'), $case->[1], "a step cannot $case->[0]");
}
is(schema_of($node, 'postgres'), $before, 'and leaves nothing behind');

# --- Inside a transaction

like(try("BEGIN; CALL dbm.apply($number)", role => 'alice'), qr/ERROR:  25001: CALL dbm.apply\($number\) cannot run inside a transaction block/, 'not inside a transaction block');
like(try("DO 'BEGIN COMMIT; CALL dbm.apply(NULL); END'"), qr/ERROR:  22004/, 'null is refused');
like(try('CALL dbm.apply(999999)'), qr/25001|42704: plan 999999 does not exist/, 'a plan that is not there');

# --- By hand

$number = made({ sql => 'ALTER TABLE shop.small ADD COLUMN e int', undo => 'ALTER TABLE shop.small DROP COLUMN e' },
	{ sql => [], runs => 'by_hand', note => 'deploy the new version' },
	{ sql => 'ALTER TABLE shop.small ADD COLUMN f int', undo => 'ALTER TABLE shop.small DROP COLUMN f' });
like(call("CALL dbm.apply($number)", role => 'alice'),
	qr/NOTICE: .*plan $number waits: step 2 has to be done by hand: deploy the new version\nThen: SELECT dbm.confirm_step\($number, 2\)/, 'a step by hand is waited for');
is(statuses($node, 'postgres', $number) . ' ' . plan_row($node, 'postgres', $number)->{status}, 'done waiting pending waiting', 'the plan waits');
like(try("SELECT dbm.confirm_step($number, 1)", role => 'alice'), qr/ERROR:  55000: step 1 of plan $number is not done by hand/, 'only steps by hand are confirmed');
like(try("SELECT dbm.confirm_step($number, 9)", role => 'alice'), qr/ERROR:  42704: plan $number has no step 9/, 'and those that are there');
is(try("SELECT dbm.confirm_step($number, 2)", role => 'alice'), '', 'people say that it is done');
is(call("CALL dbm.apply($number)", role => 'alice'), '', 'and the plan goes on');
is(statuses($node, 'postgres', $number), 'done done done', 'to its end');
like(call("CALL dbm.undo($number)", role => 'alice'), qr/NOTICE: .*step 2 has to be taken back by hand/, 'on the way back people are asked too');
is(statuses($node, 'postgres', $number), 'done undo_waiting undone', 'before anything below is taken back');
like(call("CALL dbm.apply($number)", role => 'alice'), qr/ERROR:  55000: .*half taken back/, 'half taken back it is not applied');
try("SELECT dbm.confirm_step($number, 2)", role => 'alice');
is(call("CALL dbm.undo($number)", role => 'alice'), '', 'then the rest is');
is(schema_of($node, 'postgres'), $before, 'and all is as it was');

$number = made({ sql => [], runs => 'by_hand', verify => 'SELECT count(*) > 5 FROM shop.small' });
call("CALL dbm.apply($number)", role => 'alice');
try("SELECT dbm.confirm_step($number, 1)", role => 'alice');
like(call("CALL dbm.apply($number)", role => 'alice'), qr/step 1 of plan $number failed: it was confirmed, but its check does not hold/, 'the word of people is checked');
is(statuses($node, 'postgres', $number), 'waiting', 'and they are waited for again');

# --- What cannot be taken back

$number = made({ sql => 'ALTER TABLE shop.small ADD COLUMN g int', undo => 'ALTER TABLE shop.small DROP COLUMN g' },
	{ sql => 'ALTER TABLE shop.small DROP COLUMN g', phase => 'contract', note => 'its values are gone' });
call("CALL dbm.apply($number)", role => 'alice');
like(call("CALL dbm.undo($number)", role => 'alice'), qr/ERROR:  55000: plan $number cannot be taken back: nothing takes back step 2\nDETAIL:  its values are gone/, 'what is gone is not taken back');
is(statuses($node, 'postgres', $number), 'done done', 'nor is what came before it');

# --- Locks: others are let pass, and it is tried again

$number = made({ sql => 'ALTER TABLE shop.orders ADD COLUMN h int', lock => 'ACCESS EXCLUSIVE', undo => 'ALTER TABLE shop.orders DROP COLUMN h' });
my $reader = Session->new($node, 'postgres');
my $caller = Session->new($node, 'postgres', role => 'alice');
my ($out, $complaint);
# Again while the machine stands still.
for my $try (1 .. 3)
{
	my $attempts = plan_row($node, 'postgres', $number)->{attempts} // 0;
	$reader->must('BEGIN; SELECT count(*) FROM shop.orders');
	my $running = start_writers($node, 'postgres', $writers);
	$caller->begin("CALL dbm.apply($number);");
	wait_until($node, 'postgres', "SELECT attempts >= $attempts + 3 FROM dbm.plan_status($number)");
	my $row = plan_row($node, 'postgres', $number);
	is("$row->{status} $row->{step_status}", 'running running', 'a plan that waits for a lock is running');
	like($row->{error}, qr/lock timeout/, 'and says what it waits for');
	is(sql(qq{SELECT backend_xmin IS NULL AND backend_xid IS NULL FROM pg_stat_activity WHERE query LIKE 'CALL dbm.apply($number)%' AND backend_type = 'client backend'}),
		't', 'the session that waits holds no snapshot');
	is(sql("SELECT backend_type || ' ' || usename FROM pg_stat_activity WHERE pid = $row->{pid}"), 'dbmastery plan alice', 'the worker works for the creator');
	is(sql("SELECT act || ' ' || step FROM dbm.progress WHERE pid = $row->{pid}"), 'apply expand', 'and is seen in dbm.progress');
	like(call("CALL dbm.apply($number)", role => 'alice'), qr/ERROR:  55006: plan $number is being run by process $row->{pid}/, 'a second run is refused');
	like(try("SELECT dbm.apply_in_background($number)", role => 'alice'), qr/ERROR:  55006/, 'also in the background');
	$reader->must('COMMIT');
	($out, $complaint) = $caller->run('');
	is($complaint, '', 'it comes to its end when the lock is to be had');
	($count, $longest) = stop_writers($running);
	last if $longest < 1000 || $try == 3;
	call("CALL dbm.undo($number)", role => 'alice');
}
cmp_ok($longest, '<', 1000, sprintf 'while writers waited %.0f ms at most', $longest);
note(sprintf 'behind a reader: %d writes, the longest took %.1f ms', $count, $longest);
call("CALL dbm.undo($number)", role => 'alice');
is(schema_of($node, 'postgres'), $before, 'all is as it was');

$reader->must('BEGIN; SELECT count(*) FROM shop.orders');
like(call("CALL dbm.apply($number)", role => 'alice', set => [ 'dbm.apply_tries=2', 'dbm.apply_lock_timeout=20ms' ]),
	qr/ERROR:  55P03: step 1 of plan $number failed: canceling statement due to lock timeout/, 'a plan gives up after its tries');
is(plan_row($node, 'postgres', $number)->{attempts}, 2, 'there were two');

# --- A cancel of the call ends the worker

$caller->begin("CALL dbm.apply($number);");
wait_until($node, 'postgres', "SELECT pid IS NOT NULL AND attempts > 2 FROM dbm.plan_status($number)");
my $worker = plan_row($node, 'postgres', $number)->{pid};
sql(q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'CALL dbm.apply%' AND backend_type = 'client backend'});
(undef, $complaint) = $caller->run('');
like($complaint, qr/canceling statement due to user request/, 'the call is cancelled');
is(sql("SELECT count(*) FROM pg_stat_activity WHERE pid = $worker"), '0', 'and the worker is gone with it');
is(plan_row($node, 'postgres', $number)->{status}, 'interrupted', 'the plan is interrupted');
$caller->begin("CALL dbm.apply($number);");
wait_until($node, 'postgres', "SELECT pid IS NOT NULL FROM dbm.plan_status($number)");
$worker = plan_row($node, 'postgres', $number)->{pid};
sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'CALL dbm.apply%' AND backend_type = 'client backend'});
wait_until($node, 'postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $worker");
pass('if the session that waits is ended, so is the worker');
$caller = Session->new($node, 'postgres', role => 'alice');
my $attempts = plan_row($node, 'postgres', $number)->{attempts};
$caller->begin("CALL dbm.apply($number);");
# It has a process before it has begun with the step.
wait_until($node, 'postgres', "SELECT pid IS NOT NULL AND attempts > $attempts FROM dbm.plan_status($number)");
sql("SELECT pg_terminate_backend((SELECT pid FROM dbm.plan_status($number)))");
(undef, $complaint) = $caller->run('');
like($complaint, qr/the background worker for plan $number was ended at step 1/, 'if the worker is ended, the call says so');
$reader->must('COMMIT');
is(call("CALL dbm.apply($number)", role => 'alice'), '', 'and the next call goes on');
call("CALL dbm.undo($number)", role => 'alice');

# --- What is built concurrently waits for older transactions, but not for the call

$number = made(\%index);
$reader->must('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM shop.orders');
$caller->begin("CALL dbm.apply($number);");
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM pg_stat_progress_create_index WHERE phase LIKE 'waiting%'});
pass('a concurrent build waits for older transactions');
$reader->must('COMMIT');
(undef, $complaint) = $caller->run('');
is($complaint, '', 'and for nothing else');
is(sql($valid), 't', 'the index is valid');
call("CALL dbm.undo($number)", role => 'alice');

# --- In the background

$number = made(\%index);
$caller->must('BEGIN');
my $pid = $caller->must("SELECT dbm.apply_in_background($number)");
like($pid, qr/^\d+$/, 'it starts in the background');
usleep(300_000);
is(statuses($node, 'postgres', $number), 'pending', 'but not before the transaction ends');
$caller->must('COMMIT');
wait_until($node, 'postgres', "SELECT status = 'done' FROM dbm.plan_status($number)");
pass('and comes to its end by itself');
call("CALL dbm.undo($number)", role => 'alice');
$caller->must('BEGIN');
$caller->must("SELECT dbm.apply_in_background($number)");
$caller->must('ROLLBACK');
wait_until($node, 'postgres', "SELECT status = 'done' AND pid IS NULL FROM dbm.plan_status($number)");
call("CALL dbm.undo($number)", role => 'alice');
is(schema_of($node, 'postgres'), $before, 'all is as it was');

# --- Rights

$number = made({ sql => 'ALTER TABLE shop.small ADD COLUMN i int', undo => 'ALTER TABLE shop.small DROP COLUMN i' });
for my $statement ("CALL dbm.apply($number)", "CALL dbm.undo($number)", "SELECT dbm.apply_in_background($number)",
	"SELECT dbm.confirm_step($number, 1)", "SELECT * FROM dbm.plan_steps($number)", "SELECT * FROM dbm.plan_status($number)")
{
	like(call($statement, role => 'bob'), qr/ERROR:  42501: permission denied to .* plan $number\nDETAIL:  It belongs to role "alice"/, "another may not: $statement");
}
for my $statement ("CALL dbm.apply($number)", "CALL dbm.undo($number)", "SELECT dbm.apply_in_background($number)",
	"SELECT dbm.confirm_step($number, 1)")
{
	like(call($statement, role => 'watcher'), qr/ERROR:  42501: permission denied for (function|procedure)/, "who watches may not: $statement");
}
is(try("SELECT * FROM dbm.plan_steps($number); SELECT * FROM dbm.plan_status($number); TABLE dbm.plan", role => 'watcher'), '', 'but may look');
for my $statement ("INSERT INTO dbm.plan (title, change) VALUES ('x', 'y')", 'UPDATE dbm.plan_step SET sql = NULL', 'DELETE FROM dbm.plan', 'TABLE dbm.plan')
{
	like(call($statement, role => 'alice'), qr/ERROR:  42501: permission denied for table/, "nobody writes the tables: $statement");
}
is(call("CALL dbm.apply($number)"), '', 'a superuser may');
sql("GRANT alice TO bob");
is(call("CALL dbm.undo($number)", role => 'bob'), '', 'and so may a member of the role');
sql("REVOKE alice FROM bob");

# A plan of bob's run by a superuser has bob's rights.
$number = by_hand($node, 'postgres', as => 'bob', steps => [ { sql => 'ALTER TABLE shop.small ADD COLUMN j int' } ]);
like(call("CALL dbm.apply($number)"), qr/ERROR:  42501: step 1 of plan $number failed: permission denied for schema shop/, 'the rights are the creator\'s, whoever runs it');
for my $evil ('SET ROLE alice', 'SET SESSION AUTHORIZATION alice', 'RESET SESSION AUTHORIZATION; ALTER TABLE shop.small ADD COLUMN j int',
	'RESET ROLE; ALTER TABLE shop.small ADD COLUMN j int', 'ALTER ROLE bob SUPERUSER')
{
	$number = by_hand($node, 'postgres', as => 'bob', steps => [ { sql => $evil } ]);
	like(call("CALL dbm.apply($number)"), qr/ERROR:  42501/, "and cannot be widened: $evil");
}

# What bob's step leaves in the session does not reach the statements that run with more rights.
sql('GRANT CREATE ON DATABASE postgres TO bob');
$number = by_hand($node, 'postgres', as => 'bob', steps => [
	{ sql => [ 'CREATE SCHEMA trap',
		q{CREATE FUNCTION trap.same(bigint, bigint) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN EXECUTE ''ALTER ROLE bob SUPERUSER''; RETURN true; END'},
		q{CREATE FUNCTION trap.same(int, int) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN EXECUTE ''ALTER ROLE bob SUPERUSER''; RETURN true; END'},
		'CREATE OPERATOR trap.= (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = trap.same)',
		'CREATE OPERATOR trap.= (LEFTARG = int, RIGHTARG = int, FUNCTION = trap.same)',
		q{CREATE FUNCTION trap.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS 'BEGIN EXECUTE ''ALTER ROLE bob SUPERUSER''; RETURN now(); END'},
		'CREATE TEMP TABLE plan_step (plan bigint, step int)',
		q{SELECT set_config('search_path', 'trap, pg_temp, pg_catalog', false)} ] },
	{ sql => 'SELECT 1' } ]);
is(call("CALL dbm.apply($number)"), '', 'a plan that lays traps');
is(statuses($node, 'postgres', $number), 'done done', 'comes to its end');
is(sql("SELECT rolsuper FROM pg_roles WHERE rolname = 'bob'"), 'f', 'and catches nobody');

# A lock cannot be taken to keep a plan from being run, and cannot be given up to run it twice.
$number = made({ sql => 'SELECT pg_advisory_unlock_all()' }, { sql => 'ALTER TABLE shop.small ADD COLUMN k int' });
is(call("CALL dbm.apply($number)", role => 'alice'), '', 'a step that gives up all advisory locks does no harm');
sql('ALTER TABLE shop.small DROP COLUMN k');

# A plan that a function makes with its owner's rights belongs to that owner, and nobody writes in another's name.
sql(<<'SQL');
CREATE SCHEMA definer AUTHORIZATION alice;
SET ROLE alice;
CREATE FUNCTION definer.make() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$SELECT dbm.migration_plan('ALTER TABLE shop.small ADD COLUMN l int')$$;
GRANT USAGE ON SCHEMA definer, shop TO bob;
SQL
$number = $node->safe_psql('postgres', 'SELECT definer.make()', extra_params => [ '-U', 'bob' ]);
is(sql("SELECT created_by FROM dbm.plan WHERE plan = $number"), 'alice', 'a plan made in a function with its owner\'s rights is the owner\'s');
like(call("CALL dbm.apply($number)", role => 'bob'), qr/ERROR:  42501: permission denied to apply plan $number/, 'whoever called the function may not apply it');
$number = $node->safe_psql('postgres', q{SELECT dbm.migration_plan('ALTER TABLE shop.small ADD COLUMN l int')}, extra_params => [ '-U', 'bob' ]);
is(sql("SELECT created_by FROM dbm.plan WHERE plan = $number"), 'bob', 'a plan is its maker\'s');
like(call("CALL dbm.apply($number)", role => 'bob'), qr/ERROR:  42501: step 1 of plan $number failed: /, 'and may do what he may');
for my $case ([ 'SELECT 1; SELECT 2', qr/ERROR:  42601: a change must be one statement/ ], [ '', qr/ERROR:  42601: a change must be one statement/ ],
	[ 'ALTER TABEL x', qr/ERROR:  42601: syntax error/ ], [ 'SELECT 1', qr/ERROR:  (0A000|22023): / ])
{
	like(try('SELECT dbm.migration_plan(' . literal($case->[0]) . ')', role => 'alice'), $case->[1], "no plan for: $case->[0]");
}
$number = $node->safe_psql('postgres', q{SELECT dbm.migration_plan('CREATE INDEX small_a ON shop.small (a)')}, extra_params => [ '-U', 'alice' ]);
like(sql("SELECT dbm.migration_file($number)"), qr/^--.*CREATE INDEX CONCURRENTLY.*DROP INDEX CONCURRENTLY/s, 'a plan is printed as a migration file');

# --- Autovacuum gives way before the wait for a lock is given up

sql(<<'SQL');
ALTER TABLE shop.orders SET (autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0,
	autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1);
UPDATE shop.orders SET customer = customer WHERE id % 2 = 0;
SELECT pg_stat_force_next_flush();
SQL
$node->append_conf('postgresql.conf', "autovacuum = on\nautovacuum_naptime = 1s");
$node->reload;
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM pg_stat_progress_vacuum WHERE relid = 'shop.orders'::regclass});
$number = made({ sql => 'ALTER TABLE shop.orders ADD COLUMN m int', lock => 'ACCESS EXCLUSIVE', undo => 'ALTER TABLE shop.orders DROP COLUMN m' });
is(call("CALL dbm.apply($number)", role => 'alice', set => [ 'dbm.apply_tries=3' ]), '', 'autovacuum gives way to a plan');
$node->append_conf('postgresql.conf', 'autovacuum = off');
$node->reload;

# The role that made it must be the one that is there.
sql('CREATE ROLE carol LOGIN');
$number = by_hand($node, 'postgres', as => 'carol', steps => [ { sql => 'SELECT 1' } ]);
sql('DROP ROLE carol; CREATE ROLE carol LOGIN SUPERUSER');
like(call("CALL dbm.apply($number)"), qr/ERROR:  55000: plan $number cannot be run: the role "carol" that made it is gone/, 'a plan of a role that is gone is not run by another of that name');

# A role that cannot log in, as owners of tables often are.
sql('CREATE ROLE team NOLOGIN; GRANT team TO bob; CREATE SCHEMA team AUTHORIZATION team; SET ROLE team; CREATE TABLE team.t (id int PRIMARY KEY, a int)');
sub of_team { return by_hand($node, 'postgres', as => 'team', steps => [@_]) }
$number = of_team({ sql => [ 'ALTER TABLE team.t ADD COLUMN b int', 'ALTER TABLE team.t ADD CONSTRAINT c CHECK (b > 0) NOT VALID' ] },
	{ sql => 'CREATE INDEX CONCURRENTLY t_a ON team.t (a)', runs => 'alone', undo => 'DROP INDEX CONCURRENTLY IF EXISTS team.t_a' },
	{ sql => 'CREATE TABLE team.who AS SELECT current_user AS who' });
is(call("CALL dbm.apply($number)", role => 'bob'), '', 'a plan of a role that cannot log in is run');
is(sql("SELECT string_agg(pg_get_userbyid(relowner), ' ') FROM pg_class WHERE relname IN ('t_a', 'who') AND relnamespace = 'team'::regnamespace"), 'team team', 'with its rights');
is(sql('SELECT who FROM team.who'), 'team', 'as that role');
for my $evil ('SET ROLE postgres', 'RESET ROLE; CREATE ROLE evil', 'RESET SESSION AUTHORIZATION; CREATE ROLE evil', 'SET SESSION AUTHORIZATION postgres', 'SET ROLE NONE; CREATE ROLE evil', 'DISCARD ALL; CREATE ROLE evil',
	'CREATE ROLE evil', q{SELECT set_config('role', 'postgres', false)})
{
	$number = of_team({ sql => $evil });
	like(call("CALL dbm.apply($number)"), qr/ERROR:  (42501|25001|0A000)/, "and nothing leads to the rights of a superuser who runs it: $evil");
}
sql('CREATE FUNCTION team.f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN EXECUTE \'CREATE ROLE evil\'; RETURN NULL; END$$;'
	. 'ALTER FUNCTION team.f() OWNER TO team; CREATE CONSTRAINT TRIGGER later AFTER INSERT ON team.t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION team.f()');
$number = of_team({ sql => 'INSERT INTO team.t VALUES (1, 1, 1)' });
like(call("CALL dbm.apply($number)"), qr/ERROR:  42501: .*permission denied to create role/, 'nor what is put off until the end of the transaction');
is(statuses($node, 'postgres', $number), 'failed', 'which ends the step');
sql('DROP TRIGGER later ON team.t');
$number = of_team({ sql => 'CREATE INDEX CONCURRENTLY t_b ON team.t (a, (1 / a))', runs => 'alone' }, { sql => 'CREATE ROLE evil' });
sql('INSERT INTO team.t VALUES (2, 0)');
like(call("CALL dbm.apply($number)"), qr/ERROR:  22012: /, 'a statement that fails in its second transaction');
sql('UPDATE team.t SET a = 1; DROP INDEX team.t_b');
like(call("CALL dbm.apply($number)"), qr/ERROR:  42501: step 2/, 'leaves the rights where they were');

# --- All workers taken

$number = made({ sql => 'SELECT 1' });
$node->append_conf('postgresql.conf', 'max_worker_processes = 0');
$node->restart;
like(call("CALL dbm.apply($number)"), qr/ERROR:  53400: plan $number cannot be run: all background workers are taken/, 'without a free worker it says so');

$node->stop;
done_testing();
