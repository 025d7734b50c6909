# The worker of jobs, as tests look at it.

package Worker;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use Audit qw(rows);
use Plan qw(by_hand);
use Test::More;
use Time::HiRes qw(sleep time);

our @EXPORT_OK = qw(launcher_of log_since long_plan process_of said seconds_until state_of);

# The launcher's process, or ''.
sub launcher_of
{
	my ($node, $database) = @_;
	return $node->safe_psql($database // 'postgres', q{SELECT pid FROM dbm.worker_status() WHERE worker = 'launcher'});
}

# What dbm.worker_status() says of a database, asked in another one.
sub state_of
{
	my ($node, $database) = @_;
	return $node->safe_psql('postgres', "SELECT state FROM dbm.worker_status() WHERE database = '$database'");
}

# The process of a kind (jobs, plan) in a database; waits for it.
sub process_of
{
	my ($node, $kind, $database) = @_;
	my $query = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'dbmastery $kind' AND datname = '$database'";
	$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM ($query) AS one") or die "no $kind worker in $database";
	return $node->safe_psql('postgres', $query);
}

# A plan of one statement that sleeps for a minute unless the table public.enough is there; its number.
sub long_plan
{
	my ($node, $database, %options) = @_;
	my $sleep = q{SELECT pg_sleep(60) WHERE to_regclass('public.enough') IS NULL};
	return by_hand($node, $database, steps => [ { sql => $options{sql} // $sleep } ]);
}

# How many seconds until the condition is true; dies after a minute, or so many seconds.
sub seconds_until
{
	my ($condition, $most) = @_;
	$most //= 60;
	my $start = time;
	until ($condition->())
	{
		die "not so within $most s" if time - $start > $most;
		sleep 0.02;
	}
	return time - $start;
}

# Where the log is now, to be read from later.
sub log_since { return -s $_[0]->logfile }

# How often the log says so, from that place on.
sub said
{
	my ($node, $pattern, $from) = @_;
	my $log = PostgreSQL::Test::Utils::slurp_file($node->logfile, $from // 0);
	my @times = $log =~ /$pattern/g;
	return scalar @times;
}

1;
