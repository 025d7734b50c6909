# Jobs are run when they are due, by workers that are there only while they work, obey at once, and stand in nobody's way.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(rows utf8_locale);
use Plan qw(by_hand wait_until);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use Worker qw(launcher_of log_since long_plan process_of said seconds_until state_of);

my $node = PostgreSQL::Test::Cluster->new('worker');
$node->init(extra => utf8_locale());
$node->append_conf('postgresql.conf',
	"autovacuum = off\nfsync = off\nmax_connections = 20\nshared_preload_libraries = 'dbmastery'\ndbm.discovery_interval = 1s");
$node->start;

sub sql { return $node->safe_psql('postgres', @_) }

# Until the server has read them; those who run see it soon.
sub set
{
	my $before = sql('SELECT pg_conf_load_time()');
	sql("ALTER SYSTEM SET $_") for @_;
	$node->reload;
	wait_until($node, 'postgres', "SELECT pg_conf_load_time() > '$before'");
	return;
}

sub is_gone { my ($pid) = @_; return !kill 0, $pid }
sub runs { return sql("SELECT string_agg(outcome, ' ' ORDER BY started_at) FROM dbm.job_run WHERE job = '$_[0]'") }

# --- Preloaded: found, run, gone again

sql('CREATE EXTENSION dbmastery');
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM dbm.job_run WHERE job = 'upkeep' AND outcome = 'done'});
pass('upkeep is run without being scheduled');
is(sql('SELECT job, every, is_enabled, last_outcome, failures FROM dbm.jobs()'), 'upkeep|01:00:00|t|done|0', 'every hour');
is(sql(q{SELECT next_run - last_run BETWEEN '52 minutes' AND '68 minutes' FROM dbm.jobs()}), 't', 'give or take an eighth');

is(sql(q{SELECT dbm.schedule('Audit', '1 day') <= clock_timestamp()}), 't', 'what never ran is due at once');
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM dbm.job_run WHERE job = 'audit' AND outcome = 'done'});
is(sql('SELECT count(*), count(DISTINCT run_at), bool_and(coverage IS NOT NULL) FROM dbm.score_history'),
	sql('SELECT count(*), 1, true FROM dbm.score()'), 'the audit stores each dimension');
is(sql(q{SELECT elapsed > '0' AND finished_at > started_at AND pid > 0 FROM dbm.job_run WHERE job = 'audit'}), 't', 'its run has a time and a process');
wait_until($node, 'postgres', q{SELECT state = 'idle' FROM dbm.worker_status() WHERE database = 'postgres'});
ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE datname IS NOT NULL AND backend_type LIKE 'dbmastery%'}),
	'nobody is connected to a database while nothing is due');
is(sql(q{SELECT worker, database, state, problem FROM dbm.worker_status()}), "launcher||running|\ndatabase|postgres|idle|", 'its status');
is(sql(q{SELECT w.pid = a.pid AND datname IS NULL FROM dbm.worker_status() w, pg_stat_activity a
	WHERE worker = 'launcher' AND backend_type = 'dbmastery launcher'}), 't', 'the launcher is connected to none');

for my $wrong ([ "'vacuum'", '22023' ], [ 'NULL', '22004' ], [ "'plan 99'", '42704' ], [ "'audit', '0'", '22023' ],
	[ "'audit', '-1 day'", '22023' ], [ "'audit', '1000 years'", '22023' ])
{
	my ($status, undef, $error) = $node->psql('postgres', "\\set VERBOSITY verbose\nSELECT dbm.schedule($wrong->[0])", on_error_stop => 1);
	like($error, qr/ERROR:  $wrong->[1]/, "schedule($wrong->[0]) is refused");
}
sql('CREATE ROLE alice; CREATE ROLE bob; GRANT USAGE ON SCHEMA dbm TO alice, bob;
	GRANT EXECUTE ON FUNCTION dbm.schedule(text, interval), dbm.unschedule(text) TO alice, bob');
my $hers = by_hand($node, 'postgres', as => 'alice', steps => [ { sql => 'SELECT 1' } ]);
my ($status, undef, $error) = $node->psql('postgres', "SET ROLE bob; SELECT dbm.schedule('plan $hers')", on_error_stop => 1);
like($error, qr/permission denied to schedule plan/, 'nobody schedules the plan of another');
sql("SET ROLE alice; SELECT dbm.schedule('plan $hers')");
wait_until($node, 'postgres', "SELECT count(*) = 1 FROM dbm.job_run WHERE job = 'plan $hers' AND outcome = 'done'");
is(sql("SELECT status FROM dbm.plan_status($hers)"), 'done', 'a plan is applied for its creator');
is(sql("SELECT scheduled_by FROM dbm.job WHERE job = 'plan $hers'"), 'alice', 'it is known who asked');
is(sql("SELECT next_run IS NULL FROM dbm.jobs() WHERE job = 'plan $hers'"), 't', 'once is once');
is(sql("SET ROLE alice; SELECT dbm.unschedule('plan $hers'), dbm.unschedule('plan $hers')"), 't|f', 'and taken off once');
($status, undef, $error) = $node->psql('postgres', "SET ROLE bob; SELECT dbm.unschedule('plan $hers')", on_error_stop => 1);
like($error, qr/permission denied to schedule plan/, 'not by another');
sql('CREATE ROLE watcher IN ROLE pg_monitor');
is(sql(q{SET ROLE watcher; SELECT count(*) FROM dbm.jobs() UNION ALL SELECT count(*) FROM dbm.worker_status() UNION ALL SELECT count(*) FROM dbm.job}),
	"2\n2\n1", 'whoever watches the server sees all of it');

# --- SIGTERM ends it in the middle of a statement

my @ends;
sub has_ended_soon
{
	my ($name, @pids) = @_;
	for my $pid (@pids)
	{
		my $seconds = seconds_until(sub { is_gone($pid) });
		note(sprintf '%s: gone after %.0f ms', $name, 1000 * $seconds);
		# How long most of them take is looked at in the end: one may meet a machine that stands still. Who does not obey
		# sleeps for a minute.
		cmp_ok($seconds, '<', 35, "$name: SIGTERM is obeyed");
		push @ends, $seconds;
	}
	return;
}

my $long = long_plan($node, 'postgres');
sql("SELECT dbm.schedule('plan $long', '1 day')");
my ($jobs, $plan) = (process_of($node, 'jobs', 'postgres'), process_of($node, 'plan', 'postgres'));
is(sql(q{SELECT state, pid, activity FROM dbm.worker_status() WHERE database = 'postgres'}), "working|$jobs|dbmastery: plan $long",
	'who works and at what');
kill 'TERM', $jobs;
has_ended_soon('the worker of a database and what it waits for', $jobs, $plan);
is(runs("plan $long"), 'running', 'its run is open');
is(runs('audit'), 'done', 'others are not touched');
sql('SELECT dbm.worker_start()');
wait_until($node, 'postgres', "SELECT outcome = 'crashed' FROM dbm.job_run WHERE job = 'plan $long' ORDER BY started_at LIMIT 1");
pass('and closed as crashed by the next');
$plan = process_of($node, 'plan', 'postgres');
kill 'TERM', $plan;
has_ended_soon('a plan in the middle of pg_sleep', $plan);
wait_until($node, 'postgres', "SELECT outcome = 'failed' AND sqlstate = '57P01' FROM dbm.job_run WHERE job = 'plan $long' ORDER BY started_at DESC LIMIT 1");
is(sql("SELECT failures, next_run - now() BETWEEN '1 minute' AND '3 minutes' FROM dbm.jobs() WHERE job = 'plan $long'"), '2|t',
	'what failed twice is tried again in two minutes');
sql("SELECT dbm.unschedule('plan $long')");

my $launcher = launcher_of($node);
sql("SELECT pg_terminate_backend($launcher)");
has_ended_soon('the launcher', $launcher);
my ($state, $next) = split /\|/, sql(q{SELECT state, coalesce(pid, 0) FROM dbm.worker_status() WHERE worker = 'launcher'});
ok($state eq 'not running' || ($state eq 'running' && $next != $launcher), 'which dbm.worker_status() sees');
wait_until($node, 'postgres', q{SELECT state = 'running' FROM dbm.worker_status() WHERE worker = 'launcher'});
isnt(launcher_of($node), $launcher, 'and the server starts it again');

# --- An error of one job is its own

my $poisoned = by_hand($node, 'postgres', steps => [ { sql => 'SELECT 1/0' } ]);
my $audits = sql(q{SELECT count(*) FROM dbm.job_run WHERE job = 'audit'});
set('dbm.max_workers = 0');
sleep 2;
sql("SELECT dbm.schedule('plan $poisoned', '1 hour'); SELECT dbm.schedule('audit', '1 second')");
sleep 2;
is(sql(q{SELECT count(*) FROM dbm.job_run WHERE job = 'audit'}), $audits, 'SIGHUP: with dbm.max_workers = 0 nothing is run');
set('dbm.max_workers = 2');
wait_until($node, 'postgres', "SELECT count(*) = 1 FROM dbm.job_run WHERE job = 'plan $poisoned' AND outcome = 'failed' AND sqlstate = '22012'");
wait_until($node, 'postgres', "SELECT count(*) >= $audits + 3 FROM dbm.job_run WHERE job = 'audit' AND outcome = 'done'");
pass('SIGHUP: with 2 they are; a failure stops no other job');
# For a minute, which may be over by now.
like(runs("plan $poisoned"), qr/^failed(?: failed)?$/, 'what failed waits');
like(sql("SELECT message FROM dbm.jobs() WHERE job = 'plan $poisoned'"), qr/division by zero/, 'and says why');
sql("SELECT dbm.unschedule('plan $poisoned'); SELECT dbm.schedule('audit', '1 day')");
sql(q{SELECT dbm.unschedule('upkeep')});
is(sql(q{SELECT is_enabled, next_run IS NULL FROM dbm.jobs() WHERE job = 'upkeep'}), 'f|t', 'upkeep can be turned off');
sql(q{SELECT dbm.schedule('upkeep', '2 hours')});

# --- It stands in nobody's way

# Where somebody is in the way the server gives up after five seconds; the rest is a bound for slow disks.
sub takes_less_than
{
	my ($most, $sql, $name) = @_;
	my $start = time;
	my ($status, undef, $error) = $node->psql('postgres', "SET dbm.ddl_guard = off;\n$sql");
	is("$status $error", '0 ', $name);
	cmp_ok(time - $start, '<', $most, 'in time');
	return;
}

# A database with the extension, whose upkeep has been run.
sub make_database
{
	my ($name) = @_;
	sql("CREATE DATABASE $name");
	$node->safe_psql($name, 'CREATE EXTENSION dbmastery');
	wait_until($node, 'postgres', "SELECT state = 'idle' FROM dbm.worker_status() WHERE database = '$name'");
	return;
}

sub put_to_work
{
	my ($name) = @_;
	my $number = long_plan($node, $name);
	$node->safe_psql($name, "SELECT dbm.schedule('plan $number', '1 day')");
	return (process_of($node, 'jobs', $name), process_of($node, 'plan', $name));
}

make_database('shop');
takes_less_than(60, 'CREATE DATABASE copy TEMPLATE shop', 'CREATE DATABASE from one with a worker that waits');
takes_less_than(60, 'DROP DATABASE shop', 'DROP DATABASE of one with a worker that waits');
for my $how ('DROP DATABASE shop', 'DROP DATABASE shop WITH (FORCE)', 'CREATE DATABASE copy TEMPLATE shop')
{
	sql('DROP DATABASE copy') if $how =~ /copy/;
	make_database('shop');
	my @pids = put_to_work('shop');
	takes_less_than(60, $how, "$how in the middle of a job");
	seconds_until(sub { !grep { !is_gone($_) } @pids });
	pass('the workers are gone');
	sql('DROP DATABASE shop') if $how =~ /copy/;
}
sql('DROP DATABASE copy');
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM dbm.worker_status() WHERE database IS NOT NULL});
pass('databases that are gone are forgotten');

# --- What is missing is missing quietly

make_database('away');
$node->safe_psql('away', q{SELECT dbm.schedule('audit', '1 second')});
wait_until($node, 'away', q{SELECT count(*) > 1 FROM dbm.job_run WHERE job = 'audit'});
my $from = log_since($node);
$node->safe_psql('away', 'DROP EXTENSION dbmastery');
wait_until($node, 'postgres', q{SELECT state = 'no extension' FROM dbm.worker_status() WHERE database = 'away'});
sleep 3;
is(said($node, qr/WARNING|ERROR|FATAL/, $from), 0, 'a dropped extension makes no noise');
sql('ALTER DATABASE away ALLOW_CONNECTIONS false');
wait_until($node, 'postgres', q{SELECT count(*) = 0 FROM dbm.worker_status() WHERE database = 'away'});
pass('a database that allows no connections is left alone');
sql('DROP DATABASE away');

$from = log_since($node);
set(q{dbm.worker_role = 'keeper'});
sleep 1;
sql(q{SELECT dbm.schedule('audit', '1 second')});
wait_until($node, 'postgres', q{SELECT next_run < now() - interval '1 second' FROM dbm.jobs() WHERE job = 'audit'});
seconds_until(sub { said($node, qr/role "keeper" does not exist, which dbm.worker_role names/, $from) }, 180);
sleep 3;
is(said($node, qr/role "keeper" does not exist, which dbm.worker_role names/, $from), 1, 'a role that is gone is complained of once');
$audits = sql(q{SELECT count(*) FROM dbm.job_run WHERE job = 'audit'});
sql('CREATE ROLE keeper LOGIN');
$node->reload;
wait_until($node, 'postgres', "SELECT count(*) > $audits FROM dbm.job_run WHERE job = 'audit' AND outcome = 'done'");
pass('once it is there it works');
$long = long_plan($node, 'postgres');
sql("SELECT dbm.schedule('plan $long')");
$jobs = process_of($node, 'jobs', 'postgres');
is(sql("SELECT usename FROM pg_stat_activity WHERE pid = $jobs"), 'keeper', 'as that role');
kill 'TERM', $jobs;
has_ended_soon('a worker with a role', $jobs);
sql("SELECT dbm.unschedule('plan $long')");
set(q{dbm.databases = '"other", nobody'});
sleep 2;
$from = log_since($node);
$audits = sql(q{SELECT count(*) FROM dbm.job_run WHERE job = 'audit'});
sleep 2.5;
cmp_ok(sql(q{SELECT count(*) FROM dbm.job_run WHERE job = 'audit'}) - $audits, '<=', 1, 'dbm.databases says where it works');
set(q{dbm.worker_role = ''}, q{dbm.databases = '*'});
sql(q{SELECT dbm.schedule('audit', '1 day')});

my @sorted = sort { $a <=> $b } @ends;
# 200 ms; and as much again and more for a busy machine.
cmp_ok($sorted[ $#sorted / 2 ], '<', 1, scalar(@ends) . ' times SIGTERM was obeyed, most of them at once');

# --- Fifty databases, two at a time

$node->safe_psql('postgres', 'CREATE DATABASE master');
$node->safe_psql('master', 'CREATE EXTENSION dbmastery');
sql('ALTER DATABASE master IS_TEMPLATE true ALLOW_CONNECTIONS false');
$node->psql('postgres', join("\n", map { "CREATE DATABASE many_$_ TEMPLATE master STRATEGY file_copy;" } 1 .. 50), timeout => 900);
my ($most, $done) = (0, 0);
my $seconds = seconds_until(sub {
	my ($now, $idle) = split /\|/, sql(q{SELECT
		(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'dbmastery jobs'),
		(SELECT count(*) FROM dbm.worker_status() WHERE database LIKE 'many%' AND state = 'idle')});
	$most = $now if $now > $most;
	return $idle == 50;
}, 600);
note(sprintf '50 databases were looked into in %.1f s', $seconds);
cmp_ok($most, '<=', 2, 'never more workers at once than dbm.max_workers');
is($node->safe_psql('many_50', 'SELECT string_agg(job || outcome, \' \') FROM dbm.job_run'), 'upkeepdone', 'and in each upkeep was run');

# --- At rest it costs nothing

set(q{dbm.discovery_interval = '900s'});
sleep 2;
sql('CHECKPOINT');
sub cost
{
	my $stat = slurp_file('/proc/' . launcher_of($node) . '/stat');
	my @fields = split ' ', ($stat =~ s/^.*\) //sr);
	return ($fields[11] + $fields[12]) / 100;
}
SKIP: {
	skip 'there is no /proc', 2 unless -d '/proc/self';
	my ($share, $wal, $then);
	# The best of three: what it had to do before may last, and so may what the server writes by itself.
	for (1 .. 3)
	{
		$wal = sql('SELECT pg_current_wal_insert_lsn()');
		my ($cpu, $start) = (cost(), time);
		sleep 30;
		$share = (cost() - $cpu) / (time - $start);
		$then = sql('SELECT pg_current_wal_insert_lsn()');
		note(sprintf 'the launcher of 51 databases at rest: %.4f of a core', $share);
		last if $share <= 0.001 && $then eq $wal;
	}
	cmp_ok($share, '<=', 0.001, 'at rest it takes no more than a thousandth of a core');
	is($then, $wal, 'and writes no WAL');
}

# --- A new extension is no news after a quarter of an hour

sql('CREATE DATABASE "Fresh"');
$node->safe_psql('Fresh', 'CREATE SCHEMA dbm; DROP SCHEMA dbm');
set(q{dbm.discovery_interval = '899s'});
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM dbm.worker_status() WHERE database = 'Fresh' AND state = 'no extension'});
my $began = time;
$node->safe_psql('Fresh', 'BEGIN; CREATE EXTENSION dbmastery; SELECT pg_sleep(1); COMMIT');
wait_until($node, 'Fresh', q{SELECT count(*) = 1 FROM dbm.job_run WHERE job = 'upkeep' AND outcome = 'done'});
cmp_ok(time - $began, '<', 170, 'CREATE EXTENSION calls the worker');
is($node->safe_psql('Fresh', q{SELECT to_regproc('dbm.extension_created')}), '', 'and leaves no function behind');

# --- No worker is left

$node->append_conf('postgresql.conf', "max_worker_processes = 2\ndbm.discovery_interval = 1s");
$from = log_since($node);
my $restarted = time;
$node->restart;
wait_until($node, 'postgres', q{SELECT state = 'running' FROM dbm.worker_status() WHERE worker = 'launcher'});
sql(q{SELECT dbm.schedule('audit', '1 second')});
seconds_until(sub { said($node, qr/no background worker is left for its jobs/, $from) }, 180);
sleep 6;
my $times = said($node, qr/no background worker is left for its jobs/, $from);
# Between two there are at least two seconds.
cmp_ok($times, '<=', 1 + (time - $restarted) / 2, "without workers it says so and asks again later and later ($times)");
$launcher = launcher_of($node);
ok($launcher, 'and goes on');
$node->stop;

# --- Not preloaded: for one database, until the server ends

my $plain = PostgreSQL::Test::Cluster->new('plain');
$plain->init(extra => utf8_locale());
$plain->append_conf('postgresql.conf', "autovacuum = off\nfsync = off");
$plain->start;
$plain->safe_psql('postgres', 'CREATE EXTENSION dbmastery');
$plain->safe_psql('postgres', 'CREATE DATABASE shop');
$plain->safe_psql('shop', 'CREATE EXTENSION dbmastery');
is($plain->safe_psql('shop', q{SELECT worker, state, problem LIKE '%shared_preload_libraries%worker_start%', database FROM dbm.worker_status()}),
	"launcher|not started|t|\ndatabase|idle||shop", 'without preload the status says what is missing');
($status, undef, $error) = $plain->psql('shop', q{SELECT dbm.schedule('audit', '1 day')});
like($error, qr/NOTICE: .*no worker is running/, 'and so does dbm.schedule()');
my $pid = $plain->safe_psql('shop', 'SELECT dbm.worker_start()');
like($pid, qr/^\d+$/, 'dbm.worker_start() starts one');
wait_until($plain, 'shop', q{SELECT count(*) = 2 FROM dbm.job_run WHERE outcome = 'done'});
is($plain->safe_psql('shop', 'SELECT dbm.worker_start()'), $pid, 'one is enough');
is($plain->safe_psql('shop', q{SELECT state, pid FROM dbm.worker_status() WHERE worker = 'launcher'}), "running|$pid", 'and is seen');
is($plain->safe_psql('postgres', q{SELECT state FROM dbm.worker_status() WHERE worker = 'launcher'}), 'not started', 'from its database alone');
$plain->safe_psql('shop', q{SELECT dbm.schedule('audit', '2 days')});
$audits = $plain->safe_psql('shop', q{SELECT count(*) FROM dbm.job_run WHERE job = 'audit'});
my $number = by_hand($plain, 'shop', steps => [ { sql => 'SELECT 1' } ]);
$plain->safe_psql('shop', "SELECT dbm.schedule('plan $number')");
wait_until($plain, 'shop', "SELECT count(*) = 1 FROM dbm.job_run WHERE job = 'plan $number' AND outcome = 'done'");
pass('a new job is run at once');
is($plain->safe_psql('shop', 'SELECT dbm.worker_stop()'), 't', 'dbm.worker_stop() ends it');
seconds_until(sub { is_gone($pid) });
is($plain->safe_psql('shop', 'SELECT dbm.worker_stop()'), 'f', 'once');
$pid = $plain->safe_psql('shop', 'SELECT dbm.worker_start()');
wait_until($plain, 'shop', q{SELECT state = 'idle' FROM dbm.worker_status() WHERE database = 'shop'});
wait_until($plain, 'postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = 'shop'});
is($plain->psql('postgres', 'DROP DATABASE shop'), 0, 'nor does it keep its database from being dropped');
$plain->stop;
done_testing();
