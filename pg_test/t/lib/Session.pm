# One open session, for tests that ask and change many times in a row, or that hold something open.

package Session;

use strict;
use warnings FATAL => 'all';

use Audit qw(decode_rows);
use PostgreSQL::Test::Utils qw(slurp_file);

my $sessions = 0;

# Opens a session. Option: role, whose it is.
sub new
{
	my ($class, $node, $database, %options) = @_;
	my $psql = $node->background_psql(
		$database,
		on_error_stop => 0,
		extra_params  => $options{role} ? [ '-U', $options{role} ] : []);
	# A single query may be slow on a busy machine; the whole test may be long.
	$psql->set_query_timer_restart();
	my $result = $node->basedir . '/session_' . ++$sessions . '.json';
	my $self = bless { psql => $psql, result => $result }, $class;
	$self->must('SET client_min_messages = warning');
	return $self;
}

# Runs statements as psql runs what is typed or pasted: each in its own transaction, the next one also after an error.
# Returns what was printed and what was complained of ('' for nothing).
sub run
{
	my ($self, $sql) = @_;
	my $out = $self->{psql}->query($sql);
	my $error = $self->{psql}->{stderr};
	$self->{psql}->{stderr} = '';
	chomp $error;
	return ($out, $error);
}

# Runs statements that have to succeed; returns what was printed.
sub must
{
	my ($self, $sql) = @_;
	my ($out, $error) = $self->run($sql);
	$error eq '' or die "$sql failed: $error";
	return $out;
}

# The rows of a query as hashes. They come through a file: the framework prints all that comes through the pipe.
sub rows
{
	my ($self, $query) = @_;
	unlink $self->{result};
	$self->must("SELECT pg_catalog.json_agg(r) FROM ($query) AS r \\g $self->{result}");
	return decode_rows(slurp_file($self->{result}));
}

# Sends a statement and does not wait for its end.
sub begin
{
	my ($self, $sql) = @_;
	$self->{psql}->query_until(qr/sent/, "\\echo sent\n$sql\n");
	return;
}

# Ends the session.
sub quit
{
	my ($self) = @_;
	return $self->{psql}->quit;
}

1;
