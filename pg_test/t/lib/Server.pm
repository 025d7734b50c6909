# A server that is killed comes back by itself; meanwhile it takes no connection, or ends one that it has just taken.

package Server;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use IPC::Run;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(usleep);

our @EXPORT_OK = qw(fault_at killed_in start_loop stop_loop wait_for_restart wait_for_server);

# Returns once it answers, in that database. Not by poll_query_until, which writes to a psql that may be gone already.
sub wait_for_server
{
	my ($node, $database) = @_;
	my ($out, $said);
	for (1 .. 600)
	{
		return
		  if IPC::Run::run([ $node->installed_command('psql'), '-X', '-d', $node->connstr($database // 'postgres'), '-c', 'SELECT 1' ], '<', \undef, '>', \$out, '2>', \$said);
		usleep(100_000);
	}
	die "the server did not come back: $said";
}

# The same after a process of it was killed: at first it does not know, and answers as before. What its log says from that
# place on tells when it does.
sub wait_for_restart
{
	my ($node, $since, $database) = @_;
	$node->wait_for_log(qr/was terminated by signal 9/, $since);
	return wait_for_server($node, $database);
}

# Has processes kill themselves (-9) where they get to a place of a copy; '' for nowhere.
sub fault_at
{
	my ($node, $place) = @_;
	$node->append_conf('postgresql.conf', "dbm.fault_in_step = '$place'");
	$node->reload;
	# Sessions begin with what the server has read by then.
	$node->poll_query_until('postgres', "SELECT current_setting('dbm.fault_in_step', true) = '$place'") or die 'the settings are not read';
	return;
}

# Runs statements, kills their process (-9) after so many microseconds of them, and waits until the server is there again;
# whether it was hit in the middle of them.
sub killed_in
{
	my ($node, $statements, $after, $database) = @_;
	my @psql = ($node->installed_command('psql'), '-X', '-q', '-d', $node->connstr($database // 'postgres'));
	my $run = IPC::Run::start([ @psql, '-c', "SET application_name = 'victim'", '-c', $statements ], '<', \undef, '>', \my $out, '2>', \my $error);
	my $victim = '';
	for (1 .. 200)
	{
		$victim = $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE application_name = 'victim' AND state = 'active'");
		last if $victim;
		usleep(5_000);
	}
	usleep($after);
	my $hit = $victim && kill('KILL', $victim);
	# The server has to know before anybody connects.
	for (1 .. 6000)
	{
		last if !$hit || !kill 0, $victim;
		usleep(10_000);
	}
	$run->finish;
	wait_for_server($node);
	return $hit && $error =~ /server closed the connection|terminat/ ? 1 : 0;
}

# Starts somebody who runs a script over and over, whatever becomes of the server; as that role, if one is given.
sub start_loop
{
	my ($node, $database, $script, $role) = @_;
	my $folder = PostgreSQL::Test::Utils::tempdir();
	my @psql = ($node->installed_command('psql'), '-X', '-q', '-d', $node->connstr($database) . ($role ? " user=$role" : ''), '-c', $script);
	my $test = $$;
	my $pid = fork;
	defined $pid or die "fork: $!";
	if ($pid == 0)
	{
		# He ends with the test, of which he cleans nothing up.
		@SIG{qw(INT TERM)} = ('DEFAULT', 'DEFAULT');
		open STDIN, '<', '/dev/null' or die $!;
		open STDOUT, '>', "$folder/out" or die $!;
		open STDERR, '>', "$folder/error" or die $!;
		while (!-e "$folder/enough" && getppid() == $test)
		{
			system { $psql[0] } @psql;
			usleep(10_000);
		}
		require POSIX;
		POSIX::_exit(0);
	}
	return { pid => $pid, folder => $folder };
}

# Ends him.
sub stop_loop
{
	my ($loop) = @_;
	PostgreSQL::Test::Utils::append_to_file("$loop->{folder}/enough", '');
	waitpid $loop->{pid}, 0;
	return;
}

1;
