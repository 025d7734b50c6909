# A server that is killed comes back by itself; meanwhile it takes no connection, or ends one that it has just taken.

package Server;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use IPC::Run;
use Time::HiRes qw(usleep);

our @EXPORT_OK = qw(wait_for_restart wait_for_server);

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

1;
