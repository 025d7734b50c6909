# On a hot standby everything can be read, nothing is written anywhere, and what cannot be known there is not claimed.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(audit keys_of none reading_calls rows same_keys set_thresholds utf8_locale);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use TestDatabase qw(load_traps);
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1, extra => utf8_locale());
$primary->append_conf('postgresql.conf',
	"autovacuum = off\nshared_buffers = 16MB\nmax_connections = 20\nallow_in_place_tablespaces = on\ndbm.rule_timeout = '5min'");
$primary->start;
load_traps($primary);
# Otherwise young counters would be the reason, whatever else is.
set_thresholds($primary, 'traps',
	{ 'indexing.unused_index' => { minimum_days => 0, minimum_bytes => 0, table_scans => 0, table_writes => 0 } });

my $unused = 'SELECT verdict, reason FROM dbm.unused_indexes() WHERE verdict IN (\'drop\', \'review\')';
my @alone = rows($primary, 'traps', $unused);
ok((grep { $_->{verdict} eq 'drop' } rows($primary, 'traps', 'SELECT verdict FROM dbm.unused_indexes()'))
	|| (grep { $_->{rule} eq 'indexing.unused_index' && $_->{status} eq 'finding' } audit($primary, 'traps')),
	'without a standby there are unused indexes to drop');

$primary->safe_psql('traps', <<'SQL');
CREATE TABLE public.much AS SELECT i AS a, md5(i::text) AS b FROM generate_series(1, 50000) AS i;
ANALYZE public.much;
INSERT INTO dbm.workload (query) VALUES ('SELECT * FROM public.much WHERE a = $1');
SQL
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
$primary->wait_for_catchup($standby, 'replay');

# --- On the standby

my %calls = reading_calls($primary, 'traps');
$calls{advise_workload} = "SELECT 1 / count(*) FROM dbm.advise_workload(source => 'table', time_limit => '2 min') WHERE action = 'create'";
$calls{advise} = "SELECT 1 / count(*) FROM dbm.advise('SELECT * FROM public.much WHERE a = 5') WHERE kind = 'index'";
$calls{index_type_for} = "SELECT 1 / count(*) FROM dbm.index_type_for('public.much', '{a}') WHERE estimated_bytes > 0";
for my $function (sort keys %calls)
{
	my ($status, $out, $error);
	# Advice on one query ends after some seconds with what it has, which is nothing while the machine stands still.
	for (1 .. 3)
	{
		($status, $out, $error) = $standby->psql('traps', $calls{$function}, on_error_stop => 1);
		last if $status == 0;
	}
	is("$status $error", '0 ', "$function() runs on the standby");
}
my @there = audit($standby, 'traps');
none([ keys_of(grep { $_->{status} eq 'error' } @there) ], 'no rule breaks there');

# What hangs on no counters, which each server has of its own.
sub of_schema
{
	return keys_of(grep { $_->{status} eq 'finding' && $_->{rule} =~ /^schema\./ && $_->{rule} ne 'schema.orphan_table' } @_);
}
same_keys([ of_schema(@there) ], [ of_schema(audit($primary, 'traps')) ], 'what hangs on no counters is the same on both');

sub is_in_review
{
	my ($node, $reason, $name) = @_;
	my @rows = rows($node, 'traps', $unused);
	ok(scalar @rows, "$name: there are indexes without scans");
	none([ map { "$_->{verdict}: $_->{reason}" } grep { $_->{verdict} ne 'review' || $_->{reason} !~ $reason } @rows ],
		"$name: all of them are to be reviewed, for that reason");
	my @audit = grep { $_->{rule} eq 'indexing.unused_index' } audit($node, 'traps');
	ok(@audit && !(grep { $_->{status} eq 'finding' } @audit), "$name: the audit calls none of them unused");
	return;
}

is_in_review($standby, qr/this server is a standby/, 'standby');
is_in_review($primary, qr/there is 1 standby/, 'primary with a standby');

# --- A standby that is away but has a slot is still there

$primary->safe_psql('postgres', "SELECT pg_create_physical_replication_slot('kept')");
$standby->stop;
$primary->poll_query_until('postgres', 'SELECT count(*) = 0 FROM pg_stat_replication') or die 'the sender did not end';
is_in_review($primary, qr/there is 1 standby/, 'primary with a slot');
$primary->safe_psql('postgres', "SELECT pg_drop_replication_slot('kept')");
my @again = rows($primary, 'traps', $unused);
none([ grep { /standby/ } map { $_->{reason} } @again ], 'without standby and slot it is no reason any more');

# --- Reading assigns no transaction id, though it could

for my $function (sort keys %calls)
{
	# What they answer is not the question here.
	my $call = $calls{$function} =~ s{1 / count}{count}r;
	my $assigned = $primary->safe_psql('traps', <<"SQL");
BEGIN READ WRITE;
$call \\g /dev/null
SELECT pg_current_xact_id_if_assigned() IS NOT NULL;
COMMIT;
SQL
	is($assigned, 'f', "$function() assigns no transaction id");
	my ($status, undef, $error) = $primary->psql('traps', "BEGIN READ ONLY; $call; COMMIT", on_error_stop => 1);
	is("$status $error", '0 ', "$function() runs in a read-only transaction");
}
# The measure must be able to show the opposite.
is($primary->safe_psql('traps', <<'SQL'), 't', 'what writes does assign one');
BEGIN;
SELECT dbm.suppress('schema.no_primary_key', 'public.t', 'because') \g /dev/null
SELECT pg_current_xact_id_if_assigned() IS NOT NULL;
ROLLBACK;
SQL

$primary->stop;
done_testing();
