# Seals over a log that is larger than one of them: made one by one, each staying whatever becomes of those after it; beside
# transactions that go on, by a worker that is cancelled or killed (-9) on the way, and in another cluster. And the long acts
# of the trail, which are seen from outside and hear a cancel.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Seals qw(digest_of_seal);
use Server qw(wait_for_restart);
use Session;
use Test::More;
use Trail qw(copied_elsewhere found sql start tampered transaction);

my $node = start('sealing',
	"max_prepared_transactions = 2\nrestart_after_crash = on\nshared_preload_libraries = 'dbmastery'\ndbm.discovery_interval = 1s\ndbm.rows_per_seal = 7\ndbm.ddl_guard = off");

# The numbers of the changes that are sealed, and by which seal.
my $sealed = q{(SELECT s.seal_id, ('x' || encode(substr(s.change_leaves, (48 * i + 1)::int, 8), 'hex'))::bit(64)::bigint AS id
	FROM dbm_trail.seal s, generate_series(0, s.changes - 1) i) AS sealed};

# Every change of a transaction below the last seal's until is in one seal, and no other is.
sub is_whole
{
	my ($what, $in) = @_;
	my $is_whole = "SELECT count(*) = count(DISTINCT id) AND array_agg(id ORDER BY id) = (
		SELECT array_agg(change_id ORDER BY change_id) FROM dbm_trail.change WHERE transaction_id < (SELECT max(until) FROM dbm_trail.seal)) FROM $sealed";
	is($in ? $in->($is_whole) : sql($is_whole), 't', "$what: each change that is over is in one seal, and no other");
	return;
}
sub seal { return sql('SELECT coalesce(sum(changes), 0), count(*) FROM dbm.seal_audit_log()') }

sql(<<'SQL');
CREATE EXTENSION dbmastery;
CREATE TABLE account (id int PRIMARY KEY, balance int NOT NULL);
CREATE TABLE other (id int PRIMARY KEY, balance int NOT NULL);
SELECT dbm.install_audit_trigger('account'), dbm.install_audit_trigger('other');
INSERT INTO account SELECT i, 0 FROM generate_series(1, 50) i;
INSERT INTO other SELECT i, 0 FROM generate_series(1, 5) i;
SQL

# --- By hand, beside transactions that go on

is(seal(), '55|8', 'of 55 changes each seal takes seven');
is(found(), '', 'all is as it was');
is_whole('at first');
is(seal(), '0|0', 'and then there is nothing to seal');
is(sql('SELECT count(*) FILTER (WHERE target IS NULL), count(DISTINCT target), max(until) = max(target) FROM dbm_trail.seal'), '1|1|t',
	'all but the last say until where they were going, and only the last that they came there');
is(sql('SELECT count(*), bool_and(digest = ' . digest_of_seal() . ') FROM dbm_trail.seal s'), '8|t', 'their digests are those of what they say');

my @slow = map { Session->new($node, 'postgres') } 1 .. 3;
for my $round (1 .. 6)
{
	$slow[ $round - 1 ]->must('BEGIN') if $round <= 3;
	for my $step (1 .. 5)
	{
		sql("UPDATE account SET balance = balance + 1 WHERE id = $round * 5 + $step");
		$slow[$_]->must("UPDATE account SET balance = balance + 1 WHERE id = 40 + $_ * 3 + $step % 3") for grep { $_ < $round && $round <= $_ + 4 } 0 .. 2;
	}
	sql("INSERT INTO other SELECT 100 * $round + i, 0 FROM generate_series(1, 20) i");
	seal();
	is(found(), '', "round $round: all is as it was");
	is_whole("round $round");
	$slow[ $round - 4 ]->must('COMMIT') if $round > 3;
}
my ($changes) = split /\|/, seal();
cmp_ok($changes, '>', 20, 'what waited for the last of them');
is(found(), '', 'is sealed');
is_whole('after all of them');
my @seals = split /\n/, sql('SELECT seal_id, (array_agg(id ORDER BY id))[count(*) / 2 + 1] FROM ' . $sealed . ' GROUP BY 1 ORDER BY 1');
cmp_ok(scalar @seals, '>', 20, scalar(@seals) . ' seals have changes');
for (@seals)
{
	my ($seal, $id) = split /\|/;
	is(tampered("UPDATE dbm_trail.change SET flags = flags + 64 WHERE change_id = $id"), "altered|change|$id", "tampering with a row of seal $seal is found");
	is(tampered("DELETE FROM dbm_trail.change WHERE change_id = $id"), "removed|change|$id", 'and that it is gone');
}

# --- From wherever one that makes them one by one was stopped

sql('INSERT INTO other SELECT 1000 + i, 0 FROM generate_series(1, 40) i; UPDATE account SET balance = 7');
seal();
my ($first, $last) = split /\|/, sql('SELECT min(seal_id), max(seal_id) FROM dbm_trail.seal WHERE coalesce(target, until) = (SELECT max(target) FROM dbm_trail.seal)');
cmp_ok($last - $first, '>', 10, 'a dozen seals follow each other');
{
	my $session = Session->new($node, 'postgres');
	for my $stopped ($first .. $last - 1)
	{
		$session->must("BEGIN; DELETE FROM dbm_trail.seal WHERE seal_id > $stopped");
		is($session->must('SELECT count(*) FROM dbm.verify_audit_log()'), 0, "stopped after seal $stopped: what is not sealed yet is no addition");
		my $rest = $last - $stopped;
		is($session->must('SELECT count(*) FROM dbm.seal_audit_log()'), $rest, "the $rest others are made");
		is($session->must('SELECT count(*) FROM dbm.verify_audit_log()'), 0, 'and all is as it was');
		is_whole("stopped after seal $stopped", sub { $session->must($_[0]) });
		$session->must('ROLLBACK');
	}
	# What they were to have may have gone meanwhile: then nothing is left to go on with.
	$session->must("BEGIN; DELETE FROM dbm_trail.seal WHERE seal_id > $first; SET LOCAL session_replication_role = replica");
	$session->must("DELETE FROM dbm_trail.change WHERE change_id > (SELECT max(id) FROM $sealed); DELETE FROM dbm_trail.activity WHERE activity_id > (SELECT max(change_id) FROM dbm_trail.change)");
	is($session->must('SELECT count(*), sum(changes) FROM dbm.seal_audit_log()'), '1|0', 'where nothing is left to seal an end is made');
	is($session->must('SELECT count(*) FROM dbm.seal_audit_log()'), 0, 'of it');
	$session->must('ROLLBACK');
	$session->quit;
}

# --- What was added to a transaction that is over is not made good by the next seal

my $free = sql("SELECT nextval('dbm_trail.change_id')");
sql("BEGIN; SET LOCAL session_replication_role = replica; INSERT INTO dbm_trail.change SELECT $free, changed_at, activity_id, transaction_id, transaction_started_at, shape_id, statement_no, operation, flags, key, key_hash, old, new FROM dbm_trail.change ORDER BY change_id DESC LIMIT 1; COMMIT");
is(found(), "added|change|$free", 'a row that is added');
sql('UPDATE account SET balance = 8 WHERE id < 20');
seal();
is(found(), "added|change|$free", 'is found after the next seal, too');
sql("DELETE FROM dbm_trail.change WHERE change_id = $free");
is(found(), '', 'until it goes');

# --- A log whose seals were made before they said where they were going

{
	my $session = Session->new($node, 'postgres');
	$session->must('BEGIN; ALTER TABLE dbm_trail.seal DROP COLUMN target');
	is($session->must('SELECT count(*) FROM dbm.verify_audit_log()'), 0, 'of an older log all is as it was');
	is($session->must('SELECT count(*) > 0 FROM dbm.audit_log_digests()'), 't', 'its digests are told');
	$session->must('COMMIT');
	sql('UPDATE account SET balance = 9');
	is(seal(), '50|8', 'it is sealed on');
	is(found(), '', 'and all is as it was');
	is(sql(q{SELECT count(*) FROM pg_attribute WHERE attrelid = 'dbm_trail.seal'::regclass AND attname = 'target' AND col_description(attrelid, attnum) <> ''}), 1, 'its table has what it had not');
	$session->quit;
}

# --- The worker: what it has sealed stays sealed, whatever becomes of it

my $holder = Session->new($node, 'postgres');
sub hold
{
	my ($seal) = @_;
	$holder->must('SELECT pg_advisory_lock(76)');
	sql("CREATE OR REPLACE FUNCTION public.hold() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF NEW.seal_id = $seal THEN PERFORM pg_advisory_xact_lock(76); END IF; RETURN NEW; END'");
	return;
}
my $held = q{SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = 76 AND objsubid = 1 AND NOT granted};
sub wait_for_held { $node->poll_query_until('postgres', "SELECT count(*) = 1 FROM ($held) h") or die 'nothing is held'; return sql($held) }
sql('CREATE FUNCTION public.hold() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$; CREATE TRIGGER hold BEFORE INSERT ON dbm_trail.seal FOR EACH ROW EXECUTE FUNCTION public.hold()');

sub work { return sql(q{UPDATE account SET balance = balance + 1; INSERT INTO other SELECT (SELECT max(id) FROM other) + i, 0 FROM generate_series(1, 20) i}) }
work();
sql(q{BEGIN; UPDATE other SET balance = 1 WHERE id = 1; PREPARE TRANSACTION 'left'});
work();
my $before = sql('SELECT max(seal_id) FROM dbm_trail.seal');
my $until = sql('SELECT max(until) FROM dbm_trail.seal');
hold($before + 4);
sql(q{SELECT dbm.schedule('seal', '1 hour')});
my $worker = wait_for_held();
my ($pid, $act, $step) = split /\|/, sql('SELECT pid, act, step FROM dbm.progress');
is("$pid $act", "$worker seal_audit_log", 'what the worker is at is seen');
like($step, qr/^sealing (changes|events|activities|shapes)$/, 'and what of it');
is(sql("SELECT count(*), count(target), max(until) = $until FROM dbm_trail.seal WHERE seal_id > $before"), '3|3|t', 'three seals are made, which do not say that they are all');
is(found(), '', 'meanwhile all is as it was');
like(($node->psql('postgres', 'SELECT * FROM dbm.seal_audit_log()'))[2], qr/is being sealed by another process/, 'nobody else seals between two of its seals');
sql("SELECT pg_cancel_backend($worker)");
$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM dbm.job_run WHERE job = 'seal' AND outcome = 'failed'}) or die 'the job does not end';
is(sql(q{SELECT message ~ 'canceling statement' FROM dbm.job_run WHERE job = 'seal'}), 't', 'the job hears a cancel');
is(sql('SELECT count(*) FROM dbm.progress'), 0, 'and is not seen any more');
is(sql("SELECT count(*), count(target) FROM dbm_trail.seal WHERE seal_id > $before"), '3|3', 'three seals stay');
is(found(), '', 'and all is as it was');
$holder->must('SELECT pg_advisory_unlock(76)');
is(seal() =~ s/.*\|//r > 0, 1, 'whoever comes next goes on');
is(found(), '', 'and all is as it was');
is(sql("SELECT count(DISTINCT target) FROM dbm_trail.seal WHERE seal_id > $before"), 1, 'to where it was going');
is_whole('after a cancel');
sql(q{SELECT dbm.unschedule('seal')});

sql(q{COMMIT PREPARED 'left'});
work();
sql(q{BEGIN; UPDATE other SET balance = 1 WHERE id = 2; PREPARE TRANSACTION 'left'});
work();
$before = sql('SELECT max(seal_id) FROM dbm_trail.seal');
hold($before + 5);
sql(q{DELETE FROM dbm.job_run WHERE job = 'seal'; SELECT dbm.schedule('seal', '1 hour')});
$worker = wait_for_held();
# What comes while it is at work is sealed when it is through.
work();
my $log = -s $node->logfile;
kill 'KILL', $worker;
wait_for_restart($node, $log);
is(found(), '', 'after the worker was killed all is as it was');
$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM dbm.job_run WHERE job = 'seal' AND outcome = 'done'}) or die 'the worker does not seal on';
is(sql(q{SELECT string_agg(outcome, ' ' ORDER BY started_at) FROM dbm.job_run WHERE job = 'seal'}), 'crashed done', 'and it goes on');
is(found(), '', 'to the end');
is_whole('after a crash');
is(sql("SELECT bool_and(s.id > b.id) FROM $sealed, LATERAL (SELECT max(x.id) AS id FROM " . ($sealed =~ s/AS sealed/AS x/r) . " WHERE x.seal_id BETWEEN $before + 1 AND $before + 4) b, LATERAL (SELECT sealed.id) s WHERE sealed.seal_id = $before + 5"), 't',
	'from where it had come to');
sql(q{COMMIT PREPARED 'left'});
is(found(), '', 'what was prepared is no addition');
seal();
is(found(), '', 'and is sealed');
is_whole('with what was prepared');
sql(q{DROP TRIGGER hold ON dbm_trail.seal; SELECT dbm.unschedule('seal')});

# --- In another cluster, where transactions count anew

work();
my $other = copied_elsewhere("dbm.rows_per_seal = 7\nshared_preload_libraries = 'dbmastery'");
$other->safe_psql('postgres', 'UPDATE account SET balance = -1');
my $elsewhere = Session->new($other, 'postgres');
my $until_then = $elsewhere->must('SELECT max(seal_id) FROM dbm_trail.seal');
my $made = $elsewhere->must('SELECT count(*) FROM dbm.seal_audit_log()');
cmp_ok($made, '>', 10, "it is sealed there by $made seals");
for my $stopped ($until_then + 1 .. $until_then + $made)
{
	$elsewhere->must("BEGIN; DELETE FROM dbm_trail.seal WHERE seal_id > $stopped");
	is($elsewhere->must('SELECT count(*) FROM dbm.verify_audit_log()'), 0, "stopped after seal $stopped: nothing that came with the dump is an addition");
	is($elsewhere->must('SELECT count(*) FROM dbm.seal_audit_log()'), $until_then + $made - $stopped, 'the others are made');
	is($elsewhere->must("SELECT count(*) FROM dbm.verify_audit_log()"), 0, 'and all is as it was');
	is($elsewhere->must("SELECT count(*) = count(DISTINCT id) AND count(*) = (SELECT count(*) FROM dbm_trail.change) FROM $sealed"), 't', 'once each');
	$elsewhere->must('ROLLBACK');
}
$elsewhere->quit;
$other->stop;

# --- Seen from outside

sub progress { return sql('SELECT act, step, done, total FROM dbm.progress') }
sub seen_while
{
	my ($lock, $statement, $seen, $what) = @_;
	my $locker = Session->new($node, 'postgres');
	my $session = Session->new($node, 'postgres');
	my $pid = $session->must('SELECT pg_backend_pid()');
	$locker->must("BEGIN; LOCK TABLE $lock IN ACCESS EXCLUSIVE MODE");
	$session->begin("$statement;");
	$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_locks WHERE pid = $pid AND NOT granted") or die "$statement does not wait";
	like(progress(), $seen, "$what is seen");
	$locker->must('ROLLBACK');
	$session->run('');
	is(progress(), '', 'and is not, once it is over');
	$_->quit for $session, $locker;
	return;
}
my $transaction = transaction('UPDATE account SET balance = balance + 1000');
my $then = sql('SELECT clock_timestamp()');
sql('UPDATE other SET balance = balance + 1');
seen_while('dbm_trail.change', 'SELECT count(*) FROM dbm.seal_audit_log()', qr/^seal_audit_log\|sealing \w+\|/, 'sealing');
my $numbers = sql('SELECT sum(changes) FROM dbm_trail.seal');
seen_while('dbm_trail.change', 'SELECT count(*) FROM dbm.verify_audit_log()', qr/^verify_audit_log\|verifying changes\|0\|$numbers$/, 'verifying');
seen_while('dbm_trail.change', "SELECT count(*) FROM dbm.as_of('other', '$then')", qr/^as_of\|reading changes\|0\|0$/, 'a table as it was');
seen_while('dbm_trail.change', "SELECT count(*) FROM dbm.rows_as_of(NULL::other, '$then')", qr/^as_of\|reading changes\|0\|0$/, 'its rows');
seen_while('dbm_trail.change', "SELECT dbm.revert_plan($transaction)", qr/^revert_plan\|reading changes\|0\|0$/, 'a plan that is made');
seen_while('dbm.plan', "SELECT dbm.revert_plan($transaction)", qr/^revert_plan\|writing the plan\|0\|0$/, 'and written');
seen_while('dbm_trail.change', qq{SELECT dbm.revert_plan('other', '{"id": 1}', '$then')}, qr/^revert_plan\|reading changes\|0\|0$/, 'one of a row');
seen_while('dbm_trail.change', qq{SELECT dbm.revert_plan('other', '{"id": 1}', '{"id": 3}', '$then')}, qr/^revert_plan\|reading changes\|0\|0$/, 'one of several');
{
	my $session = Session->new($node, 'postgres');
	$session->must("BEGIN; DECLARE c CURSOR FOR SELECT dbm.as_of('other', '$then')");
	$session->must('FETCH 2 FROM c');
	is(progress(), 'as_of|reading the table|0|0', 'also between two rows');
	$session->must('SAVEPOINT s'); $session->run('SELECT 1/0'); $session->must('ROLLBACK TO s');
	$session->must('FETCH 2 FROM c');
	$session->must('CLOSE c');
	is(progress(), '', 'until nobody asks for more');
	$session->must("DECLARE c CURSOR FOR SELECT dbm.as_of('other', '$then')"); $session->must('FETCH 2 FROM c');
	$session->run('SELECT 1/0'); $session->must('ROLLBACK');
	is(progress(), '', 'or all is rolled back');
	$session->must("SELECT count(*) FROM (SELECT dbm.as_of('other', '$then') LIMIT 1) x");
	is(progress(), '', 'or no more are wanted');
	$session->quit;
}

sql(<<'SQL');
CREATE ROLE app; CREATE TABLE public.flag (i int); GRANT SELECT ON public.flag TO app;
CREATE TABLE quick (id int PRIMARY KEY, tenant_id text NOT NULL); CREATE TABLE slow (id int PRIMARY KEY, tenant_id text NOT NULL);
CREATE FUNCTION public.waits() RETURNS boolean LANGUAGE plpgsql AS $$BEGIN IF EXISTS (SELECT FROM public.flag) THEN PERFORM pg_sleep(600); END IF; RETURN true; END$$;
ALTER TABLE quick ENABLE ROW LEVEL SECURITY; ALTER TABLE slow ENABLE ROW LEVEL SECURITY;
ALTER TABLE quick FORCE ROW LEVEL SECURITY; ALTER TABLE slow FORCE ROW LEVEL SECURITY;
GRANT USAGE ON SCHEMA dbm TO app; GRANT SELECT, INSERT, UPDATE, DELETE ON quick, slow TO app;
CREATE POLICY p ON quick USING (tenant_id = dbm.current_tenant()) WITH CHECK (tenant_id = dbm.current_tenant());
CREATE POLICY p ON slow USING (tenant_id = dbm.current_tenant() AND public.waits()) WITH CHECK (tenant_id = dbm.current_tenant());
SQL
my $leaks = q{SELECT target, check_name, status, detail FROM dbm.tenant_leak_test('{quick,slow}')};
my $leaks_then = sql($leaks);
like($leaks_then, qr/quick\|/, 'the leak test looks at one table');
like($leaks_then, qr/slow\|/, 'and at another');
{
	my $session = Session->new($node, 'postgres');
	$session->must('SET search_path = public');
	my $pid = $session->must('SELECT pg_backend_pid()');
	my $state = q{SELECT current_user, session_user, current_setting('search_path'), current_setting('role'), current_setting('row_security'), current_setting('session_replication_role'), dbm.current_tenant() IS NULL};
	my $is = $session->must($state);
	sql('INSERT INTO flag VALUES (1)');
	$session->begin("$leaks;");
	$node->poll_query_until('postgres', "SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = $pid") or die 'it does not sleep';
	is(progress(), 'tenant_leak_test|testing tables|1|2', 'the leak test is seen at its second table');
	sql("SELECT pg_cancel_backend($pid)");
	my (undef, $error) = $session->run('');
	like($error, qr/canceling statement due to user request/, 'it hears a cancel in the middle of what it tries');
	is($session->must($state), $is, 'and gives back all that it took');
	is(progress(), '', 'it is not seen any more');
	sql('DELETE FROM flag');
	$session->quit;
}

# --- Stopped by statement_timeout, wherever they are by then

sql(q{SET dbm.rows_per_seal = 1000; INSERT INTO account SELECT i, 0 FROM generate_series(1000, 9000) i; UPDATE account SET balance = 1; UPDATE account SET balance = 2; SELECT count(*) FROM dbm.seal_audit_log()});
$transaction = transaction('UPDATE account SET balance = balance + 1000 WHERE id > 500');
sql('UPDATE other SET balance = balance + 1');
my %acts = (
	'dbm.seal_audit_log()' => 'SELECT count(*) > 0 FROM dbm.seal_audit_log()',
	'dbm.verify_audit_log()' => 'SELECT count(*) FROM dbm.verify_audit_log()',
	'dbm.as_of()' => "SELECT count(*), sum((d->>'balance')::int) FROM dbm.as_of('account', '$then') d",
	'dbm.rows_as_of()' => "SELECT count(*), sum(balance) FROM dbm.rows_as_of(NULL::account, '$then')",
	'dbm.revert_plan(transaction)' => "SELECT dbm.revert_plan($transaction) > 0",
	'dbm.revert_plan(row)' => qq{SELECT dbm.revert_plan('account', '{"id": 1}', '$then') > 0},
	'dbm.revert_plan(range)' => qq{SELECT dbm.revert_plan('account', '{"id": 1}', '{"id": 40}', '$then') > 0},
	'dbm.tenant_leak_test()' => "SELECT md5(string_agg(l::text, '' ORDER BY l::text)) FROM ($leaks) l",
);
my $state = q{SELECT (SELECT count(*) FROM dbm_trail.seal), (SELECT count(*) FROM dbm.plan), (SELECT count(*) FROM quick), (SELECT count(*) FROM slow)};
for my $name (sort keys %acts)
{
	# Rolled back, so that sealing is there to be done each time.
	my $run = sub { my ($timeout) = @_; return $node->psql('postgres', "\\set VERBOSITY verbose\nSET client_min_messages = error; SET dbm.rows_per_seal = 1000; BEGIN; SET LOCAL statement_timeout = '${timeout}ms'; $acts{$name}; ROLLBACK", on_error_stop => 1) };
	my (undef, $answer) = $run->(0);
	my $is = sql($state);
	my ($stopped, $through, $wrong) = (0, 0, '');
	for my $timeout (1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 610, 987)
	{
		my ($code, $out, $error) = $run->($timeout);
		if ($error =~ /57014: canceling statement due to statement timeout/) { $stopped++ }
		elsif ($code == 0 && $out eq $answer) { $through++ }
		else { $wrong .= "after $timeout ms: $code, $out, $error\n" }
		last if $through > 1;
	}
	is($wrong, '', "$name is stopped, or answers as ever");
	cmp_ok($stopped, '>', 0, "$name was stopped ($stopped times)");
	is(sql($state), $is, "$name leaves nothing behind");
	is(progress(), '', "$name is not seen any more");
}
is(found(), '', 'the log is what it was');
sql('SET dbm.rows_per_seal = 1000; SELECT count(*) FROM dbm.seal_audit_log()');
is(found(), '', 'and is sealed on');
is_whole('at the end');

$node->stop;
done_testing();
