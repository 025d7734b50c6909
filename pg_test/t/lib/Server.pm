# A server that is killed comes back by itself; meanwhile it takes no connection, or ends one that it has just taken.

package Server;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use IPC::Run;
use Time::HiRes qw(usleep);

our @EXPORT_OK = qw(wait_for_server);

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

1;
