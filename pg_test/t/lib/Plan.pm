# Plans for tests: written by hand into the tables, as a superuser may, or by the extension; and what comes of them.

package Plan;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use IPC::Run;
use Audit qw(rows);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

our @EXPORT_OK = qw(by_hand literal plan_row statuses steps schema_of start_writers stop_writers wait_until);

# A string as SQL.
sub literal
{
	my ($text) = @_;
	return 'NULL' unless defined $text;
	$text =~ s/'/''/g;
	return "'$text'";
}

sub list
{
	my ($texts) = @_;
	return 'ARRAY[' . join(', ', map { literal($_) } @$texts) . ']::text[]';
}

# Writes a plan by hand and returns its number. Options: as, whose it is; search_path; steps, each with sql (one or a list) and what
# dbm.plan_step has besides.
sub by_hand
{
	my ($node, $database, %plan) = @_;
	my $owner = literal($plan{as} // $node->safe_psql($database, 'SELECT current_user'));
	my $path = literal($plan{search_path} // '');
	my $number = $node->safe_psql($database, <<"SQL");
INSERT INTO dbm.plan (title, change, search_path, created_by, created_by_oid)
VALUES ('by hand', 'by hand', $path, $owner, (SELECT oid FROM pg_roles WHERE rolname = $owner)) RETURNING plan
SQL
	my $place = 0;
	for my $step (@{ $plan{steps} })
	{
		$place++;
		my ($sql, $undo) = map { ref $_ ? $_ : [ defined $_ ? $_ : () ] } $step->{sql}, $step->{undo};
		my ($phase, $runs, $note) = map { literal($_) } $step->{phase} // 'expand', $step->{runs} // 'transaction', $step->{note} // '';
		my ($lock, $verify, $query, $removal) = map { literal($_) } @$step{qw(lock verify leftover_query leftover_sql)};
		my ($does, $undoes) = map { list($_) } $sql, $undo;
		$node->safe_psql($database, <<"SQL");
INSERT INTO dbm.plan_step (plan, step, phase, runs, sql, lock_mode, undo, verify, leftover_query, leftover_sql, note)
VALUES ($number, $place, $phase, $runs, $does, $lock, $undoes, $verify, $query, $removal, $note)
SQL
	}
	return $number;
}

# What dbm.plan_status() says of a plan.
sub plan_row
{
	my ($node, $database, $number) = @_;
	my ($row) = rows($node, $database, "SELECT * FROM dbm.plan_status($number)");
	return $row;
}

# What its steps are at, in one line.
sub statuses
{
	my ($node, $database, $number) = @_;
	return join ' ', map { $_->{status} } steps($node, $database, $number);
}

sub steps
{
	my ($node, $database, $number) = @_;
	return rows($node, $database, "SELECT * FROM dbm.plan_steps($number) ORDER BY step");
}

# The schema of all but the extension, as pg_dump writes it.
sub schema_of
{
	my ($node, $database, @more) = @_;
	my ($out, $error) = ('', '');
	IPC::Run::run([ 'pg_dump', '--schema-only', '--exclude-schema=dbm', @more, '-d', $node->connstr($database) ],
		'>', \$out, '2>', \$error) or die "pg_dump failed: $error";
	$out =~ s/^\\(un)?restrict .*\n//mg;
	return $out;
}

# Starts pgbench with a script, which writes how long each transaction took; it goes on for some seconds (4), since it
# loses what it has not written yet when it is told to stop.
sub start_writers
{
	my ($node, $database, $script, %options) = @_;
	my $folder = PostgreSQL::Test::Utils::tempdir();
	PostgreSQL::Test::Utils::append_to_file("$folder/script.sql", $script);
	my $clients = $options{clients} // 2;
	my @pgbench = ($node->installed_command('pgbench'), '-n', '-c', $clients, '-j', 1, '-T', $options{seconds} // 4, '-l',
		"--log-prefix=$folder/log", '-f', "$folder/script.sql", '-d', $node->connstr($database));
	# Not by IPC::Run, which would only now and then look after it.
	my $pid = fork;
	defined $pid or die "fork: $!";
	if ($pid == 0)
	{
		open STDIN, '<', '/dev/null' or die $!;
		open STDOUT, '>', "$folder/out" or die $!;
		open STDERR, '>', "$folder/error" or die $!;
		exec @pgbench or die "$pgbench[0]: $!";
	}
	my %writers = (folder => $folder, pid => $pid);
	usleep(300_000);
	return \%writers;
}

# Waits for their end; returns how many transactions they made, and how long the longest took, in milliseconds, without the time
# that it waited for its turn.
sub stop_writers
{
	my ($writers) = @_;
	waitpid $writers->{pid}, 0;
	my ($count, $longest) = (0, 0);
	for my $file (glob "$writers->{folder}/log*")
	{
		for my $line (split /\n/, slurp_file($file))
		{
			my @fields = split / /, $line;
			my $time = ($fields[2] - ($fields[6] // 0)) / 1000;
			$count++;
			$longest = $time if $time > $longest;
		}
	}
	slurp_file("$writers->{folder}/error") =~ /^pgbench: error: (.*)$/m and fail("a writer failed: $1");
	return ($count, $longest);
}

sub wait_until
{
	my ($node, $database, $query) = @_;
	$node->poll_query_until($database, $query) or die "not so in time: $query";
	return;
}

1;
