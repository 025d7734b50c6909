# Writers and readers beside a change: pgbench scripts on several connections, whose latencies and errors are told.

package Writers;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use IPC::Run;
use PostgreSQL::Test::Utils qw(append_to_file slurp_file);

our @EXPORT_OK = qw(start stop);

my $count = 0;

# Starts a script on so many connections. Options: prepared.
sub start
{
	my ($node, $database, $script, $clients, %options) = @_;
	my $folder = PostgreSQL::Test::Utils::tempdir();
	my $number = ++$count;
	my $file = "$folder/script_$number.sql";
	append_to_file($file, $script);
	my %run = (out => '', err => '', log => "$folder/latency_$number");
	$run{handle} = IPC::Run::start(
		[ $node->installed_command('pgbench'), '-n', '-f', $file, '-c', $clients, '-T', '3000', '-l', "--log-prefix=$run{log}",
		  '--max-tries=20', ($options{prepared} ? ('-M', 'prepared') : ()), $node->connstr($database) ],
		'<', \undef, '>', \$run{out}, '2>', \$run{err});
	return \%run;
}

# Stops it. Returns the longest transaction in milliseconds, how many there were, and what was complained of.
sub stop
{
	my ($run) = @_;
	# As at the end of its time: it ends its transactions and writes its log.
	$run->{handle}->signal('ALRM');
	eval { $run->{handle}->finish };
	my ($longest, $transactions) = (0, 0);
	for my $log (glob("$run->{log}.*"))
	{
		for my $line (split /\n/, slurp_file($log))
		{
			my $time = (split / /, $line)[2];
			next if !defined $time || $time !~ /^\d+$/;
			$transactions++;
			$longest = $time if $time > $longest;
		}
	}
	my $errors = join "\n", grep { /error|abort|fail/i && !/number of|failed transactions: 0/ } split /\n/, "$run->{out}\n$run->{err}";
	return ($longest / 1000, $transactions, $errors);
}

1;
