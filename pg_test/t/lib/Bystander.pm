# Somebody who writes on the same server and with whom what is tested has nothing to do: what he waits, the machine makes everybody wait.

package Bystander;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use Test::More;
use Writers;

our @EXPORT_OK = qw(start_bystander waited_at_most);

# Starts him, in a database of his own.
sub start_bystander
{
	my ($node) = @_;
	$node->safe_psql('postgres', <<'SQL');
SET client_min_messages = warning;
CREATE TABLE IF NOT EXISTS public.bystander (n int NOT NULL) WITH (fillfactor = 10);
INSERT INTO public.bystander SELECT 0 WHERE NOT EXISTS (SELECT FROM public.bystander);
SQL
	return Writers::start($node, 'postgres', "\\sleep 5 ms\nUPDATE public.bystander SET n = n + 1;\n", 1);
}

# Stops him. One test: the longest of the writers' transactions took no longer than so many milliseconds, but for a machine that
# stood still meanwhile.
sub waited_at_most
{
	my ($bystander, $limit, $longest, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($stalled) = Writers::stop($bystander);
	note(sprintf 'a bystander waited %.0f ms at most', $stalled);
	return cmp_ok($longest, '<=', $limit + 2 * $stalled, $name);
}

1;
