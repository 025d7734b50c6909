# After a crash the worker comes back and goes on; on a standby it waits, and takes over after promotion.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(rows utf8_locale);
use Plan qw(by_hand wait_until);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Server qw(wait_for_restart);
use Test::More;
use Worker qw(launcher_of long_plan process_of said);

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1, extra => utf8_locale());
$primary->append_conf('postgresql.conf',
	"autovacuum = off\nmax_connections = 20\nrestart_after_crash = on\nshared_preload_libraries = 'dbmastery'\ndbm.discovery_interval = 1s");
$primary->start;
$primary->safe_psql('postgres', 'CREATE EXTENSION dbmastery');

# --- kill -9 in the middle of a job

my $number = long_plan($primary, 'postgres');
$primary->safe_psql('postgres', "SELECT dbm.schedule('plan $number')");
for my $kind ('plan', 'jobs')
{
	process_of($primary, 'plan', 'postgres');
	my $pid = process_of($primary, $kind, 'postgres');
	my $log = -s $primary->logfile;
	kill 'KILL', $pid;
	wait_for_restart($primary, $log);
	wait_until($primary, 'postgres', q{SELECT state = 'running' FROM dbm.worker_status() WHERE worker = 'launcher'});
	pass("the worker is back after kill -9 of the worker of $kind");
	last if $kind eq 'jobs';
	wait_until($primary, 'postgres', "SELECT string_agg(outcome, ' ' ORDER BY started_at) = 'crashed running' FROM dbm.job_run WHERE job = 'plan $number'");
	pass('the run is closed as crashed, and another is under way');
}
wait_until($primary, 'postgres', "SELECT string_agg(outcome, ' ' ORDER BY started_at) = 'crashed crashed' FROM dbm.job_run WHERE job = 'plan $number'");
is($primary->safe_psql('postgres', "SELECT failures, next_run - now() BETWEEN '1 minute' AND '3 minutes' FROM dbm.jobs() WHERE job = 'plan $number'"),
	'2|t', 'what crashes twice waits');
is($primary->safe_psql('postgres', "SELECT status FROM dbm.plan_status($number)"), 'interrupted', 'its plan is interrupted');
$primary->safe_psql('postgres', "CREATE TABLE enough (); SELECT dbm.schedule('plan $number')");
# What crashes twice waits for two minutes; nobody here does.
$primary->safe_psql('postgres', "UPDATE dbm.job_run SET finished_at = now() - interval '1 hour', started_at = started_at - interval '1 hour' WHERE job = 'plan $number'");
$primary->safe_psql('postgres', 'SELECT dbm.worker_start()');
wait_until($primary, 'postgres', "SELECT status = 'done' FROM dbm.plan_status($number)");
wait_until($primary, 'postgres', "SELECT string_agg(outcome, ' ' ORDER BY started_at) = 'crashed crashed done' FROM dbm.job_run WHERE job = 'plan $number'");
pass('and the job comes to its end');

my $launcher = launcher_of($primary);
my $log = -s $primary->logfile;
kill 'KILL', $launcher;
wait_for_restart($primary, $log);
wait_until($primary, 'postgres', q{SELECT state = 'running' FROM dbm.worker_status() WHERE worker = 'launcher'});
isnt(launcher_of($primary), $launcher, 'so does the launcher after kill -9 of it');

# --- A standby

$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
$primary->safe_psql('postgres', q{SELECT dbm.schedule('audit', '1 second')});
wait_until($primary, 'postgres', q{SELECT count(*) > 1 FROM dbm.job_run WHERE job = 'audit'});
$primary->wait_for_catchup($standby, 'replay');
is($standby->safe_psql('postgres', q{SELECT worker, pid, state FROM dbm.worker_status() WHERE worker = 'launcher'}), 'launcher||standby',
	'on a standby the status says so');
is($standby->safe_psql('postgres', q{SELECT last_run IS NOT NULL AND next_due IS NOT NULL FROM dbm.worker_status() WHERE database = 'postgres'}), 't',
	'and when jobs were run');
is($standby->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'dbmastery%'}), '0', 'nobody works there');
cmp_ok($standby->safe_psql('postgres', q{SELECT count(*) FROM dbm.jobs()}), '>=', 2, 'jobs can be looked at');
for my $call ('dbm.worker_start()', q{dbm.schedule('audit')})
{
	my ($status, undef, $error) = $standby->psql('postgres', "\\set VERBOSITY verbose\nSELECT $call", on_error_stop => 1);
	like($error, qr/ERROR:  25006/, "$call is refused there");
}
$primary->stop;
my $last = $standby->safe_psql('postgres', 'SELECT max(run_at) FROM dbm.score_history');
$standby->promote;
wait_until($standby, 'postgres', "SELECT max(run_at) > '$last' FROM dbm.score_history");
pass('after promotion it takes over');
is($standby->safe_psql('postgres', q{SELECT state FROM dbm.worker_status() WHERE worker = 'launcher'}), 'running', 'and is seen');
is(said($standby, qr/PANIC|TRAP/), 0, 'without a fault');
$standby->stop;
done_testing();
